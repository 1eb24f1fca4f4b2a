// How far something is: a bar on a terminal, a line for each quarter elsewhere. On standard error.
#ifndef PHALANX_MGMT_CTL_METER_HPP
#define PHALANX_MGMT_CTL_METER_HPP

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace phalanx::ctl {

// "sent  [##########----------]  50 %"
std::string bar_text(absl::string_view label, uint64_t done, uint64_t total);

class Meter {
 public:
  // quiet: shows nothing.
  explicit Meter(bool quiet);
  ~Meter() { clear(); }
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  // `done` of `total`; another label begins anew.
  void show(absl::string_view label, uint64_t done, uint64_t total);
  // Takes the bar off the line, before anything else is written.
  void clear();

 private:
  static constexpr uint64_t kSteps = 4;  // lines, where there is no terminal

  const bool quiet_;
  const bool terminal_;
  std::string label_;
  std::string drawn_;
  uint64_t step_ = 0;
};

}  // namespace phalanx::ctl

#endif

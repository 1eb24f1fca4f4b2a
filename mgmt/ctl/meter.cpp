#include "mgmt/ctl/meter.hpp"

#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace phalanx::ctl {
namespace {

constexpr uint64_t kBarCells = 40;

// Rounded down, so that the last part is full at the end only. The numbers are the member's: any size.
uint64_t share(uint64_t done, uint64_t total, uint64_t parts) {
  if (done >= total) return parts;
  return static_cast<uint64_t>(static_cast<double>(done) / static_cast<double>(total) * static_cast<double>(parts));
}

bool on_terminal() {
  const char* const term = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && (term == nullptr || absl::string_view(term) != "dumb");
}

}  // namespace

std::string bar_text(absl::string_view label, uint64_t done, uint64_t total) {
  const size_t full = share(done, total, kBarCells);
  return absl::StrFormat("%s  [%s%s] %3d %%", label, std::string(full, '#'), std::string(kBarCells - full, '-'),
                         share(done, total, 100));
}

Meter::Meter(bool quiet) : quiet_(quiet), terminal_(on_terminal()) {}

void Meter::show(absl::string_view label, uint64_t done, uint64_t total) {
  if (quiet_) return;
  if (label != label_) {
    clear();
    label_ = std::string(label);
    step_ = 0;
  }
  if (terminal_) {
    std::string text = bar_text(label, done, total);
    if (text == drawn_) return;
    drawn_ = std::move(text);
    std::cerr << "\r" << drawn_ << std::flush;
    return;
  }
  const uint64_t step = share(done, total, kSteps);
  if (step == step_) return;
  step_ = step;
  std::cerr << label << " " << share(done, total, 100) << " %\n";
}

void Meter::clear() {
  if (!drawn_.empty()) std::cerr << "\r\x1b[K" << std::flush;
  drawn_.clear();
}

}  // namespace phalanx::ctl

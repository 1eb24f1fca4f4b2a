// What is wrong with a configuration, with the place in its text.
#ifndef PHALANX_MGMT_CONFIG_PROBLEMS_HPP
#define PHALANX_MGMT_CONFIG_PROBLEMS_HPP

#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace phalanx::mgmt {

// From 1; line 0: not known.
struct Position {
  int line = 0;
  int column = 0;
};

// Collects problems by field path ("interfaces[0].mtu"; "" is the whole configuration).
class Problems {
 public:
  // Problems told in one go: a screen of them; the rest are counted.
  static constexpr size_t kReportedMax = 50;

  // An empty filename: the configuration is not from a text, and messages carry no position.
  explicit Problems(std::string filename) : filename_(std::move(filename)) {}

  // Remembers where a field's value stands.
  void place(const std::string& path, Position position) { positions_.insert_or_assign(path, position); }
  // A problem of a field; its position is the field's own or, if it has none, that of the nearest thing around it.
  void add(const std::string& path, std::string reason) { add_at(position_of(path), path, std::move(reason)); }
  void add_at(Position position, const std::string& path, std::string reason);

  bool has(const std::string& path) const { return paths_.contains(path); }
  bool empty() const { return count_ == 0; }
  // Ok, or InvalidArgument with one line a problem, in the order of the text.
  absl::Status status() const;

 private:
  struct Problem {
    Position position;
    std::string text;
  };

  Position position_of(std::string path) const;

  std::string filename_;
  std::unordered_map<std::string, Position> positions_;
  std::set<std::string> paths_;
  std::vector<Problem> problems_;
  size_t count_ = 0;
};

}  // namespace phalanx::mgmt

#endif

#include "mgmt/config/problems.hpp"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace phalanx::mgmt {

void Problems::add_at(Position position, const std::string& path, std::string reason) {
  ++count_;
  if (problems_.size() == kReportedMax) return;
  paths_.insert(path);
  std::string text = path.empty() ? std::move(reason) : absl::StrCat(path, ": ", reason);
  if (!filename_.empty()) text = absl::StrCat(filename_, ":", position.line, ":", position.column, ": ", text);
  problems_.push_back({position, std::move(text)});
}

Position Problems::position_of(std::string path) const {
  for (;;) {
    const auto found = positions_.find(path);
    if (found != positions_.end()) return found->second;
    if (path.empty()) return {1, 1};
    const size_t cut = path.find_last_of(".[");
    path.resize(cut == std::string::npos ? 0 : cut);
  }
}

absl::Status Problems::status() const {
  if (count_ == 0) return absl::OkStatus();
  std::vector<Problem> sorted = problems_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Problem& x, const Problem& y) {
    return std::pair(x.position.line, x.position.column) < std::pair(y.position.line, y.position.column);
  });
  std::string text = absl::StrJoin(sorted, "\n", [](std::string* out, const Problem& p) { out->append(p.text); });
  if (count_ > problems_.size()) absl::StrAppend(&text, "\nand ", count_ - problems_.size(), " more problems");
  return absl::InvalidArgumentError(text);
}

}  // namespace phalanx::mgmt

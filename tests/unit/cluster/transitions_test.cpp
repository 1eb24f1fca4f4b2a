// The document and the code have the same table of transitions.
#include <fstream>
#include <set>

#include "absl/strings/str_split.h"
#include "host/cluster/member_state.hpp"

namespace phalanx::cluster {
namespace {

TEST(Transitions, AreTheOnesInTheDocument) {
  // This file's place in the tree: tests/unit/cluster/.
  const std::string here = __FILE__;
  std::ifstream in(here.substr(0, here.rfind("tests/unit/cluster/")) + "docs/cluster.md");
  ASSERT_TRUE(in) << here;
  std::set<std::string> documented, coded;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) inside = line == "## Transitions";
    const std::vector<std::string> cells = absl::StrSplit(line, " | ");
    if (!inside || cells.size() != 3 || cells[1] == "cause") continue;
    documented.insert(cells[0].substr(2) + "/" + cells[1] + "/" + cells[2].substr(0, cells[2].size() - 2));
  }
  for (const Transition& t : transitions()) {
    coded.insert(std::string(to_string(t.from)) + "/" + std::string(name_of(t.cause)) + "/" +
                 std::string(to_string(t.to)));
  }
  EXPECT_GT(coded.size(), 30u);
  EXPECT_EQ(documented, coded);
}

}  // namespace
}  // namespace phalanx::cluster

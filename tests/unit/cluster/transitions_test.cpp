// The document and the code have the same table of transitions.
#include <fstream>
#include <regex>
#include <set>

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
  const std::regex row(R"(\| ([A-Z][A-Za-z ]*) \| ([A-Z][A-Za-z]*) \| ([A-Z][A-Za-z ]*) \|)");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) inside = line == "## Transitions";
    std::smatch m;
    if (inside && std::regex_match(line, m, row)) documented.insert(m.str(1) + "/" + m.str(2) + "/" + m.str(3));
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

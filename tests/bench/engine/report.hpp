// Figures of a benchmark and their JSON, schema "phalanx-bench/1".
#ifndef PHALANX_TESTS_BENCH_ENGINE_REPORT_HPP
#define PHALANX_TESTS_BENCH_ENGINE_REPORT_HPP

#include <string>
#include <vector>

namespace phalanx::bench {

struct Figure {
  std::string name;
  std::string unit;
  double ours = 0;    // median over the rounds
  double spread = 0;  // of `ratio` over the rounds: interquartile range divided by the median
  std::string peer;
  double theirs = 0;  // median over the rounds
  double ratio = 0;   // median of ours / theirs, round by round
  double goal = 0;    // least ratio, or with at_most the largest `ours`
  bool at_most = false;

  bool met() const { return at_most ? ours <= goal : ratio >= goal; }
};

// `ours` and `theirs` have one value a round, measured one after the other.
Figure figure(std::string name, std::string unit, const std::vector<double>& ours, std::string peer,
              const std::vector<double>& theirs, double goal);

std::string to_line(const Figure& figure);
std::string to_json(const std::vector<Figure>& figures);

}  // namespace phalanx::bench

#endif

#include "tests/bench/engine/report.hpp"

#include <algorithm>
#include <fstream>

#include "absl/strings/str_format.h"

namespace phalanx::bench {
namespace {

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

std::string first_line_with(const char* path, const std::string& start) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, start.size(), start) == 0)
      return line.substr(line.find(':') == std::string::npos ? 0 : line.find(':') + 2);
  }
  return "unknown";
}

}  // namespace

Figure figure(std::string name, std::string unit, const std::vector<double>& ours, std::string peer,
              const std::vector<double>& theirs, double goal) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) ratios.push_back(ours[i] / theirs[i]);
  Figure f;
  f.name = std::move(name);
  f.unit = std::move(unit);
  f.ours = quantile(ours, 0.5);
  f.peer = std::move(peer);
  f.theirs = quantile(theirs, 0.5);
  f.ratio = quantile(ratios, 0.5);
  f.spread = f.ratio == 0 ? 0 : (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / f.ratio;
  f.goal = goal;
  return f;
}

std::string to_line(const Figure& f) {
  return absl::StrFormat("%-28s %8.2f %-12s %-24s %8.2f  ratio %5.2f (spread %4.1f %%)  goal %s %-5g %s", f.name,
                         f.ours, f.unit, f.peer, f.theirs, f.ratio, 100 * f.spread, f.at_most ? "<=" : ">=", f.goal,
                         f.met() ? "met" : "MISSED");
}

std::string to_json(const std::vector<Figure>& figures) {
  std::string out = "{\"schema\":\"phalanx-bench/1\",\"figures\":[";
  for (size_t i = 0; i < figures.size(); ++i) {
    const Figure& f = figures[i];
    out += absl::StrFormat(
        "%s\n{\"name\":\"%s\",\"unit\":\"%s\",\"ours\":%.4g,\"spread\":%.4g,\"peer\":\"%s\",\"theirs\":%.4g,\"ratio\":%"
        ".4g,"
        "\"goal\":%g,\"goal_is\":\"%s\",\"met\":%s}",
        i == 0 ? "" : ",", f.name, f.unit, f.ours, f.spread, f.peer, f.theirs, f.ratio, f.goal,
        f.at_most ? "ours at most" : "ratio at least", f.met() ? "true" : "false");
  }
  out += absl::StrFormat("],\n\"machine\":\"%s\",\"load\":\"%s\"}\n", first_line_with("/proc/cpuinfo", "model name"),
                         first_line_with("/proc/loadavg", ""));
  return out;
}

}  // namespace phalanx::bench

// The command line of a benchmark that writes one report: to standard output, or with --report FILE to a file.
#ifndef PHALANX_TESTS_BENCH_REPORT_MAIN_HPP
#define PHALANX_TESTS_BENCH_REPORT_MAIN_HPP

#include <cstdio>
#include <cstring>

namespace phalanx::bench {

// What main() is to return: what `report` gave, 2 for a wrong command line, 1 if the file cannot be written.
inline int report_main(const char* name, int argc, char** argv, int (*report)(std::FILE* file)) {
  if (argc == 1) return report(stdout);
  if (argc != 3 || std::strcmp(argv[1], "--report") != 0) {
    std::fprintf(stderr, "usage: %s [--report FILE]\n", name);
    return 2;
  }
  std::FILE* const file = std::fopen(argv[2], "w");
  if (file == nullptr) {
    std::perror(argv[2]);
    return 1;
  }
  const int result = report(file);
  return std::fclose(file) == 0 ? result : 1;
}

}  // namespace phalanx::bench

#endif

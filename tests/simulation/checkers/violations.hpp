// What a run has found wrong.
#ifndef PHALANX_TESTS_SIMULATION_CHECKERS_VIOLATIONS_HPP
#define PHALANX_TESTS_SIMULATION_CHECKERS_VIOLATIONS_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace phalanx::simulation {

// X(name, text): one for each statement of docs/simulation.md.
#define PHALANX_CHECKERS(X)                                             \
  X(kDeciders, "deciders") /* never two at a time */                    \
  X(kSessions, "sessions") /* acknowledged sessions survive */          \
  X(kBindings, "bindings") /* a translated key is given once */         \
  X(kTables, "tables")     /* equal after quiet */                      \
  X(kRoles, "roles")       /* one active, one standby, within a time */ \
  X(kEpochs, "epochs")     /* never go back */                          \
  X(kLoss, "loss")         /* a planned failover loses nothing */

enum class Checker : uint8_t {
#define X(name, text) name,
  PHALANX_CHECKERS(X)
#undef X
};
inline constexpr std::string_view kCheckerNames[] = {
#define X(name, text) text,
    PHALANX_CHECKERS(X)
#undef X
};
inline std::string_view to_string(Checker checker) { return kCheckerNames[static_cast<size_t>(checker)]; }

struct Violation {
  Checker checker;
  int64_t time_ns;
  std::string what;
};
using Violations = std::vector<Violation>;

}  // namespace phalanx::simulation

#endif

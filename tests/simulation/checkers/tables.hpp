// Checker 4: after quiet both members hold the same sessions, in all that is replicated.
#ifndef PHALANX_TESTS_SIMULATION_CHECKERS_TABLES_HPP
#define PHALANX_TESTS_SIMULATION_CHECKERS_TABLES_HPP

#include <string>

#include "host/gateway/member.hpp"

namespace phalanx::simulation {

// Empty if they are equal, else what differs.
std::string table_difference(gateway::Member& x, gateway::Member& y, int64_t now_ns);

}  // namespace phalanx::simulation

#endif

// What phalanx-card does besides serving a gateway, and the lines by which it tells of it on standard output, so that
// the gateway's management can read them: fields with a tab between them, printable.
//   test   NAME  ok|failed      TEXT
//   sensor NAME  present|absent VALUE
//   card   TEXT                            which card it really was
//   reset  TEXT                            what was done
// Everything else on standard output is the runtime's own talk.
#ifndef PHALANX_DRIVERS_CARD_CARD_VERBS_HPP
#define PHALANX_DRIVERS_CARD_CARD_VERBS_HPP

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "drivers/card/card_program.hpp"

namespace phalanx {

inline constexpr char kTestLine[] = "test";
inline constexpr char kSensorLine[] = "sensor";
inline constexpr char kCardLine[] = "card";
inline constexpr char kResetLine[] = "reset";

// One line; tabs and control characters of the fields become spaces.
std::string verb_line(absl::string_view word, const std::vector<std::string>& fields);
// Its fields, the word first; empty for a line that is none of these.
std::vector<std::string> parse_verb_line(absl::string_view line);

// Does it, and prints. 0: done, and every test passed; 1: a test failed, or something went wrong (said on stderr).
int run_card_verb(CardVerb verb, const CardProgramOptions& options);

}  // namespace phalanx

#endif

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "drivers/card/card_verbs.hpp"

namespace phalanx {
namespace {

constexpr char kSeparator = '\t';

// Each word and how many fields are behind it.
struct Form {
  absl::string_view word;
  size_t fields;
};
// Not constexpr: with the undefined-behaviour sanitizer, g++ 12 takes no inline array's address in a constant
// expression.
const Form kForms[] = {{kTestLine, 3}, {kSensorLine, 3}, {kCardLine, 1}, {kResetLine, 1}};

}  // namespace

std::string verb_line(absl::string_view word, const std::vector<std::string>& fields) {
  std::string line(word);
  for (const std::string& field : fields) {
    line.push_back(kSeparator);
    for (const char c : field) line.push_back(absl::ascii_iscntrl(static_cast<unsigned char>(c)) ? ' ' : c);
  }
  return line;
}

std::vector<std::string> parse_verb_line(absl::string_view line) {
  std::vector<std::string> fields = absl::StrSplit(line, kSeparator);
  for (const Form& form : kForms) {
    if (fields[0] == form.word && fields.size() == form.fields + 1) return fields;
  }
  return {};
}

}  // namespace phalanx

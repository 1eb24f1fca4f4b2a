// How phalanxctl shows what it has been told: tables for people, JSON for programs.
#ifndef PHALANX_MGMT_CTL_OUTPUT_HPP
#define PHALANX_MGMT_CTL_OUTPUT_HPP

#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace phalanx::ctl {

// Text from the other side made safe for a terminal: control characters are escaped.
std::string printable(absl::string_view text);

enum class Colour { kNone, kGood, kWarning, kBad };

// Whether standard output is a terminal that wants colours (NO_COLOR and TERM=dumb do not).
bool colours_wanted();
std::string coloured(const std::string& text, Colour colour, bool wanted);

// Columns as wide as their widest cell, two spaces between them, no space at a line's end.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{{std::move(header), {}}} {}
  // `colours` goes with the cells; may be shorter.
  void add(std::vector<std::string> cells, std::vector<Colour> colours = {});
  size_t rows() const { return rows_.size() - 1; }
  std::string text(bool colours) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    std::vector<Colour> colours;
  };
  std::vector<Row> rows_;
};

// ACTIVE of MEMBER_STATE_ACTIVE; the number if it is none that this program knows.
std::string short_name(const google::protobuf::EnumDescriptor& type, int number);
template <typename E>
std::string short_name(E value) {
  return short_name(*google::protobuf::GetEnumDescriptor<E>(), static_cast<int>(value));
}

// 2026-01-31T12:00:00.123Z
std::string time_text(const google::protobuf::Timestamp& time);
// "4 ms", "12.3 s", "2 h 5 min"
std::string duration_text(uint64_t ms);

// A message as JSON on one line: every field under its name in the .proto, numbers as numbers, enums by their short
// names, times as text, what is absent as null.
std::string to_json(const google::protobuf::Message& message);
std::string json_string(absl::string_view text);
// {"schema":"phalanx/1","NAME":VALUE}
std::string json_document(absl::string_view name, absl::string_view value);

}  // namespace phalanx::ctl

#endif

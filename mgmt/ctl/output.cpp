#include "mgmt/ctl/output.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace phalanx::ctl {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr char kSchema[] = "phalanx/1";

std::string json_value(const Message& m, const FieldDescriptor& f, int i) {
  const auto* r = m.GetReflection();
  const bool many = f.is_repeated();
  switch (f.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(many ? r->GetRepeatedUInt32(m, &f, i) : r->GetUInt32(m, &f));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(many ? r->GetRepeatedUInt64(m, &f, i) : r->GetUInt64(m, &f));
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(many ? r->GetRepeatedInt32(m, &f, i) : r->GetInt32(m, &f));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(many ? r->GetRepeatedInt64(m, &f, i) : r->GetInt64(m, &f));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (many ? r->GetRepeatedBool(m, &f, i) : r->GetBool(m, &f)) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return json_string(short_name(*f.enum_type(), many ? r->GetRepeatedEnumValue(m, &f, i) : r->GetEnumValue(m, &f)));
    case FieldDescriptor::CPPTYPE_STRING:
      return json_string(many ? r->GetRepeatedString(m, &f, i) : r->GetString(m, &f));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return to_json(many ? r->GetRepeatedMessage(m, &f, i) : r->GetMessage(m, &f));
    default:
      return "null";
  }
}

std::string json_field(const Message& message, const FieldDescriptor& field) {
  const auto* reflection = message.GetReflection();
  if (!field.is_repeated()) {
    const bool absent = field.has_presence() && !reflection->HasField(message, &field);
    return absent ? "null" : json_value(message, field, 0);
  }
  std::string list = "[";
  for (int i = 0; i < reflection->FieldSize(message, &field); ++i) {
    absl::StrAppend(&list, i == 0 ? "" : ",", json_value(message, field, i));
  }
  return list + "]";
}

}  // namespace

std::string printable(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(c));
    } else {
      out.push_back(c);
    }
  }
  return out;
}

bool colours_wanted() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0') &&
         (term == nullptr || absl::string_view(term) != "dumb");
}

std::string coloured(const std::string& text, Colour colour, bool wanted) {
  if (!wanted || colour == Colour::kNone) return text;
  const char* code = colour == Colour::kGood ? "32" : colour == Colour::kWarning ? "33" : "31";
  return absl::StrCat("\x1b[", code, "m", text, "\x1b[0m");
}

void Table::add(std::vector<std::string> cells, std::vector<Colour> colours) {
  for (std::string& cell : cells) cell = cell.empty() ? "-" : printable(cell);
  rows_.push_back({std::move(cells), std::move(colours)});
}

std::string Table::text(bool colours) const {
  std::vector<size_t> widths(rows_[0].cells.size());
  for (const Row& row : rows_) {
    for (size_t i = 0; i < row.cells.size(); ++i) widths[i] = std::max(widths[i], row.cells[i].size());
  }
  std::string out;
  for (const Row& row : rows_) {
    for (size_t i = 0; i < row.cells.size(); ++i) {
      const Colour colour = i < row.colours.size() ? row.colours[i] : Colour::kNone;
      absl::StrAppend(&out, i == 0 ? "" : "  ", coloured(row.cells[i], colour, colours));
      if (i + 1 < row.cells.size()) out.append(widths[i] - row.cells[i].size(), ' ');
    }
    out.push_back('\n');
  }
  return out;
}

std::string short_name(const google::protobuf::EnumDescriptor& type, int number) {
  const auto* value = type.FindValueByNumber(number);
  if (value == nullptr) return absl::StrCat(number);
  const std::string& zero = type.value(0)->name();
  const size_t suffix = zero.rfind("UNSPECIFIED");
  return suffix == std::string::npos ? value->name() : value->name().substr(suffix);
}

std::string time_text(const google::protobuf::Timestamp& time) {
  const absl::Time t = absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", t, absl::UTCTimeZone());
}

std::string duration_text(uint64_t ms) {
  if (ms < 1000) return absl::StrCat(ms, " ms");
  if (ms < 60'000) return absl::StrFormat("%d.%d s", ms / 1000, ms / 100 % 10);
  if (ms < 3'600'000) return absl::StrCat(ms / 60'000, " min ", ms / 1000 % 60, " s");
  if (ms < 86'400'000) return absl::StrCat(ms / 3'600'000, " h ", ms / 60'000 % 60, " min");
  return absl::StrCat(ms / 86'400'000, " d ", ms / 3'600'000 % 24, " h");
}

std::string json_string(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&out, "\\u%04x", byte);
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

std::string to_json(const Message& message) {
  if (message.GetDescriptor() == google::protobuf::Timestamp::descriptor()) {
    return json_string(time_text(static_cast<const google::protobuf::Timestamp&>(message)));
  }
  std::string out = "{";
  const auto* type = message.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    absl::StrAppend(&out, i == 0 ? "" : ",", json_string(type->field(i)->name()), ":",
                    json_field(message, *type->field(i)));
  }
  return out + "}";
}

std::string json_document(absl::string_view name, absl::string_view value) {
  return absl::StrCat("{\"schema\":\"", kSchema, "\",", json_string(name), ":", value, "}\n");
}

}  // namespace phalanx::ctl

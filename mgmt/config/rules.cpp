#include "mgmt/config/rules.hpp"

#include <algorithm>
#include <cassert>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "mgmt/config/syntax.hpp"

namespace phalanx::mgmt {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

namespace {

// Bytes of a refused text that a message repeats.
constexpr size_t kQuotedBytesMax = 64;

uint64_t maximum_of(const FieldDescriptor& field) {
  const uint64_t type = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32 ? std::numeric_limits<uint32_t>::max()
                                                                            : std::numeric_limits<uint64_t>::max();
  return rule_of(field).has_maximum() ? std::min<uint64_t>(rule_of(field).maximum(), type) : type;
}

// NAT_KIND_ of NAT_KIND_UNSPECIFIED: every enum's zero value is named so.
absl::string_view prefix_of(const EnumDescriptor& type) {
  absl::string_view zero = type.value(0)->name();
  assert(absl::EndsWith(zero, "_UNSPECIFIED"));
  return zero.substr(0, zero.size() - absl::string_view("UNSPECIFIED").size());
}

std::optional<std::string> set_number(Message& message, const FieldDescriptor& field, const std::string& text) {
  uint64_t value = 0;
  if (text.empty() || !std::all_of(text.begin(), text.end(), absl::ascii_isdigit) || !absl::SimpleAtoi(text, &value) ||
      value < rule_of(field).minimum() || value > maximum_of(field)) {
    return absl::StrCat(quoted(text), " is not ", describe_range(field));
  }
  const auto* reflection = message.GetReflection();
  const bool wide = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
  if (field.is_repeated()) {
    assert(!wide);
    reflection->AddUInt32(&message, &field, static_cast<uint32_t>(value));
  } else if (wide) {
    reflection->SetUInt64(&message, &field, value);
  } else {
    reflection->SetUInt32(&message, &field, static_cast<uint32_t>(value));
  }
  return {};
}

std::optional<std::string> number_problem(uint64_t value, const FieldDescriptor& field) {
  if (value >= rule_of(field).minimum() && value <= maximum_of(field)) return {};
  return absl::StrCat(value, " is not ", describe_range(field));
}

std::optional<std::string> string_problem(const std::string& text, const FieldDescriptor& field) {
  const auto problem = syntax_problem(rule_of(field).syntax(), text);
  if (!problem) return {};
  return absl::StrCat(quoted(text), " ", *problem);
}

std::optional<std::string> enum_problem(int value, const FieldDescriptor& field) {
  if (value != 0 && field.enum_type()->FindValueByNumber(value) != nullptr) return {};
  return absl::StrCat(value, " is no value of ", field.enum_type()->name());
}

std::optional<std::string> value_problem(const Message& m, const FieldDescriptor& f, int i) {
  const auto* r = m.GetReflection();
  const bool many = f.is_repeated();
  switch (f.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return number_problem(many ? r->GetRepeatedUInt32(m, &f, i) : r->GetUInt32(m, &f), f);
    case FieldDescriptor::CPPTYPE_UINT64:
      return number_problem(many ? r->GetRepeatedUInt64(m, &f, i) : r->GetUInt64(m, &f), f);
    case FieldDescriptor::CPPTYPE_ENUM:
      return enum_problem(many ? r->GetRepeatedEnumValue(m, &f, i) : r->GetEnumValue(m, &f), f);
    case FieldDescriptor::CPPTYPE_STRING:
      return string_problem(many ? r->GetRepeatedString(m, &f, i) : r->GetString(m, &f), f);
    default:
      return {};
  }
}

void check_value(const Message& message, const FieldDescriptor& field, int i, const std::string& path,
                 Problems& problems) {
  if (problems.has(path)) return;
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    if (const auto problem = value_problem(message, field, i)) problems.add(path, *problem);
    return;
  }
  const auto* reflection = message.GetReflection();
  check_rules(field.is_repeated() ? reflection->GetRepeatedMessage(message, &field, i)
                                  : reflection->GetMessage(message, &field),
              path, problems);
}

void check_list(const Message& message, const FieldDescriptor& field, const std::string& path, Problems& problems) {
  const int size = message.GetReflection()->FieldSize(message, &field);
  const uint32_t most = rule_of(field).items_max();
  if (rule_of(field).required() && size == 0) problems.add(path, "needs at least one entry");
  if (static_cast<uint32_t>(size) > most) {
    problems.add(path, absl::StrCat("has ", size, " entries, ", most, " at most"));
    return;
  }
  for (int i = 0; i < size; ++i) check_value(message, field, i, absl::StrCat(path, "[", i, "]"), problems);
}

bool needs_nothing(const google::protobuf::Descriptor& type) {
  for (int i = 0; i < type.field_count(); ++i) {
    if (rule_of(*type.field(i)).required()) return false;
  }
  return true;
}

}  // namespace

const v1::FieldRule& rule_of(const FieldDescriptor& field) { return field.options().GetExtension(v1::rule); }

std::string short_name(const EnumValueDescriptor& value) {
  const absl::string_view prefix = prefix_of(*value.type());
  assert(absl::StartsWith(value.name(), prefix));
  return value.name().substr(prefix.size());
}

const EnumValueDescriptor* find_value(const EnumDescriptor& type, absl::string_view name) {
  const auto* value = type.FindValueByName(absl::StrCat(prefix_of(type), name));
  return value == nullptr || value->number() == 0 ? nullptr : value;
}

std::vector<std::string> value_names(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 1; i < type.value_count(); ++i) names.push_back(short_name(*type.value(i)));
  return names;
}

std::string describe_range(const FieldDescriptor& field) {
  return absl::StrCat("a number from ", rule_of(field).minimum(), " to ", maximum_of(field));
}

std::string quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::Utf8SafeCEscape(text.substr(0, kQuotedBytesMax)), "\"");
}

std::string join_path(const std::string& path, absl::string_view name) {
  return path.empty() ? std::string(name) : absl::StrCat(path, ".", name);
}

std::optional<std::string> set_scalar(Message& message, const FieldDescriptor& field, const std::string& text) {
  const auto* reflection = message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return set_number(message, field, text);
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text != "true" && text != "false") return absl::StrCat(quoted(text), " is not true or false");
      reflection->SetBool(&message, &field, text == "true");
      return {};
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = find_value(*field.enum_type(), text);
      if (value == nullptr) {
        return absl::StrCat(quoted(text), " is not a value of ", field.enum_type()->name(),
                            suggestion(text, value_names(*field.enum_type())));
      }
      reflection->SetEnum(&message, &field, value);
      return {};
    }
    case FieldDescriptor::CPPTYPE_STRING:
      if (field.is_repeated()) {
        reflection->AddString(&message, &field, text);
      } else {
        reflection->SetString(&message, &field, text);
      }
      return {};
    default:
      return "is of a type that a configuration has no use for";
  }
}

void check_rules(const Message& message, const std::string& path, Problems& problems) {
  const auto* type = message.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor& field = *type->field(i);
    const std::string field_path = join_path(path, field.name());
    if (problems.has(field_path)) continue;
    if (field.is_repeated()) {
      check_list(message, field, field_path, problems);
    } else if (message.GetReflection()->HasField(message, &field)) {
      check_value(message, field, 0, field_path, problems);
    } else if (rule_of(field).required()) {
      problems.add(field_path, "is required");
    }
  }
}

void fill_field_defaults(Message& message) {
  const auto* type = message.GetDescriptor();
  const auto* reflection = message.GetReflection();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor& field = *type->field(i);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (field.is_repeated()) {
        for (int j = 0; j < reflection->FieldSize(message, &field); ++j) {
          fill_field_defaults(*reflection->MutableRepeatedMessage(&message, &field, j));
        }
      } else if (reflection->HasField(message, &field) || needs_nothing(*field.message_type())) {
        fill_field_defaults(*reflection->MutableMessage(&message, &field));
      }
    } else if (rule_of(field).has_default_value() && !reflection->HasField(message, &field)) {
      const auto problem = set_scalar(message, field, rule_of(field).default_value());
      assert(!problem);
      (void)problem;
    }
  }
}

}  // namespace phalanx::mgmt

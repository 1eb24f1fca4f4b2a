// The checks and defaults that the schema states field by field (FieldRule), and the names that YAML uses for them.
#ifndef PHALANX_MGMT_CONFIG_RULES_HPP
#define PHALANX_MGMT_CONFIG_RULES_HPP

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "mgmt/config/problems.hpp"
#include "phalanx/v1/config.pb.h"
#include "phalanx/v1/schema.pb.h"

namespace phalanx::mgmt {

const v1::FieldRule& rule_of(const google::protobuf::FieldDescriptor& field);

// ACTIVE_UP of RECOVERY_ACTIVE_UP: the value's name without the enum's own.
std::string short_name(const google::protobuf::EnumValueDescriptor& value);
// The value of a short name; UNSPECIFIED has none.
const google::protobuf::EnumValueDescriptor* find_value(const google::protobuf::EnumDescriptor& type,
                                                        absl::string_view name);
// All short names but UNSPECIFIED.
std::vector<std::string> value_names(const google::protobuf::EnumDescriptor& type);

// "a number from 1 to 254".
std::string describe_range(const google::protobuf::FieldDescriptor& field);

// A text as messages show it: quoted, escaped and not too long.
std::string quoted(absl::string_view text);

// "a.b" of a path and a field's name; "b" if the path is empty.
std::string join_path(const std::string& path, absl::string_view name);

// Sets a scalar from a text as YAML would write it. Gives what is wrong, or nullopt.
std::optional<std::string> set_scalar(google::protobuf::Message& message,
                                      const google::protobuf::FieldDescriptor& field, const std::string& text);

// What is required, ranges, syntaxes and lengths of lists, of `message` and all in it. Fields that have a problem
// already are passed over.
void check_rules(const google::protobuf::Message& message, const std::string& path, Problems& problems);

// Sets fields that have a default and are not set, in `message` and in all messages below that need nothing else.
void fill_field_defaults(google::protobuf::Message& message);

// What one field can't say alone: names that must exist, be unique or fit each other.
void check_references(const v1::Config& config, Problems& problems);
void check_nat(const v1::Config& config, Problems& problems);

}  // namespace phalanx::mgmt

#endif

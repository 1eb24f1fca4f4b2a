// YAML to a message, by the message's schema.
#ifndef PHALANX_MGMT_CONFIG_YAML_READER_HPP
#define PHALANX_MGMT_CONFIG_YAML_READER_HPP

#include <google/protobuf/message.h>

#include "absl/strings/string_view.h"
#include "mgmt/config/problems.hpp"

namespace phalanx::mgmt {

// Reads one YAML document into `message`: mappings are messages, sequences repeated fields, scalars the rest. Unknown
// keys, keys given twice and values of another type become problems; positions of all values are remembered in
// `problems`.
void read_yaml(absl::string_view text, google::protobuf::Message& message, Problems& problems);

}  // namespace phalanx::mgmt

#endif

// The configuration file: YAML in, v1::Config out, with every default filled in and everything checked.
#ifndef PHALANX_MGMT_CONFIG_CONFIG_HPP
#define PHALANX_MGMT_CONFIG_CONFIG_HPP

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "phalanx/v1/config.pb.h"

namespace phalanx::mgmt {

// Bytes of a configuration file: 65,534 rules of 192 bytes and 4 MiB for the rest.
inline constexpr size_t kConfigBytesMax = 16 << 20;

// Reads, fills and checks a file. Relative names of files in it are made to start at its folder. InvalidArgument lists
// what is wrong, one line each: FILE:LINE:COLUMN: field.path: reason. NotFound, PermissionDenied if the file can't be
// read.
absl::StatusOr<v1::Config> load_config(const std::string& path);

// The same of a text; `filename` is used in messages and to find relative files' folder.
absl::StatusOr<v1::Config> parse_config(std::string_view text, std::string_view filename);

// Checks a configuration that came as a message; messages name the field only. Defaults must be filled in.
absl::Status validate(const v1::Config& config);

// Sets what is not set to its default (mgmt/proto/phalanx/v1/schema.proto says where they are). Never changes what is
// set.
void fill_defaults(v1::Config& config);

// The member that this configuration makes its reader; nullptr if it isn't listed (validate refuses that).
const v1::Member* own_member(const v1::Config& config);

}  // namespace phalanx::mgmt

#endif

#include "drivers/bitstream/metadata.hpp"

#include <charconv>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "drivers/bitstream/kernel_description.hpp"
#include "drivers/bitstream/xml.hpp"

namespace phalanx::bitstream {
namespace {

using Elements = std::vector<XmlElement>;

// As XRT reads numbers of the XML: hexadecimal behind 0x, else decimal.
std::optional<uint64_t> number(std::string_view text) {
  const int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

absl::Status damaged(std::string_view file, std::string_view what) {
  return absl::DataLossError(absl::StrFormat("%s: EMBEDDED_METADATA: %s", file, what));
}
absl::Status other_abi(std::string_view file, std::string_view what) {
  return absl::FailedPreconditionError(absl::StrFormat("%s: EMBEDDED_METADATA: %s", file, what));
}

// A value that must be exactly this one.
absl::Status expect(std::string_view file, const std::string& where, const XmlElement& element,
                    std::string_view attribute, std::string_view wanted) {
  const std::string_view value = element.attribute(attribute);
  if (value == wanted) return absl::OkStatus();
  return other_abi(file, absl::StrFormat("%s: %s is \"%s\", the ABI says \"%s\"", where, attribute, value, wanted));
}
absl::Status expect(std::string_view file, const std::string& where, const XmlElement& element,
                    std::string_view attribute, uint64_t wanted) {
  const std::optional<uint64_t> value = number(element.attribute(attribute));
  if (value == wanted) return absl::OkStatus();
  return other_abi(file, absl::StrFormat("%s: %s is \"%s\", the ABI says 0x%x", where, attribute,
                                         element.attribute(attribute), wanted));
}

absl::Status check_argument(std::string_view file, const KernelDescription& kernel, const ArgumentDescription& wanted,
                            const XmlElement& element) {
  const std::string where = absl::StrFormat("kernel %s, argument %u (%s)", kernel.name, wanted.index, wanted.name);
  const absl::Status checks[] = {
      expect(file, where, element, "name", wanted.name),
      expect(file, where, element, "id", wanted.index),
      expect(file, where, element, "addressQualifier", wanted.is_pointer() ? 1u : 0u),
      expect(file, where, element, "port", wanted.is_pointer() ? port_name(wanted.group) : std::string(kControlPort)),
      expect(file, where, element, "size", wanted.register_bytes()),
      expect(file, where, element, "hostSize", wanted.register_bytes()),
      expect(file, where, element, "offset", wanted.offset),
  };
  for (const absl::Status& status : checks) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status check_control_port(std::string_view file, const Elements& elements, size_t at, std::string_view kernel) {
  for (const size_t port : children(elements, at, "port")) {
    if (elements[port].attribute("name") != kControlPort) continue;
    return expect(file, absl::StrFormat("kernel %s, port %s", kernel, kControlPort), elements[port], "range",
                  kRegisterMapBytes);
  }
  return other_abi(file, absl::StrFormat("kernel %s: no port %s", kernel, kControlPort));
}

absl::Status take_units(std::string_view file, const Elements& elements, size_t at, std::string_view kernel,
                        std::vector<ComputeUnit>& units) {
  const std::vector<size_t> instances = children(elements, at, "instance");
  if (instances.empty()) return other_abi(file, absl::StrFormat("kernel %s: no instance", kernel));
  for (const size_t instance : instances) {
    const std::string_view name = elements[instance].attribute("name");
    const std::vector<size_t> remaps = children(elements, instance, "addrRemap");
    const std::optional<uint64_t> base =
        remaps.empty() ? std::nullopt : number(elements[remaps.front()].attribute("base"));
    if (name.empty() || !base.has_value()) {
      return damaged(file, absl::StrFormat("kernel %s: an instance without name or addrRemap base", kernel));
    }
    if (units.size() == kComputeUnitsMax)
      return damaged(file, absl::StrFormat("more than %u instances", kComputeUnitsMax));
    units.push_back({std::string(kernel), std::string(name), *base});
  }
  return absl::OkStatus();
}

absl::Status check_kernel(std::string_view file, const Elements& elements, size_t at, std::vector<ComputeUnit>& units) {
  const std::string_view name = elements[at].attribute("name");
  const KernelDescription* kernel = find_kernel(name);
  if (kernel == nullptr) return other_abi(file, absl::StrFormat("kernel \"%s\" is none of this program's", name));
  const std::vector<size_t> arguments = children(elements, at, "arg");
  if (arguments.size() != kernel->arguments.size()) {
    return other_abi(file, absl::StrFormat("kernel %s has %u arguments, the ABI says %u", name, arguments.size(),
                                           kernel->arguments.size()));
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::Status status = check_argument(file, *kernel, kernel->arguments[i], elements[arguments[i]]);
    if (!status.ok()) return status;
  }
  if (absl::Status status = check_control_port(file, elements, at, name); !status.ok()) return status;
  return take_units(file, elements, at, name, units);
}

// project/platform/device/core, each once.
absl::StatusOr<size_t> find_core(std::string_view file, const Elements& elements) {
  if (elements.front().name != "project") return damaged(file, "the root is not project");
  size_t at = 0;
  for (const std::string_view name : {"platform", "device", "core"}) {
    const std::vector<size_t> found = children(elements, at, name);
    if (found.size() != 1) return damaged(file, absl::StrFormat("%u elements %s, not one", found.size(), name));
    at = found.front();
  }
  return at;
}

}  // namespace

std::string port_name(std::string_view group) { return "M_AXI_" + absl::AsciiStrToUpper(std::string(group)); }

absl::StatusOr<std::vector<ComputeUnit>> check_metadata(std::string_view xml, std::string_view file) {
  const absl::StatusOr<Elements> elements = parse_xml(xml);
  if (!elements.ok()) return damaged(file, std::string(elements.status().message()));
  const absl::StatusOr<size_t> core = find_core(file, *elements);
  if (!core.ok()) return core.status();
  std::vector<ComputeUnit> units;
  std::set<std::string_view> seen;
  for (const size_t kernel : children(*elements, *core, "kernel")) {
    if (absl::Status status = check_kernel(file, *elements, kernel, units); !status.ok()) return status;
    const std::string_view name = (*elements)[kernel].attribute("name");
    if (!seen.insert(name).second) return damaged(file, absl::StrFormat("kernel %s twice", name));
  }
  for (const KernelDescription& kernel : kKernels) {
    if (!seen.contains(kernel.name)) return other_abi(file, absl::StrFormat("kernel %s is missing", kernel.name));
  }
  return units;
}

}  // namespace phalanx::bitstream

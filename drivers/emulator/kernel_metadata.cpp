#include "drivers/emulator/kernel_metadata.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "drivers/bitstream/xml.hpp"

namespace phalanx::emulator {
namespace {

using bitstream::children;
using bitstream::XmlElement;

absl::Status malformed(absl::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat("kernel metadata: ", reason));
}

// Debian's absl::string_view is a class of its own.
absl::string_view view(std::string_view text) { return {text.data(), text.size()}; }

absl::StatusOr<std::uint64_t> number_of(const XmlElement& element, std::string_view attribute,
                                        absl::string_view kernel) {
  const absl::string_view text = view(element.attribute(attribute));
  const auto where = absl::StrCat("kernel ", kernel, ", ", view(element.name), ": ", view(attribute));
  if (text.empty()) {
    return malformed(absl::StrCat(where, " is missing"));
  }
  std::uint64_t value = 0;
  const bool hex = absl::StartsWithIgnoreCase(text, "0x");
  if (!(hex ? absl::SimpleHexAtoi(text, &value) : absl::SimpleAtoi(text, &value))) {
    return malformed(absl::StrCat(where, " = '", text, "' is not a number"));
  }
  return value;
}

bool name_char(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == ':' || c == '.'; }

absl::StatusOr<std::string> name_of(const XmlElement& element, absl::string_view kernel) {
  const absl::string_view name = view(element.attribute("name"));
  // The name becomes part of a symbol that is looked for in the shared object.
  if (name.empty() || name.size() > 64 || !std::all_of(name.begin(), name.end(), name_char)) {
    return malformed(absl::StrCat("kernel ", kernel, ", ", view(element.name), ": name is missing or not a name"));
  }
  return std::string(name);
}

absl::Status add_argument(const XmlElement& element, Kernel& kernel, std::map<std::uint64_t, KernelArgument>& by_id) {
  auto name = name_of(element, kernel.name);
  auto id = number_of(element, "id", kernel.name);
  auto offset = number_of(element, "offset", kernel.name);
  auto size = number_of(element, "size", kernel.name);
  auto qualifier = number_of(element, "addressQualifier", kernel.name);
  for (const auto& status : {name.status(), id.status(), offset.status(), size.status(), qualifier.status()}) {
    if (!status.ok()) {
      return status;
    }
  }
  const auto where = absl::StrCat("kernel ", kernel.name, ", arg ", *name, ": ");
  if (*size != 4 && *size != 8) {
    return malformed(absl::StrCat(where, "size ", *size, " is not 4 or 8"));
  }
  constexpr std::uint64_t kFirstArgument = 0x10;  // below are control and interrupts
  if (*offset < kFirstArgument || *offset % 4 != 0 || *offset + *size > kRegisterMapBytes) {
    return malformed(absl::StrCat(where, "offset ", *offset, " is outside the register map or misaligned"));
  }
  if (*qualifier > 1) {
    return malformed(absl::StrCat(where, "addressQualifier ", *qualifier, " is neither scalar (0) nor pointer (1)"));
  }
  if (by_id.size() == kArgumentsMax || *id >= kArgumentsMax) {
    return malformed(absl::StrCat(where, "more than ", kArgumentsMax, " arguments"));
  }
  const KernelArgument argument{*name, static_cast<std::uint32_t>(*offset), static_cast<std::uint32_t>(*size),
                                *qualifier == 1};
  if (!by_id.emplace(*id, argument).second) {
    return malformed(absl::StrCat(where, "id ", *id, " is there twice"));
  }
  return absl::OkStatus();
}

absl::Status add_remap(const XmlElement& element, const Kernel& kernel, KernelInstance& instance) {
  auto base = number_of(element, "base", kernel.name);
  auto range = number_of(element, "range", kernel.name);
  if (!base.ok() || !range.ok()) {
    return base.ok() ? range.status() : base.status();
  }
  if (*range < kRegisterMapBytes || *base % kRegisterMapBytes != 0 || *base + *range < *base) {
    return malformed(absl::StrCat("kernel ", kernel.name, ", instance ", instance.name, ": base ", *base, ", range ",
                                  *range, " hold no register map"));
  }
  instance.base = *base;
  instance.range = *range;
  return absl::OkStatus();
}

absl::Status add_arguments(const std::vector<XmlElement>& elements, std::size_t at, Kernel& kernel) {
  std::map<std::uint64_t, KernelArgument> by_id;
  for (const std::size_t i : children(elements, at, "arg")) {
    if (auto status = add_argument(elements[i], kernel, by_id); !status.ok()) {
      return status;
    }
  }
  for (auto& [id, argument] : by_id) {
    if (id != kernel.arguments.size()) {
      return malformed(absl::StrCat("kernel ", kernel.name, ": no arg has id ", kernel.arguments.size()));
    }
    kernel.arguments.push_back(std::move(argument));
  }
  return absl::OkStatus();
}

absl::Status add_instances(const std::vector<XmlElement>& elements, std::size_t at, Kernel& kernel) {
  for (const std::size_t i : children(elements, at, "instance")) {
    auto name = name_of(elements[i], kernel.name);
    if (!name.ok()) {
      return name.status();
    }
    kernel.instances.push_back({*std::move(name)});
    for (const std::size_t remap : children(elements, i, "addrRemap")) {
      if (auto status = add_remap(elements[remap], kernel, kernel.instances.back()); !status.ok()) {
        return status;
      }
    }
  }
  return absl::OkStatus();
}

// No register of an instance is another's, and each instance has some.
absl::Status check_places(const std::vector<Kernel>& kernels) {
  std::map<std::uint64_t, std::pair<std::uint64_t, std::string>> places;  // base -> end, name
  for (const auto& kernel : kernels) {
    for (const auto& instance : kernel.instances) {
      if (instance.range == 0) {
        return malformed(absl::StrCat("kernel ", kernel.name, ", instance ", instance.name, ": no addrRemap"));
      }
      if (!places.emplace(instance.base, std::pair(instance.base + instance.range, instance.name)).second) {
        return malformed(absl::StrCat("instance ", instance.name, ": another has its base"));
      }
    }
  }
  if (places.size() > kInstancesMax) {
    return malformed(absl::StrCat("more than ", kInstancesMax, " instances"));
  }
  std::uint64_t end = 0;
  for (const auto& [base, place] : places) {
    if (base < end) {
      return malformed(absl::StrCat("instance ", place.second, ": its registers overlap another's"));
    }
    end = place.first;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Kernel>> parse_kernel_metadata(absl::string_view xml) {
  if (xml.size() > kMetadataBytesMax) {
    return malformed(absl::StrCat(xml.size(), " bytes are more than ", kMetadataBytesMax));
  }
  const auto elements = bitstream::parse_xml(std::string_view(xml.data(), xml.size()));
  if (!elements.ok()) {
    return malformed(elements.status().message());
  }
  std::vector<Kernel> kernels;
  for (std::size_t i = 0; i < elements->size(); ++i) {
    if ((*elements)[i].name != "kernel") {
      continue;
    }
    auto name = name_of((*elements)[i], "?");
    if (!name.ok()) {
      return name.status();
    }
    if (kernels.size() == kKernelsMax) {
      return malformed(absl::StrCat("kernel ", *name, ": more than ", kKernelsMax));
    }
    kernels.push_back({*std::move(name), {}, {}});
    if (auto status = add_arguments(*elements, i, kernels.back()); !status.ok()) {
      return status;
    }
    if (auto status = add_instances(*elements, i, kernels.back()); !status.ok()) {
      return status;
    }
  }
  if (auto status = check_places(kernels); !status.ok()) {
    return status;
  }
  return kernels;
}

}  // namespace phalanx::emulator

#include "drivers/emulator/kernel_metadata.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "drivers/emulator/xml_tags.hpp"

namespace phalanx::emulator {
namespace {

absl::Status malformed(absl::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat("kernel metadata: ", reason));
}

absl::StatusOr<std::uint64_t> number_of(const XmlTag& tag, absl::string_view attribute, absl::string_view kernel) {
  const auto found = tag.attributes.find(attribute);
  if (found == tag.attributes.end()) {
    return malformed(absl::StrCat("kernel ", kernel, ", ", tag.name, ": ", attribute, " is missing"));
  }
  const bool hex = absl::StartsWithIgnoreCase(found->second, "0x");
  std::uint64_t value = 0;
  if (!(hex ? absl::SimpleHexAtoi(found->second, &value) : absl::SimpleAtoi(found->second, &value))) {
    return malformed(
        absl::StrCat("kernel ", kernel, ", ", tag.name, ": ", attribute, " = '", found->second, "' is not a number"));
  }
  return value;
}

absl::StatusOr<std::string> name_of(const XmlTag& tag, absl::string_view kernel) {
  const auto found = tag.attributes.find("name");
  // The name becomes part of a symbol that is looked for in the shared object.
  if (found == tag.attributes.end() || found->second.empty() || found->second.size() > 64 ||
      !std::all_of(found->second.begin(), found->second.end(), xml_name_char)) {
    return malformed(absl::StrCat("kernel ", kernel, ", ", tag.name, ": name is missing or not a name"));
  }
  return std::string(found->second);
}

absl::Status add_argument(const XmlTag& tag, Kernel& kernel, std::map<std::uint64_t, KernelArgument>& by_id) {
  auto name = name_of(tag, kernel.name);
  auto id = number_of(tag, "id", kernel.name);
  auto offset = number_of(tag, "offset", kernel.name);
  auto size = number_of(tag, "size", kernel.name);
  auto qualifier = number_of(tag, "addressQualifier", kernel.name);
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

absl::Status add_remap(const XmlTag& tag, const Kernel& kernel, KernelInstance& instance) {
  auto base = number_of(tag, "base", kernel.name);
  auto range = number_of(tag, "range", kernel.name);
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

// Collects kernels as their tags go by.
class Collector {
 public:
  absl::Status tag(const XmlTag& tag) {
    if (tag.name == "kernel") {
      return tag.closes ? close_kernel() : open_kernel(tag);
    }
    if (!open_ || tag.closes) {
      return absl::OkStatus();
    }
    auto& kernel = kernels_.back();
    if (tag.name == "arg") {
      return add_argument(tag, kernel, arguments_);
    }
    if (tag.name == "instance") {
      auto name = name_of(tag, kernel.name);
      if (!name.ok()) {
        return name.status();
      }
      if (++instances_ > kInstancesMax) {
        return malformed(absl::StrCat("more than ", kInstancesMax, " instances"));
      }
      kernel.instances.push_back({*name});
    }
    if (tag.name == "addrRemap" && !kernel.instances.empty()) {
      return add_remap(tag, kernel, kernel.instances.back());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Kernel>> finish() {
    if (open_) {
      return malformed(absl::StrCat("kernel ", kernels_.back().name, " is not closed"));
    }
    if (auto status = check_places(); !status.ok()) {
      return status;
    }
    return std::move(kernels_);
  }

 private:
  absl::Status open_kernel(const XmlTag& tag) {
    auto name = name_of(tag, "?");
    if (!name.ok()) {
      return name.status();
    }
    if (open_ || kernels_.size() == kKernelsMax) {
      return malformed(absl::StrCat("kernel ", *name, " within another, or more than ", kKernelsMax));
    }
    kernels_.push_back({*name, {}, {}});
    arguments_.clear();
    open_ = !tag.empty;
    return absl::OkStatus();
  }

  absl::Status close_kernel() {
    if (!open_) {
      return malformed("a kernel is closed that was not opened");
    }
    open_ = false;
    auto& kernel = kernels_.back();
    for (auto& [id, argument] : arguments_) {
      if (id != kernel.arguments.size()) {
        return malformed(absl::StrCat("kernel ", kernel.name, ": no arg has id ", kernel.arguments.size()));
      }
      kernel.arguments.push_back(std::move(argument));
    }
    return absl::OkStatus();
  }

  absl::Status check_places() const {
    std::map<std::uint64_t, std::pair<std::uint64_t, std::string>> places;  // base -> end, name
    for (const auto& kernel : kernels_) {
      for (const auto& instance : kernel.instances) {
        if (instance.range == 0) {
          return malformed(absl::StrCat("kernel ", kernel.name, ", instance ", instance.name, ": no addrRemap"));
        }
        if (!places.emplace(instance.base, std::pair(instance.base + instance.range, instance.name)).second) {
          return malformed(absl::StrCat("instance ", instance.name, ": another has its base"));
        }
      }
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

  std::vector<Kernel> kernels_;
  std::map<std::uint64_t, KernelArgument> arguments_;
  std::size_t instances_ = 0;
  bool open_ = false;
};

}  // namespace

absl::StatusOr<std::vector<Kernel>> parse_kernel_metadata(absl::string_view xml) {
  if (xml.size() > kMetadataBytesMax) {
    return malformed(absl::StrCat(xml.size(), " bytes are more than ", kMetadataBytesMax));
  }
  XmlTags reader(xml);
  Collector collector;
  for (;;) {
    const auto tag = reader.next();
    if (!tag.ok()) {
      return malformed(tag.status().message());
    }
    if (!*tag) {
      return collector.finish();
    }
    if (auto status = collector.tag(**tag); !status.ok()) {
      return status;
    }
  }
}

}  // namespace phalanx::emulator

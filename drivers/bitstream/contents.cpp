#include "drivers/bitstream/contents.hpp"

#include <xrt/xclbin.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "drivers/bitstream/container.hpp"
#include "drivers/bitstream/kernel_description.hpp"
#include "drivers/bitstream/metadata.hpp"
#include "drivers/bitstream/platform.hpp"

namespace phalanx::bitstream {
namespace {

constexpr uint32_t kEntriesMax = 4096;  // of a table: U55C has 32 banks and some 40 connections a unit with ranges

struct Checked {
  std::string_view file;
  Container container;
  Contents contents;
  std::vector<int> unit_of_ip;  // of each IP_LAYOUT entry: index of its compute unit, -1 for another IP
};

absl::Status damaged(std::string_view file, std::string_view field, std::string_view reason) {
  return absl::DataLossError(absl::StrFormat("%s: %s: %s", file, field, reason));
}

// Each section that XRT cannot do without, once and not empty.
#define PHALANX_NEEDED_SECTIONS(X) \
  X(BITSTREAM)                     \
  X(EMBEDDED_METADATA)             \
  X(MEM_TOPOLOGY)                  \
  X(IP_LAYOUT)                     \
  X(CONNECTIVITY)

absl::Status check_sections(const Checked& c) {
  struct Needed {
    uint32_t kind;
    std::string_view name;
  };
#define PHALANX_NEEDED(kind) Needed{kind, #kind},
  for (const Needed& needed : {PHALANX_NEEDED_SECTIONS(PHALANX_NEEDED)}) {
    const auto count = std::count_if(c.container.sections.begin(), c.container.sections.end(),
                                     [&](const Section& s) { return s.kind == needed.kind; });
    if (count != 1) return damaged(c.file, needed.name, absl::StrFormat("%d sections, not one", count));
    if (c.container.find(needed.kind)->bytes.empty()) return damaged(c.file, needed.name, "is empty");
  }
#undef PHALANX_NEEDED
  const std::string_view bits = c.container.find(BITSTREAM)->bytes;
  if (c.contents.target == BuildTarget::kSwEmu && !bits.starts_with("\177ELF")) {
    return damaged(c.file, "BITSTREAM", "is no shared object, as software emulation needs");
  }
  return absl::OkStatus();
}

// The entries of a table that begins with their number; `start`: where the first is.
template <typename T>
absl::StatusOr<std::vector<T>> entries(const Checked& c, uint32_t kind, std::string_view name, size_t start) {
  const std::string_view bytes = c.container.find(kind)->bytes;
  int32_t count = 0;
  if (bytes.size() < start) return damaged(c.file, name, "is shorter than its head");
  std::memcpy(&count, bytes.data(), sizeof(count));
  if (count <= 0 || static_cast<uint32_t>(count) > kEntriesMax) {
    return damaged(c.file, name, absl::StrFormat("m_count %d, not 1 to %u", count, kEntriesMax));
  }
  const size_t needed = start + static_cast<size_t>(count) * sizeof(T);
  if (bytes.size() < needed) {
    return damaged(c.file, name, absl::StrFormat("m_count %d needs %u bytes, it has %u", count, needed, bytes.size()));
  }
  std::vector<T> table(static_cast<size_t>(count));
  std::memcpy(table.data(), bytes.data() + start, table.size() * sizeof(T));
  return table;
}

template <size_t kSize>
std::optional<std::string> text_of(const unsigned char (&field)[kSize]) {
  const unsigned char* end = std::find(field, field + kSize, 0);
  const bool good = end != field + kSize && std::all_of(field, end, absl::ascii_isprint);
  return good ? std::optional(std::string(field, end)) : std::nullopt;
}

absl::Status check_memory(Checked& c) {
  const auto banks = entries<mem_data>(c, MEM_TOPOLOGY, "MEM_TOPOLOGY", offsetof(mem_topology, m_mem_data));
  if (!banks.ok()) return banks.status();
  for (size_t i = 0; i < banks->size(); ++i) {
    const mem_data& bank = (*banks)[i];
    const std::string field = absl::StrFormat("MEM_TOPOLOGY: bank %u", i);
    const std::optional<std::string> tag = text_of(bank.m_tag);
    if (!tag.has_value()) return damaged(c.file, field, "m_tag is not a text");
    if (bank.m_used > 1) return damaged(c.file, field, absl::StrFormat("m_used is %u", bank.m_used));
    if (bank.m_size > UINT64_MAX >> 10) return damaged(c.file, field, absl::StrFormat("m_size is %u KiB", bank.m_size));
    c.contents.banks.push_back({*tag, bank.m_used == 1, bank.m_size << 10, bank.m_base_address});
  }
  return absl::OkStatus();
}

// Compute units of IP_LAYOUT against those of the XML. In emulation both must name the same registers; on a card the
// XML's are older than the linker's, and XRT goes by IP_LAYOUT.
absl::Status check_ip(Checked& c, const ip_data& ip, size_t index, std::set<std::string>& seen) {
  const std::string field = absl::StrFormat("IP_LAYOUT: entry %u", index);
  const std::optional<std::string> name = text_of(ip.m_name);
  if (!name.has_value()) return damaged(c.file, field, "m_name is not a text");
  c.unit_of_ip.push_back(-1);
  if (ip.m_type != IP_KERNEL) return absl::OkStatus();
  for (size_t i = 0; i < c.contents.compute_units.size(); ++i) {
    ComputeUnit& unit = c.contents.compute_units[i];
    if (*name != unit.kernel + ":" + unit.name) continue;
    if (!seen.insert(*name).second) return damaged(c.file, field, *name + " twice");
    if (c.contents.target != BuildTarget::kHw && ip.m_base_address != unit.base) {
      return absl::FailedPreconditionError(
          absl::StrFormat("%s: %s: m_base_address of %s is 0x%x, EMBEDDED_METADATA says 0x%x", c.file, field, *name,
                          ip.m_base_address, unit.base));
    }
    unit.base = ip.m_base_address;
    c.unit_of_ip.back() = static_cast<int>(i);
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrFormat("%s: %s: EMBEDDED_METADATA has no compute unit \"%s\"", c.file, field, *name));
}

absl::Status check_ips(Checked& c) {
  const auto ips = entries<ip_data>(c, IP_LAYOUT, "IP_LAYOUT", offsetof(ip_layout, m_ip_data));
  if (!ips.ok()) return ips.status();
  std::set<std::string> seen;
  for (size_t i = 0; i < ips->size(); ++i) {
    if (absl::Status status = check_ip(c, (*ips)[i], i, seen); !status.ok()) return status;
  }
  for (const ComputeUnit& unit : c.contents.compute_units) {
    if (!seen.contains(unit.kernel + ":" + unit.name)) {
      return absl::FailedPreconditionError(
          absl::StrFormat("%s: IP_LAYOUT: compute unit %s:%s is missing", c.file, unit.kernel, unit.name));
    }
  }
  return absl::OkStatus();
}

using Banks = std::set<int32_t>;
// By compute unit and argument.
using Connections = std::map<std::pair<size_t, uint32_t>, Banks>;

absl::StatusOr<Connections> take_connections(const Checked& c) {
  const auto table = entries<connection>(c, CONNECTIVITY, "CONNECTIVITY", offsetof(connectivity, m_connection));
  if (!table.ok()) return table.status();
  Connections connections;
  for (size_t i = 0; i < table->size(); ++i) {
    const connection& row = (*table)[i];
    const std::string field = absl::StrFormat("CONNECTIVITY: entry %u", i);
    if (row.m_ip_layout_index < 0 || static_cast<size_t>(row.m_ip_layout_index) >= c.unit_of_ip.size()) {
      return damaged(c.file, field,
                     absl::StrFormat("m_ip_layout_index %d is outside IP_LAYOUT", row.m_ip_layout_index));
    }
    if (row.mem_data_index < 0 || static_cast<size_t>(row.mem_data_index) >= c.contents.banks.size()) {
      return damaged(c.file, field, absl::StrFormat("mem_data_index %d is outside MEM_TOPOLOGY", row.mem_data_index));
    }
    if (!c.contents.banks[static_cast<size_t>(row.mem_data_index)].used) {
      return damaged(c.file, field,
                     absl::StrFormat("mem_data_index %d is a bank that is not used", row.mem_data_index));
    }
    const int unit = c.unit_of_ip[static_cast<size_t>(row.m_ip_layout_index)];
    if (unit < 0) continue;
    const auto& arguments = find_kernel(c.contents.compute_units[static_cast<size_t>(unit)].kernel)->arguments;
    if (row.arg_index < 0 || static_cast<size_t>(row.arg_index) >= arguments.size() ||
        !arguments[static_cast<size_t>(row.arg_index)].is_pointer()) {
      return damaged(c.file, field, absl::StrFormat("arg_index %d is no argument in memory", row.arg_index));
    }
    connections[{static_cast<size_t>(unit), static_cast<uint32_t>(row.arg_index)}].insert(row.mem_data_index);
  }
  return connections;
}

// session_a and session_a_out are one buffer.
std::string_view buffer_of(std::string_view argument) {
  constexpr std::string_view kOut = "_out";
  if (argument.ends_with(kOut)) argument.remove_suffix(kOut.size());
  return argument;
}

// Every argument in memory is somewhere, and the table's buffers, which kernels share, are in the same banks for all.
absl::Status check_connections(const Checked& c) {
  const absl::StatusOr<Connections> connections = take_connections(c);
  if (!connections.ok()) return connections.status();
  std::map<std::string_view, const Banks*> shared;
  for (size_t unit = 0; unit < c.contents.compute_units.size(); ++unit) {
    const ComputeUnit& cu = c.contents.compute_units[unit];
    for (const ArgumentDescription& argument : find_kernel(cu.kernel)->arguments) {
      if (!argument.is_pointer()) continue;
      const auto found = connections->find({unit, argument.index});
      const std::string where = absl::StrFormat("%s.%s", cu.name, argument.name);
      if (found == connections->end()) {
        return absl::FailedPreconditionError(absl::StrFormat("%s: CONNECTIVITY: %s is in no bank", c.file, where));
      }
      const bool of_table = find_group(argument.group)->of_table;
      if (!of_table) continue;
      const auto [first, is_first] = shared.try_emplace(buffer_of(argument.name), &found->second);
      if (!is_first && *first->second != found->second) {
        return absl::FailedPreconditionError(
            absl::StrFormat("%s: CONNECTIVITY: %s is in other banks than what it shares a buffer with", c.file, where));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view to_text(BuildTarget target) {
  switch (target) {
    case BuildTarget::kHw:
      return "hw";
    case BuildTarget::kHwEmu:
      return "hw_emu";
    case BuildTarget::kSwEmu:
      return "sw_emu";
  }
  return "?";
}

absl::StatusOr<Contents> check_contents(std::string_view xclbin, std::string_view file) {
  absl::StatusOr<Container> container = parse_container(xclbin, file);
  if (!container.ok()) return container.status();
  Checked c{file, *std::move(container), {}, {}};
  c.contents.target = c.container.target;
  c.contents.uuid = c.container.uuid;
  const Platform* platform = find_platform(c.container.platform);
  if (platform == nullptr) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s: m_platformVBNV: \"%s\" is no platform that Phalanx is built for", file, c.container.platform));
  }
  c.contents.platform = platform->xrt_name;
  if (absl::Status status = check_sections(c); !status.ok()) return status;
  absl::StatusOr<std::vector<ComputeUnit>> units = check_metadata(c.container.find(EMBEDDED_METADATA)->bytes, file);
  if (!units.ok()) return units.status();
  c.contents.compute_units = *std::move(units);
  if (absl::Status status = check_memory(c); !status.ok()) return status;
  if (absl::Status status = check_ips(c); !status.ok()) return status;
  if (absl::Status status = check_connections(c); !status.ok()) return status;
  return std::move(c.contents);
}

}  // namespace phalanx::bitstream

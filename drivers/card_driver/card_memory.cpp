#include "drivers/card_driver/card_memory.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace phalanx::card_driver {
namespace {

constexpr size_t kLineBytes = sizeof(abi::Line);
constexpr uint64_t kNotRead = ~uint64_t{0};
constexpr size_t line_of(size_t offset) { return offset / kLineBytes * kLineBytes; }

// What each argument with a pointer is called by: an argument named NAME_out is the buffer NAME.
struct NamedArgument {
  absl::string_view name;
  uint32_t index;
};
#define PHALANX_NAMED(direction, type, name, group) {#name, static_cast<uint32_t>(SessionArgument::name)},
constexpr NamedArgument kSessionArguments[] = {PHALANX_SESSION_ENGINE_PORTS(PHALANX_NAMED)};
#undef PHALANX_NAMED
#define PHALANX_NAMED(direction, type, name, group) {#name, static_cast<uint32_t>(DeltaArgument::name)},
constexpr NamedArgument kDeltaArguments[] = {PHALANX_STATE_DELTA_PORTS(PHALANX_NAMED)};
#undef PHALANX_NAMED

bool is_for(const NamedArgument& argument, absl::string_view buffer) {
  constexpr absl::string_view kOut = "_out";
  absl::string_view name = argument.name;
  if (name.size() > kOut.size() && name.substr(name.size() - kOut.size()) == kOut) name.remove_suffix(kOut.size());
  return name == buffer;
}

// Every argument that the buffer is given to: all their ports must reach its bank.
std::vector<Place> places_of(absl::string_view buffer) {
  std::vector<Place> places;
  for (const auto& a : kSessionArguments) {
    if (is_for(a, buffer)) places.push_back({Kernel::session_engine, a.index});
  }
  for (const auto& a : kDeltaArguments) {
    if (is_for(a, buffer)) places.push_back({Kernel::state_delta, a.index});
  }
  return places;
}

// The host looks into the state and writes the buckets; the rest is the kernels'.
bool host_needs(absl::string_view buffer) {
  return buffer == "state" || buffer == "buckets_first" || buffer == "buckets_second";
}

absl::Status in_context(const absl::Status& status, absl::string_view what) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

}  // namespace

absl::StatusOr<CardMemory> CardMemory::create(Device& device, const EngineConfig& config, uint64_t buckets) {
  auto layout = card_table::layout(config, buckets);
  if (!layout.ok()) return layout.status();
  CardMemory memory(*layout);
  if (auto status = memory.allocate(device); !status.ok()) return status;
  memory.mutable_state() = card_table::initial_state(config, *layout);
  if (auto status = memory.state_->push(0, sizeof(abi::TableState)); !status.ok()) return status;
  if (auto status = memory.zero_buckets(); !status.ok()) return status;
  return memory;
}

absl::Status CardMemory::allocate(Device& device) {
  const auto take = [&](absl::string_view name, uint64_t bytes, std::unique_ptr<Buffer>& buffer) {
    const std::vector<Place> places = places_of(name);
    const size_t lines = std::max<size_t>(1, (bytes + kLineBytes - 1) / kLineBytes);
    const auto side = host_needs(name) ? Device::Side::kBoth : Device::Side::kCardOnly;
    auto taken = device.allocate(places, lines * kLineBytes, side);
    if (!taken.ok()) return in_context(taken.status(), absl::StrCat("memory for the table's ", name));
    buffer = *std::move(taken);
    return absl::OkStatus();
  };
#define PHALANX_TAKE(name, size) \
  if (auto status = take(#name, layout_.name##_bytes, name##_); !status.ok()) return status;
  PHALANX_CARD_TABLE_BUFFERS(PHALANX_TAKE)
#undef PHALANX_TAKE
  return absl::OkStatus();
}

abi::TableState& CardMemory::mutable_state() { return *reinterpret_cast<abi::TableState*>(state_->host().data()); }
const abi::TableState& CardMemory::state() const {
  return *reinterpret_cast<const abi::TableState*>(state_->host().data());
}

absl::Status CardMemory::read_state() {
  // XRT does not tell of a transfer that failed: what was never written by a kernel must be overwritten.
  mutable_state().error = kNotRead;
  if (auto status = state_->pull(0, sizeof(abi::TableState)); !status.ok()) return status;
  if (state().error == kNotRead) return absl::DataLossError("the table's state has not come from the card");
  if (auto status = card_table::check_state(state()); !status.ok()) return status;
  if (state().slots != layout_.slots || state().buckets != layout_.buckets) {
    return absl::DataLossError(absl::StrCat("the table's state says ", state().slots, " slots and ", state().buckets,
                                            " buckets, it was made with ", layout_.slots, " and ", layout_.buckets));
  }
  return absl::OkStatus();
}

absl::Status CardMemory::write_age_floor(uint64_t age_floor_ms) {
  // The floor's line holds configuration and nothing else, so no read is needed.
  static_assert(line_of(offsetof(abi::TableState, age_floor_ms)) == 0);
  static_assert(offsetof(abi::TableState, timeout_ms) == kLineBytes, "line 0 is configuration alone");
  mutable_state().age_floor_ms = age_floor_ms;
  return state_->push(0, kLineBytes);
}

absl::Status CardMemory::advance_generation(uint64_t generation) {
  if (auto status = read_state(); !status.ok()) return status;
  if (state().generation >= generation) return absl::OkStatus();
  mutable_state().generation = generation;
  return state_->push(line_of(offsetof(abi::TableState, generation)), kLineBytes);
}

absl::Status CardMemory::clear() {
  if (auto status = read_state(); !status.ok()) return status;
  card_table::clear_state(mutable_state());
  if (auto status = state_->push(0, sizeof(abi::TableState)); !status.ok()) return status;
  return zero_buckets();
}

absl::Status CardMemory::zero_buckets() {
  for (Buffer* buckets : {buckets_first_.get(), buckets_second_.get()}) {
    const auto host = buckets->host();
    std::memset(host.data(), 0, host.size());
    if (auto status = buckets->push(0, host.size()); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CardMemory::bind(Kernel kernel, Run& run) {
  const absl::Span<const NamedArgument> arguments = kernel == Kernel::session_engine
                                                        ? absl::Span<const NamedArgument>(kSessionArguments)
                                                        : absl::Span<const NamedArgument>(kDeltaArguments);
  const auto bind_to = [&](absl::string_view buffer_name, Buffer& buffer) {
    for (const auto& a : arguments) {
      if (!is_for(a, buffer_name)) continue;
      const absl::Status status = run.set_buffer(a.index, buffer);
      if (!status.ok()) return in_context(status, absl::StrCat(kernel_name(kernel), "'s argument ", a.name));
    }
    return absl::OkStatus();
  };
#define PHALANX_BIND(name, size) \
  if (auto status = bind_to(#name, *name##_); !status.ok()) return status;
  PHALANX_CARD_TABLE_BUFFERS(PHALANX_BIND)
#undef PHALANX_BIND
  return absl::OkStatus();
}

}  // namespace phalanx::card_driver

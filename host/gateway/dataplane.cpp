#include "host/gateway/dataplane.hpp"

#include <algorithm>
#include <cassert>

#include "host/cluster/ccp_frame.hpp"

namespace phalanx::gateway {
namespace {

uint32_t to_ms(int64_t now_ns) { return static_cast<uint32_t>(now_ns / 1'000'000); }

policy::PortChooser make_chooser(const GatewayConfig& config) {
  absl::StatusOr<policy::PortBlocks> blocks = policy::PortBlocks::make(config.member - 1u, config.members_max);
  assert(blocks.ok());
  return policy::PortChooser(*blocks, config.seed);
}

}  // namespace

Dataplane::Dataplane(const GatewayConfig& config, Accelerator* engine, FrameSink* frames, ChangeSink* changes,
                     EventSink* events)
    : ports_(config.ports),
      rules_(config.rules),
      nat_(config.nat),
      hits_(*config.rules),
      chooser_(make_chooser(config)),
      member_(config.member),
      engine_(engine),
      frames_(frames),
      changes_(changes),
      events_(events),
      next_hops_(ports_) {}

void Dataplane::receive(int64_t now_ns, DeviceIndex device, absl::Span<const Frame> burst) {
  counters_.received += burst.size();
  if (!deciding(now_ns)) {
    receive_standing_by(now_ns, device, burst);
    return;
  }
  for (size_t first = 0; first < burst.size(); first += kBurstMax) {
    receive_group(now_ns, device, burst.subspan(first, kBurstMax));
  }
}

void Dataplane::receive_group(int64_t now_ns, DeviceIndex device, absl::Span<const Frame> group) {
  size_t count = 0;
  for (const Frame& frame : group) {
    Item& item = items_[count];
    if (!sort(now_ns, device, frame, item)) continue;
    abi::Operation& operation = operations_[count];
    operation.opcode = abi::Opcode::kLookup;
    operation.packet = item.packet.meta;
    ++count;
  }
  if (count != 0) {
    if (run(now_ns, absl::MakeConstSpan(operations_.data(), count), {}, absl::MakeSpan(completions_.data(), count),
            {})) {
      for (size_t i = 0; i < count; ++i) finish(now_ns, items_[i], completions_[i]);
    } else {
      drop(DropReason::kEngine, count);
    }
  }
  act_on_neighbours(now_ns);
  publish(now_ns);
  frames_->flush();
  arena_.reset();
}

// True: the packet is for the engine. Everything else has been dealt with.
bool Dataplane::sort(int64_t now_ns, DeviceIndex device, const Frame& frame, Item& item) {
  const DropReason reason = parse(frame, 0, item.packet);
  if (reason != DropReason::kNone) {
    drop(reason);
    return false;
  }
  const bool tagged = item.packet.vlan_count != 0;
  item.frame = frame;
  item.port = ports_.find(device, tagged, item.packet.vlan[0]);
  if (item.port == kNoPort || item.packet.vlan_count > 1) {
    drop(DropReason::kPortDown);
    return false;
  }
  if (item.packet.kind == FrameKind::kArp) {
    take_arp(now_ns, item, true);
    return false;
  }
  if (item.packet.kind == FrameKind::kNeighbourDiscovery) {
    take_nd(now_ns, item, true);
    return false;
  }
  if (!for_us(frame, item.port)) {
    // State reports of the cluster come by multicast on every network: they are no loss.
    const MacAddress source = source_mac(frame);
    if (source != cluster::ccp_source_mac(cluster::kDefaultMacMagic, source[5])) drop(DropReason::kNotForUs);
    return false;
  }
  return !item.packet.is_fragment || take_fragment(now_ns, item);
}

bool Dataplane::take_fragment(int64_t now_ns, Item& item) {
  const FragmentResult result = fragments_.take(item.frame, item.packet, item.port, now_ns, drops_);
  if (result.action == FragmentResult::Action::kDrop) drop(result.reason);
  return result.action == FragmentResult::Action::kForward;
}

void Dataplane::finish(int64_t now_ns, Item& item, const abi::Completion& completion) {
  bool passed = false;
  switch (completion.result) {
    case abi::Result::kDone:
      passed = forward(now_ns, item, completion);
      break;
    case abi::Result::kMiss:
      // An earlier packet of this burst may have opened the session since.
      if (const abi::Completion again = lookup(now_ns, item.packet.meta); again.result == abi::Result::kDone) {
        passed = forward(now_ns, item, again);
      } else if (again.result == abi::Result::kDrop) {
        drop(from_track(again.reason));
      } else {
        passed = first_packet(now_ns, item);
      }
      break;
    case abi::Result::kDrop:
      drop(from_track(completion.reason));
      break;
    default:
      drop(DropReason::kEngine);
  }
  if (item.packet.is_fragment && item.packet.first_fragment) {
    fragments_.decide(item.packet, passed, drops_, [&](const Frame& frame, ParsedPacket& packet, PortIndex port) {
      Item held{arena_.copy(frame), packet, port};
      if (held.frame.data == nullptr) return drop(DropReason::kBufferFull);
      const abi::Completion found = lookup(now_ns, packet.meta);
      if (found.result == abi::Result::kDone) {
        forward(now_ns, held, found);
      } else {
        drop(DropReason::kFragmentFirstDropped);
      }
    });
  }
}

// Submits a batch and waits for it.
bool Dataplane::run(int64_t now_ns, absl::Span<const abi::Operation> operations, absl::Span<const abi::Record> records,
                    absl::Span<abi::Completion> completions, absl::Span<abi::Record> output) {
  const Batch batch{.tag = 0,
                    .now_ms = to_ms(now_ns),
                    .operations = operations,
                    .records = records,
                    .completions = completions,
                    .output = output};
  if (!engine_->submit(batch).ok()) return false;
  uint64_t tag = 0;
  while (engine_->poll(absl::MakeSpan(&tag, 1)) == 0) {
  }
  return true;
}

abi::Completion Dataplane::submit_one(int64_t now_ns, const abi::Operation& operation, const abi::Record* record) {
  abi::Completion completion{};
  const auto records = record == nullptr ? absl::Span<const abi::Record>() : absl::MakeConstSpan(record, 1);
  if (!run(now_ns, absl::MakeConstSpan(&operation, 1), records, absl::MakeSpan(&completion, 1),
           absl::MakeSpan(extracted_))) {
    completion.result = abi::Result::kInvalid;
  }
  return completion;
}

abi::Completion Dataplane::lookup(int64_t now_ns, const hls::PacketMeta& meta) {
  abi::Operation operation{};
  operation.opcode = abi::Opcode::kLookup;
  operation.packet = meta;
  return submit_one(now_ns, operation, nullptr);
}

void Dataplane::publish(int64_t now_ns) {
  bool any = false;
  for (;;) {
    abi::Operation operation{};
    operation.opcode = abi::Opcode::kExtract;
    operation.count = kExtractMax;
    const abi::Completion completion = submit_one(now_ns, operation, nullptr);
    if (completion.result != abi::Result::kDone || completion.count == 0) break;
    counters_.changes += completion.count;
    any = true;
    changes_->changed(now_ns, absl::MakeConstSpan(extracted_.data(), completion.count));
    if (completion.next == 0) break;
  }
  if (any) changes_->burst_done(now_ns);
}

void Dataplane::age(int64_t now_ns) {
  const uint64_t slots = engine_->slots();
  const int64_t elapsed = std::min<int64_t>(now_ns - aged_ns_, 1'000'000'000);
  const uint64_t per_second = std::min(slots, kAgeSlotsPerSecond);
  uint64_t todo = static_cast<uint64_t>(static_cast<double>(per_second) * static_cast<double>(elapsed) / 1e9);
  if (todo == 0) return;
  aged_ns_ = now_ns;
  while (todo != 0) {
    abi::Operation operation{};
    operation.opcode = abi::Opcode::kAge;
    operation.argument = age_next_;
    operation.count = std::min({todo, kAgeSlotsMax, slots - age_next_});
    submit_one(now_ns, operation, nullptr);
    todo -= operation.count;
    age_next_ += operation.count;
    if (age_next_ >= slots) age_next_ = 0;
    publish(now_ns);
  }
}

void Dataplane::tick(int64_t now_ns) {
  // Ageing is the active member's alone: what ends reaches the others by sync.
  if (deciding(now_ns)) {
    age(now_ns);
    next_hops_.neighbours().tick(now_ns, next_hops_.actions());
    act_on_neighbours(now_ns);
  } else {
    aged_ns_ = now_ns;
  }
  fragments_.expire(now_ns, drops_);
  publish(now_ns);
  frames_->flush();
  arena_.reset();
}

void Dataplane::set_role(int64_t now_ns, const Role& role) {
  const bool starts = role.active && !role_.active;
  const bool ends = !role.active && role_.active;
  role_ = role;
  if (role.active) lease_until_ns_ = role.lease_until_ns;
  if (starts) {
    engine_->set_age_floor(to_ms(now_ns));
    engine_->advance_generation(engine_->generation() + kGenerationJump);
    aged_ns_ = now_ns;
  }
  if (ends) {
    next_hops_.neighbours().stand_by(now_ns);
    next_hops_.changed();
  }
  if (!role.holding) release_held(now_ns);
}

void Dataplane::set_link(DeviceIndex device, bool up) {
  for (const PortIndex port : ports_.set_link(device, up)) {
    if (!up) next_hops_.neighbours().forget_port(port);
  }
  next_hops_.changed();
}

absl::Status Dataplane::add_route(const routing::Route& route) {
  next_hops_.changed();
  return next_hops_.routes().replace(route);
}

void Dataplane::remove_route(const Prefix& prefix, uint32_t metric) {
  next_hops_.changed();
  next_hops_.routes().remove(prefix, metric);
}

void Dataplane::apply(int64_t now_ns, absl::Span<const abi::Record> records) {
  for (size_t first = 0; first < records.size(); first += kBurstMax) {
    const auto group = records.subspan(first, kBurstMax);
    for (size_t i = 0; i < group.size(); ++i) {
      operations_[i].opcode = abi::Opcode::kApply;
      operations_[i].record = static_cast<uint32_t>(i);
    }
    if (!run(now_ns, absl::MakeConstSpan(operations_.data(), group.size()), group,
             absl::MakeSpan(completions_.data(), group.size()), {})) {
      counters_.apply_refused += group.size();
      continue;
    }
    for (size_t i = 0; i < group.size(); ++i) {
      const abi::Result result = completions_[i].result;
      if (result == abi::Result::kFull || result == abi::Result::kInvalid) ++counters_.apply_refused;
    }
  }
}

absl::Span<const abi::Record> Dataplane::scan(int64_t now_ns, uint64_t first, uint64_t slots, uint64_t* next) {
  scanned_.resize(slots);
  abi::Operation operation{};
  operation.opcode = abi::Opcode::kScan;
  operation.argument = first;
  operation.count = std::min(slots, engine_->slots() - first);
  abi::Completion completion{};
  if (!run(now_ns, absl::MakeConstSpan(&operation, 1), {}, absl::MakeSpan(&completion, 1), absl::MakeSpan(scanned_))) {
    completion.count = 0;
  }
  *next = completion.next;
  return absl::MakeConstSpan(scanned_.data(), completion.count);
}

void Dataplane::install_neighbours(int64_t now_ns, absl::Span<const routing::NeighbourView> neighbours) {
  next_hops_.neighbours().install(now_ns, neighbours);
  next_hops_.changed();
}

bool Dataplane::end_session(int64_t now_ns, const hls::FlowKey& key) {
  abi::Operation operation{};
  operation.opcode = abi::Opcode::kDelete;
  operation.packet.key = key;
  return submit_one(now_ns, operation, nullptr).result == abi::Result::kDone;
}

}  // namespace phalanx::gateway

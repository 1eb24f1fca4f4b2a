// The fast path: groups of frames through the engine and out again, several of them on their way if the engine is far.
#include <cassert>

#include "host/cluster/ccp_frame.hpp"
#include "host/gateway/dataplane.hpp"

namespace phalanx::gateway {

void Dataplane::receive(int64_t now_ns, DeviceIndex device, absl::Span<const Frame> burst) {
  while (!burst.empty()) {
    for (; has_room() && !burst.empty(); burst.remove_prefix(std::min<size_t>(burst.size(), kBurstMax))) {
      take(now_ns, device, burst.subspan(0, kBurstMax));
    }
    while (advance(now_ns)) {
    }
  }
}

void Dataplane::take(int64_t now_ns, DeviceIndex device, absl::Span<const Frame> burst) {
  assert(has_room() && burst.size() <= kBurstMax);
  counters_.received += burst.size();
  if (idle() && !deciding(now_ns)) return receive_standing_by(now_ns, device, burst);
  wave_open_ = true;
  Group& group = (*groups_)[groups_end_];
  group.count = 0;
  for (const Frame& frame : burst) {
    Item& item = group.items[group.count];
    if (!sort(now_ns, device, frame, item)) continue;
    abi::Operation& operation = group.operations[group.count];
    operation.opcode = abi::Opcode::kLookup;
    operation.packet = item.packet.meta;
    ++group.count;
  }
  if (group.count != 0) submit_group(now_ns, group);
}

void Dataplane::submit_group(int64_t now_ns, Group& group) {
  const size_t operations = group.count + 1;
  group.operations[group.count] = {};
  group.operations[group.count].opcode = abi::Opcode::kExtract;
  group.operations[group.count].count = kExtractMax;
  if (queue_.submit({.tag = groups_end_,
                     .now_ms = to_ms(now_ns),
                     .operations = absl::MakeConstSpan(group.operations).first(operations),
                     .records = {},
                     .completions = absl::MakeSpan(group.completions).first(operations),
                     .output = absl::MakeSpan(group.extracted)})) {
    ++groups_end_;
    return;
  }
  log_left_ = true;  // an engine may refuse until its changes have been read
  for (size_t i = 0; i < group.count; ++i) {
    drop(DropReason::kEngine);
    decided(group.items[i], false);
  }
}

bool Dataplane::advance(int64_t now_ns) {
  if (idle()) return false;
  for (;;) {
    queue_.poll();
    while (groups_first_ < groups_end_ && queue_.done(groups_first_)) {
      finish_group(now_ns, (*groups_)[groups_first_++]);
    }
    if (groups_first_ < groups_end_) return true;
    if (round_open_) {
      if (!queue_.done(kRoundTag)) return true;
      finish_round(now_ns);
    }
    if (pending_.empty()) break;
    submit_round(now_ns);
  }
  end_wave(now_ns);
  return false;
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

void Dataplane::finish_group(int64_t now_ns, Group& group) {
  tell(now_ns, group.completions[group.count], group.extracted);
  const bool still_deciding = deciding(now_ns);
  for (size_t i = 0; i < group.count; ++i) {
    if (still_deciding) {
      finish(now_ns, group.items[i], group.completions[i]);
    } else {
      drop(not_deciding());
      decided(group.items[i], false);
    }
  }
  if (groups_ahead() > 1) send(now_ns);
}

void Dataplane::finish(int64_t now_ns, Item& item, const abi::Completion& completion) {
  switch (completion.result) {
    case abi::Result::kDone:
      return decided(item, forward(now_ns, item, completion));
    case abi::Result::kMiss:
      pending_.push_back({.item = &item, .step = Pending::Step::kDecide, .opening = {}});
      return;
    case abi::Result::kDrop:
      drop(from_track(completion.reason));
      break;
    default:
      drop(DropReason::kEngine);
  }
  decided(item, false);
}

// Whether the packet went on: what was held of its datagram does as it did.
void Dataplane::decided(Item& item, bool passed) {
  if (!item.packet.is_fragment || !item.packet.first_fragment) return;
  fragments_.decide(item.packet, passed, drops_, [&](const Frame& frame, ParsedPacket& packet, PortIndex port) {
    const Frame copy = arena_.copy(frame);
    if (copy.data == nullptr) return drop(DropReason::kBufferFull);
    held_fragments_.push_back({copy, packet, port});
    pending_.push_back({.item = &held_fragments_.back(), .step = Pending::Step::kHeld, .opening = {}});
  });
}

void Dataplane::tell(int64_t now_ns, const abi::Completion& extract, absl::Span<const abi::Record> records) {
  if (extract.result != abi::Result::kDone) return;
  log_left_ = extract.next != 0;
  if (extract.count == 0) return;
  counters_.changes += extract.count;
  told_ = true;
  changes_->changed(now_ns, records.first(extract.count));
}

void Dataplane::tell_done(int64_t now_ns) {
  if (told_) changes_->burst_done(now_ns);
  told_ = false;
}

// State goes before what follows from it: while the engine has changes that nobody has read, frames wait.
void Dataplane::send(int64_t now_ns) {
  if (log_left_) return;
  tell_done(now_ns);
  frames_->flush();
}

void Dataplane::end_wave(int64_t now_ns) {
  act_on_neighbours(now_ns);
  if (log_left_) publish(now_ns);
  tell_done(now_ns);
  frames_->flush();
  arena_.reset();
  held_fragments_.clear();
  flows_.clear();
  groups_first_ = groups_end_ = 0;
  wave_open_ = false;
}

}  // namespace phalanx::gateway

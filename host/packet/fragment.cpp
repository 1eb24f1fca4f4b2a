#include "host/packet/fragment.hpp"

#include <algorithm>
#include <cassert>

namespace phalanx {
namespace {

// The fragment's place in its datagram's data.
uint32_t begin_of(const ParsedPacket& p) { return p.fragment_offset; }
uint32_t end_of(const ParsedPacket& p) { return p.fragment_offset + (p.l3 + p.l3_length - p.fragment_begin); }

FragmentResult forward() { return {FragmentResult::Action::kForward, DropReason::kNone}; }
FragmentResult held() { return {FragmentResult::Action::kHold, DropReason::kNone}; }
FragmentResult dropped(DropReason reason) { return {FragmentResult::Action::kDrop, reason}; }

}  // namespace

FragmentTable::FragmentTable(const FragmentLimits& limits) : limits_(limits) {
  assert(limits.datagrams > 0 && limits.fragments_per_datagram > 1 && limits.timeout_ns > 0);
}

FragmentTable::Key FragmentTable::key_of(const ParsedPacket& p) {
  return {p.source, p.destination, p.fragment_id, p.virtual_system, p.family == 4 ? p.protocol : uint8_t{0}};
}

FragmentTable::Datagram& FragmentTable::find_or_begin(const Key& key, int64_t now_ns, DropCounters& drops) {
  if (const auto found = index_.find(key); found != index_.end()) {
    if (now_ns - found->second.begun_ns < limits_.timeout_ns) return found->second;
    // The identifier is in use again: what is left of the old datagram must not mix with the new one.
    drop_held(found->second, DropReason::kFragmentTimeout, drops);
    order_.erase(found->second.place);
    index_.erase(found);
  }
  if (index_.size() >= limits_.datagrams) forget_oldest(DropReason::kFragmentTableFull, drops);
  Datagram& datagram = index_[key];
  datagram.begun_ns = now_ns;
  datagram.place = order_.insert(order_.end(), key);
  return datagram;
}

// Enters the fragment's range, or says why the fragment cannot belong there.
DropReason FragmentTable::add_range(Datagram& datagram, const ParsedPacket& packet) const {
  const Range range{begin_of(packet), end_of(packet)};
  auto& ranges = datagram.ranges;
  const auto at = std::lower_bound(ranges.begin(), ranges.end(), range,
                                   [](const Range& x, const Range& y) { return x.begin < y.begin; });
  const bool last = !packet.more_fragments;
  if (at != ranges.end() && at->begin == range.begin && at->end == range.end) {
    const bool was_last = datagram.length == range.end;
    return last == was_last ? DropReason::kFragmentDuplicate : DropReason::kFragmentOverlap;
  }
  if (at != ranges.end() && at->begin < range.end) return DropReason::kFragmentOverlap;
  if (at != ranges.begin() && (at - 1)->end > range.begin) return DropReason::kFragmentOverlap;
  if (datagram.length != 0 && (last || range.end > datagram.length)) return DropReason::kFragmentOverlap;
  if (last && !ranges.empty() && ranges.back().end > range.end) return DropReason::kFragmentOverlap;
  if (ranges.size() >= limits_.fragments_per_datagram) return DropReason::kFragmentTooMany;
  ranges.insert(at, range);
  datagram.seen += range.end - range.begin;
  if (last) datagram.length = range.end;
  return DropReason::kNone;
}

FragmentResult FragmentTable::take(const Frame& frame, ParsedPacket& packet, PortIndex port, int64_t now_ns,
                                   DropCounters& drops) {
  assert(packet.is_fragment);
  Datagram& datagram = find_or_begin(key_of(packet), now_ns, drops);
  if (datagram.state == State::kDropped) return dropped(datagram.refused);
  const DropReason reason = add_range(datagram, packet);
  if (reason == DropReason::kFragmentDuplicate) return dropped(reason);
  if (reason != DropReason::kNone) return refuse(datagram, reason, drops);
  if (packet.first_fragment) {
    remember_first(datagram, packet);
    return forward();
  }
  return take_later(datagram, frame, packet, port, drops);
}

// A first fragment's FIN is that of the last byte, which comes with the last fragment.
void FragmentTable::remember_first(Datagram& datagram, ParsedPacket& packet) {
  assert(datagram.state == State::kAwaitFirst);
  datagram.state = State::kUndecided;
  datagram.header_bytes = packet.payload - packet.fragment_begin;
  if (packet.meta.kind == hls::kPacketTcp) {
    datagram.fin = (packet.meta.tcp_flags & hls::kTcpFin) != 0;
    packet.meta.tcp_flags = static_cast<uint8_t>(packet.meta.tcp_flags & ~hls::kTcpFin);
  }
  datagram.first = packet;
}

FragmentResult FragmentTable::take_later(Datagram& datagram, const Frame& frame, ParsedPacket& packet, PortIndex port,
                                         DropCounters& drops) {
  if (datagram.state == State::kPassed) {
    adopt(datagram, packet);
    if (datagram.complete()) {
      order_.erase(datagram.place);
      index_.erase(key_of(packet));
    }
    return forward();
  }
  if (datagram.held_bytes + frame.length > limits_.held_bytes_per_datagram ||
      held_bytes_ + frame.length > limits_.held_bytes) {
    return refuse(datagram, DropReason::kFragmentQueueFull, drops);  // it can't become whole any more
  }
  datagram.held.push_back({std::vector<uint8_t>(frame.data, frame.data + frame.length), packet, port});
  datagram.held_bytes += frame.length;
  held_bytes_ += frame.length;
  return held();
}

// Drops this fragment, what is held of its datagram, and all that will come of it.
FragmentResult FragmentTable::refuse(Datagram& datagram, DropReason reason, DropCounters& drops) {
  datagram.state = State::kDropped;
  datagram.refused = reason;
  drop_held(datagram, reason, drops);
  return dropped(reason);
}

void FragmentTable::drop_held(Datagram& datagram, DropReason reason, DropCounters& drops) {
  drops.count(reason, datagram.held.size());
  assert(held_bytes_ >= datagram.held_bytes);
  held_bytes_ -= datagram.held_bytes;
  datagram.held_bytes = 0;
  datagram.held.clear();
}

void FragmentTable::forget_oldest(DropReason reason, DropCounters& drops) {
  assert(!order_.empty());
  const auto oldest = index_.find(order_.front());
  assert(oldest != index_.end());
  drop_held(oldest->second, reason, drops);
  index_.erase(oldest);
  order_.pop_front();
}

// Gives a later fragment what the session engine needs of the first: the flow, and for TCP its own part of sequence
// space.
void FragmentTable::adopt(const Datagram& datagram, ParsedPacket& packet) {
  const ParsedPacket& first = datagram.first;
  packet.source_port = first.source_port;
  packet.destination_port = first.destination_port;
  packet.protocol = first.protocol;
  packet.icmp_type = first.icmp_type;
  packet.icmp_code = first.icmp_code;
  packet.icmp_id = first.icmp_id;
  hls::PacketMeta meta = first.meta;
  meta.bytes = packet.l3_length;
  meta.payload = end_of(packet) - begin_of(packet);
  if (meta.kind == hls::kPacketTcp) {
    const uint32_t syn = (meta.tcp_flags & hls::kTcpSyn) != 0 ? 1 : 0;
    meta.seq += syn + packet.fragment_offset - datagram.header_bytes;
    meta.tcp_flags = static_cast<uint8_t>(meta.tcp_flags & ~hls::kTcpSyn);
    if (datagram.fin && !packet.more_fragments) meta.tcp_flags |= hls::kTcpFin;
    meta.window_scale = hls::kNoWindowScale;
  } else if (meta.kind != hls::kPacketUdp) {
    meta.payload = 0;
  }
  packet.meta = meta;
}

void FragmentTable::decide(const ParsedPacket& first, bool passed, DropCounters& drops, Emit emit) {
  assert(first.first_fragment);
  const auto found = index_.find(key_of(first));
  if (found == index_.end() || found->second.state != State::kUndecided) return;  // evicted or refused meanwhile
  Datagram& datagram = found->second;
  if (!passed) {
    refuse(datagram, DropReason::kFragmentFirstDropped, drops);
    return;
  }
  datagram.state = State::kPassed;
  for (Held& held : datagram.held) {
    adopt(datagram, held.packet);
    emit(Frame{held.bytes.data(), static_cast<uint32_t>(held.bytes.size())}, held.packet, held.port);
  }
  held_bytes_ -= datagram.held_bytes;
  datagram.held_bytes = 0;
  datagram.held.clear();
  if (datagram.complete()) {
    order_.erase(datagram.place);
    index_.erase(found);
  }
}

void FragmentTable::expire(int64_t now_ns, DropCounters& drops) {
  while (!order_.empty()) {
    const auto oldest = index_.find(order_.front());
    assert(oldest != index_.end());
    if (now_ns - oldest->second.begun_ns < limits_.timeout_ns) return;
    forget_oldest(DropReason::kFragmentTimeout, drops);
  }
}

}  // namespace phalanx

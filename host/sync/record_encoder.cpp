#include <cassert>

#include "host/sync/wire_layout.hpp"

namespace phalanx::sync {

using hls::Endpoint;
using hls::Session;

namespace codec {

void Context::begin(uint64_t base_generation) {
  for (StateContext& s : states) s = {base_generation & kGenerationMask, {0, 0}, 0, 0};
  if (++epoch == 0) {  // after 2^32 containers: entries of an old epoch must not come to life
    responders.fill({});
    epoch = 1;
  }
  has_originator_v4 = has_originator_v6 = has_nat_source = has_nat_destination = false;
  has_responder_port.fill(false);
}

namespace {

uint8_t* put_varint(uint8_t* out, uint64_t v) {
  while (v >= 0x80) {
    *out++ = static_cast<uint8_t>(v | 0x80);
    v >>= 7;
  }
  *out++ = static_cast<uint8_t>(v);
  return out;
}

template <typename T>
uint8_t* put(uint8_t* out, T v) {
  if constexpr (sizeof(T) == 1) {
    *out = v;
  } else if constexpr (sizeof(T) == 2) {
    store16(out, v);
  } else if constexpr (sizeof(T) == 4) {
    store32(out, v);
  } else {
    store64(out, v);
  }
  return out + sizeof(T);
}

uint8_t* put_originator(Context& c, bool v6, const Endpoint& e, uint8_t* first, uint8_t* out) {
  if (v6) {
    if (c.has_originator_v6 && c.originator_v6_hi == e.hi) {
      *first |= kOriginatorShared;
    } else {
      out = put(out, e.hi);
    }
    c.originator_v6_hi = e.hi;
    c.has_originator_v6 = true;
    out = put(out, e.lo);
  } else {
    const uint32_t address = static_cast<uint32_t>(e.lo);
    if (c.has_originator_v4 && c.originator_v4 >> 16 == address >> 16) {
      *first |= kOriginatorShared;
      out = put(out, static_cast<uint16_t>(address));
    } else {
      out = put(out, address);
    }
    c.originator_v4 = address;
    c.has_originator_v4 = true;
  }
  return put(out, e.port);
}

uint8_t* put_responder(Context& c, bool v6, ProtocolClass cls, const Endpoint& e, uint8_t* first, uint8_t* out) {
  const uint8_t family = v6 ? 6 : 4;
  const uint32_t index = dictionary_index(e.hi, e.lo, e.port);
  DictionaryEntry& entry = c.responders[index];
  if (entry.epoch == c.epoch && entry.port == e.port && entry.lo == e.lo && entry.hi == e.hi &&
      entry.family == family) {
    *first |= static_cast<uint8_t>(static_cast<uint8_t>(ResponderMode::kIndexed) << 2);
    return put(out, static_cast<uint8_t>(index));
  }
  entry = {e.hi, e.lo, c.epoch, e.port, family};
  if (v6) out = put(out, e.hi);
  out = v6 ? put(out, e.lo) : put(out, static_cast<uint32_t>(e.lo));
  if (cls == ProtocolClass::kEcho) return out;  // its port is 0
  const size_t i = static_cast<size_t>(cls);
  if (c.has_responder_port[i] && c.responder_port[i] == e.port) {
    *first |= static_cast<uint8_t>(static_cast<uint8_t>(ResponderMode::kSamePort) << 2);
    return out;
  }
  c.has_responder_port[i] = true;
  c.responder_port[i] = e.port;
  return put(out, e.port);
}

uint8_t extension_bits(const Context& c, const Session& s, bool deleted) {
  uint8_t bits = 0;
  if (hls::virtual_system(s.key) != 0) bits |= kExtVirtualSystem;
  if (deleted) return bits;
  const bool wide = (s.flags & hls::kNatWide) != 0;
  if (wide) bits |= kExtNatWide;
  if (s.flags & hls::kPickedUp) bits |= kExtPickedUp;
  if (s.flags & hls::kNatSource) {
    bits |= kExtNatSource;
    if (!wide && c.has_nat_source && c.nat_source == s.nat_source) bits |= kExtSameNatSource;
  }
  if (s.flags & hls::kNatDestination) {
    bits |= kExtNatDestination;
    if (!wide && c.has_nat_destination && c.nat_destination == s.nat_destination) bits |= kExtSameNatDestination;
  }
  return bits;
}

uint8_t* put_nat(Context& c, const abi::Record& r, uint8_t ext, uint8_t* out) {
  const Session& s = r.session;
  const bool wide = (ext & kExtNatWide) != 0;
  if (ext & kExtNatSource) {
    if (wide) {
      out = put(put(out, r.wide.source_hi), r.wide.source_lo);
    } else {
      if (!(ext & kExtSameNatSource)) out = put(out, s.nat_source);
      c.nat_source = s.nat_source;
      c.has_nat_source = true;
    }
    out = put(out, s.nat_source_port);
  }
  if (ext & kExtNatDestination) {
    if (wide) {
      out = put(put(out, r.wide.destination_hi), r.wide.destination_lo);
    } else {
      if (!(ext & kExtSameNatDestination)) out = put(out, s.nat_destination);
      c.nat_destination = s.nat_destination;
      c.has_nat_destination = true;
    }
    out = put(out, s.nat_destination_port);
  }
  return out;
}

uint8_t* put_tcp(StateContext& c, const Session& s, uint8_t* first, uint8_t* out) {
  if (s.tcp_flags == c.tcp_flags && s.scales == c.scales) {
    *first |= kSameProfile;
  } else {
    out = put(put(out, s.tcp_flags), s.scales);
    c.tcp_flags = s.tcp_flags;
    c.scales = s.scales;
  }
  const hls::TcpSide& o = s.side[0];
  const hls::TcpSide& r = s.side[1];
  uint8_t* const bits_at = out++;
  const uint32_t acked0 = TcpPrediction::originator_acked(s);
  const uint32_t acked1 = TcpPrediction::responder_acked(s);
  const uint32_t max_end0 = TcpPrediction::originator_max_end(s);
  const uint32_t max_end1 = TcpPrediction::responder_max_end(s);
  uint8_t bits = 0;
  if (o.end != 0) bits |= kTcpEnd0, out = put(out, o.end);
  if (r.end != 0) bits |= kTcpEnd1, out = put(out, r.end);
  if (o.max_window != c.window[0]) bits |= kTcpWindow0, out = put_varint(out, pack_window(o.max_window));
  if (r.max_window != c.window[1]) bits |= kTcpWindow1, out = put_varint(out, pack_window(r.max_window));
  if (o.acked != acked0) bits |= kTcpAcked0, out = put_varint(out, zigzag32(o.acked, acked0));
  if (r.acked != acked1) bits |= kTcpAcked1, out = put_varint(out, zigzag32(r.acked, acked1));
  if (o.max_end != max_end0) bits |= kTcpMaxEnd0, out = put_varint(out, zigzag32(o.max_end, max_end0));
  if (r.max_end != max_end1) bits |= kTcpMaxEnd1, out = put_varint(out, zigzag32(r.max_end, max_end1));
  *bits_at = bits;
  c.window[0] = o.max_window;
  c.window[1] = r.max_window;
  return out;
}

uint8_t* put_counters(const Session& s, uint32_t now_ms, uint8_t* out) {
  const uint32_t age = now_ms - s.last_seen;
  out = put_varint(out, age < 0x80000000u ? age : 0);  // a session cannot have been seen in the future
  for (int i = 0; i < 2; ++i) {
    out = put_varint(out, s.traffic[i] & 0xffffffffffffull);
    out = put_varint(out, (s.traffic[i] >> 48) << 32 | s.packets[i]);
  }
  return out;
}

}  // namespace
}  // namespace codec

void RecordEncoder::begin(uint64_t base_generation, Content content, uint32_t now_ms) {
  context_.begin(base_generation);
  content_ = content;
  now_ms_ = now_ms;
}

size_t RecordEncoder::encode(const abi::Record& record, uint8_t* out) {
  using namespace codec;
  const Session& s = record.session;
  assert(s.state != hls::kStateFree && s.state < hls::kStates);
  const bool v6 = hls::family(s.key) == 6;
  const bool from_b = (s.flags & hls::kOriginatorIsB) != 0;
  const Endpoint a = hls::endpoint_a(s.key);
  const Endpoint b = hls::endpoint_b(s.key);
  assert(!hls::endpoint_less(b, a));
  const Endpoint& originator = from_b ? b : a;
  const Endpoint& responder = from_b ? a : b;
  const bool deleted = s.state == hls::kStateDeleted;
  const uint8_t protocol = hls::protocol(s.key);
  const ProtocolClass cls = protocol_class(protocol, v6 ? 6 : 4, s.state, responder.port);

  uint8_t first = static_cast<uint8_t>(static_cast<uint8_t>(cls) << 6 | (v6 ? kV6 : 0));
  const uint32_t version = static_cast<uint32_t>(s.order & hls::kVersionMask);
  const bool escaped = version >= kVersionEscape;
  uint8_t* at = out + 1;
  *at++ = static_cast<uint8_t>(s.state << 4 | (escaped ? kVersionEscape : version));
  if (escaped) at = put_varint(at, version - kVersionEscape);

  StateContext& state = context_.states[s.state];
  const uint64_t generation = s.order >> hls::kVersionBits;
  at = put_varint(at, zigzag(generation_delta(generation, state.generation)));
  state.generation = generation;

  const uint8_t ext = extension_bits(context_, s, deleted);
  if (ext != 0) {
    first |= kExtension;
    *at++ = ext;
  }
  if (cls == ProtocolClass::kOther) *at++ = protocol;
  if (ext & kExtVirtualSystem) at = put_varint(at, hls::virtual_system(s.key));
  at = put_originator(context_, v6, originator, &first, at);
  at = put_responder(context_, v6, cls, responder, &first, at);
  if (!deleted) {
    at = put_varint(at, s.rule);
    at = put_nat(context_, record, ext, at);
    if (is_tcp_state(s.state)) at = put_tcp(state, s, &first, at);
    if (content_ == Content::kSnapshot) at = put_counters(s, now_ms_, at);
  }
  *out = first;
  assert(static_cast<size_t>(at - out) <= kRecordBytesMax);
  return static_cast<size_t>(at - out);
}

abi::Record replicated(const abi::Record& record, Content content) {
  const Session& s = record.session;
  abi::Record r = {};
  Session& t = r.session;
  t.key = s.key;
  t.order = s.order;
  t.state = s.state;
  t.flags = s.flags & hls::kOriginatorIsB;
  if (s.state == hls::kStateDeleted) return r;
  t.flags = s.flags & kReplicatedFlags;
  t.rule = s.rule;
  const bool wide = (s.flags & hls::kNatWide) != 0;
  if (s.flags & hls::kNatSource) {
    t.nat_source_port = s.nat_source_port;
    if (wide) {
      r.wide.source_hi = record.wide.source_hi;
      r.wide.source_lo = record.wide.source_lo;
    } else {
      t.nat_source = s.nat_source;
    }
  }
  if (s.flags & hls::kNatDestination) {
    t.nat_destination_port = s.nat_destination_port;
    if (wide) {
      r.wide.destination_hi = record.wide.destination_hi;
      r.wide.destination_lo = record.wide.destination_lo;
    } else {
      t.nat_destination = s.nat_destination;
    }
  }
  if (codec::is_tcp_state(s.state)) {
    t.scales = s.scales;
    t.tcp_flags = s.tcp_flags;
    for (int i = 0; i < 2; ++i) t.side[i] = s.side[i];
  }
  if (content == Content::kSnapshot) {
    t.last_seen = s.last_seen;
    for (int i = 0; i < 2; ++i) {
      t.traffic[i] = s.traffic[i];
      t.packets[i] = s.packets[i];
    }
  }
  return r;
}

}  // namespace phalanx::sync

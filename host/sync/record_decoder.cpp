#include "host/sync/wire_layout.hpp"

namespace phalanx::sync {

using hls::Endpoint;
using hls::Session;

namespace {

constexpr std::string_view kDecodeErrorNames[] = {
#define X(id, text) text,
    PHALANX_DECODE_ERRORS(X)
#undef X
};

}  // namespace

std::string_view to_string(DecodeError error) {
  const size_t i = static_cast<size_t>(error);
  return i < static_cast<size_t>(DecodeError::kCount) ? kDecodeErrorNames[i] : "unknown";
}

namespace codec {
namespace {

// Reads fields, never behind the end; the first failure sticks and everything read after it is 0.
class Reader {
 public:
  Reader(const uint8_t* at, const uint8_t* end) : at_(at), end_(end) {}

  template <typename T>
  T get() {
    if (static_cast<size_t>(end_ - at_) < sizeof(T)) return fail(DecodeError::kTruncated), T{0};
    const uint8_t* p = at_;
    at_ += sizeof(T);
    if constexpr (sizeof(T) == 1) {
      return *p;
    } else if constexpr (sizeof(T) == 2) {
      return load16(p);
    } else if constexpr (sizeof(T) == 4) {
      return load32(p);
    } else {
      return load64(p);
    }
  }

  // A varint of at most `bits` bits.
  uint64_t varint(uint32_t bits) {
    uint64_t v = 0;
    for (uint32_t shift = 0; shift < bits; shift += 7) {
      if (at_ == end_) return fail(DecodeError::kTruncated), 0;
      const uint8_t byte = *at_++;
      v |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (bits < 64 && v >> bits != 0) break;
        return v;
      }
    }
    return fail(DecodeError::kVarint), 0;
  }
  // `from` plus a signed difference.
  uint32_t near(uint32_t from) { return from + static_cast<uint32_t>(unzigzag(varint(32))); }

  uint32_t window() {
    const uint64_t packed = varint(36);
    const uint64_t window = packed >> 4 << (packed & 15);
    if (window > UINT32_MAX) return fail(DecodeError::kVarint), 0;
    return static_cast<uint32_t>(window);
  }

  void fail(DecodeError error) {
    if (error_ == DecodeError::kNone) error_ = error;
  }
  DecodeError error() const { return error_; }
  const uint8_t* at() const { return at_; }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
  DecodeError error_ = DecodeError::kNone;
};

// `first` byte's fields and what follows it up to the endpoints.
struct Head {
  ProtocolClass cls;
  ResponderMode responder_mode;
  bool v6, originator_shared, same_profile;
  uint8_t ext;
  uint8_t protocol;
};

bool state_fits(ProtocolClass cls, uint8_t state) {
  if (state == hls::kStateFree || state >= hls::kStates) return false;
  if (state == hls::kStateDeleted) return true;
  switch (cls) {
    case ProtocolClass::kTcp:
      return is_tcp_state(state);
    case ProtocolClass::kUdp:
      return state == hls::kStateUdpNew || state == hls::kStateUdpStream;
    case ProtocolClass::kEcho:
      return state == hls::kStateIcmp;
    case ProtocolClass::kOther:
      return true;
  }
  return false;
}

bool extension_fits(uint8_t ext, bool deleted) {
  if (ext == 0 || (ext & kExtReserved)) return false;
  if (deleted) return ext == kExtVirtualSystem;
  if ((ext & kExtSameNatSource) && (!(ext & kExtNatSource) || (ext & kExtNatWide))) return false;
  if ((ext & kExtSameNatDestination) && (!(ext & kExtNatDestination) || (ext & kExtNatWide))) return false;
  return true;
}

uint8_t implied_protocol(ProtocolClass cls, bool v6) {
  if (cls == ProtocolClass::kTcp) return hls::kProtocolTcp;
  if (cls == ProtocolClass::kUdp) return hls::kProtocolUdp;
  return v6 ? hls::kProtocolIcmpV6 : hls::kProtocolIcmp;
}

// Everything before the endpoints; sets the session's state and order.
Head get_head(Context& c, Reader& in, Session& s) {
  const uint8_t first = in.get<uint8_t>();
  const uint8_t second = in.get<uint8_t>();
  Head head = {};
  head.cls = static_cast<ProtocolClass>(first >> 6);
  head.v6 = (first & kV6) != 0;
  head.originator_shared = (first & kOriginatorShared) != 0;
  head.responder_mode = static_cast<ResponderMode>(first >> 2 & 3);
  head.same_profile = (first & kSameProfile) != 0;
  s.state = second >> 4;
  if (!state_fits(head.cls, s.state)) in.fail(DecodeError::kState);
  if (head.same_profile && !is_tcp_state(s.state)) in.fail(DecodeError::kState);
  uint64_t version = second & 15;
  if (version == kVersionEscape) version += in.varint(hls::kVersionBits);
  if (version > hls::kVersionMask) in.fail(DecodeError::kVarint);
  const int64_t delta = unzigzag(in.varint(64 - hls::kVersionBits));
  StateContext& state = c.states[s.state];
  state.generation = (state.generation + static_cast<uint64_t>(delta)) & kGenerationMask;
  s.order = state.generation << hls::kVersionBits | (version & hls::kVersionMask);
  if (first & kExtension) {
    head.ext = in.get<uint8_t>();
    if (!extension_fits(head.ext, s.state == hls::kStateDeleted)) in.fail(DecodeError::kExtension);
  }
  head.protocol = head.cls == ProtocolClass::kOther ? in.get<uint8_t>() : implied_protocol(head.cls, head.v6);
  return head;
}

Endpoint get_originator(Context& c, Reader& in, const Head& head) {
  Endpoint e = {};
  if (head.v6) {
    if (head.originator_shared && !c.has_originator_v6) in.fail(DecodeError::kReference);
    e.hi = head.originator_shared ? c.originator_v6_hi : in.get<uint64_t>();
    e.lo = in.get<uint64_t>();
    c.originator_v6_hi = e.hi;
    c.has_originator_v6 = true;
  } else {
    if (head.originator_shared && !c.has_originator_v4) in.fail(DecodeError::kReference);
    const uint32_t address =
        head.originator_shared ? (c.originator_v4 & 0xffff0000u) | in.get<uint16_t>() : in.get<uint32_t>();
    e.lo = address;
    c.originator_v4 = address;
    c.has_originator_v4 = true;
  }
  e.port = in.get<uint16_t>();
  return e;
}

Endpoint get_responder(Context& c, Reader& in, const Head& head) {
  const uint8_t family = head.v6 ? 6 : 4;
  Endpoint e = {};
  if (head.responder_mode == ResponderMode::kIndexed) {
    const uint8_t index = in.get<uint8_t>();
    const DictionaryEntry& entry = c.responders[index % kDictionaryEntries];
    if (index >= kDictionaryEntries || entry.epoch != c.epoch || entry.family != family) {
      return in.fail(DecodeError::kReference), e;
    }
    // An echo's responder has no port; anything else would be another record than the encoder can have meant.
    if (head.cls == ProtocolClass::kEcho && entry.port != 0) in.fail(DecodeError::kReference);
    return {entry.hi, entry.lo, entry.port};
  }
  e.hi = head.v6 ? in.get<uint64_t>() : 0;
  e.lo = head.v6 ? in.get<uint64_t>() : in.get<uint32_t>();
  if (head.responder_mode == ResponderMode::kSamePort) {
    const bool said = has_responder_port(c, head.cls);
    if (head.cls == ProtocolClass::kEcho || !said) in.fail(DecodeError::kReference);
    e.port = said ? responder_port(c, head.cls) : 0;
  } else if (head.responder_mode != ResponderMode::kFull) {
    in.fail(DecodeError::kReference);
  } else if (head.cls != ProtocolClass::kEcho) {
    e.port = in.get<uint16_t>();
    set_responder_port(c, head.cls, e.port);
  }
  c.responders[dictionary_index(e.hi, e.lo, e.port)] = {e.hi, e.lo, c.epoch, e.port, family};
  return e;
}

void get_nat(Context& c, Reader& in, uint8_t ext, abi::Record& r) {
  Session& s = r.session;
  const bool wide = (ext & kExtNatWide) != 0;
  if (wide) s.flags |= hls::kNatWide;
  if (ext & kExtPickedUp) s.flags |= hls::kPickedUp;
  if (ext & kExtNatSource) {
    s.flags |= hls::kNatSource;
    if (wide) {
      r.wide.source_hi = in.get<uint64_t>();
      r.wide.source_lo = in.get<uint64_t>();
    } else {
      if ((ext & kExtSameNatSource) && !c.has_nat_source) return in.fail(DecodeError::kReference);
      s.nat_source = c.nat_source = (ext & kExtSameNatSource) ? c.nat_source : in.get<uint32_t>();
      c.has_nat_source = true;
    }
    s.nat_source_port = in.get<uint16_t>();
  }
  if (ext & kExtNatDestination) {
    s.flags |= hls::kNatDestination;
    if (wide) {
      r.wide.destination_hi = in.get<uint64_t>();
      r.wide.destination_lo = in.get<uint64_t>();
    } else {
      if ((ext & kExtSameNatDestination) && !c.has_nat_destination) return in.fail(DecodeError::kReference);
      s.nat_destination = c.nat_destination = (ext & kExtSameNatDestination) ? c.nat_destination : in.get<uint32_t>();
      c.has_nat_destination = true;
    }
    s.nat_destination_port = in.get<uint16_t>();
  }
}

void get_tcp(StateContext& c, Reader& in, bool same_profile, Session& s) {
  if (!same_profile) {
    c.tcp_flags = in.get<uint8_t>();
    c.scales = in.get<uint8_t>();
  }
  s.tcp_flags = c.tcp_flags;
  s.scales = c.scales;
  hls::TcpSide& o = s.side[0];
  hls::TcpSide& r = s.side[1];
  const uint8_t bits = in.get<uint8_t>();
  o.end = bits & kTcpEnd0 ? in.get<uint32_t>() : 0;
  r.end = bits & kTcpEnd1 ? in.get<uint32_t>() : 0;
  o.max_window = c.window[0] = bits & kTcpWindow0 ? in.window() : c.window[0];
  r.max_window = c.window[1] = bits & kTcpWindow1 ? in.window() : c.window[1];
  o.acked = TcpPrediction::originator_acked(s);
  r.acked = TcpPrediction::responder_acked(s);
  if (bits & kTcpAcked0) o.acked = in.near(o.acked);
  if (bits & kTcpAcked1) r.acked = in.near(r.acked);
  o.max_end = TcpPrediction::originator_max_end(s);
  r.max_end = TcpPrediction::responder_max_end(s);
  if (bits & kTcpMaxEnd0) o.max_end = in.near(o.max_end);
  if (bits & kTcpMaxEnd1) r.max_end = in.near(r.max_end);
}

void get_counters(Reader& in, uint32_t now_ms, Session& s) {
  s.last_seen = now_ms - static_cast<uint32_t>(in.varint(31));
  for (int i = 0; i < 2; ++i) {
    const uint64_t bytes = in.varint(48);
    const uint64_t packets = in.varint(48);
    s.traffic[i] = packets >> 32 << 48 | bytes;
    s.packets[i] = static_cast<uint32_t>(packets);
  }
}

}  // namespace
}  // namespace codec

void RecordDecoder::begin(absl::Span<const uint8_t> bytes, uint64_t base_generation, Content content, uint32_t now_ms) {
  context_.begin(base_generation);
  at_ = bytes.data();
  end_ = bytes.data() + bytes.size();
  content_ = content;
  now_ms_ = now_ms;
}

DecodeError RecordDecoder::next(abi::Record* record) {
  using namespace codec;
  *record = {};
  Session& s = record->session;
  Reader in(at_, end_);
  const Head head = get_head(context_, in, s);
  if (in.error() != DecodeError::kNone) return in.error();
  const uint16_t virtual_system = head.ext & kExtVirtualSystem ? static_cast<uint16_t>(in.varint(16)) : 0;
  const Endpoint originator = get_originator(context_, in, head);
  const Endpoint responder = get_responder(context_, in, head);
  if (in.error() != DecodeError::kNone) return in.error();
  const hls::DirectedKey key = hls::make_key(originator, responder, head.protocol, head.v6 ? 6 : 4, virtual_system);
  s.key = key.key;
  if (key.from_b) s.flags |= hls::kOriginatorIsB;
  if (s.state != hls::kStateDeleted) {
    s.rule = static_cast<uint16_t>(in.varint(16));
    get_nat(context_, in, head.ext, *record);
    if (is_tcp_state(s.state)) get_tcp(context_.states[s.state], in, head.same_profile, s);
    s.last_seen = now_ms_;
    if (content_ == Content::kSnapshot) get_counters(in, now_ms_, s);
  }
  if (in.error() == DecodeError::kNone) at_ = in.at();
  return in.error();
}

}  // namespace phalanx::sync

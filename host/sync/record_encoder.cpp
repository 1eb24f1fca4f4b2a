#include <cassert>

#include "hls/delta_encode.hpp"
#include "host/sync/wire_layout.hpp"

namespace phalanx::sync {

using hls::Session;

namespace codec {

void Context::begin(uint64_t base_generation) {
  states.fill(hls::delta::begin_state(base_generation));
  if (++epoch == 0) {  // after 2^32 containers: entries of an old epoch must not come to life
    responders.fill({});
    epoch = 1;
  }
  static_cast<hls::delta::Registers&>(*this) = hls::delta::begin_registers(epoch);
}

namespace {

// Appends the pieces: eight bytes each, of which the next one overwrites what does not count.
struct Appender {
  uint8_t* at;
  void put(hls::delta::Piece, uint64_t bytes, uint32_t length) {
    store_raw(at, bytes);
    at += length;
  }
};

}  // namespace
}  // namespace codec

void RecordEncoder::begin(uint64_t base_generation, Content content, uint32_t now_ms) {
  context_.begin(base_generation);
  content_ = content;
  now_ms_ = now_ms;
}

size_t RecordEncoder::encode(const abi::Record& record, uint8_t* out) {
  const Session& s = record.session;
  assert(s.state != hls::kStateFree && s.state < hls::kStates);
  assert(!hls::endpoint_less(hls::endpoint_b(s.key), hls::endpoint_a(s.key)));
  const hls::delta::Parts parts = hls::delta::parts_of(s);
  const hls::delta::Options options = {content_ == Content::kSnapshot, now_ms_};
  codec::Appender appender = {out};
  hls::delta::encode(s, record.wide, parts, options, context_, context_.states[s.state],
                     context_.responders[parts.index], appender);
  const auto bytes = static_cast<size_t>(appender.at - out);
  assert(bytes <= hls::delta::kRecordBytes);
  return bytes;
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

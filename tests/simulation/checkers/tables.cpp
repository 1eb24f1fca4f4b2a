#include "tests/simulation/checkers/tables.hpp"

#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "host/packet/address.hpp"
#include "host/sync/digest.hpp"

namespace phalanx::simulation {
namespace {

using Key = std::tuple<uint64_t, uint64_t, uint64_t, uint64_t, uint64_t>;
using Table = std::map<Key, abi::Record>;

// What may differ between two changes that are told: the active member moves windows with each packet, and the standby
// marks what it has installed to be re-anchored. The order says that both hold the same told state.
abi::Record settled(abi::Record record) {
  hls::Session& s = record.session;
  s.side[0] = s.side[1] = {};
  s.flags = static_cast<uint8_t>(s.flags & ~(hls::kReanchorOriginator | hls::kReanchorResponder));
  s.tcp_flags = static_cast<uint8_t>(s.tcp_flags & ~(hls::kSideSyn | hls::kSideSyn << 4));
  return record;
}

Table table_of(gateway::Member& member, int64_t now_ns, sync::TableDigest& digest) {
  Table table;
  uint64_t first = 0;
  do {
    uint64_t next = 0;
    for (const abi::Record& record : member.data().dataplane().scan(now_ns, first, 2048, &next)) {
      const hls::Session& s = record.session;
      if (s.state == hls::kStateFree || s.state == hls::kStateDeleted) continue;
      table[{s.key.a_hi, s.key.a_lo, s.key.b_hi, s.key.b_lo, s.key.tail}] = settled(record);
      digest.add(settled(record));
    }
    first = next;
  } while (first != 0);
  return table;
}

std::string describe(const abi::Record& record) {
  const hls::Session& s = record.session;
  return absl::StrCat("protocol ", hls::protocol(s.key), " ports ", hls::port_a(s.key), "-", hls::port_b(s.key),
                      " state ", s.state, " order ", s.order >> hls::kVersionBits, ".", s.order & hls::kVersionMask,
                      " nat ", s.nat_source_port, "/", s.nat_destination_port, " tcp ", s.tcp_flags, " flags ", s.flags,
                      " last ", s.last_seen);
}

}  // namespace

std::string table_difference(gateway::Member& x, gateway::Member& y, int64_t now_ns) {
  sync::TableDigest digest_x, digest_y;
  const Table tx = table_of(x, now_ns, digest_x), ty = table_of(y, now_ns, digest_y);
  if (digest_x == digest_y) return {};
  std::string text = absl::StrCat(tx.size(), " and ", ty.size(), " sessions");
  for (const auto& [key, record] : tx) {
    const auto other = ty.find(key);
    if (other == ty.end()) {
      absl::StrAppend(&text, "\n    only at the active: ", describe(record));
    } else if (sync::record_digest(record) != sync::record_digest(other->second)) {
      absl::StrAppend(&text, "\n    active:  ", describe(record), "\n    standby: ", describe(other->second));
    }
  }
  for (const auto& [key, record] : ty) {
    if (!tx.contains(key)) absl::StrAppend(&text, "\n    only at the standby: ", describe(record));
  }
  return text;
}

}  // namespace phalanx::simulation

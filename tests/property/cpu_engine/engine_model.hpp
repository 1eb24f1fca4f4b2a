// What the engine is to do, written with a plain list of sessions and hls/ alone: no index, no bursts, no free list.
#ifndef PHALANX_TESTS_PROPERTY_CPU_ENGINE_ENGINE_MODEL_HPP
#define PHALANX_TESTS_PROPERTY_CPU_ENGINE_ENGINE_MODEL_HPP

#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "drivers/accelerator.hpp"
#include "hls/apply.hpp"
#include "hls/nat.hpp"
#include "hls/track.hpp"

namespace phalanx::testing {

// Follows an engine batch by batch. Which slot a new session gets is the engine's choice: the model takes it from the
// completion and only demands that it be free. Everything else must be equal, byte by byte.
class EngineModel {
 public:
  explicit EngineModel(const EngineConfig& config) : config_(config), track_(hls::default_track_config()) {
    track_.tcp_pickup = config.tcp_pickup;
  }

  // What differs from what the engine made of `batch`, nothing if all is as it must be.
  std::optional<std::string> difference(const Batch& batch) {
    now_ms_ = batch.now_ms;
    size_t given = 0;
    for (size_t i = 0; i < batch.operations.size(); ++i) {
      const abi::Completion& got = batch.completions[i];
      std::vector<abi::Record> output;
      const abi::Completion want = carry_out(batch, batch.operations[i], got.slot, batch.output.size() - given, output);
      if (std::memcmp(&want, &got, sizeof(want)) != 0)
        return absl::StrCat("operation ", i, ": ", show(want), " != ", show(got));
      for (const abi::Record& record : output) {
        if (std::memcmp(&record, &batch.output[given++], sizeof(record)) != 0) {
          return absl::StrCat("operation ", i, ": output ", given - 1, " differs");
        }
      }
      if (slot_clash_) return absl::StrCat("operation ", i, ": a slot that is taken was given out");
    }
    return std::nullopt;
  }

  uint64_t sessions() const {
    return count([](const Entry& e) { return e.live; });
  }
  uint64_t half_open() const {
    return count([](const Entry& e) { return e.live && is_half_open(e.session.state); });
  }
  uint64_t generation() const { return generation_; }
  void advance_generation(uint64_t generation) { generation_ = std::max(generation_, generation); }
  void set_age_floor(uint32_t now_ms) { floor_ms_ = now_ms; }
  void clear() {
    entries_.clear();
    log_.clear();
    used_end_ = 0;
  }

 private:
  struct Entry {
    hls::Session session;
    hls::WideNat wide;
    bool live = true;   // can be found
    bool gone = false;  // has nothing to say any more, waits for the log to come to it
    bool logged = false;
  };
  using Entries = std::map<uint32_t, Entry>;  // by slot

  static bool is_half_open(uint8_t state) {
    return state == hls::kStateTcpSynSent || state == hls::kStateTcpSynSentBoth || state == hls::kStateTcpSynReceived;
  }
  static uint64_t generation_of(const hls::Session& s) { return s.order >> hls::kVersionBits; }
  static std::string show(const abi::Completion& c) {
    return absl::StrCat("{result ", static_cast<int>(c.result), " reason ", static_cast<int>(c.reason), " direction ",
                        c.direction, " state ", c.state, " slot ", c.slot, " rule ", c.rule, " rewritten ", c.rewritten,
                        " changed ", c.changed, " count ", c.count, " next ", c.next, "}");
  }
  template <typename Predicate>
  uint64_t count(Predicate&& predicate) const {
    uint64_t n = 0;
    for (const auto& [slot, entry] : entries_) n += predicate(entry) ? 1 : 0;
    return n;
  }

  // The live session that has `key` on either side, except `not_this`.
  Entries::iterator find(const hls::FlowKey& key, Entries::iterator not_this) {
    for (auto i = entries_.begin(); i != entries_.end(); ++i) {
      if (i == not_this || !i->second.live) continue;
      const Entry& e = i->second;
      if (hls::same_key(e.session.key, key) || hls::same_key(hls::translated_key(e.session, e.wide).key, key)) return i;
    }
    return entries_.end();
  }
  Entries::iterator find(const hls::FlowKey& key) { return find(key, entries_.end()); }

  void log(uint32_t slot) {
    if (entries_[slot].logged) return;
    entries_[slot].logged = true;
    log_.push_back(slot);
  }
  void end_session(uint32_t slot) {
    Entry& e = entries_[slot];
    e.live = false;
    e.session.state = hls::kStateDeleted;
    e.session.order = hls::next_version(e.session.order);
    log(slot);
  }
  void remove(uint32_t slot) {
    Entry& e = entries_[slot];
    e.live = false;
    e.gone = true;
    if (!e.logged) entries_.erase(slot);
  }
  void put(uint32_t slot, const hls::Session& session, const hls::WideNat& wide) {
    slot_clash_ = slot_clash_ || entries_.contains(slot) || slot >= config_.sessions_max;
    entries_[slot] = Entry{session, wide};
    used_end_ = std::max(used_end_, slot + 1);
  }
  abi::Record record_of(const Entry& e) const {
    abi::Record r = {e.session, {}};
    r.session.flags = static_cast<uint8_t>(r.session.flags & ~hls::kDirty);
    if ((r.session.flags & hls::kNatWide) != 0) {
      r.session.nat_source = 0;
      r.wide = e.wide;
    }
    return r;
  }
  static bool well_formed(const hls::Session& s) {
    const bool nat = (s.flags & (hls::kNatSource | hls::kNatDestination)) != 0;
    return ((s.flags & hls::kNatWide) != 0) == (nat && hls::family(s.key) == 6) && s.state < hls::kStates;
  }

  abi::Completion carry_out(const Batch& batch, const abi::Operation& o, uint32_t slot, uint64_t room,
                            std::vector<abi::Record>& output) {
    const abi::Record none = {};
    const abi::Record& record = o.record < batch.records.size() ? batch.records[o.record] : none;
    switch (o.opcode) {
      case abi::Opcode::kLookup:
        return lookup(o.packet);
      case abi::Opcode::kInsert:
        return insert(record, o.packet, slot);
      case abi::Opcode::kDelete:
        return remove_by_key(o.packet.key);
      case abi::Opcode::kApply:
        return apply(record, slot);
      case abi::Opcode::kAge:
        return age(o);
      case abi::Opcode::kExtract:
        return extract(std::min<uint64_t>(o.count, room), output);
      case abi::Opcode::kScan:
        return scan(o, room, output);
    }
    abi::Completion c = {};
    c.result = abi::Result::kInvalid;
    return c;
  }

  void describe(const hls::Track& track, uint32_t slot, const hls::PacketMeta& packet, uint8_t direction,
                abi::Completion& c) {
    const Entry& e = entries_[slot];
    c.result = track.pass ? abi::Result::kDone : abi::Result::kDrop;
    c.reason = track.reason;
    c.direction = direction;
    c.state = e.session.state;
    c.slot = slot;
    c.rule = e.session.rule;
    c.changed = track.log ? 1 : 0;
    if (track.log) log(slot);
    if (!track.pass || (e.session.flags & (hls::kNatSource | hls::kNatDestination)) == 0) return;
    c.rewritten = 1;
    c.rewrite = packet.kind == hls::kPacketIcmpError ? hls::rewrite_for_error(e.session, e.wide, direction)
                                                     : hls::rewrite_for(e.session, e.wide, direction);
  }

  abi::Completion lookup(const hls::PacketMeta& packet) {
    abi::Completion c = {};
    c.result = abi::Result::kMiss;
    const auto found = find(packet.key);
    if (found == entries_.end()) return c;
    Entry& e = found->second;
    const hls::Match match = hls::match_direction(e.session, e.wide, packet);
    if (!match.matched) return c;
    hls::reanchor_if_older(e.session, floor_ms_);
    const hls::Track track = hls::track_packet(e.session, packet, match.direction, now_ms_, track_);
    describe(track, found->first, packet, match.direction, c);
    return c;
  }

  abi::Completion insert(const abi::Record& record, const hls::PacketMeta& packet, uint32_t slot) {
    abi::Completion c = {};
    c.result = abi::Result::kInvalid;
    hls::Session s = record.session;
    s.flags &= hls::kOriginatorIsB | hls::kNatSource | hls::kNatDestination | hls::kNatWide;
    s.state = hls::kStateFree;
    if (!well_formed(s) || !hls::same_key(s.key, packet.key) || packet.from_b != (s.flags & hls::kOriginatorIsB))
      return c;
    c.result = abi::Result::kExists;
    if (find(s.key) != entries_.end()) return c;
    if (find(hls::translated_key(s, record.wide).key) != entries_.end()) return c;
    const hls::Track track = hls::open_session(s, packet, now_ms_, track_);
    c.result = abi::Result::kDrop;
    c.reason = track.reason;
    if (!track.pass) return c;
    c.result = abi::Result::kHalfOpen;
    if (is_half_open(s.state) && half_open() >= config_.half_open_max) return c;
    c.result = abi::Result::kFull;
    if (entries_.size() >= config_.sessions_max) return c;
    if (generation_of(s) == 0) s.order = (generation_ + 1) << hls::kVersionBits;
    generation_ = std::max(generation_, generation_of(s));
    put(slot, s, record.wide);
    describe(track, slot, packet, 0, c);
    return c;
  }

  abi::Completion remove_by_key(const hls::FlowKey& key) {
    abi::Completion c = {};
    c.result = abi::Result::kMiss;
    const auto found = find(key);
    if (found == entries_.end()) return c;
    end_session(found->first);
    c.result = abi::Result::kDone;
    c.state = hls::kStateDeleted;
    c.slot = found->first;
    c.rule = found->second.session.rule;
    c.changed = 1;
    return c;
  }

  abi::Completion apply(const abi::Record& record, uint32_t slot) {
    abi::Completion c = {};
    c.result = abi::Result::kInvalid;
    const bool ended = record.session.state == hls::kStateDeleted || record.session.state == hls::kStateFree;
    if (!ended && !well_formed(record.session)) return c;
    generation_ = std::max(generation_, generation_of(record.session));
    auto own = find(record.session.key);
    if (own != entries_.end() && !hls::same_key(own->second.session.key, record.session.key)) own = entries_.end();
    const bool exists = own != entries_.end();
    const hls::Session absent = {};
    const auto decision = hls::decide_apply(exists, exists ? own->second.session : absent, record.session, now_ms_);
    const uint32_t at = exists ? own->first : slot;
    switch (decision.action) {
      case hls::ApplyAction::kRemove:
        remove(at);
        c.result = abi::Result::kDone;
        break;
      case hls::ApplyAction::kInstall:
        c.result = install(own, at, decision.session, record.wide);
        break;
      case hls::ApplyAction::kAbsent:
        c.result = abi::Result::kMiss;
        break;
      case hls::ApplyAction::kStale:
        c.result = abi::Result::kStale;
        break;
      case hls::ApplyAction::kInvalid:
        break;
    }
    if (c.result != abi::Result::kDone) return c;
    c.state = ended ? hls::kStateDeleted : record.session.state;
    c.slot = at;
    c.rule = record.session.rule;
    return c;
  }

  abi::Result install(Entries::iterator own, uint32_t slot, const hls::Session& session, const hls::WideNat& wide) {
    const hls::FlowKey keys[2] = {session.key, hls::translated_key(session, wide).key};
    for (const auto& key : keys) {
      const auto other = find(key, own);
      if (other != entries_.end() && generation_of(other->second.session) >= generation_of(session))
        return abi::Result::kStale;
    }
    if (own == entries_.end() && entries_.size() >= config_.sessions_max) return abi::Result::kFull;
    for (const auto& key : keys) {
      const auto other = find(key, own);
      if (other != entries_.end()) remove(other->first);
    }
    if (own == entries_.end()) {
      put(slot, session, wide);
    } else {
      own->second.session = session;
      own->second.wide = wide;
    }
    return abi::Result::kDone;
  }

  abi::Completion age(const abi::Operation& o) {
    abi::Completion c = {};
    c.result = abi::Result::kInvalid;
    if (o.argument > config_.sessions_max) return c;
    c.result = abi::Result::kDone;
    const uint64_t end = o.count > config_.sessions_max ? config_.sessions_max : o.argument + o.count;
    for (auto& [slot, e] : entries_) {
      if (slot < o.argument || slot >= end || !e.live) continue;
      if (!hls::timed_out(config_.timeouts, e.session.state, e.session.last_seen, floor_ms_, now_ms_)) continue;
      end_session(slot);
      ++c.count;
      c.changed = 1;
    }
    c.next = end < used_end_ ? end : 0;
    return c;
  }

  abi::Completion extract(uint64_t room, std::vector<abi::Record>& output) {
    abi::Completion c = {};
    while (!log_.empty() && output.size() < room) {
      const uint32_t slot = log_.front();
      log_.pop_front();
      Entry& e = entries_[slot];
      e.logged = false;
      if (!e.gone) output.push_back(record_of(e));
      if (!e.live) entries_.erase(slot);
    }
    c.count = static_cast<uint32_t>(output.size());
    c.next = log_.size();
    return c;
  }

  abi::Completion scan(const abi::Operation& o, uint64_t room, std::vector<abi::Record>& output) {
    abi::Completion c = {};
    c.result = abi::Result::kInvalid;
    if (o.argument > config_.sessions_max || room == 0) return c;
    c.result = abi::Result::kDone;
    const uint64_t end = o.count > config_.sessions_max ? config_.sessions_max : o.argument + o.count;
    uint64_t slot = o.argument;
    for (; slot < end && slot < used_end_ && output.size() < room; ++slot) {
      const auto found = entries_.find(static_cast<uint32_t>(slot));
      if (found != entries_.end() && found->second.live) output.push_back(record_of(found->second));
    }
    c.count = static_cast<uint32_t>(output.size());
    c.next = slot < used_end_ ? slot : 0;
    return c;
  }

  const EngineConfig config_;
  hls::TrackConfig track_;
  Entries entries_;
  std::deque<uint32_t> log_;
  uint64_t generation_ = 0;
  uint32_t used_end_ = 0;
  uint32_t now_ms_ = 0;
  uint32_t floor_ms_ = 0;
  bool slot_clash_ = false;
};

}  // namespace phalanx::testing

#endif

#include "drivers/cpu/cpu_engine.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "hls/hash.hpp"
#include "tests/unit/cpu_engine/engine_driver.hpp"

namespace phalanx::testing {
namespace {

using abi::Result;

constexpr uint32_t kClient = 0x0a000001, kServer = 0xc6336401, kHide = 0xcb007101;

hls::PacketMeta client_udp(uint16_t port) { return udp(kClient, port, kServer, 53); }
hls::PacketMeta syn(uint16_t port, uint32_t seq = 100) { return tcp(kClient, port, kServer, 80, hls::kTcpSyn, seq, 0); }

TEST(CpuEngine, InsertedSessionIsFoundFromBothSides) {
  EngineDriver d(small_config(8));
  const auto first = d.insert(record_for(client_udp(1000), 7), client_udp(1000));
  ASSERT_EQ(first.result, Result::kDone);
  EXPECT_EQ(first.state, hls::kStateUdpNew);
  EXPECT_EQ(first.changed, 1);
  const auto reply = d.lookup(udp(kServer, 53, kClient, 1000));
  EXPECT_EQ(reply.result, Result::kDone);
  EXPECT_EQ(reply.direction, 1);
  EXPECT_EQ(reply.state, hls::kStateUdpStream);
  EXPECT_EQ(reply.slot, first.slot);
  EXPECT_EQ(reply.rule, 7);
  EXPECT_EQ(reply.rewritten, 0);
  EXPECT_EQ(d.lookup(client_udp(1001)).result, Result::kMiss);
  EXPECT_EQ(d.engine().counters().sessions, 1u);
  EXPECT_EQ(d.engine().counters().inserted, 1u);
}

TEST(CpuEngine, NatSessionIsFoundByTheKeyOfEachSideAndRewritten) {
  EngineDriver d(small_config(8));
  const auto c = d.insert(with_source_nat(record_for(client_udp(1000)), kHide, 4000), client_udp(1000));
  ASSERT_EQ(c.result, Result::kDone);
  EXPECT_EQ(c.rewritten, 1);
  EXPECT_EQ(c.rewrite.source_lo, kHide);
  const auto reply = d.lookup(udp(kServer, 53, kHide, 4000));
  ASSERT_EQ(reply.result, Result::kDone);
  EXPECT_EQ(reply.direction, 1);
  EXPECT_EQ(reply.rewritten, 1);
  EXPECT_EQ(reply.rewrite.destination, 1);
  EXPECT_EQ(reply.rewrite.destination_lo, kClient);
  EXPECT_EQ(reply.rewrite.destination_port, 1000);
  EXPECT_EQ(d.lookup(udp(kServer, 53, kClient, 1000)).result, Result::kMiss)
      << "a reply comes to the translated address";
  EXPECT_EQ(d.remove(udp(kServer, 53, kHide, 4000)).result, Result::kDone) << "either key deletes";
  EXPECT_EQ(d.lookup(client_udp(1000)).result, Result::kMiss);
}

TEST(CpuEngine, SecondSessionOfEitherKeyIsRefusedAndChangesNothing) {
  EngineDriver d(small_config(8));
  ASSERT_EQ(d.insert(with_source_nat(record_for(client_udp(1000)), kHide, 4000), client_udp(1000)).result,
            Result::kDone);
  const auto before = d.engine().counters();
  // The same key; another key with the same translated one; a key that equals the translated one.
  EXPECT_EQ(d.insert(record_for(client_udp(1000)), client_udp(1000)).result, Result::kExists);
  EXPECT_EQ(d.insert(with_source_nat(record_for(client_udp(1001)), kHide, 4000), client_udp(1001)).result,
            Result::kExists);
  const auto translated = udp(kHide, 4000, kServer, 53);
  EXPECT_EQ(d.insert(record_for(translated), translated).result, Result::kExists);
  EXPECT_EQ(d.engine().counters().sessions, before.sessions);
  EXPECT_EQ(d.engine().counters().refused_exists, 3u);
  EXPECT_EQ(d.engine().generation(), 1u) << "what is refused takes no generation";
}

TEST(CpuEngine, FullTableRefusesAndKeepsWhatItHas) {
  EngineDriver d(small_config(5));
  for (uint16_t port = 1; port <= 5; ++port)
    ASSERT_EQ(d.insert(record_for(client_udp(port)), client_udp(port)).result, Result::kDone);
  EXPECT_EQ(d.insert(record_for(client_udp(6)), client_udp(6)).result, Result::kFull);
  abi::Record replica = record_for(client_udp(7));
  replica.session.state = hls::kStateUdpStream;
  replica.session.order = 99ull << hls::kVersionBits;
  EXPECT_EQ(d.apply(replica).result, Result::kFull);
  EXPECT_EQ(d.engine().counters().refused_full, 2u);
  for (uint16_t port = 1; port <= 5; ++port) EXPECT_EQ(d.lookup(client_udp(port)).result, Result::kDone);
  // A deleted session's slot comes free once the change log has given it out.
  EXPECT_EQ(d.remove(client_udp(3)).result, Result::kDone);
  EXPECT_EQ(d.insert(record_for(client_udp(6)), client_udp(6)).result, Result::kFull);
  EXPECT_EQ(d.extract(10).size(), 5u);
  EXPECT_EQ(d.insert(record_for(client_udp(6)), client_udp(6)).result, Result::kDone);
}

TEST(CpuEngine, HalfOpenBoundCountsThroughEveryPath) {
  EngineConfig config = small_config(16);
  config.half_open_max = 2;
  EngineDriver d(config);
  ASSERT_EQ(d.insert(record_for(syn(1)), syn(1)).result, Result::kDone);
  ASSERT_EQ(d.insert(record_for(syn(2)), syn(2)).result, Result::kDone);
  EXPECT_EQ(d.insert(record_for(syn(3)), syn(3)).result, Result::kHalfOpen);
  EXPECT_EQ(d.insert(record_for(client_udp(3)), client_udp(3)).result, Result::kDone) << "UDP is not half-open";
  // Established: one place.
  ASSERT_EQ(d.lookup(tcp(kServer, 80, kClient, 1, hls::kTcpSyn | hls::kTcpAck, 500, 101)).result, Result::kDone);
  EXPECT_EQ(d.engine().counters().half_open, 2u);
  ASSERT_EQ(d.lookup(tcp(kClient, 1, kServer, 80, hls::kTcpAck, 101, 501)).state, hls::kStateTcpEstablished);
  EXPECT_EQ(d.engine().counters().half_open, 1u);
  EXPECT_EQ(d.insert(record_for(syn(3)), syn(3)).result, Result::kDone);
  // Deleted: another. Aged: all.
  d.remove(syn(2));
  EXPECT_EQ(d.engine().counters().half_open, 1u);
  d.set_now(40000);
  d.age(0, 16);
  EXPECT_EQ(d.engine().counters().half_open, 0u);
  // Replicas count and are never refused for it.
  for (uint16_t port = 10; port < 13; ++port) {
    abi::Record replica = record_for(syn(port));
    replica.session.state = hls::kStateTcpSynSent;
    replica.session.order = 50ull << hls::kVersionBits;
    EXPECT_EQ(d.apply(replica).result, Result::kDone);
  }
  EXPECT_EQ(d.engine().counters().half_open, 3u);
  EXPECT_EQ(d.insert(record_for(syn(4)), syn(4)).result, Result::kHalfOpen);
  d.engine().clear();
  EXPECT_EQ(d.engine().counters().half_open, 0u);
}

TEST(CpuEngine, OperationsOfABatchTakeEffectInOrder) {
  EngineDriver d(small_config(8));
  const auto p = client_udp(1000);
  const auto answer = udp(kServer, 53, kClient, 1000);
  const auto c = d.then_lookup(p)
                     .then_insert(record_for(p), p)
                     .then_lookup(p)
                     .then_lookup(answer)
                     .then_lookup(p)
                     .then_remove(p)
                     .then_lookup(p)
                     .then_insert(record_for(p), p)
                     .then_lookup(p)
                     .run();
  const Result expected[] = {Result::kMiss, Result::kDone, Result::kDone, Result::kDone, Result::kDone,
                             Result::kDone, Result::kMiss, Result::kDone, Result::kDone};
  for (size_t i = 0; i < c.size(); ++i) EXPECT_EQ(c[i].result, expected[i]) << i;
  EXPECT_EQ(c[2].state, hls::kStateUdpNew);
  EXPECT_EQ(c[3].state, hls::kStateUdpStream);
  EXPECT_EQ(c[4].state, hls::kStateUdpStream);
  EXPECT_EQ(c[8].state, hls::kStateUdpNew) << "a session of its own";
}

TEST(CpuEngine, PacketsOfOneSessionInOneBurstSeeEachOther) {
  EngineDriver d(small_config(8));
  ASSERT_EQ(d.insert(record_for(syn(1)), syn(1)).result, Result::kDone);
  const auto c = d.then_lookup(tcp(kServer, 80, kClient, 1, hls::kTcpSyn | hls::kTcpAck, 500, 101))
                     .then_lookup(tcp(kClient, 1, kServer, 80, hls::kTcpAck, 101, 501))
                     .then_lookup(tcp(kClient, 1, kServer, 80, hls::kTcpAck | hls::kTcpFin, 101, 501))
                     .run();
  EXPECT_EQ(c[0].state, hls::kStateTcpSynReceived);
  EXPECT_EQ(c[1].state, hls::kStateTcpEstablished);
  EXPECT_EQ(c[2].state, hls::kStateTcpFinWait);
}

TEST(CpuEngine, ChangeLogGivesEachChangedSessionOnceWithItsLatestState) {
  EngineDriver d(small_config(8));
  d.insert(record_for(client_udp(1)), client_udp(1));
  d.insert(record_for(client_udp(2)), client_udp(2));
  d.lookup(udp(kServer, 53, kClient, 1));  // answered: changed again
  auto records = d.extract(8);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].session.state, hls::kStateUdpStream);
  EXPECT_EQ(records[0].session.flags & hls::kDirty, 0);
  EXPECT_TRUE(hls::same_key(records[1].session.key, client_udp(2).key));
  EXPECT_TRUE(d.extract(8).empty());
  d.remove(client_udp(2));
  records = d.extract(8);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].session.state, hls::kStateDeleted);
  EXPECT_TRUE(hls::newer(records[0].session.order, 2ull << hls::kVersionBits));
}

TEST(CpuEngine, ExtractSaysHowManyChangesAreLeft) {
  EngineDriver d(small_config(8));
  for (uint16_t port = 1; port <= 5; ++port) d.insert(record_for(client_udp(port)), client_udp(port));
  auto c = d.then_extract(2).then_extract(10).run(4);
  EXPECT_EQ(c[0].count, 2u);
  EXPECT_EQ(c[0].next, 3u);
  EXPECT_EQ(c[1].count, 2u) << "no more room";
  EXPECT_EQ(c[1].next, 1u);
  for (uint16_t port = 1; port <= 4; ++port) {
    EXPECT_TRUE(hls::same_key(d.output()[port - 1u].session.key, client_udp(port).key));
  }
}

TEST(CpuEngine, ReplicaIsInstalledUpdatedAndRemovedWithoutBeingLogged) {
  EngineDriver d(small_config(8));
  abi::Record r = with_source_nat(record_for(client_udp(1), 3), kHide, 4000);
  r.session.state = hls::kStateUdpStream;
  r.session.order = (7ull << hls::kVersionBits) | 5;
  EXPECT_EQ(d.apply(r).result, Result::kDone);
  EXPECT_EQ(d.apply(r).result, Result::kStale);
  EXPECT_EQ(d.engine().generation(), 7u);
  EXPECT_EQ(d.lookup(udp(kServer, 53, kHide, 4000)).result, Result::kDone);
  // The same session under another translation, as after a NAT port changed hands.
  r.session.nat_source_port = 4001;
  r.session.order = 8ull << hls::kVersionBits;
  EXPECT_EQ(d.apply(r).result, Result::kDone);
  EXPECT_EQ(d.lookup(udp(kServer, 53, kHide, 4000)).result, Result::kMiss);
  EXPECT_EQ(d.lookup(udp(kServer, 53, kHide, 4001)).result, Result::kDone);
  EXPECT_EQ(d.engine().counters().sessions, 1u);
  r.session.state = hls::kStateDeleted;
  r.session.order += 1;
  EXPECT_EQ(d.apply(r).result, Result::kDone);
  EXPECT_EQ(d.apply(r).result, Result::kMiss);
  EXPECT_EQ(d.lookup(client_udp(1)).result, Result::kMiss);
  EXPECT_TRUE(d.extract(8).empty());
  EXPECT_EQ(d.engine().counters().applied, 3u);
  EXPECT_EQ(d.engine().counters().stale, 1u);
}

TEST(CpuEngine, LaterGenerationTakesTheTranslatedKeyFromAnotherSession) {
  EngineDriver d(small_config(8));
  abi::Record old = with_source_nat(record_for(client_udp(1)), kHide, 4000);
  old.session.state = hls::kStateUdpStream;
  old.session.order = 7ull << hls::kVersionBits;
  abi::Record next = with_source_nat(record_for(client_udp(2)), kHide, 4000);
  next.session.state = hls::kStateUdpStream;
  next.session.order = 7ull << hls::kVersionBits;
  ASSERT_EQ(d.apply(old).result, Result::kDone);
  EXPECT_EQ(d.apply(next).result, Result::kStale) << "neither is the later one: the first stays";
  next.session.order = 8ull << hls::kVersionBits;
  EXPECT_EQ(d.apply(next).result, Result::kDone);
  EXPECT_EQ(d.lookup(client_udp(1)).result, Result::kMiss);
  EXPECT_EQ(d.lookup(udp(kServer, 53, kHide, 4000)).result, Result::kDone);
  EXPECT_EQ(d.engine().counters().sessions, 1u);
}

TEST(CpuEngine, LongRewritesTravelWithTheirSessions) {
  EngineDriver d(small_config(2));
  const hls::Endpoint client = {0x20010db8ull << 32, 1, 1000}, server = {0x20010db8ull << 32, 2, 53};
  const hls::Endpoint hide = {0x20010db8ull << 32, 3, 4000};
  const hls::DirectedKey k = hls::make_key(client, server, hls::kProtocolUdp, 6, 0);
  hls::PacketMeta p = client_udp(1);
  p.key = k.key;
  p.from_b = k.from_b;
  abi::Record r = record_for(p);
  r.session.flags |= hls::kNatSource;
  EXPECT_EQ(d.insert(r, p).result, Result::kInvalid) << "IPv6 NAT has a long rewrite";
  r.session.flags |= hls::kNatWide;
  r.session.nat_source_port = hide.port;
  r.session.nat_source = 0xdeadbeef;  // the engine's business, whatever it says
  r.wide = {hide.hi, hide.lo, 0, 0};
  for (int round = 0; round < 5; ++round) {
    ASSERT_EQ(d.insert(r, p).result, Result::kDone);
    hls::PacketMeta reply = p;
    const hls::DirectedKey back = hls::make_key(server, hide, hls::kProtocolUdp, 6, 0);
    reply.key = back.key;
    reply.from_b = back.from_b;
    const auto c = d.lookup(reply);
    ASSERT_EQ(c.result, Result::kDone);
    EXPECT_EQ(c.rewrite.destination_hi, client.hi);
    EXPECT_EQ(c.rewrite.destination_lo, client.lo);
    d.remove(reply);
    const auto records = d.extract(4);
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(records[0].wide.source_lo, hide.lo);
    EXPECT_EQ(records[0].session.nat_source, 0u);
  }
}

TEST(CpuEngine, LongRewriteThatAnUpdateTakesAwayIsFreeAgain) {
  EngineDriver d(small_config(2));
  const hls::DirectedKey k = hls::make_key({1, 1, 1000}, {1, 2, 53}, hls::kProtocolUdp, 6, 0);
  abi::Record r = {};
  r.session.key = k.key;
  r.session.state = hls::kStateUdpStream;
  const uint64_t before = d.engine().memory_bytes();
  for (uint64_t generation = 1; generation <= 10; ++generation) {
    const uint8_t nat = generation % 2 == 0 ? 0 : hls::kNatSource | hls::kNatWide;
    r.session.flags = k.from_b | nat;
    r.session.nat_source_port = 4000;
    r.wide = {1, 3, 0, 0};
    r.session.order = generation << hls::kVersionBits;
    ASSERT_EQ(d.apply(r).result, Result::kDone);
  }
  EXPECT_EQ(d.engine().memory_bytes(), before + sizeof(hls::WideNat)) << "one place, used again and again";
}

// Sessions whose keys differ and whose index entries look the same: a lookup's first candidate is the wrong one.
TEST(CpuEngine, SessionsOfEqualTagsAreToldApart) {
  for (const uint64_t large_bytes : {CpuEngine::kLargeBytes, uint64_t{0}}) {
    const EngineConfig config = small_config(16);
    std::map<uint16_t, std::vector<hls::PacketMeta>> by_tag;
    for (uint32_t i = 0; i < 4000; ++i) {
      const auto p = udp(0x0a000000 + i, 1000, kServer, 53);
      const uint64_t hash = hls::hash_key(p.key, config.hash_seed[0], config.hash_seed[1]);
      by_tag[static_cast<uint16_t>(hash)].push_back(p);
    }
    int pairs = 0;
    for (const auto& [tag, packets] : by_tag) {
      if (packets.size() < 2) continue;
      EngineDriver d(config, large_bytes);
      const auto a = d.insert(record_for(packets[0]), packets[0]), b = d.insert(record_for(packets[1]), packets[1]);
      const auto c = d.then_lookup(packets[0]).then_lookup(packets[1]).run();
      EXPECT_EQ(c[0].result, Result::kDone);
      EXPECT_EQ(c[0].slot, a.slot);
      EXPECT_EQ(c[1].result, Result::kDone);
      EXPECT_EQ(c[1].slot, b.slot);
      ++pairs;
    }
    EXPECT_GT(pairs, 50);  // 5 buckets: some ten pairs share their bucket too
  }
}

TEST(CpuEngine, AgeEndsWhatIsIdleInItsRangeAndTheFloorSavesIt) {
  EngineDriver d(small_config(8));
  for (uint16_t port = 1; port <= 6; ++port) d.insert(record_for(client_udp(port)), client_udp(port));
  d.set_now(31000);
  d.lookup(client_udp(2));
  d.engine().set_age_floor(20000);
  EXPECT_EQ(d.age(0, 8).count, 0u) << "no session is older than the floor";
  d.set_now(50000);
  auto c = d.age(0, 4);
  EXPECT_EQ(c.count, 3u);
  EXPECT_EQ(c.next, 4u);
  c = d.age(4, 4);
  EXPECT_EQ(c.count, 2u);
  EXPECT_EQ(c.next, 0u);
  EXPECT_EQ(d.engine().counters().aged, 5u);
  EXPECT_EQ(d.lookup(client_udp(2)).result, Result::kDone);
}

TEST(CpuEngine, AgeFloorDoesNotComeBackWhenTheClockWraps) {
  EngineDriver d(small_config(8));
  d.engine().set_age_floor(1000);
  // A batch every 12 days, up to 1 s after the floor's value comes round again.
  for (uint64_t now = 1000; now < 0x100000000u; now += 0x40000000u) {
    d.set_now(static_cast<uint32_t>(now));
    d.run();
  }
  d.set_now(0xfffffff0u);
  d.insert(record_for(client_udp(1)), client_udp(1));
  d.set_now(35000);  // after the wrap, 34 s after the old floor
  EXPECT_EQ(d.age(0, 8).count, 1u);
  d.insert(record_for(client_udp(2)), client_udp(2));
  d.set_now(66000);
  EXPECT_EQ(d.age(0, 8).count, 1u);
}

TEST(CpuEngine, ScanGivesWhatIsThereInPieces) {
  EngineDriver d(small_config(8));
  for (uint16_t port = 1; port <= 5; ++port) d.insert(record_for(client_udp(port)), client_udp(port));
  d.remove(client_udp(2));
  std::vector<uint64_t> keys;
  uint64_t next = 0;
  do {
    const auto c = d.then_scan(next, 100).run(2)[0];
    ASSERT_EQ(c.result, Result::kDone);
    for (uint64_t i = 0; i < c.count; ++i) {
      keys.push_back(d.output()[i].session.key.tail);
      EXPECT_EQ(d.output()[i].session.flags & hls::kDirty, 0);
    }
    next = c.next;
  } while (next != 0);
  EXPECT_EQ(keys, (std::vector<uint64_t>{client_udp(1).key.tail, client_udp(3).key.tail, client_udp(4).key.tail,
                                         client_udp(5).key.tail}));
  EXPECT_EQ(d.extract(8).size(), 5u) << "a scan leaves the change log alone";
}

TEST(CpuEngine, GenerationsGoUpwards) {
  EngineDriver d(small_config(8));
  d.insert(record_for(client_udp(1)), client_udp(1));
  d.engine().advance_generation(41);
  d.engine().advance_generation(17);
  d.insert(record_for(client_udp(2)), client_udp(2));
  EXPECT_EQ(d.engine().generation(), 42u);
  const auto records = d.extract(2);
  EXPECT_EQ(records[0].session.order, 1ull << hls::kVersionBits);
  EXPECT_EQ(records[1].session.order, 42ull << hls::kVersionBits);
}

TEST(CpuEngine, MalformedOperationsAreInvalidAndChangeNothing) {
  EngineDriver d(small_config(8));
  const auto p = client_udp(1);
  abi::Record other = record_for(client_udp(2));
  EXPECT_EQ(d.insert(other, p).result, Result::kInvalid) << "the packet isn't the record's";
  EXPECT_EQ(d.insert(record_for(p), udp(kServer, 53, kClient, 1)).result, Result::kInvalid) << "not the originator's";
  abi::Record strange = record_for(p);
  strange.session.state = 200;
  EXPECT_EQ(d.apply(strange).result, Result::kInvalid);
  EXPECT_EQ(d.age(9, 1).result, Result::kInvalid);
  EXPECT_EQ(d.then_scan(0, 1).run(0)[0].result, Result::kInvalid);
  abi::Operation bad = {};
  abi::Completion completion = {};
  for (const unsigned opcode : {0u, 2u, 4u, 99u}) {  // 2 and 4: their record isn't there
    bad.opcode = static_cast<abi::Opcode>(opcode);
    Batch batch;
    batch.operations = {&bad, 1};
    batch.completions = {&completion, 1};
    ASSERT_TRUE(d.engine().submit(batch).ok());
    EXPECT_EQ(completion.result, Result::kInvalid) << opcode;
  }
  EXPECT_EQ(d.engine().counters().sessions, 0u);
  EXPECT_EQ(d.engine().generation(), 0u);
}

TEST(CpuEngine, RefusesBatchesThatDoNotFitAndMoreThanItHolds) {
  auto engine = CpuEngine::create(small_config(8));
  ASSERT_TRUE(engine.ok());
  std::vector<abi::Operation> operations(2);
  std::vector<abi::Completion> completions(1);
  Batch batch;
  batch.operations = operations;
  batch.completions = absl::MakeSpan(completions);
  EXPECT_EQ((*engine)->submit(batch).code(), absl::StatusCode::kInvalidArgument);
  Batch empty;
  for (uint64_t i = 0; i < CpuEngine::kBatchesInFlightMax; ++i) {
    empty.tag = i;
    ASSERT_TRUE((*engine)->submit(empty).ok());
  }
  EXPECT_EQ((*engine)->submit(empty).code(), absl::StatusCode::kResourceExhausted);
  std::vector<uint64_t> tags(40);
  EXPECT_EQ((*engine)->poll(absl::MakeSpan(tags)), 40u);
  EXPECT_EQ(tags[39], 39u);
  EXPECT_TRUE((*engine)->submit(empty).ok());
  EXPECT_EQ((*engine)->poll(absl::MakeSpan(tags)), 25u);
  EXPECT_EQ(tags[0], 40u);
}

TEST(CpuEngine, RefusesImpossibleConfigurations) {
  EngineConfig config = small_config(0);
  EXPECT_EQ(CpuEngine::create(config).status().code(), absl::StatusCode::kInvalidArgument);
  config = small_config(8);
  config.timeouts.ms[hls::kStateTcpEstablished] = 0x80000000u;
  EXPECT_EQ(CpuEngine::create(config).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(CpuEngine, FindBulkAgreesWithTheTable) {
  EngineDriver d(small_config(300));
  std::vector<hls::FlowKey> keys;
  for (uint16_t port = 1; port <= 200; ++port) {
    const auto p = client_udp(port);
    ASSERT_EQ(d.insert(with_source_nat(record_for(p), kHide, port), p).result, Result::kDone);
    keys.push_back(p.key);
    keys.push_back(udp(kHide, port, kServer, 53).key);
    keys.push_back(client_udp(static_cast<uint16_t>(port + 1000)).key);
  }
  std::vector<const hls::FlowKey*> pointers;
  for (const auto& k : keys) pointers.push_back(&k);
  std::vector<uint32_t> slots(keys.size());
  d.engine().find_bulk(pointers, absl::MakeSpan(slots));
  for (uint32_t i = 0; i < 200; ++i) {
    EXPECT_EQ(slots[3 * i], i);
    EXPECT_EQ(slots[3 * i + 1], i);
    EXPECT_EQ(slots[3 * i + 2], SessionStore::kNone);
  }
}

TEST(CpuEngine, MemoryStaysWithinItsBoundAtAProductsSize) {
  auto engine = CpuEngine::create(small_config(1 << 20));
  ASSERT_TRUE(engine.ok());
  EXPECT_LE(static_cast<double>((*engine)->memory_bytes()), 150.0 * (1 << 20));
}

}  // namespace
}  // namespace phalanx::testing

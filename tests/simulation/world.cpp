// What connects the members: switches, the sync network, the stream of full sync, the peer connection.
#include "tests/simulation/world.hpp"

#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/cluster/ccp_frame.hpp"
#include "host/packet/bytes.hpp"

namespace phalanx::simulation {
namespace {

constexpr int64_t kConnectNs = 3 * kMillisecondNs;
constexpr int64_t kCloseNs = 300 * kMicrosecondNs;  // a dead process's sockets are closed by its kernel
constexpr int64_t kStreamNs = 100 * kMicrosecondNs;
// A stream that carries nothing for so long is given up, as gRPC's keepalive does.
constexpr int64_t kStreamPatienceNs = 700 * kMillisecondNs;
constexpr int64_t kWatchNs = kMillisecondNs;

}  // namespace

World::World(const RunOptions& options) : options_(options), random_(options.seed) {
  choose();
  build();
}

World::~World() = default;

void World::trace(const std::string& text) {
  if (options_.verbose) std::printf("%10.3f ms  %s\n", static_cast<double>(scheduler_.now_ns()) / 1e6, text.c_str());
}

void World::fail(Checker checker, std::string what) {
  trace(absl::StrCat("VIOLATION ", std::string(to_string(checker)), ": ", what));
  result_.violations.push_back({checker, scheduler_.now_ns(), std::move(what)});
}

// ---- data networks ----

void World::member_frame(int node, PortIndex device, const SharedFrame& frame) {
  Node& n = *nodes_[static_cast<size_t>(node)];
  if (!n.running()) return;
  const uint8_t* ethernet = frame->data() + sizeof(VirtioNetHeader);
  const size_t length = frame->size() - sizeof(VirtioNetHeader);
  MacAddress to;
  std::memcpy(to.data(), ethernet, to.size());
  const MacAddress own = {0x02, 0, 0, 0x10, static_cast<uint8_t>(node + 1), static_cast<uint8_t>(device)};
  const MacAddress virtual_mac = {0x00, 0x1c, 0x7f, 0x00, 0x01, static_cast<uint8_t>(device)};
  const bool group = (to[0] & 1) != 0;
  const uint16_t type = load16(ethernet + 12);
  if (cluster::is_ccp_frame({ethernet, length}) || (to == own && type == kEthertypeArp)) {
    n.control_frame(static_cast<uint8_t>(device), frame);
  }
  const auto id = static_cast<cluster::MemberId>(node + 1);
  if (group || to == virtual_mac || to == cluster::ccp_source_mac(cluster::kDefaultMacMagic, id))
    n.frame(device, frame);
}

void World::node_frame(int node, PortIndex device, const Frame& frame) {
  observe(node, device, frame);
  auto copy = std::make_shared<const Bytes>(frame.data, frame.data + frame.length);
  if (drop_one_ && device == 1) {
    ParsedPacket packet;
    Bytes bytes = *copy;
    if (parse(frame_of(bytes), 0, packet) == DropReason::kNone && packet.meta.kind == hls::kPacketUdp) {
      drop_one_ = false;
      return;
    }
  }
  switches_[device]->send(static_cast<size_t>(node), std::move(copy));
}

// What leaves a member by the virtual MAC and is neither ARP nor neighbour discovery has been decided by it.
void World::observe(int node, PortIndex device, const Frame& frame) {
  if (frame.ethernet()[6] != 0x00 || frame.ethernet()[7] != 0x1c) return;
  ParsedPacket packet;
  if (parse(frame, 0, packet) != DropReason::kNone || packet.kind != FrameKind::kIp) return;
  Node& n = *nodes_[static_cast<size_t>(node)];
  const int64_t now_ns = scheduler_.now_ns();
  deciders_.forwarded(node, n.life(), n.member()->data().dataplane().role().epoch, now_ns);
  if (device != 1 || packet.is_icmp_error() || packet.is_fragment) return;
  const uint32_t flow =
      flow_of_payload({frame.ethernet() + packet.payload, packet.l3 + packet.l3_length - packet.payload});
  if (flow == 0) return;
  const BindingsChecker::Key key{packet.protocol, packet.source,
                                 packet.meta.kind == hls::kPacketEchoRequest ? packet.icmp_id : packet.source_port,
                                 packet.destination, packet.destination_port};
  bindings_.translated(key, flow, now_ns, flows_, result_.violations);
}

void World::node_control_frame(int node, uint8_t interface, absl::Span<const uint8_t> ethernet) {
  auto frame = std::make_shared<Bytes>(sizeof(VirtioNetHeader) + ethernet.size());
  std::memcpy(frame->data() + sizeof(VirtioNetHeader), ethernet.data(), ethernet.size());
  if (interface < kDataNetworks) return switches_[interface]->send(static_cast<size_t>(node), std::move(frame));
  over_sync(node, [this, node, interface, frame = SharedFrame(std::move(frame))] {
    nodes_[static_cast<size_t>(1 - node)]->control_frame(interface, frame);
  });
}

// ---- the sync network ----

void World::over_sync(int from, std::function<void()> arrive) {
  if (sync_.cut[from]) {
    ++sync_.cut_hits;
    return;
  }
  carry(scheduler_, random_, sync_.out[from], arrive);
}

bool World::sync_works(int from) const { return !sync_.cut[from] && !sync_.out[from].down; }

void World::node_datagram(int node, absl::Span<const uint8_t> datagram) {
  auto bytes = std::make_shared<const Bytes>(datagram.begin(), datagram.end());
  over_sync(node, [this, node, bytes] { nodes_[static_cast<size_t>(1 - node)]->datagram(bytes); });
}

void World::node_open_full_sync(int node, const gateway::FullSyncOpen& open) {
  trace(absl::StrCat("member ", node + 1, " asks for full sync ", open.snapshot));
  close_stream();
  ++result_.full_syncs;
  const int giver = 1 - node;
  Node& g = *nodes_[static_cast<size_t>(giver)];
  stream_ = {true, node, open.snapshot, stream_.number + 1, g.life(), nodes_[static_cast<size_t>(node)]->life(),
             {},   -1};
  if (options_.defect == Break::kNoFullSync) return;
  stream_send(node, [this, open, number = stream_.number](gateway::Member& member, int64_t now_ns) {
    const absl::Status status = member.data().sync().give_full_sync(now_ns, open);
    if (!status.ok()) {
      trace(absl::StrCat("full sync refused: ", std::string(status.message())));
      if (stream_.number == number) close_stream();
    }
  });
}

// As host/daemon's hub: messages of the giver to the joiner, confirmations back.
void World::node_stream(int node, uint64_t snapshot, std::string message, bool confirmation) {
  if (!stream_.open || stream_.snapshot != snapshot || (node == stream_.joiner) != confirmation) return;
  const auto joiner = static_cast<cluster::MemberId>(stream_.joiner + 1);
  stream_send(node, [this, joiner, snapshot, confirmation, number = stream_.number, message = std::move(message)](
                        gateway::Member& member, int64_t now_ns) {
    if (!confirmation) return member.data().sync().full_sync_message(now_ns, snapshot, message);
    const absl::Status status = member.data().sync().full_sync_confirmed(joiner, snapshot, message);
    if (!status.ok() && stream_.number == number) close_stream();
  });
}

// Reliable and in order: while the way is cut, or loses, what is sent waits and is sent again.
void World::stream_send(int from, std::function<void(gateway::Member&, int64_t)> what) {
  const uint64_t number = stream_.number;
  int64_t& last_ns = stream_.last_ns[static_cast<size_t>(from)];
  const int64_t retransmission_ns = random_.chance(sync_.out[from].loss) ? 200 * kMillisecondNs : 0;
  last_ns = std::max(last_ns + 1, scheduler_.now_ns() + kStreamNs + sync_.out[from].delay_ns + retransmission_ns);
  auto arrive = std::make_shared<std::function<void()>>();
  *arrive = [this, from, number, what = std::move(what), weak = std::weak_ptr(arrive)] {
    if (!stream_.open || stream_.number != number) return;
    if (!sync_works(from) || !sync_works(1 - from)) {
      int64_t& again_ns = stream_.last_ns[static_cast<size_t>(from)];
      again_ns = std::max(again_ns, scheduler_.now_ns());
      scheduler_.after(5 * kMillisecondNs, [arrive_again = weak.lock()] { (*arrive_again)(); });
      return;
    }
    nodes_[static_cast<size_t>(1 - from)]->post(
        [what](gateway::Member& member, int64_t now_ns) { what(member, now_ns); });
  };
  scheduler_.at(last_ns, [arrive] { (*arrive)(); });
}

void World::close_stream() {
  if (!stream_.open) return;
  stream_.open = false;
  const int joiner = stream_.joiner;
  const auto id = static_cast<cluster::MemberId>(joiner + 1);
  const uint64_t snapshot = stream_.snapshot;
  const auto live = [this](int node, uint64_t life) {
    const Node& n = *nodes_[static_cast<size_t>(node)];
    return n.running() && n.life() == life;
  };
  if (live(joiner, stream_.joiner_life)) {
    nodes_[static_cast<size_t>(joiner)]->post(
        [snapshot](gateway::Member& member, int64_t) { member.data().sync().full_sync_closed(snapshot); });
  }
  if (live(1 - joiner, stream_.giver_life)) {
    nodes_[static_cast<size_t>(1 - joiner)]->post(
        [id, snapshot](gateway::Member& member, int64_t) { member.data().sync().end_giving(id, snapshot); });
  }
}

void World::watch_stream() {
  if (!stream_.open) return;
  const bool works = sync_works(0) && sync_works(1);
  if (works) {
    stream_.stuck_since_ns = -1;
  } else if (stream_.stuck_since_ns < 0) {
    stream_.stuck_since_ns = scheduler_.now_ns();
  } else if (scheduler_.now_ns() - stream_.stuck_since_ns >= kStreamPatienceNs) {
    close_stream();
  }
}

// ---- processes ----

void World::start_node(int node) {
  trace(absl::StrCat("member ", node + 1, " starts"));
  nodes_[static_cast<size_t>(node)]->start(setup_of(node));
  for (int network = 0; network <= kDataNetworks; ++network) {
    const bool down = network < kDataNetworks
                          ? switches_[static_cast<size_t>(network)]->port(static_cast<size_t>(node)).in.down
                          : sync_.out[node].down;
    if (down) {
      nodes_[static_cast<size_t>(node)]->post([network](gateway::Member& member, int64_t now_ns) {
        member.link_changed(now_ns, static_cast<cluster::InterfaceIndex>(network), false);
      });
    }
  }
  connect_peers();
}

void World::connect_peers() {
  scheduler_.after(kConnectNs, [this] {
    if (connected_ || close_pending_ || !nodes_[0]->running() || !nodes_[1]->running()) return;
    if (!sync_works(0) || !sync_works(1)) return;
    connected_ = true;
    for (int node = 0; node < 2; ++node) {
      nodes_[static_cast<size_t>(node)]->post(
          [peer = static_cast<cluster::MemberId>(2 - node)](gateway::Member& member, int64_t now_ns) {
            member.peer_connected(now_ns, peer);
          });
    }
  });
}

void World::crash_node(int node) {
  Node& n = *nodes_[static_cast<size_t>(node)];
  if (!n.running()) return;
  trace(absl::StrCat("member ", node + 1, " crashes"));
  n.crash();
  close_stream();
  if (!connected_) return;
  connected_ = false;
  close_pending_ = true;
}

// Things that depend on how the networks are just now: the close of a dead process's connection, streams, epochs.
void World::watch() {
  watch_stream();
  if (close_pending_ && sync_works(0) && sync_works(1)) {
    close_pending_ = false;
    for (int node = 0; node < 2; ++node) {
      scheduler_.after(kCloseNs, [this, node] {
        nodes_[static_cast<size_t>(node)]->post(
            [peer = static_cast<cluster::MemberId>(2 - node)](gateway::Member& member, int64_t now_ns) {
              member.peer_disconnected(now_ns, peer);
            });
      });
    }
  }
  if (!connected_ && !close_pending_) connect_peers();
  for (size_t node = 0; node < 2; ++node) {
    if (!nodes_[node]->running()) continue;
    uint64_t epoch = nodes_[node]->member()->machine().epoch();
    if (options_.defect == Break::kEpochBack && scheduler_.now_ns() > 3 * kSecondNs) epoch = 0;
    if (epoch_life_[node] == nodes_[node]->life() && epoch < epoch_seen_[node]) {
      fail(Checker::kEpochs, absl::StrCat("member ", node + 1, " goes from epoch ", epoch_seen_[node], " to ", epoch));
      epoch_life_[node] = 0;
    } else {
      epoch_life_[node] = nodes_[node]->life();
      epoch_seen_[node] = epoch;
    }
  }
  scheduler_.after(kWatchNs, [this] { watch(); });
}

void World::set_link(int node, int network, bool up) {
  const auto tell = [&](int whom) {
    nodes_[static_cast<size_t>(whom)]->post([network, up](gateway::Member& member, int64_t now_ns) {
      member.link_changed(now_ns, static_cast<cluster::InterfaceIndex>(network), up);
    });
  };
  if (network == kDataNetworks) {  // one cable: both ends see it
    for (int end = 0; end < 2; ++end) {
      sync_.out[end].down = !up;
      tell(end);
    }
    return;
  }
  Switch::Port& port = switches_[static_cast<size_t>(network)]->port(static_cast<size_t>(node));
  port.in.down = port.out.down = !up;
  if (!up) switches_[static_cast<size_t>(network)]->flush(static_cast<size_t>(node));
  tell(node);
}

void World::node_event(int node, const cluster::LogEvent& event) {
  if (event.cause == cluster::Cause::kTakeover || event.cause == cluster::Cause::kHandoverAccepted) ++result_.takeovers;
  if (!options_.verbose) return;
  trace(absl::StrCat("member ", node + 1, ": ", std::string(cluster::to_string(event.cause)), ", ",
                     std::string(cluster::to_string(event.from)), " to ", std::string(cluster::to_string(event.to)),
                     ", epoch ", event.epoch));
}

}  // namespace phalanx::simulation

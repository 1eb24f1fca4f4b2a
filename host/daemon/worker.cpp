#include "host/daemon/worker.hpp"

#include <poll.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/cluster/ccp_frame.hpp"
#include "host/daemon/log.hpp"
#include "host/ports/af_packet_port.hpp"
#include "host/ports/interface.hpp"
#include "host/ports/realtime.hpp"

namespace phalanx::daemon {

Worker::Worker(const Settings& settings, const Clock& clock, SideRings* rings, FullSyncStreams* streams)
    : clock_(clock), rings_(rings), streams_(streams), sync_port_(settings.sync_port) {
  for (const PeerSettings& peer : settings.peers) peers_.push_back({peer.id, peer.sync_address});
}

Worker::~Worker() { stop(); }

absl::StatusOr<std::unique_ptr<Worker>> Worker::create(const Settings& settings, const Clock& clock, SideRings* rings,
                                                       FullSyncStreams* streams) {
  auto worker = std::unique_ptr<Worker>(new Worker(settings, clock, rings, streams));
  if (absl::Status status = worker->open(settings); !status.ok()) return status;
  return worker;
}

absl::StatusOr<std::unique_ptr<Accelerator>> Worker::make_engine(const Settings& settings) {
  if (settings.config.engine().kind() != v1::ENGINE_KIND_CARD) return CpuEngine::create(settings.engine);
  auto engine = CardEngine::create(settings.engine, settings.config.engine().card());
  if (!engine.ok()) return engine.status();
  card_ = engine->get();
  return std::unique_ptr<Accelerator>(*std::move(engine));
}

absl::Status Worker::open(const Settings& settings) {
  auto engine = make_engine(settings);
  if (!engine.ok()) return engine.status();
  auto data = gateway::DataSide::create(settings.gateway, settings.sync, std::move(*engine), this, this, this, this);
  if (!data.ok()) return data.status();
  data_ = std::move(*data);
  for (gateway::DeviceIndex device = 0; device < static_cast<gateway::DeviceIndex>(settings.devices.size()); ++device) {
    if (absl::Status status = open_device(settings, device); !status.ok()) return status;
  }
  auto socket = UdpSocket::open({.local = {settings.sync_address, settings.sync_port}, .device = settings.sync_device});
  if (!socket.ok()) return socket.status();
  sync_socket_ = std::move(*socket);
  for (const auto& port : ports_) wait_fds_.push_back(port->fd());
  wait_fds_.push_back(sync_socket_->fd());
  wait_fds_.push_back(rings_->data_wake.fd());
  wait_fds_.push_back(tasks_.wake().fd());
  return absl::OkStatus();
}

absl::Status Worker::open_device(const Settings& settings, gateway::DeviceIndex device) {
  const std::string& name = settings.devices[device].device;
  if (absl::Status status = ensure_offloads(name); !status.ok()) {
    log::warning(absl::StrCat(name, ": ", std::string(status.message())));
  }
  AcceptFilter accept;
  for (const gateway::PortConfig& port : settings.gateway.ports) {
    if (port.device == device && accept.destinations.empty()) accept.destinations.push_back(port.virtual_mac);
  }
  accept.destinations.push_back(cluster::ccp_source_mac(cluster::kDefaultMacMagic, settings.gateway.member));
  auto port = AfPacketPort::open({.interface = name, .accept = accept});
  if (!port.ok()) return port.status();
  ports_.push_back(std::move(*port));
  return absl::OkStatus();
}

void Worker::start() {
  thread_ = std::thread([this] {
    if (absl::Status status = set_niceness(kWorkerNiceness); !status.ok()) {
      log::warning(absl::StrCat("packets may be late on a loaded machine: ", std::string(status.message())));
    }
    run();
  });
}

void Worker::stop() {
  stopping_.store(true);
  tasks_.wake().notify();
  if (thread_.joinable()) thread_.join();
}

void Worker::run() {
  int64_t idle_since_ns = clock_.now_ns();
  while (!stopping_.load(std::memory_order_relaxed)) {
    if (round()) {
      idle_since_ns = clock_.now_ns();
    } else if (clock_.now_ns() - idle_since_ns > kSpinNs) {
      sleep();
    }
  }
}

// One look at everything there is to do. Whether there was anything.
bool Worker::round() {
  take_commands();
  bool busy = receive_frames();
  busy |= receive_sync();
  const int64_t now_ns = clock_.now_ns();
  tasks_.run(*this, now_ns);
  if (card_ != nullptr && now_ns - tended_ns_ >= kCardTendNs) tend_card(now_ns);
  data_->poll(now_ns);
  sync_socket_->flush();
  rings_->worker_seen_ns.store(now_ns, std::memory_order_relaxed);
  return busy;
}

void Worker::tend_card(int64_t now_ns) {
  tended_ns_ = now_ns;
  if (const auto changed = card_->tend(now_ns)) log::warning(*changed);
  data_->set_card_fit(card_->fit());
}

void Worker::take_commands() {
  while (std::optional<gateway::DataCommand> command = rings_->commands.pop()) {
    data_->command(clock_.now_ns(), *command);
  }
}

// A lease must not end because the engine is far: while packets are on their way it is renewed.
void Worker::renew_lease() {
  if (const auto until_ns = take_renewals(rings_->commands)) data_->dataplane().set_lease(*until_ns);
}

// A burst from each port in turn; if the engine is far, until it has as many as it wants or no port has more.
bool Worker::receive_frames() {
  const gateway::Dataplane& dataplane = data_->dataplane();
  const size_t turns = ports_.size() * dataplane.groups_ahead();
  bool busy = false;
  for (size_t turn = 0, quiet = 0; turn < turns && quiet < ports_.size(); ++turn) {
    if (!dataplane.has_room()) {
      if (turn >= ports_.size()) break;
      finish_frames();
    }
    const bool any = receive_from(next_device_);
    next_device_ = static_cast<gateway::DeviceIndex>((next_device_ + 1) % ports_.size());
    busy |= any;
    quiet = any ? 0 : quiet + 1;
  }
  finish_frames();
  return busy;
}

bool Worker::receive_from(gateway::DeviceIndex device) {
  const size_t count = ports_[device]->receive(absl::MakeSpan(burst_));
  if (count == 0) return false;
  // The time is read after the frames are in hand: had the process been stopped before, the lease would show it.
  const int64_t now_ns = clock_.now_ns();
  rings_->heard_ns[device].store(now_ns, std::memory_order_relaxed);
  data_->dataplane().take(now_ns, device, absl::MakeConstSpan(burst_.data(), count));
  return true;
}

// What has been taken goes all its way; then the ports have their memory back.
void Worker::finish_frames() {
  renew_lease();
  while (data_->dataplane().advance(clock_.now_ns())) renew_lease();
  for (const auto& port : ports_) port->release();
}

bool Worker::receive_sync() {
  const size_t count = sync_socket_->receive(absl::MakeSpan(datagrams_));
  const int64_t now_ns = clock_.now_ns();
  for (size_t i = 0; i < count; ++i) {
    for (const PeerAddress& peer : peers_) {
      if (peer.address == datagrams_[i].from.address) data_->sync().on_datagram(now_ns, peer.id, datagrams_[i].bytes);
    }
  }
  return count != 0;
}

void Worker::sleep() {
  std::array<pollfd, kPortsMax + 3> fds;
  assert(wait_fds_.size() <= fds.size());
  for (size_t i = 0; i < wait_fds_.size(); ++i) fds[i] = {.fd = wait_fds_[i], .events = POLLIN, .revents = 0};
  const int64_t wait_ns = std::clamp<int64_t>(data_->next_deadline_ns() - clock_.now_ns(), 0, kSleepNs);
  const timespec timeout = {.tv_sec = 0, .tv_nsec = wait_ns};
  ppoll(fds.data(), wait_fds_.size(), &timeout, nullptr);
  rings_->data_wake.clear();
  tasks_.wake().clear();
}

void Worker::send(PortIndex device, const Frame& frame) {
  queued_ |= uint64_t{1} << device;
  ports_[device]->queue(frame);
}

// State goes first: the datagrams of this burst leave before its frames.
void Worker::flush() {
  sync_socket_->flush();
  for (size_t device = 0; queued_ != 0; ++device, queued_ >>= 1) {
    if ((queued_ & 1) != 0) ports_[device]->flush();
  }
  queued_ = 0;
}

void Worker::send_datagram(cluster::MemberId peer, absl::Span<const uint8_t> datagram) {
  for (const PeerAddress& one : peers_) {
    if (one.id != peer) continue;
    sync_socket_->queue({one.address, sync_port_}, datagram);
    sync_socket_->flush();  // the bytes are the caller's during this call only
  }
}

void Worker::open_full_sync(cluster::MemberId active, const gateway::FullSyncOpen& open) {
  streams_->open(active, open);
}

void Worker::answer_full_sync(uint64_t snapshot, std::string message) {
  streams_->answer(snapshot, std::move(message));
}

void Worker::give_full_sync(cluster::MemberId joiner, uint64_t snapshot, std::string message) {
  streams_->give(joiner, snapshot, std::move(message));
}

void Worker::data_event(gateway::DataEvent event) {
  if (!rings_->events.push(std::move(event))) rings_->overflows.fetch_add(1, std::memory_order_relaxed);
  rings_->control_wake.notify();
}

void Worker::event(std::string_view text) { log::info(text); }

}  // namespace phalanx::daemon

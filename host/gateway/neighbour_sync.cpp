#include "host/gateway/neighbour_sync.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "host/packet/bytes.hpp"

namespace phalanx::gateway {
namespace {

void write(const routing::NeighbourView& neighbour, uint8_t* out) {
  store16(out, neighbour.port);
  out[2] = neighbour.address.family;
  store64(out + 3, neighbour.address.hi);
  store64(out + 11, neighbour.address.lo);
  std::memcpy(out + 19, neighbour.mac.data(), 6);
}

bool read(const uint8_t* in, routing::NeighbourView& out) {
  out.port = load16(in);
  out.address = {load64(in + 3), load64(in + 11), in[2]};
  std::memcpy(out.mac.data(), in + 19, 6);
  out.state = routing::NeighbourState::kStale;
  return (in[2] == 4 || in[2] == 6) && out.port < kPortsMax;
}

sync::StreamName name_of(const NeighbourSyncConfig& config, uint16_t sender, uint64_t incarnation) {
  return {.cluster = config.cluster,
          .member = sender,
          .peer = kAllMembers,
          .channel = kNeighboursChannel,
          .stream = 1,
          .incarnation = incarnation};
}

}  // namespace

absl::StatusOr<std::unique_ptr<NeighbourSync>> NeighbourSync::create(const NeighbourSyncConfig& config) {
  auto key = sync::SealingKey::derive(config.key, name_of(config, config.member, config.incarnation),
                                      sync::SealingKey::Use::kSeal);
  if (!key.ok()) return key.status();
  return std::unique_ptr<NeighbourSync>(new NeighbourSync(config, std::move(*key)));
}

void NeighbourSync::seal(int64_t now_ns, absl::Span<const routing::NeighbourView> neighbours,
                         absl::FunctionRef<void(absl::Span<const uint8_t>)> send) {
  due_ns_ = now_ns + kNeighbourSyncNs;
  if (neighbours.empty()) return;
  if (first_ >= neighbours.size()) first_ = 0;
  const size_t end = std::min(neighbours.size(), first_ + kNeighboursPerRound);
  while (first_ < end) {
    const size_t count = std::min(kNeighboursPerDatagram, end - first_);
    uint8_t datagram[sync::kDatagramBytes];
    const sync::ClearHeader header{.cluster = config_.cluster,
                                   .source_interface = 0,
                                   .source = config_.member,
                                   .destination = kAllMembers,
                                   .kind = static_cast<sync::MessageKind>(kNeighboursKind),
                                   .channel = kNeighboursChannel,
                                   .stream = 1,
                                   .incarnation = config_.incarnation,
                                   .counter = ++counter_};
    sync::write_clear_header(header, datagram);
    for (size_t i = 0; i < count; ++i) write(neighbours[first_ + i], datagram + sync::kSealedAt + i * kNeighbourBytes);
    const size_t text = count * kNeighbourBytes;
    if (!seal_.seal(kNeighboursKind, counter_, {datagram, sync::kSealedAt}, {datagram + sync::kSealedAt, text},
                    datagram + sync::kSealedAt + text)) {
      return;
    }
    ++sent_;
    send({datagram, sync::kSealedAt + text + sync::kTagBytes});
    first_ += count;
  }
}

bool NeighbourSync::is_neighbours(absl::Span<const uint8_t> datagram) {
  return datagram.size() >= sync::kSealedAt + kNeighbourBytes + sync::kTagBytes &&
         datagram[sync::kCcpHeaderBytes] == (sync::kFormat << 4 | kNeighboursKind) &&
         datagram[sync::kCcpHeaderBytes + 1] == kNeighboursChannel;
}

std::vector<routing::NeighbourView> NeighbourSync::open(uint32_t member, absl::Span<const uint8_t> datagram) {
  std::vector<routing::NeighbourView> neighbours;
  ++refused_;  // taken back below
  if (datagram.size() > sync::kDatagramBytes) return neighbours;
  const uint8_t* clear = datagram.data() + sync::kCcpHeaderBytes;
  const uint64_t incarnation = load64(clear + 6);
  const uint64_t counter = load64(clear + 12) & sync::kCounterMax;
  const bool same = peer_key_ && peer_ == member && peer_incarnation_ == incarnation;
  if (same && counter <= peer_counter_) return neighbours;
  std::optional<sync::SealingKey> fresh;
  if (!same) {
    auto key = sync::SealingKey::derive(config_.key, name_of(config_, static_cast<uint16_t>(member), incarnation),
                                        sync::SealingKey::Use::kOpen);
    if (!key.ok()) return neighbours;
    fresh = std::move(*key);
  }
  std::vector<uint8_t> text(datagram.begin() + sync::kSealedAt, datagram.end() - sync::kTagBytes);
  sync::SealingKey& key = same ? *peer_key_ : *fresh;
  if (!key.open(kNeighboursKind, counter, datagram.first(sync::kSealedAt), absl::MakeSpan(text),
                datagram.data() + datagram.size() - sync::kTagBytes)) {
    return neighbours;
  }
  if (!same) peer_key_ = std::move(fresh);
  peer_ = member;
  peer_incarnation_ = incarnation;
  peer_counter_ = counter;
  for (size_t at = 0; at + kNeighbourBytes <= text.size(); at += kNeighbourBytes) {
    routing::NeighbourView neighbour;
    if (!read(text.data() + at, neighbour)) return {};
    neighbours.push_back(neighbour);
  }
  --refused_;
  ++received_;
  return neighbours;
}

}  // namespace phalanx::gateway

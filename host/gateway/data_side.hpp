// The data side of a member: data plane, session engine and state sync, driven by frames, datagrams, commands and time.
// Pure.
#ifndef PHALANX_HOST_GATEWAY_DATA_SIDE_HPP
#define PHALANX_HOST_GATEWAY_DATA_SIDE_HPP

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "host/gateway/dataplane.hpp"
#include "host/gateway/side_messages.hpp"
#include "host/gateway/sync_agent.hpp"

namespace phalanx::gateway {

// Where what the data side has to say to the control side goes.
class DataEvents {
 public:
  virtual ~DataEvents() = default;
  virtual void data_event(DataEvent event) = 0;
};

// The control side is told the state at least this often, and of any change at once.
inline constexpr int64_t kStatusNs = 20'000'000;
// Hosts to probe are told this often.
inline constexpr int64_t kProbeTargetsNs = 500'000'000;

class DataSide {
 public:
  static absl::StatusOr<std::unique_ptr<DataSide>> create(const GatewayConfig& gateway, const SyncConfig& sync,
                                                          std::unique_ptr<Accelerator> engine, FrameSink* frames,
                                                          SyncOutput* sync_output, DataEvents* events, EventSink* log);

  void command(int64_t now_ns, const DataCommand& command);
  // To be called after each round of frames and datagrams, and every millisecond at least.
  void poll(int64_t now_ns);
  // Until when poll() may wait, if no frame or datagram comes.
  int64_t next_deadline_ns() const { return sync_->next_deadline_ns(); }

  Dataplane& dataplane() { return *dataplane_; }
  SyncAgent& sync() { return *sync_; }
  Accelerator& engine() { return *engine_; }
  // Whether the card, if there is one, is as it should be; told with the next poll().
  void set_card_fit(bool fit) { card_fit_ = fit; }

 private:
  DataSide(const SyncConfig& sync, std::unique_ptr<Accelerator> engine, DataEvents* events)
      : config_(sync), engine_(std::move(engine)), events_(events) {}

  void set_role(int64_t now_ns, const cluster::SetRole& command);
  void prepare_handover(int64_t now_ns);
  cluster::DataPlaneStatus status(int64_t now_ns) const;
  void tell_probe_targets(int64_t now_ns);

  SyncConfig config_;
  std::unique_ptr<Accelerator> engine_;
  std::unique_ptr<SyncAgent> sync_;
  std::unique_ptr<Dataplane> dataplane_;
  DataEvents* events_;

  cluster::Role role_ = cluster::Role::kIdle;
  std::optional<cluster::PrepareHandover> preparing_;
  bool holding_ = false;
  bool card_fit_ = true;
  uint64_t known_hosts_ = 0;
  cluster::DataPlaneStatus told_;
  int64_t told_ns_ = INT64_MIN / 2;
  int64_t targets_ns_ = INT64_MIN / 2;
  int64_t ticked_ns_ = INT64_MIN / 2;
};

}  // namespace phalanx::gateway

#endif

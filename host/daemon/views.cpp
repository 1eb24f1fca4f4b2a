#include "host/daemon/views.hpp"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/daemon/controller.hpp"

namespace phalanx::daemon {
namespace {

int64_t age_ms(int64_t now_ns, int64_t then_ns) { return std::max<int64_t>(now_ns - then_ns, 0) / 1'000'000; }

void set_time(int64_t now_ns, int64_t then_ns, google::protobuf::Timestamp* out) {
  timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  const int64_t ns = wall.tv_sec * 1'000'000'000 + wall.tv_nsec - (now_ns - then_ns);
  out->set_seconds(ns / 1'000'000'000);
  out->set_nanos(static_cast<int32_t>(ns % 1'000'000'000));
}

void add_members(const Settings& settings, const cluster::StateMachine& machine, int64_t now_ns,
                 v1::ClusterStatus& out) {
  for (const cluster::MemberView& view : machine.members()) {
    v1::MemberStatus* member = out.add_members();
    member->set_id(view.id);
    member->set_priority(view.priority);
    member->set_local(view.own);
    member->set_state(view.own ? view_of(machine.state()) : view.alive ? view_of(view.state) : v1::MEMBER_STATE_LOST);
    int64_t silence = -1;
    for (const int64_t one : view.silence_ns) {
      if (one >= 0 && (silence < 0 || one < silence)) silence = one;
    }
    if (!view.own)
      member->set_last_heard_age_ms(silence < 0 ? static_cast<uint64_t>(now_ns / 1'000'000)
                                                : static_cast<uint64_t>(silence / 1'000'000));
    for (const v1::Member& configured : settings.config.cluster().members()) {
      if (configured.id() != view.id) continue;
      member->set_name(configured.name());
      member->set_sync_address(configured.sync_address());
    }
  }
}

void add_devices(const cluster::StateMachine& machine, int64_t now_ns, v1::ClusterStatus& out) {
  for (const cluster::CriticalDevice& device : machine.devices().list()) {
    v1::CriticalDevice* view = out.add_critical_devices();
    const bool problem = device.effective() == cluster::DeviceStatus::kProblem;
    view->set_name(device.name);
    view->set_state(problem ? v1::DEVICE_STATE_PROBLEM : v1::DEVICE_STATE_OK);
    view->set_since_age_ms(static_cast<uint64_t>(age_ms(now_ns, device.reported_ns)));
    if (problem) view->set_detail(device.timed_out ? "did not report in time" : "reports a problem");
    if (device.effective() == cluster::DeviceStatus::kInit) view->set_detail("starting");
  }
}

void add_changes(const cluster::StateMachine& machine, int64_t now_ns, v1::ClusterStatus& out) {
  for (const cluster::LogEvent& event : machine.events()) {
    if (event.from == event.to) continue;
    v1::StateChange change;
    change.set_code(absl::StrCat("CLUS-", cluster::event_code(event.cause)));
    change.set_from(view_of(event.from));
    change.set_to(view_of(event.to));
    change.set_reason(std::string(cluster::to_string(event.cause)));
    set_time(now_ns, event.time_ns, change.mutable_time());
    if (cluster::is_active(event.to) != cluster::is_active(event.from)) {
      v1::FailoverRecord* record = out.mutable_last_failover();
      const bool takes = cluster::is_active(event.to);
      record->set_from_member_id(takes ? event.member : machine.own_id());
      record->set_to_member_id(takes ? machine.own_id() : event.member);
      record->set_reason(change.reason());
      *record->mutable_time() = change.time();
    }
    *out.mutable_last_state_change() = std::move(change);
  }
}

std::string address_text(const session::AddressPort& end) { return to_string(end.address); }

v1::Protocol protocol_of(uint8_t number) {
  switch (number) {
    case 1:
      return v1::PROTOCOL_ICMP;
    case 6:
      return v1::PROTOCOL_TCP;
    case 17:
      return v1::PROTOCOL_UDP;
    case 47:
      return v1::PROTOCOL_GRE;
    case 50:
      return v1::PROTOCOL_ESP;
    case 51:
      return v1::PROTOCOL_AH;
    case 58:
      return v1::PROTOCOL_ICMPV6;
    case 132:
      return v1::PROTOCOL_SCTP;
    default:
      return v1::PROTOCOL_OTHER;
  }
}

absl::Status set_prefix(const std::string& text, const char* field, std::optional<Prefix>& out) {
  if (text.empty()) return absl::OkStatus();
  auto prefix = parse_prefix(text);
  if (!prefix.ok()) {
    const auto address = parse_ip(text);
    if (!address.ok())
      return absl::InvalidArgumentError(absl::StrCat(field, ": ", std::string(prefix.status().message())));
    prefix = Prefix{*address, static_cast<uint8_t>(address->is_v4() ? 32 : 128)};
  }
  out = *prefix;
  return absl::OkStatus();
}

// The enumerators of the tables of host/cluster: "kSplitBrains" is shown as "split_brains".
constexpr std::string_view kClusterCounterNames[] = {
#define X(name, text) #name,
    PHALANX_CLUSTER_COUNTERS(X)
#undef X
};
constexpr std::string_view kRefusalNames[] = {
#define X(name, text) #name,
    PHALANX_CCP_REFUSALS(X)
#undef X
};

std::string snake_case(std::string_view enumerator) {
  std::string out;
  for (const char c : enumerator.substr(1)) {
    if (c >= 'A' && c <= 'Z' && !out.empty()) out += '_';
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return out;
}

}  // namespace

v1::MemberState view_of(cluster::MemberState state) {
  switch (state) {
    case cluster::MemberState::kInit:
      return v1::MEMBER_STATE_INIT;
    case cluster::MemberState::kDown:
      return v1::MEMBER_STATE_DOWN;
    case cluster::MemberState::kReady:
      return v1::MEMBER_STATE_READY;
    case cluster::MemberState::kStandby:
      return v1::MEMBER_STATE_STANDBY;
    case cluster::MemberState::kActive:
      return v1::MEMBER_STATE_ACTIVE;
    case cluster::MemberState::kActiveAttention:
      return v1::MEMBER_STATE_ACTIVE_ATTENTION;
  }
  return v1::MEMBER_STATE_UNSPECIFIED;
}

v1::ClusterStatus cluster_view(const Settings& settings, const gateway::ControlSide& control, int64_t now_ns) {
  const cluster::StateMachine& machine = control.machine();
  v1::ClusterStatus out;
  out.set_cluster_id(settings.config.cluster().id());
  out.set_mode(settings.config.cluster().mode());
  out.set_recovery(settings.config.cluster().recovery());
  out.set_local_member_id(machine.own_id());
  out.set_state(view_of(machine.state()));
  out.set_epoch(machine.epoch());
  out.set_failovers(machine.counter(cluster::ClusterCounter::kFailovers));
  out.set_version(kVersion);
  add_members(settings, machine, now_ns, out);
  add_devices(machine, now_ns, out);
  add_changes(machine, now_ns, out);
  return out;
}

v1::SyncStatus sync_view(const Settings& settings, gateway::DataSide& data) {
  const gateway::SyncAgent& sync = data.sync();
  const sync::SyncCounters counters = sync.counters();
  v1::SyncStatus out;
  const bool active = data.dataplane().role().active;
  const cluster::MemberId peer = settings.peers.empty() ? cluster::kNoMember : settings.peers.front().id;
  const uint64_t lag = active ? sync.unacknowledged(peer) : 0;
  out.set_position(active ? sync.position_sent(peer) : sync.position_taken());
  out.set_lag_messages(lag);
  out.set_full_syncs(counters[sync::Counter::kFullSyncs]);
  out.set_retransmitted_messages(counters[sync::Counter::kRetransmitted]);
  out.set_full_sync_sessions(sync.full_sync_records());
  out.set_state(peer == cluster::kNoMember ? v1::SYNC_STATE_NONE
                : active && lag > 64       ? v1::SYNC_STATE_LAGGING
                : active                   ? v1::SYNC_STATE_SYNCHRONIZED
                : sync.full_sync_running() ? v1::SYNC_STATE_FULL_SYNC
                : sync.whole()             ? v1::SYNC_STATE_SYNCHRONIZED
                                           : v1::SYNC_STATE_PROBLEM);
  return out;
}

v1::Session session_view(const Settings& settings, const abi::Record& record, uint32_t now_ms) {
  const session::SessionView view = session::make_view(record.session, record.wide, now_ms, settings.engine.timeouts);
  v1::Session out;
  out.set_protocol(protocol_of(view.protocol));
  out.set_protocol_number(view.protocol);
  out.set_source(address_text(view.source));
  out.set_source_port(view.source.port);
  out.set_destination(address_text(view.destination));
  out.set_destination_port(view.destination.port);
  if (view.translated_source) {
    out.set_nat_source(address_text(*view.translated_source));
    out.set_nat_source_port(view.translated_source->port);
  }
  if (view.translated_destination) {
    out.set_nat_destination(address_text(*view.translated_destination));
    out.set_nat_destination_port(view.translated_destination->port);
  }
  // The proto's states count as hls/'s do.
  out.set_state(static_cast<v1::SessionState>(view.state));
  const auto rules = settings.gateway.rules->rules();
  if (view.rule < rules.size()) out.set_rule(rules[view.rule].name);
  out.set_packets_sent(view.packets[0]);
  out.set_bytes_sent(view.bytes[0]);
  out.set_packets_received(view.packets[1]);
  out.set_bytes_received(view.bytes[1]);
  out.set_idle_ms(view.idle_ms);
  out.set_expires_in_ms(view.expires_in_ms);
  out.set_generation(view.generation);
  out.set_version(view.version);
  return out;
}

absl::StatusOr<session::SessionFilter> filter_of(const Settings& settings, const v1::SessionFilter& filter) {
  session::SessionFilter out;
  absl::Status status = set_prefix(filter.source(), "source", out.source);
  status.Update(set_prefix(filter.destination(), "destination", out.destination));
  if (!status.ok()) return status;
  if (filter.has_port()) out.port = static_cast<uint16_t>(filter.port());
  if (filter.has_source_port()) out.source_port = static_cast<uint16_t>(filter.source_port());
  if (filter.has_destination_port()) out.destination_port = static_cast<uint16_t>(filter.destination_port());
  if (filter.has_protocol_number()) out.protocol = static_cast<uint8_t>(filter.protocol_number());
  for (int number = 0; number < 256; ++number) {
    if (filter.protocol() == protocol_of(static_cast<uint8_t>(number)) && filter.protocol() != v1::PROTOCOL_OTHER) {
      out.protocol = static_cast<uint8_t>(number);
    }
  }
  if (filter.state() != v1::SESSION_STATE_UNSPECIFIED) out.state = static_cast<uint8_t>(filter.state());
  if (!filter.rule().empty()) {
    out.rule = settings.gateway.rules->find(filter.rule());
    if (*out.rule == policy::kGoneRule) {
      return absl::NotFoundError(absl::StrCat("rule: there is no rule named \"", filter.rule(), "\""));
    }
  }
  return out;
}

void add_counter(v1::Counters& out, const std::string& name, v1::CounterKind kind, uint64_t value,
                 std::string_view help) {
  v1::Counter* counter = out.add_counters();
  counter->set_name(name);
  counter->set_kind(kind);
  counter->set_value(value);
  counter->set_help(std::string(help));
}

void add_data_counters(gateway::DataSide& data, const policy::RuleTable& rules, v1::Counters& out) {
  gateway::Dataplane& dataplane = data.dataplane();
  for (const gateway::GatewayCounterInfo& info : gateway::kGatewayCounters) {
    add_counter(out, absl::StrCat("gateway.", std::string(info.name)), v1::COUNTER_KIND_TOTAL,
                dataplane.counters().*info.value, info.text);
  }
  for (size_t i = 1; i < kDropReasons; ++i) {
    const auto reason = static_cast<DropReason>(i);
    add_counter(out, absl::StrCat("drop.", std::string(drop_name(reason))), v1::COUNTER_KIND_DROP,
                dataplane.drops()[reason], drop_text(reason));
  }
  const EngineCounters engine = data.engine().counters();
  add_counter(out, "sessions.now", v1::COUNTER_KIND_GAUGE, engine.sessions, "sessions in the table");
  add_counter(out, "sessions.half_open", v1::COUNTER_KIND_GAUGE, engine.half_open, "TCP sessions not yet established");
  add_counter(out, "sessions.inserted", v1::COUNTER_KIND_TOTAL, engine.inserted, "sessions opened here");
  add_counter(out, "sessions.applied", v1::COUNTER_KIND_TOTAL, engine.applied, "replicated records taken");
  add_counter(out, "sessions.stale", v1::COUNTER_KIND_TOTAL, engine.stale,
              "replicated records no newer than the table's");
  add_counter(out, "sessions.aged", v1::COUNTER_KIND_TOTAL, engine.aged, "sessions that timed out");
  add_counter(out, "sessions.moves", v1::COUNTER_KIND_TOTAL, engine.moves, "relocations in the table's index");
  const sync::SyncCounters sync = data.sync().counters();
  for (size_t i = 0; i < sync::kCounterCount; ++i) {
    add_counter(out, absl::StrCat("sync.", std::string(sync::kCounterTable[i].name)), v1::COUNTER_KIND_TOTAL,
                sync[static_cast<sync::Counter>(i)], sync::kCounterTable[i].help);
  }
  add_counter(out, "sync.ignored_deltas", v1::COUNTER_KIND_TOTAL, data.sync().ignored_deltas(),
              "records of members that were not followed");
  for (size_t rule = 0; rule <= rules.rules().size(); ++rule) {
    const bool last = rule == rules.rules().size();
    add_counter(out, absl::StrCat("rule.", last ? "default" : rules.rules()[rule].name), v1::COUNTER_KIND_TOTAL,
                dataplane.rule_hits().hits()[rule], "sessions that this rule decided");
  }
}

void add_control_counters(const gateway::ControlSide& control, v1::Counters& out) {
  for (size_t i = 0; i < cluster::kClusterCounters; ++i) {
    const auto counter = static_cast<cluster::ClusterCounter>(i);
    add_counter(out, "cluster." + snake_case(kClusterCounterNames[i]), v1::COUNTER_KIND_TOTAL,
                control.machine().counter(counter), cluster::to_string(counter));
  }
  const cluster::CcpCounters& ccp = control.ccp_counters();
  add_counter(out, "ccp.received", v1::COUNTER_KIND_TOTAL, ccp.received, "cluster messages taken");
  add_counter(out, "ccp.sent", v1::COUNTER_KIND_TOTAL, ccp.sent, "cluster messages sent");
  for (size_t i = 0; i < cluster::kCcpRefusals; ++i) {
    const auto refusal = static_cast<cluster::CcpRefusal>(i);
    add_counter(out, "ccp.refused_" + snake_case(kRefusalNames[i]), v1::COUNTER_KIND_DROP, ccp.refused_for(refusal),
                cluster::to_string(refusal));
  }
}

}  // namespace phalanx::daemon

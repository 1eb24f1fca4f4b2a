#include "host/gateway/dataplane.hpp"

#include <algorithm>
#include <cassert>

namespace phalanx::gateway {
namespace {

policy::PortChooser make_chooser(const GatewayConfig& config) {
  absl::StatusOr<policy::PortBlocks> blocks = policy::PortBlocks::make(config.member - 1u, config.members_max);
  assert(blocks.ok());
  return policy::PortChooser(*blocks, config.seed);
}

}  // namespace

Dataplane::Dataplane(const GatewayConfig& config, Accelerator* engine, FrameSink* frames, ChangeSink* changes,
                     EventSink* events)
    : ports_(config.ports),
      rules_(config.rules),
      nat_(config.nat),
      hits_(*config.rules),
      chooser_(make_chooser(config)),
      member_(config.member),
      queue_(engine),
      frames_(frames),
      changes_(changes),
      events_(events),
      next_hops_(ports_),
      groups_(std::make_unique<std::array<Group, kGroupsMax>>()),
      flows_(config.seed) {}

abi::Completion Dataplane::submit_one(int64_t now_ns, const abi::Operation& operation, absl::Span<abi::Record> output) {
  abi::Completion completion{};
  if (!queue_.run({.tag = kOneTag,
                   .now_ms = to_ms(now_ns),
                   .operations = absl::MakeConstSpan(&operation, 1),
                   .records = {},
                   .completions = absl::MakeSpan(&completion, 1),
                   .output = output})) {
    completion.result = abi::Result::kInvalid;
  }
  return completion;
}

void Dataplane::publish(int64_t now_ns) {
  assert(groups_first_ == groups_end_);
  abi::Operation operation{};
  operation.opcode = abi::Opcode::kExtract;
  operation.count = kExtractMax;
  extracted_.resize(std::max(extracted_.size(), kExtractMax));
  abi::Completion completion;
  do {
    completion = submit_one(now_ns, operation, absl::MakeSpan(extracted_));
    tell(now_ns, completion, extracted_);
  } while (log_left_ && completion.count != 0);
  tell_done(now_ns);
}

// Ends sessions that have timed out, and reads what has changed in the same batch.
void Dataplane::age(int64_t now_ns) {
  const uint64_t slots = engine().slots();
  const int64_t elapsed = std::min<int64_t>(now_ns - aged_ns_, 1'000'000'000);
  const uint64_t per_second = std::min(slots, kAgeSlotsPerSecond);
  uint64_t todo = static_cast<uint64_t>(static_cast<double>(per_second) * static_cast<double>(elapsed) / 1e9);
  if (todo == 0) return;
  aged_ns_ = now_ns;
  extracted_.resize(std::max(extracted_.size(), kExtractMax));
  while (todo != 0) {
    std::array<abi::Operation, 2> operations{};
    std::array<abi::Completion, 2> completions;
    operations[0].opcode = abi::Opcode::kAge;
    operations[0].argument = age_next_;
    operations[0].count = std::min({todo, kAgeSlotsMax, slots - age_next_});
    operations[1].opcode = abi::Opcode::kExtract;
    operations[1].count = kExtractMax;
    const bool done = queue_.run({.tag = kOneTag,
                                  .now_ms = to_ms(now_ns),
                                  .operations = operations,
                                  .records = {},
                                  .completions = absl::MakeSpan(completions),
                                  .output = absl::MakeSpan(extracted_)});
    if (done) tell(now_ns, completions[1], extracted_);
    if (!done || log_left_) publish(now_ns);
    todo -= operations[0].count;
    age_next_ += operations[0].count;
    if (age_next_ >= slots) age_next_ = 0;
  }
  tell_done(now_ns);
}

void Dataplane::tick(int64_t now_ns) {
  assert(idle());
  // Ageing is the active member's alone: what ends reaches the others by sync.
  if (deciding(now_ns)) {
    age(now_ns);
    next_hops_.neighbours().tick(now_ns, next_hops_.actions());
    act_on_neighbours(now_ns);
  } else {
    aged_ns_ = now_ns;
  }
  fragments_.expire(now_ns, drops_);
  publish(now_ns);
  frames_->flush();
  arena_.reset();
}

void Dataplane::set_role(int64_t now_ns, const Role& role) {
  const bool starts = role.active && !role_.active;
  const bool ends = !role.active && role_.active;
  role_ = role;
  if (role.active) lease_until_ns_ = role.lease_until_ns;
  if (starts) {
    engine().set_age_floor(to_ms(now_ns));
    engine().advance_generation(engine().generation() + kGenerationJump);
    aged_ns_ = now_ns;
  }
  if (ends) {
    next_hops_.neighbours().stand_by(now_ns);
    next_hops_.changed();
  }
  if (!role.holding) release_held(now_ns);
}

void Dataplane::set_link(DeviceIndex device, bool up) {
  for (const PortIndex port : ports_.set_link(device, up)) {
    if (!up) next_hops_.neighbours().forget_port(port);
  }
  next_hops_.changed();
}

absl::Status Dataplane::add_route(const routing::Route& route) {
  next_hops_.changed();
  return next_hops_.routes().replace(route);
}

void Dataplane::remove_route(const Prefix& prefix, uint32_t metric) {
  next_hops_.changed();
  next_hops_.routes().remove(prefix, metric);
}

void Dataplane::apply(int64_t now_ns, absl::Span<const abi::Record> records) {
  assert(idle());
  while (!records.empty()) {
    const size_t count = std::min(records.size(), groups_ahead() * kBurstMax);
    apply_wave(now_ns, records.first(count));
    records.remove_prefix(count);
  }
}

// At most kGroupsMax batches of them.
void Dataplane::apply_wave(int64_t now_ns, absl::Span<const abi::Record> records) {
  std::array<bool, kGroupsMax> taken{};
  const auto part = [&](size_t i) { return records.subspan(i * kBurstMax, kBurstMax); };
  const size_t parts = (records.size() + kBurstMax - 1) / kBurstMax;
  for (size_t i = 0; i < parts; ++i) {
    Group& group = (*groups_)[i];
    for (size_t r = 0; r < part(i).size(); ++r) {
      group.operations[r].opcode = abi::Opcode::kApply;
      group.operations[r].record = static_cast<uint32_t>(r);
    }
    taken[i] = queue_.submit({.tag = i,
                              .now_ms = to_ms(now_ns),
                              .operations = absl::MakeConstSpan(group.operations).first(part(i).size()),
                              .records = part(i),
                              .completions = absl::MakeSpan(group.completions).first(part(i).size()),
                              .output = {}});
    if (!taken[i]) counters_.apply_refused += part(i).size();
  }
  for (size_t i = 0; i < parts; ++i) {
    while (taken[i] && !queue_.done(i)) queue_.poll();
    for (size_t r = 0; taken[i] && r < part(i).size(); ++r) {
      const abi::Result result = (*groups_)[i].completions[r].result;
      if (result == abi::Result::kFull || result == abi::Result::kInvalid) ++counters_.apply_refused;
    }
  }
}

absl::Span<const abi::Record> Dataplane::scan(int64_t now_ns, uint64_t first, uint64_t slots, uint64_t* next) {
  scanned_.resize(slots);
  abi::Operation operation{};
  operation.opcode = abi::Opcode::kScan;
  operation.argument = first;
  operation.count = std::min(slots, engine().slots() - first);
  abi::Completion completion = submit_one(now_ns, operation, absl::MakeSpan(scanned_));
  if (completion.result != abi::Result::kDone) completion = {};
  *next = completion.next;
  return absl::MakeConstSpan(scanned_.data(), completion.count);
}

void Dataplane::install_neighbours(int64_t now_ns, absl::Span<const routing::NeighbourView> neighbours) {
  next_hops_.neighbours().install(now_ns, neighbours);
  next_hops_.changed();
}

bool Dataplane::end_session(int64_t now_ns, const hls::FlowKey& key) {
  abi::Operation operation{};
  operation.opcode = abi::Opcode::kDelete;
  operation.packet.key = key;
  return submit_one(now_ns, operation, {}).result == abi::Result::kDone;
}

}  // namespace phalanx::gateway

#include "drivers/card_driver/card_esp_engine.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"

namespace phalanx::card_driver {
namespace {

constexpr uint32_t kNoSa = 0xffffffff;
// What no kernel answers with, put where an answer is to come: XRT does not tell of a transfer that failed.
constexpr uint8_t kNotRead = 0xff;

template <typename T>
T* host_as(Buffer& buffer) {
  return reinterpret_cast<T*>(buffer.host().data());
}

constexpr uint32_t lines_for(uint32_t bytes) {
  return static_cast<uint32_t>((uint64_t{bytes} + sizeof(abi::Line) - 1) / sizeof(abi::Line));
}

}  // namespace

absl::StatusOr<std::unique_ptr<CardEspEngine>> CardEspEngine::create(std::shared_ptr<Device> device,
                                                                     const CardEspConfig& config, Clock clock) {
  if (config.sa_max == 0 || config.run_limit.count() <= 0) {
    return absl::InvalidArgumentError("an ESP engine needs room for an SA and a time limit above 0");
  }
  std::unique_ptr<CardEspEngine> engine(new CardEspEngine(std::move(device), config, std::move(clock)));
  const uint32_t units = engine->device_->compute_units(Kernel::esp_crypto);
  if (units == 0) return absl::FailedPreconditionError("the bitstream has no compute unit of esp_crypto");
  engine->unit_sas_ = (config.sa_max + units - 1) / units;
  for (uint32_t i = 0; i < units; ++i) {
    if (auto status = engine->make_unit(i); !status.ok()) return status;
  }
  return engine;
}

// Waits for the run on the card and drops what it gives: the batches' memory may be gone. XRT's destructors wait for
// runs that have not ended: see ~CardDriver.
CardEspEngine::~CardEspEngine() {
  while (health_.ok() && running_) {
    const auto done = all_done();
    running_ = !done.ok() || !*done;
    note(done.status()).IgnoreError();
  }
  if (health_.ok() || !device_->waits_for_runs()) return;
  [[maybe_unused]] const auto* abandoned = new (std::nothrow) std::vector<Unit>(std::move(units_));
  [[maybe_unused]] const auto* held = new (std::nothrow) std::shared_ptr<Device>(std::move(device_));
}

absl::Status CardEspEngine::make_unit(uint32_t number) {
  Unit& unit = units_.emplace_back();
  auto run = device_->make_run(Kernel::esp_crypto, number);
  if (!run.ok()) return run.status();
  unit.run = *std::move(run);
  const auto take = [&](EspArgument argument, size_t bytes, std::unique_ptr<Buffer>& buffer) {
    auto taken = device_->allocate({place(argument, number)}, bytes, Device::Side::kBoth);
    if (!taken.ok()) return taken.status();
    buffer = *std::move(taken);
    return unit.run->set_buffer(static_cast<uint32_t>(argument), *buffer);
  };
  constexpr size_t kPacketsBytes = size_t{kRunJobs} * kPacketLinesMax * sizeof(abi::Line);
  absl::Status status = take(EspArgument::jobs, kRunJobs * sizeof(abi::EspJob), unit.jobs);
  if (status.ok()) status = take(EspArgument::input, kPacketsBytes, unit.input);
  if (status.ok()) status = take(EspArgument::output, kPacketsBytes, unit.output);
  if (status.ok()) status = take(EspArgument::results, kRunJobs * sizeof(abi::EspResult), unit.results);
  if (status.ok()) status = take(EspArgument::sa_table, unit_sas_ * sizeof(abi::EspSa), unit.sa_table);
  if (!status.ok()) return status;
  std::memset(unit.sa_table->host().data(), 0, unit.sa_table->bytes());
  return unit.sa_table->push(0, unit.sa_table->bytes());
}

std::string CardEspEngine::name() const { return absl::StrCat(device_->identity().runtime, " esp"); }

absl::Status CardEspEngine::note(const absl::Status& status) {
  if (!status.ok() && health_.ok()) health_ = status;
  return status;
}

absl::Status CardEspEngine::idle() const {
  if (!health_.ok()) return health_;
  if (flights_.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(flights_.size(), " batches are in flight"));
}

absl::StatusOr<abi::EspSa*> CardEspEngine::host_sa(uint32_t index) {
  if (auto status = idle(); !status.ok()) return status;
  if (index >= config_.sa_max) {
    return absl::OutOfRangeError(absl::StrCat("SA ", index, ", there are ", config_.sa_max));
  }
  Unit& unit = units_[index % units_.size()];
  return host_as<abi::EspSa>(*unit.sa_table) + index / units_.size();
}

absl::Status CardEspEngine::install(uint32_t index, const abi::EspSa& sa) {
  const auto place = host_sa(index);
  if (!place.ok()) return place.status();
  **place = sa;
  const size_t offset = index / units_.size() * sizeof(abi::EspSa);
  return note(units_[index % units_.size()].sa_table->push(offset, sizeof(abi::EspSa)));
}

absl::Status CardEspEngine::remove(uint32_t index) { return install(index, abi::EspSa{}); }

absl::StatusOr<abi::EspSa> CardEspEngine::read(uint32_t index) {
  const auto place = host_sa(index);
  if (!place.ok()) return place.status();
  (*place)->direction = kNotRead;
  const size_t offset = index / units_.size() * sizeof(abi::EspSa);
  if (auto status = note(units_[index % units_.size()].sa_table->pull(offset, sizeof(abi::EspSa))); !status.ok()) {
    return status;
  }
  if ((*place)->direction > abi::kEspOpen) {
    return note(absl::DataLossError(absl::StrCat("SA ", index, " has not come from the card, or is damaged")));
  }
  if ((*place)->direction == 0) return absl::NotFoundError(absl::StrCat("SA ", index, " is not installed"));
  return **place;
}

absl::Status CardEspEngine::submit(const EspBatch& batch) {
  if (auto status = check_batch(batch); !status.ok()) return status;
  if (!health_.ok()) return health_;
  if (flights_.size() + done_.size() >= kBatchesInFlightMax) {
    return absl::ResourceExhaustedError(absl::StrCat(kBatchesInFlightMax, " batches are in flight or not polled"));
  }
  flights_.push_back({batch});
  advance();
  return health_;
}

size_t CardEspEngine::poll(absl::Span<uint64_t> tags) {
  advance();
  const size_t count = std::min(tags.size(), done_.size());
  std::copy_n(done_.begin(), count, tags.begin());
  done_.erase(done_.begin(), done_.begin() + static_cast<std::ptrdiff_t>(count));
  return count;
}

void CardEspEngine::advance() {
  for (bool moved = true; moved && health_.ok();) note(step(moved)).IgnoreError();
}

absl::Status CardEspEngine::step(bool& moved) {
  moved = false;
  if (flights_.empty()) return absl::OkStatus();
  Flight& flight = flights_.front();
  if (running_) {
    const auto done = all_done();
    if (!done.ok()) return done.status();
    if (!*done) return absl::OkStatus();
    running_ = false;
    for (Unit& unit : units_) {
      if (auto status = finish(unit, flight.batch); !status.ok()) return status;
    }
    flight.next = flight.end;
  }
  moved = true;
  if (flight.next < flight.batch.jobs.size()) return start(flight);
  done_.push_back(flight.batch.tag);
  flights_.pop_front();
  return absl::OkStatus();
}

absl::Status CardEspEngine::start(Flight& flight) {
  for (Unit& unit : units_) {
    unit.origins.clear();
    unit.lines_in = unit.lines_out = 0;
  }
  flight.end = std::min(flight.next + kRunJobs, flight.batch.jobs.size());
  for (size_t i = flight.next; i < flight.end; ++i) {
    const uint32_t sa = flight.batch.jobs[i].sa;
    pack(units_[sa < config_.sa_max ? sa % units_.size() : 0], flight.batch, i);
  }
  started_ = clock_();
  running_ = true;
  for (Unit& unit : units_) {
    if (unit.origins.empty()) continue;
    if (auto status = start_unit(unit); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Adds a job and its packet to the unit's run, at places of their own.
void CardEspEngine::pack(Unit& unit, const EspBatch& batch, size_t job) {
  abi::EspJob local = batch.jobs[job];
  const uint32_t lines = std::min(lines_for(local.input_bytes), kPacketLinesMax);
  std::copy_n(batch.input.begin() + local.input_line, lines, host_as<abi::Line>(*unit.input) + unit.lines_in);
  local.sa = local.sa < config_.sa_max ? static_cast<uint32_t>(local.sa / units_.size()) : kNoSa;
  local.input_line = unit.lines_in;
  local.output_line = unit.lines_out;
  local.output_lines = std::min(local.output_lines, kPacketLinesMax);
  unit.lines_in += lines;
  unit.lines_out += local.output_lines;
  host_as<abi::EspJob>(*unit.jobs)[unit.origins.size()] = local;
  unit.origins.push_back(job);
}

absl::Status CardEspEngine::start_unit(Unit& unit) {
  if (auto status = unit.jobs->push(0, unit.origins.size() * sizeof(abi::EspJob)); !status.ok()) return status;
  if (unit.lines_in != 0) {
    if (auto status = unit.input->push(0, unit.lines_in * sizeof(abi::Line)); !status.ok()) return status;
  }
  auto status = unit.run->set_scalar(static_cast<uint32_t>(EspArgument::job_count), unit.origins.size());
  if (status.ok()) status = unit.run->set_scalar(static_cast<uint32_t>(EspArgument::sa_count), unit_sas_);
  if (status.ok()) status = unit.run->start();
  unit.running = status.ok();
  return status;
}

absl::StatusOr<bool> CardEspEngine::all_done() {
  bool all = true;
  for (Unit& unit : units_) {
    if (!unit.running) continue;
    const auto done = unit.run->done();
    if (!done.ok()) return done.status();
    unit.running = !*done;
    all = all && *done;
  }
  if (!all && clock_() - started_ > config_.run_limit) {
    return absl::DeadlineExceededError(
        absl::StrCat("esp_crypto has not ended within ", config_.run_limit.count(), " ms: the card hangs"));
  }
  return all;
}

// Takes the unit's results, and the output of the jobs that were done: nothing else leaves.
absl::Status CardEspEngine::finish(Unit& unit, const EspBatch& batch) {
  if (unit.origins.empty()) return absl::OkStatus();
  const size_t result_bytes = unit.origins.size() * sizeof(abi::EspResult);
  std::memset(unit.results->host().data(), kNotRead, result_bytes);
  if (auto status = unit.results->pull(0, result_bytes); !status.ok()) return status;
  if (unit.lines_out != 0) {
    if (auto status = unit.output->pull(0, unit.lines_out * sizeof(abi::Line)); !status.ok()) return status;
  }
  for (size_t i = 0; i < unit.origins.size(); ++i) {
    const abi::EspResult& result = host_as<abi::EspResult>(*unit.results)[i];
    const abi::EspJob& local = host_as<abi::EspJob>(*unit.jobs)[i];
    const uint32_t lines = lines_for(result.output_bytes);
    if (result.status > abi::EspStatus::kInactive || lines > local.output_lines) {
      return absl::DataLossError(absl::StrCat("esp_crypto answered job ", unit.origins[i], " with status ",
                                              static_cast<int>(result.status), " and ", result.output_bytes, " bytes"));
    }
    batch.results[unit.origins[i]] = result;
    if (result.status != abi::EspStatus::kDone) continue;
    std::copy_n(host_as<abi::Line>(*unit.output) + local.output_line, lines,
                batch.output.begin() + batch.jobs[unit.origins[i]].output_line);
  }
  return absl::OkStatus();
}

}  // namespace phalanx::card_driver

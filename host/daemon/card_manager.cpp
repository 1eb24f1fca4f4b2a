#include "host/daemon/card_manager.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "drivers/bitstream/bitstream.hpp"
#include "host/daemon/bitstream_trust.hpp"
#include "host/daemon/card_work.hpp"

namespace phalanx::daemon {
namespace {

v1::CardState view_of(CardState state) {
  switch (state) {
    case CardState::kStopped:
      return v1::CARD_STATE_STOPPED;
    case CardState::kStarting:
      return v1::CARD_STATE_STARTING;
    case CardState::kReady:
      return v1::CARD_STATE_READY;
    case CardState::kFaulted:
      return v1::CARD_STATE_FAULTED;
  }
  return v1::CARD_STATE_UNSPECIFIED;
}

v1::OffloadState view_of(OffloadState state) {
  switch (state) {
    case OffloadState::kCpu:
      return v1::OFFLOAD_STATE_CPU;
    case OffloadState::kToCard:
      return v1::OFFLOAD_STATE_TO_CARD;
    case OffloadState::kCard:
      return v1::OFFLOAD_STATE_CARD;
    case OffloadState::kToCpu:
      return v1::OFFLOAD_STATE_TO_CPU;
  }
  return v1::OFFLOAD_STATE_UNSPECIFIED;
}

// Changes when the file does.
std::string key_of(const std::string& path) {
  std::string key;
  for (const std::string& one : {path, bitstream::manifest_path(path)}) {
    struct stat info = {};
    if (stat(one.c_str(), &info) != 0) return absl::StrCat(one, " is not there");
    absl::StrAppend(&key, info.st_ino, ".", info.st_size, ".", info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec, " ");
  }
  return key;
}

struct CardCounter {
  const char* name;
  const char* text;
  uint64_t CardClientCounters::*value;
};
constexpr CardCounter kClientCounters[] = {
    {"batches", "batches given to the card", &CardClientCounters::batches},
    {"operations", "operations given to the card", &CardClientCounters::operations},
    {"answered_here", "operations that needed no card", &CardClientCounters::answered_here},
    {"wakes", "system calls to wake the card's process", &CardClientCounters::wakes},
    {"starts", "starts of the card's process", &CardClientCounters::starts},
    {"faults", "faults of the card", &CardClientCounters::faults},
};

void add_counter(google::protobuf::RepeatedPtrField<v1::Counter>* out, const char* name, uint64_t value,
                 const char* text) {
  v1::Counter* const counter = out->Add();
  counter->set_name(absl::StrCat("card.", name));
  counter->set_kind(v1::COUNTER_KIND_TOTAL);
  counter->set_value(value);
  counter->set_help(text);
}

}  // namespace

void add_card_counters(const CardView& view, google::protobuf::RepeatedPtrField<v1::Counter>* out) {
  for (const CardCounter& counter : kClientCounters) {
    add_counter(out, counter.name, view.client.*counter.value, counter.text);
  }
#define PHALANX_ADD_OFFLOAD_COUNTER(name, text) add_counter(out, #name, view.status.counters.name, text);
  PHALANX_OFFLOAD_COUNTERS(PHALANX_ADD_OFFLOAD_COUNTER)
#undef PHALANX_ADD_OFFLOAD_COUNTER
}

v1::BitstreamInfo CardManager::installed() {
  const std::lock_guard lock(info_mutex_);
  const std::string key = key_of(card_.bitstream());
  if (key == info_key_) return info_;
  info_.Clear();
  info_.set_file(card_.bitstream());
  const auto policy = trust_policy(card_);
  const auto checked = policy.ok() ? bitstream::load_bitstream(card_.bitstream(), *policy)
                                   : absl::StatusOr<bitstream::Bitstream>(policy.status());
  if (checked.ok()) {
    describe_bitstream(*checked, info_);
  } else {
    info_.set_problem(std::string(checked.status().message()));
  }
  info_key_ = key;
  return info_;
}

absl::StatusOr<v1::CardStatus> CardManager::status() {
  const auto view = running_->look();
  if (!view.ok()) return view.status();
  v1::CardStatus out;
  out.set_device(card_.device());
  out.set_driver(card_.driver());
  out.set_state(view_of(view->status.card));
  out.set_offload(view_of(view->status.state));
  out.set_degraded(view->status.degraded);
  const CardFault& fault = view->fault.kind != CardFaultKind::kNone ? view->fault : view->status.last_fault;
  if (fault.kind != CardFaultKind::kNone) out.set_last_fault(fault.text());
  out.set_slots_copied(view->status.slots_copied);
  out.set_slots(view->status.slots);
  {
    const std::lock_guard lock(mutex_);
    out.set_work(work_);
  }
  *out.mutable_bitstream() = installed();
  add_card_counters(*view, out.mutable_counters());
  return out;
}

void CardManager::set_work(const std::string& work) {
  const std::lock_guard lock(mutex_);
  work_ = work;
}

// A card taken from the manager, and given back.
class CardManager::Work final : public mgmt::CardWork {
 public:
  explicit Work(CardManager* manager) : manager_(manager), task_(manager->card_, manager->running_) {}
  ~Work() override {
    const std::lock_guard lock(manager_->mutex_);
    manager_->taken_ = false;
    manager_->work_.clear();
  }

  absl::Status load(mgmt::BitstreamUpload upload, mgmt::CardListener& listener) override {
    manager_->set_work("load");
    return task_.load(std::move(upload), listener);
  }
  absl::Status self_test(mgmt::CardListener& listener) override {
    manager_->set_work("self-test");
    return task_.self_test(listener);
  }
  absl::StatusOr<v1::SensorList> sensors(mgmt::CardListener& listener) override {
    manager_->set_work("sensors");
    return task_.sensors(listener);
  }
  absl::Status reset(mgmt::CardListener& listener) override {
    manager_->set_work("reset");
    return task_.reset(listener);
  }

 private:
  CardManager* const manager_;
  CardTask task_;
};

absl::StatusOr<std::unique_ptr<mgmt::CardWork>> CardManager::take(const std::string& device) {
  if (!device.empty() && device != card_.device()) {
    return absl::NotFoundError(absl::StrCat("card ", device, ": this member has ", card_.device()));
  }
  const std::lock_guard lock(mutex_);
  if (taken_) {
    return absl::FailedPreconditionError(
        absl::StrCat("card ", card_.device(), ": ", work_, " is going on; one at a time"));
  }
  taken_ = true;
  work_ = "upload";
  return absl::StatusOr<std::unique_ptr<mgmt::CardWork>>(std::make_unique<Work>(this));
}

}  // namespace phalanx::daemon

// What a run has left in the card's memory: taken, judged and given to the batch.
#include <cstring>

#include "absl/strings/str_cat.h"
#include "drivers/card_driver/batch_queue.hpp"
#include "kernels/abi/delta.hpp"

namespace phalanx::card_driver {
namespace {

// What no kernel answers with, put where an answer is to come: XRT does not tell of a transfer that failed.
constexpr uint8_t kNotRead = 0xff;

}  // namespace

absl::Status CardDriver::Queue::finish(Slot& slot) {
  state_read_ = false;
  if (slot.run.kernel == card_table::Run::Kernel::kStateDelta) return finish_delta(slot);
  // A kernel that refuses the table writes no completions, and what lies there is of an earlier run: the state comes
  // first. It also says whether there is anything to EXTRACT, which spares the run that would find nothing.
  if (auto status = read_state(slot.number); !status.ok()) return status;
  return finish_session(slot);
}

// `number`: of the run of session_engine that the state is read after, 0 for none.
absl::Status CardDriver::Queue::read_state(uint32_t number) {
  if (auto status = memory_.read_state(); !status.ok()) return status;
  state_read_ = true;
  // XRT does not tell of a push that failed: then the kernel has carried out what an earlier run left there.
  if (number != 0 && memory_.state().run != number) {
    return absl::DataLossError(absl::StrCat("the card has carried out run ", memory_.state().run, " in place of ",
                                            number, ": its operations have not come to the card"));
  }
  if (memory_.state().impossible == 0) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("the kernels found ", memory_.state().impossible,
                   " things in the card's memory that cannot be: it is damaged, or records have not come to it"));
}

absl::Status CardDriver::Queue::finish_session(Slot& slot) {
  const size_t count = slot.run.count;
  std::memset(slot.completions->host().data(), kNotRead, count * sizeof(abi::Completion));
  if (auto status = slot.completions->pull(0, count * sizeof(abi::Completion)); !status.ok()) return status;
  const abi::Completion* given = host_as<abi::Completion>(*slot.completions);
  for (size_t i = 0; i < count; ++i) {
    if (auto status = check(slot, slot.next + i, given[i]); !status.ok()) return status;
  }
  std::memcpy(&slot.batch.completions[slot.next], given, count * sizeof(abi::Completion));
  slot.next += count;
  slot.packed = false;
  return absl::OkStatus();
}

absl::Status CardDriver::Queue::finish_delta(Slot& slot) {
  std::memset(result_->host().data(), kNotRead, sizeof(abi::DeltaResult));
  if (auto status = result_->pull(0, sizeof(abi::DeltaResult)); !status.ok()) return status;
  auto completion = card_table::delta_completion(call_, *host_as<abi::DeltaResult>(*result_));
  if (!completion.ok()) return absl::DataLossError(completion.status().message());
  const size_t records = completion->count;
  if (records > slot.batch.output.size() - slot.output_used) {
    return absl::DataLossError(absl::StrCat("state_delta gave ", records, " records, more than there is room for"));
  }
  if (auto status = take_records(slot.batch.output.subspan(slot.output_used, records)); !status.ok()) return status;
  slot.output_used += records;
  complete(slot, *completion);
  return absl::OkStatus();
}

absl::Status CardDriver::Queue::take_records(absl::Span<abi::Record> records) {
  if (records.empty()) return absl::OkStatus();
  abi::Record* given = host_as<abi::Record>(*output_);
  for (size_t i = 0; i < records.size(); ++i) given[i].session.state = kNotRead;
  if (auto status = output_->pull(0, whole_lines(records.size() * sizeof(abi::Record))); !status.ok()) return status;
  for (size_t i = 0; i < records.size(); ++i) {
    if (given[i].session.state < hls::kStates) continue;
    return absl::DataLossError(
        absl::StrCat("record ", i, " of ", records.size(), " that the card gave has state ", given[i].session.state));
  }
  std::memcpy(records.data(), given, records.size() * sizeof(abi::Record));
  return absl::OkStatus();
}

void CardDriver::Queue::complete(Slot& slot, const abi::Completion& completion) {
  slot.batch.completions[slot.next] = completion;
  ++slot.next;
}

// What a card gives is not believed: an answer that no table can give means damaged memory or a mad card.
absl::Status CardDriver::Queue::check(const Slot& slot, size_t operation, const abi::Completion& c) const {
  const auto impossible = [&](absl::string_view field, uint64_t value) {
    return absl::DataLossError(absl::StrCat("the card answered operation ", operation, " of ",
                                            slot.batch.operations.size(), " with ", field, " ", value));
  };
  if (c.result > abi::Result::kInvalid) return impossible("result", static_cast<uint64_t>(c.result));
  if (c.direction > 1) return impossible("direction", c.direction);
  if (c.state >= hls::kStates) return impossible("state", c.state);
  if (c.rewritten > 1) return impossible("rewritten", c.rewritten);
  if (c.changed > 1) return impossible("changed", c.changed);
  if (c.slot >= layout().slots) return impossible("slot", c.slot);
  if (c.count > layout().slots) return impossible("count", c.count);
  if (c.next > layout().slots) return impossible("next", c.next);
  return absl::OkStatus();
}

}  // namespace phalanx::card_driver

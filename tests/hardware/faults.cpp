// Faults of the emulated card, each noticed by the driver within its limit and named.
#include "drivers/emulator/card_control.hpp"
#include "tests/hardware/card_case.hpp"
#include "tests/hardware/driver_use.hpp"

namespace phalanx::testing {
namespace {

using emulator::CardControl;
using emulator::Fault;

constexpr std::chrono::milliseconds kRunLimit(1000);

struct Faulty {
  std::unique_ptr<card_driver::CardDriver> driver;
  CardControl control;
};

// A card at work, with a session in its table, and the switch of its faults.
absl::StatusOr<Faulty> at_work(CardUnderTest card) {
  card.options.limits.run_limit = kRunLimit;
  auto driver = open_under_test(card, config_for(1000));
  if (!driver.ok()) return driver.status();
  PHALANX_RETURN_IF_ERROR(for_all_sessions(**driver, abi::Opcode::kInsert, 10));
  auto control = CardControl::connect(card.run_directory);
  if (!control.ok()) return control.status();
  return Faulty{*std::move(driver), *std::move(control)};
}

// A batch on the faulty card must fail, with `code`, and so must every later one.
absl::Status expect_failure(card_driver::CardDriver& driver, absl::StatusCode code) {
  OwnedBatch batch = sessions_batch(abi::Opcode::kLookup, 0, 10);
  const auto begin = std::chrono::steady_clock::now();
  const absl::Status failed = carry_out(driver, batch);
  const auto taken = std::chrono::steady_clock::now() - begin;
  std::printf("noticed after %lld ms: %s\n",
              static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(taken).count()),
              failed.ToString().c_str());
  std::fflush(stdout);
  PHALANX_RETURN_IF_ERROR(expect(failed.code() == code, absl::StrCat("the fault is noticed with code ", code)));
  return expect(driver.submit(batch.view()).code() == code, "a card that failed takes nothing more");
}

}  // namespace

absl::Status hang(const CardUnderTest& card) {
  auto faulty = at_work(card);
  if (!faulty.ok()) return faulty.status();
  PHALANX_RETURN_IF_ERROR(faulty->control.set(Fault::hang, 1));
  return expect_failure(*faulty->driver, absl::StatusCode::kDeadlineExceeded);
}

absl::Status crash(const CardUnderTest& card) {
  auto faulty = at_work(card);
  if (!faulty.ok()) return faulty.status();
  PHALANX_RETURN_IF_ERROR(faulty->control.set(Fault::crash, 2));
  std::printf("the card dies at its next run\n");
  std::fflush(stdout);
  OwnedBatch batch = sessions_batch(abi::Opcode::kLookup, 0, 10);
  const absl::Status failed = carry_out(*faulty->driver, batch);
  return expect(!failed.ok(), "a batch on a card that died is not done");
}

absl::Status dma_error(const CardUnderTest& card) {
  auto faulty = at_work(card);
  if (!faulty.ok()) return faulty.status();
  PHALANX_RETURN_IF_ERROR(faulty->control.set(Fault::dma_error, 1));
  // XRT says nothing of a failed transfer: the driver sees that what it wanted to read has not come.
  return expect_failure(*faulty->driver, absl::StatusCode::kDataLoss);
}

// The card works, and finds in its memory what an earlier run of the same slot left: the kernel says whose it is.
absl::Status push_lost(const CardUnderTest& card) {
  auto faulty = at_work(card);
  if (!faulty.ok()) return faulty.status();
  for (uint32_t i = 0; i < card.options.limits.batches; ++i) {  // each slot has had this very batch once
    PHALANX_RETURN_IF_ERROR(for_all_sessions(*faulty->driver, abi::Opcode::kLookup, 10));
  }
  PHALANX_RETURN_IF_ERROR(faulty->control.set(Fault::push_lost, 1));
  return expect_failure(*faulty->driver, absl::StatusCode::kDataLoss);
}

absl::Status flip(const CardUnderTest& card) {
  auto faulty = at_work(card);
  if (!faulty.ok()) return faulty.status();
  auto buffers = faulty->control.buffers();
  if (!buffers.ok()) return buffers.status();
  // The table's state is the buffer of its size. Its second word is the number of slots.
  const size_t page = 4096;
  uint64_t flipped = 0;
  for (const auto& [address, bytes] : *buffers) {
    if (bytes != sizeof(abi::TableState) && (bytes != page || sizeof(abi::TableState) > page)) continue;
    PHALANX_RETURN_IF_ERROR(faulty->control.flip(address + offsetof(abi::TableState, slots), 4));
    ++flipped;
  }
  PHALANX_RETURN_IF_ERROR(expect(flipped != 0, "the table's state is among the card's buffers"));
  OwnedBatch batch = sessions_batch(abi::Opcode::kLookup, 0, 10);
  const absl::Status failed = carry_out(*faulty->driver, batch);
  std::printf("noticed: %s\n", failed.ToString().c_str());
  return expect(failed.code() == absl::StatusCode::kInternal || failed.code() == absl::StatusCode::kDataLoss,
                "a flipped bit of the table's state is noticed");
}

}  // namespace phalanx::testing

// The card process's side: takes batches from shared memory and has an engine carry them out.
#ifndef PHALANX_DRIVERS_CARD_CARD_SERVER_HPP
#define PHALANX_DRIVERS_CARD_CARD_SERVER_HPP

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "drivers/accelerator.hpp"
#include "drivers/card/rings.hpp"

namespace phalanx {

struct CardServerOptions {
  // Turns of the loop without work before it sleeps until the client wakes it: some 50 us.
  uint32_t idle_turns = 10'000;
  // Turns of the loop that wait for the card before naps between them: some 30 us, longer than a real card's runs for
  // packets, much shorter than an emulated one's.
  uint32_t spin_turns = 100;
  long nap_ns = 20'000;
  // Longest sleep: the gateway's end is looked for in between.
  int64_t sleep_ns = 100'000'000;
};

// One thread. Everything read from shared memory is checked: a gateway gone mad gets an error, not a crash.
class CardServer {
 public:
  // `shared` outlives it.
  CardServer(card::Shared* shared, CardServerOptions options = {});

  // Makes the engine with the client's configuration, says so (or why not) to the client, and serves until the client
  // says stop or `gone` is true. An engine that refuses a batch ends it: the text reaches the client. Its status is
  // what the program should end with.
  using MakeEngine = std::function<absl::StatusOr<std::unique_ptr<Accelerator>>(const EngineConfig&)>;
  absl::Status serve(const MakeEngine& make_engine, const std::function<bool()>& gone);

 private:
  absl::Status check_header() const;
  absl::Status take_batches(Accelerator& engine);
  absl::Status check(const card::Descriptor& descriptor) const;
  absl::Status finish_batches(Accelerator& engine);
  void refuse(const absl::Status& status);
  void give_way(uint32_t turns) const;
  void sleep();

  card::Shared* const shared_;
  const CardServerOptions options_;
  uint64_t taken_ = 0, done_ = 0;  // batches
  uint64_t generation_ = 0;        // of the engine, as of when it was last idle
  card::SharedCounters engine_counters_ = {};
};

}  // namespace phalanx

#endif

// The memory that the gateway's process and the card's process both map, and nothing else passes between them.
//
// Three rings with one producer and one consumer each way. The client (gateway) chooses every place: a batch's
// descriptor says where its operations, records, completions and output lie, each contiguous, so the server (card)
// hands them to its engine as spans and gives back no index at all. The server's answers are the number of batches
// done, a status in the descriptor, the completions and the output; the client copies them before it believes them.
#ifndef PHALANX_DRIVERS_CARD_RINGS_HPP
#define PHALANX_DRIVERS_CARD_RINGS_HPP

#include <atomic>
#include <cstdint>

#include "drivers/accelerator.hpp"
#include "kernels/abi/operation.hpp"

namespace phalanx::card {

constexpr uint64_t kMagic = 0x31676e6972786c50;  // "Plxring1"
constexpr uint32_t kLayoutVersion = 1;

// Batches on their way: what a worker has in flight (a few) and room for a slow card.
constexpr uint32_t kBatchesMax = 64;
// A burst is at most 64 packets with as many insertions; 64 batches of them, twice. 8192 x 96 B = 768 KiB, and as many
// completions of 64 B = 512 KiB.
constexpr uint32_t kOperationsMax = 8192;
// Records in, for INSERT and APPLY: full sync brings them 64 at a time. 4096 x 160 B = 640 KiB.
constexpr uint32_t kRecordsMax = 4096;
// Records out. A batch is given at most a quarter, so that four that extract or scan can be on their way. 640 KiB.
constexpr uint32_t kOutputMax = 4096;
constexpr uint32_t kOutputOfBatchMax = kOutputMax / 4;
constexpr uint32_t kTextMax = 256;

// EngineConfig in fixed layout. The seed is secret: it goes by this memory, never by a command line.
struct SharedConfig {
  uint64_t sessions_max;
  uint64_t half_open_max;
  uint64_t hash_seed[2];
  uint64_t tcp_pickup;
  uint32_t timeout_ms[16];
};

enum class ServerState : uint32_t { kStarting = 0, kReady = 1, kRefused = 2 };
enum class BatchStatus : uint32_t { kWaiting = 0, kDone = 1, kRefused = 2 };

// EngineCounters in fixed layout.
struct SharedCounters {
  uint64_t value[12];
};

// Written by the client, but for the server's part.
struct alignas(64) Descriptor {
  uint64_t sequence;    // counts batches from 1: the server answers in this order
  uint64_t generation;  // Accelerator::advance_generation to this before the batch
  uint32_t now_ms;
  uint32_t age_floor_ms;
  uint8_t set_age_floor;  // 1: set_age_floor(age_floor_ms) before the batch
  uint8_t clear;          // 1: clear() before the batch
  uint8_t reserved[2];
  uint32_t operation_first, operation_count;
  uint32_t record_first, record_count;
  uint32_t output_first, output_count;
  // the server's part
  alignas(64) uint64_t answered;  // the sequence of the batch that this answers
  BatchStatus status;
  uint64_t engine_generation;  // after the batch
  SharedCounters counters;
};

struct Header {
  uint64_t magic;
  uint32_t layout_version;
  uint32_t abi_version;
  uint64_t bytes;        // of the whole mapping
  uint64_t gateway_pid;  // whose end is the server's end
  SharedConfig config;
  // the client's line
  alignas(64) std::atomic<uint64_t> submitted;  // batches submitted
  std::atomic<uint32_t> stop;                   // 1: the server is to end
  // the server's lines
  alignas(64) std::atomic<uint64_t> completed;  // batches answered
  alignas(64) std::atomic<uint32_t> sleeping;   // futex: 1 while the server waits for `submitted` to change
  alignas(64) std::atomic<uint32_t> state;      // ServerState
  uint64_t slots;                               // of the engine
  char text[kTextMax];                          // kRefused, or a batch's refusal: why
};

struct Shared {
  Header header;
  Descriptor descriptors[kBatchesMax];
  alignas(64) abi::Operation operations[kOperationsMax];
  alignas(64) abi::Completion completions[kOperationsMax];  // the place of the operation
  alignas(64) abi::Record records[kRecordsMax];
  alignas(64) abi::Record output[kOutputMax];
};
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free,
              "atomics work between processes");

// Contiguous places in a ring of `size`, taken and given back in order. Positions count up for ever.
class Places {
 public:
  explicit Places(uint32_t size) : size_(size) {}
  // Where `count` places start, or kNoPlace. `end` is what release() is later told.
  static constexpr uint32_t kNoPlace = 0xffffffff;
  uint32_t take(uint32_t count, uint64_t& end) {
    if (head_ == tail_ && head_ % size_ + count > size_) head_ = tail_ = head_ + (size_ - head_ % size_);
    uint64_t start = head_;
    const auto offset = static_cast<uint32_t>(start % size_);
    if (offset + count > size_) start += size_ - offset;
    if (start + count - tail_ > size_) return kNoPlace;
    end = head_ = start + count;
    return static_cast<uint32_t>(start % size_);
  }
  void release(uint64_t end) { tail_ = end; }
  // rewind(head() of before) undoes takes.
  uint64_t head() const { return head_; }
  void rewind(uint64_t head) { head_ = head; }
  void reset() { head_ = tail_ = 0; }

 private:
  uint32_t size_;
  uint64_t head_ = 0, tail_ = 0;
};

SharedConfig to_shared(const EngineConfig& config);
EngineConfig from_shared(const SharedConfig& config);
SharedCounters to_shared(const EngineCounters& counters);
EngineCounters from_shared(const SharedCounters& counters);

}  // namespace phalanx::card

#endif

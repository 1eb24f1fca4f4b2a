// Protobuf's wire format, as far as XRT's emulation protocol uses it: varints, 32- and 64-bit words and byte strings.
// Written by hand so that the device model depends on no library that the host process may have in another version.
#ifndef PHALANX_DRIVERS_EMULATOR_WIRE_HPP
#define PHALANX_DRIVERS_EMULATOR_WIRE_HPP

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace phalanx::emulator {

// The low three bits of a field's tag; 3 and 4 (groups) are refused.
enum class WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct WireField {
  std::uint32_t number = 0;
  WireType type = WireType::kVarint;
  std::uint64_t value = 0;  // of a varint, a 64-bit or a 32-bit word
  absl::string_view bytes;  // of a byte string; points into the message
};

// Reads a message field by field. Holds no copy: the message must outlive it.
class WireReader {
 public:
  explicit WireReader(absl::string_view message) : rest_(message) {}

  // The next field, nullopt at the end; an error where the message is cut short or not protobuf.
  absl::StatusOr<std::optional<WireField>> next();

 private:
  std::optional<std::uint64_t> varint();
  std::optional<std::uint64_t> word(unsigned bytes);

  absl::string_view rest_;
};

// Appends fields to a message.
class WireWriter {
 public:
  WireWriter& varint(std::uint32_t number, std::uint64_t value);
  WireWriter& bytes(std::uint32_t number, absl::string_view value);
  WireWriter& fixed64(std::uint32_t number, std::uint64_t value);
  WireWriter& fixed32(std::uint32_t number, std::uint32_t value);
  std::string take() { return std::move(message_); }

 private:
  void raw(std::uint64_t value);
  void tag(std::uint32_t number, WireType type);

  std::string message_;
};

}  // namespace phalanx::emulator

#endif

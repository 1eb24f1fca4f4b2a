#include "drivers/emulator/wire.hpp"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace phalanx::emulator {

std::optional<std::uint64_t> WireReader::varint() {
  constexpr unsigned kVarintBytesMax = 10;  // ceil(64 / 7)
  std::uint64_t value = 0;
  for (unsigned i = 0; i < kVarintBytesMax && i < rest_.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(rest_[i]);
    if (i == kVarintBytesMax - 1 && byte > 1) {
      return std::nullopt;  // more than 64 bits
    }
    value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) {
      rest_.remove_prefix(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> WireReader::word(unsigned bytes) {
  if (rest_.size() < bytes) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) {
    value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(rest_[i])) << (8 * i);
  }
  rest_.remove_prefix(bytes);
  return value;
}

absl::StatusOr<std::optional<WireField>> WireReader::next() {
  if (rest_.empty()) {
    return std::nullopt;
  }
  const auto tag = varint();
  if (!tag || (*tag >> 3) == 0 || (*tag >> 3) > 0x1fffffff) {
    return absl::InvalidArgumentError("protobuf: a field's tag is cut short or out of range");
  }
  WireField field;
  field.number = static_cast<std::uint32_t>(*tag >> 3);
  std::optional<std::uint64_t> value;
  switch (*tag & 7) {
    case 0:
      value = varint();
      break;
    case 1:
      value = word(8);
      break;
    case 2:
      value = varint();
      if (value && *value <= rest_.size()) {
        field.bytes = rest_.substr(0, *value);
        rest_.remove_prefix(*value);
      } else {
        value.reset();
      }
      break;
    case 5:
      value = word(4);
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("protobuf: field ", field.number, " has the unknown wire type ", *tag & 7));
  }
  if (!value) {
    return absl::InvalidArgumentError(absl::StrCat("protobuf: field ", field.number, " is cut short"));
  }
  field.type = static_cast<WireType>(*tag & 7);
  field.value = *value;
  return field;
}

void WireWriter::raw(std::uint64_t value) {
  while (value >= 0x80) {
    message_.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  message_.push_back(static_cast<char>(value));
}

void WireWriter::tag(std::uint32_t number, WireType type) {
  raw(static_cast<std::uint64_t>(number) << 3 | static_cast<std::uint64_t>(type));
}

WireWriter& WireWriter::varint(std::uint32_t number, std::uint64_t value) {
  tag(number, WireType::kVarint);
  raw(value);
  return *this;
}

WireWriter& WireWriter::bytes(std::uint32_t number, absl::string_view value) {
  tag(number, WireType::kBytes);
  raw(value.size());
  message_.append(value.data(), value.size());
  return *this;
}

WireWriter& WireWriter::fixed64(std::uint32_t number, std::uint64_t value) {
  tag(number, WireType::kFixed64);
  for (unsigned i = 0; i < 8; ++i) {
    message_.push_back(static_cast<char>(value >> (8 * i)));
  }
  return *this;
}

WireWriter& WireWriter::fixed32(std::uint32_t number, std::uint32_t value) {
  tag(number, WireType::kFixed32);
  for (unsigned i = 0; i < 4; ++i) {
    message_.push_back(static_cast<char>(value >> (8 * i)));
  }
  return *this;
}

}  // namespace phalanx::emulator

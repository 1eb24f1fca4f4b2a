#include "drivers/emulator/protocol.hpp"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "drivers/emulator/wire.hpp"

namespace phalanx::emulator {
namespace {

constexpr std::uint32_t kNoField = 0;

// Where a method has what of a Request: XRT's field numbers. Field 2 of most transfers is the caller's own handle.
struct Layout {
  Method method;
  std::uint32_t address;
  std::uint32_t offset;  // added to the address
  std::uint32_t size;
  std::uint32_t data;
};
constexpr std::array kLayouts = {
    Layout{Method::alloc_device_buffer, 1, kNoField, 2, kNoField},
    Layout{Method::free_device_buffer, 1, kNoField, kNoField, kNoField},
    Layout{Method::copy_host_to_device, 3, kNoField, 5, 4},
    Layout{Method::copy_device_to_host, 4, kNoField, 5, kNoField},
    Layout{Method::write_kernel_control, 2, kNoField, 3, 4},
    Layout{Method::read_kernel_control, 2, kNoField, 3, kNoField},
    Layout{Method::register_write, 1, 2, kNoField, 3},
    Layout{Method::register_read, 1, 2, 3, kNoField},
};

bool served(std::uint32_t number) {
  switch (number) {
#define PHALANX_XCL_METHOD(name, value) case value:
    PHALANX_XCL_METHODS(PHALANX_XCL_METHOD)
#undef PHALANX_XCL_METHOD
    return true;
    default:
      return false;
  }
}

absl::Status refused(std::uint32_t method, absl::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat("method ", method, " (", method_name(method), "): ", reason));
}

// The request's fields by number; of a repeated one the last, as protobuf has it. Fields above 15 are not used by XRT.
struct Fields {
  std::array<std::optional<WireField>, 16> by_number;
  std::vector<absl::string_view> banks;
};

absl::StatusOr<Fields> read_fields(std::uint32_t method, absl::string_view message) {
  Fields fields;
  WireReader reader(message);
  for (;;) {
    auto field = reader.next();
    if (!field.ok()) {
      return refused(method, field.status().message());
    }
    if (!*field) {
      return fields;
    }
    if ((*field)->number >= fields.by_number.size()) {
      continue;
    }
    fields.by_number[(*field)->number] = **field;
    if (method == static_cast<std::uint32_t>(Method::load_bitstream) && (*field)->number == 8) {
      if ((*field)->type != WireType::kBytes || fields.banks.size() == kBanksMax) {
        return refused(method, absl::StrCat("field 8: not a bank, or more than ", kBanksMax));
      }
      fields.banks.push_back((*field)->bytes);
    }
  }
}

absl::StatusOr<std::uint64_t> number_in(std::uint32_t method, const Fields& fields, std::uint32_t number) {
  const auto& field = fields.by_number[number];
  if (!field) {
    return refused(method, absl::StrCat("field ", number, " is missing"));
  }
  if (field->type == WireType::kBytes) {
    return refused(method, absl::StrCat("field ", number, " is not a number"));
  }
  return field->value;
}

absl::StatusOr<absl::string_view> bytes_in(std::uint32_t method, const Fields& fields, std::uint32_t number) {
  const auto& field = fields.by_number[number];
  if (!field || field->type != WireType::kBytes) {
    return refused(method, absl::StrCat("field ", number, field ? " is not a byte string" : " is missing"));
  }
  return field->bytes;
}

absl::Status fill_bitstream(const Fields& fields, Request& request) {
  const auto method = static_cast<std::uint32_t>(request.method);
  auto metadata = bytes_in(method, fields, 1);
  auto object = bytes_in(method, fields, 2);
  if (!metadata.ok() || !object.ok()) {
    return metadata.ok() ? object.status() : metadata.status();
  }
  request.metadata_path = *metadata;
  request.object_path = *object;
  for (const auto bank : fields.banks) {
    WireReader reader(bank);
    auto field = reader.next();
    if (!field.ok() || !*field || (*field)->number != 7 || (*field)->type != WireType::kVarint) {
      return refused(method, "field 8: a bank without its size");
    }
    request.banks.push_back((*field)->value);
  }
  return absl::OkStatus();
}

absl::Status fill_layout(const Fields& fields, const Layout& layout, Request& request) {
  const auto method = static_cast<std::uint32_t>(request.method);
  auto address = number_in(method, fields, layout.address);
  if (!address.ok()) {
    return address.status();
  }
  request.address = *address;
  if (layout.offset != kNoField) {
    auto offset = number_in(method, fields, layout.offset);
    if (!offset.ok()) {
      return offset.status();
    }
    request.address += *offset;
  }
  if (layout.data != kNoField) {
    auto data = bytes_in(method, fields, layout.data);
    if (!data.ok()) {
      return data.status();
    }
    request.data = *data;
    request.size = data->size();
  }
  if (layout.size != kNoField) {
    auto size = number_in(method, fields, layout.size);
    if (!size.ok()) {
      return size.status();
    }
    if (layout.data != kNoField && *size != request.data.size()) {
      return refused(method, absl::StrCat("size ", *size, ", but ", request.data.size(), " bytes of data"));
    }
    request.size = *size;
  }
  return absl::OkStatus();
}

absl::Status check_size(const Request& request) {
  const auto method = static_cast<std::uint32_t>(request.method);
  switch (request.method) {
    case Method::copy_device_to_host:
      if (request.size > kMessageBytesMax / 2) {
        return refused(method, absl::StrCat("size ", request.size, " is more than a packet"));
      }
      break;
    case Method::write_kernel_control:
    case Method::read_kernel_control:
    case Method::register_write:
    case Method::register_read:
      if (request.size == 0 || request.size > kRegisterBytesMax || request.size % 4 != 0 || request.address % 4 != 0) {
        return refused(method, absl::StrCat("address ", request.address, ", size ", request.size,
                                            ": registers are words of 4 bytes"));
      }
      break;
    default:
      break;
  }
  return absl::OkStatus();
}

std::string framed(const std::string& message) { return WireWriter().fixed64(1, message.size()).take() + message; }

}  // namespace

absl::string_view method_name(std::uint32_t number) {
  switch (number) {
#define PHALANX_XCL_METHOD(name, value) \
  case value:                           \
    return #name;
    PHALANX_XCL_METHODS(PHALANX_XCL_METHOD)
#undef PHALANX_XCL_METHOD
    default:
      return "unknown";
  }
}

absl::StatusOr<RequestHeader> decode_header(const std::array<char, kRequestHeaderBytes>& bytes) {
  constexpr char kSizeTag = 0x09;
  constexpr char kMethodTag = 0x15;
  if (bytes[0] != kSizeTag || bytes[9] != kMethodTag) {
    return absl::InvalidArgumentError("request header: its tags are not 09 and 15");
  }
  RequestHeader header;
  for (unsigned i = 0; i < 8; ++i) {
    header.size |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[1 + i])) << (8 * i);
  }
  for (unsigned i = 0; i < 4; ++i) {
    header.method |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[10 + i])) << (8 * i);
  }
  if (header.size > kMessageBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("request header: size ", header.size, " is more than ", kMessageBytesMax));
  }
  return header;
}

absl::StatusOr<Request> decode_request(std::uint32_t method, absl::string_view message) {
  if (!served(method)) {
    return absl::UnimplementedError(absl::StrCat("method ", method, " is not served"));
  }
  auto fields = read_fields(method, message);
  if (!fields.ok()) {
    return fields.status();
  }
  Request request;
  request.method = static_cast<Method>(method);
  if (request.method == Method::close && fields->by_number[3]) {
    request.close_all = fields->by_number[3]->value != 0;
  }
  if (request.method == Method::load_bitstream) {
    if (auto status = fill_bitstream(*fields, request); !status.ok()) {
      return status;
    }
  }
  for (const auto& layout : kLayouts) {
    if (layout.method == request.method) {
      if (auto status = fill_layout(*fields, layout, request); !status.ok()) {
        return status;
      }
    }
  }
  if (auto status = check_size(request); !status.ok()) {
    return status;
  }
  return request;
}

std::string encode_reply(Method method, const Reply& reply) {
  WireWriter message;
  switch (method) {
    case Method::copy_host_to_device:
      message.varint(1, reply.accepted ? reply.size : 0);
      break;
    case Method::copy_device_to_host:
      message.varint(1, reply.accepted ? reply.size : 0).bytes(2, reply.accepted ? reply.data : "");
      break;
    case Method::read_kernel_control:
    case Method::register_read:
      message.varint(1, reply.accepted ? 1 : 0).bytes(2, reply.data);
      break;
    case Method::get_debug_messages:
      break;  // an empty message: none
    default:
      message.varint(1, reply.accepted ? 1 : 0);
      break;
  }
  return framed(message.take());
}

std::string encode_refusal(std::uint32_t method) {
  if (served(method)) {
    return encode_reply(static_cast<Method>(method), Reply{});
  }
  return framed(WireWriter().varint(1, 0).take());
}

}  // namespace phalanx::emulator

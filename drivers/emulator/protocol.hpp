// XRT's emulation protocol between the host's libxrt_swemu and the device model: a request is a header of 14 bytes and
// a protobuf message, a reply a header of 9 bytes and one. Method numbers are XRT's (xcl_macros.h).
#ifndef PHALANX_DRIVERS_EMULATOR_PROTOCOL_HPP
#define PHALANX_DRIVERS_EMULATOR_PROTOCOL_HPP

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace phalanx::emulator {

// X(name, number): the methods that the device model serves.
#define PHALANX_XCL_METHODS(X) \
  X(close, 1)                  \
  X(load_bitstream, 3)         \
  X(alloc_device_buffer, 4)    \
  X(free_device_buffer, 5)     \
  X(copy_host_to_device, 6)    \
  X(copy_device_to_host, 7)    \
  X(write_kernel_control, 9)   \
  X(read_kernel_control, 11)   \
  X(get_debug_messages, 19)    \
  X(copy_buffer, 22)           \
  X(import_buffer, 27)         \
  X(setup_instance, 28)        \
  X(copy_buffer_from_file, 50) \
  X(register_write, 51)        \
  X(register_read, 52)

enum class Method : std::uint32_t {
#define PHALANX_XCL_METHOD(name, number) name = number,
  PHALANX_XCL_METHODS(PHALANX_XCL_METHOD)
#undef PHALANX_XCL_METHOD
};

// The method's name, or "unknown".
absl::string_view method_name(std::uint32_t number);

inline constexpr std::size_t kRequestHeaderBytes = 14;  // 09 <u64 size> 15 <u32 method>
inline constexpr std::size_t kReplyHeaderBytes = 9;     // 09 <u64 size>
// XRT cuts a transfer into packets of 8 MiB (SW_EMU_PACKET_SIZE); twice that leaves room for one that was set larger.
inline constexpr std::uint64_t kMessageBytesMax = 16u << 20;
// XRT reads one register at a time and writes at most the register map of a CU.
inline constexpr std::uint32_t kRegisterBytesMax = 0x1000;
inline constexpr std::size_t kBanksMax = 64;  // a U55C has 32 pseudo channels of HBM

struct RequestHeader {
  std::uint64_t size = 0;  // of the message that follows
  std::uint32_t method = 0;
};

// A request; only what its method has is set. Byte strings point into the message.
struct Request {
  Method method = Method::close;
  bool close_all = false;            // close
  absl::string_view metadata_path;   // load_bitstream: the XML of EMBEDDED_METADATA
  absl::string_view object_path;     // load_bitstream: the kernels' shared object, the BITSTREAM section
  std::vector<std::uint64_t> banks;  // load_bitstream: sizes in bytes
  std::uint64_t address = 0;         // of a buffer, a transfer or a register
  std::uint64_t size = 0;            // bytes, of the same
  absl::string_view data;            // what is written
};

absl::StatusOr<RequestHeader> decode_header(const std::array<char, kRequestHeaderBytes>& bytes);
// Refuses a message that is not protobuf, lacks a field or has one out of range; the error names method and field.
absl::StatusOr<Request> decode_request(std::uint32_t method, absl::string_view message);

struct Reply {
  bool accepted = false;   // ack, valid or success, as the method calls it
  std::uint64_t size = 0;  // transfers: bytes moved
  std::string data;        // what was read
};

// Header and message. A refused transfer is answered with size 0 and no data.
std::string encode_reply(Method method, const Reply& reply);
// The answer to a method that is not served: the field 1 that most replies need, as 0.
std::string encode_refusal(std::uint32_t method);

}  // namespace phalanx::emulator

#endif

#include "drivers/emulator/protocol.hpp"

#include <random>

#include "drivers/emulator/wire.hpp"

namespace phalanx::emulator {
namespace {

using testing::HasSubstr;

std::string text(absl::string_view view) { return std::string(view); }

std::array<char, kRequestHeaderBytes> header_bytes(std::uint64_t size, std::uint32_t method) {
  const auto bytes = WireWriter().fixed64(1, size).fixed32(2, method).take();
  std::array<char, kRequestHeaderBytes> array{};
  EXPECT_EQ(bytes.size(), array.size());
  std::copy(bytes.begin(), bytes.end(), array.begin());
  return array;
}

TEST(Header, IsFourteenBytesOfSizeAndMethod) {
  const std::array<char, kRequestHeaderBytes> bytes = {0x09, 0x2a, 1, 0, 0, 0, 0, 0, 0, 0x15, 6, 0, 0, 0};
  const auto header = decode_header(bytes);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->size, 0x12au);
  EXPECT_EQ(header->method, 6u);
  EXPECT_EQ(header_bytes(0x12a, 6), bytes);
}

TEST(Header, RefusesOtherTagsAndSizesBeyondTheLimit) {
  auto bytes = header_bytes(1, 6);
  bytes[0] = 0x0a;
  EXPECT_FALSE(decode_header(bytes).ok());
  bytes = header_bytes(1, 6);
  bytes[9] = 0x14;
  EXPECT_FALSE(decode_header(bytes).ok());
  EXPECT_TRUE(decode_header(header_bytes(kMessageBytesMax, 6)).ok());
  EXPECT_FALSE(decode_header(header_bytes(kMessageBytesMax + 1, 6)).ok());
}

struct DecodeCase {
  const char* name;
  std::uint32_t method;
  std::string message;
  std::function<void(const Request&)> check;
};

TEST(Decode, TakesWhatEachMethodHas) {
  const std::vector<DecodeCase> cases = {
      {"close, not for good", 1, WireWriter().bytes(2, "handle").varint(3, 0).take(),
       [](const Request& r) { EXPECT_FALSE(r.close_all); }},
      {"close for good", 1, WireWriter().varint(3, 1).take(), [](const Request& r) { EXPECT_TRUE(r.close_all); }},
      {"load", 3,
       WireWriter()
           .bytes(1, "/x.xml")
           .bytes(2, "/x.so")
           .bytes(8, WireWriter().varint(7, 4096).take())
           .bytes(8, WireWriter().varint(7, 1ull << 32).take())
           .take(),
       [](const Request& r) {
         EXPECT_EQ(text(r.metadata_path), "/x.xml");
         EXPECT_EQ(text(r.object_path), "/x.so");
         EXPECT_THAT(r.banks, testing::ElementsAre(4096, 1ull << 32));
       }},
      {"allocate", 4, WireWriter().varint(1, 0x2000).varint(2, 64).varint(3, 0).take(),
       [](const Request& r) {
         EXPECT_EQ(r.address, 0x2000u);
         EXPECT_EQ(r.size, 64u);
       }},
      {"host to device", 6, WireWriter().bytes(2, "h").varint(3, 5).bytes(4, "data").varint(5, 4).varint(6, 1).take(),
       [](const Request& r) {
         EXPECT_EQ(r.address, 5u);
         EXPECT_EQ(text(r.data), "data");
       }},
      {"device to host", 7, WireWriter().bytes(3, "").varint(4, 9).varint(5, 100).take(),
       [](const Request& r) {
         EXPECT_EQ(r.address, 9u);
         EXPECT_EQ(r.size, 100u);
       }},
      {"write registers", 9, WireWriter().varint(2, 0x1800010).varint(3, 8).bytes(4, "12345678").take(),
       [](const Request& r) { EXPECT_EQ(r.size, 8u); }},
      {"register write", 51, WireWriter().varint(1, 0x1800000).varint(2, 0x10).bytes(3, "1234").take(),
       [](const Request& r) {
         EXPECT_EQ(r.address, 0x1800010u);
         EXPECT_EQ(r.size, 4u);
       }},
      {"an unknown field is passed over", 5, WireWriter().varint(1, 7).varint(99, 1).take(),
       [](const Request& r) { EXPECT_EQ(r.address, 7u); }},
  };
  for (const auto& one : cases) {
    const auto request = decode_request(one.method, one.message);
    ASSERT_TRUE(request.ok()) << one.name << ": " << request.status();
    EXPECT_EQ(static_cast<std::uint32_t>(request->method), one.method);
    one.check(*request);
  }
}

TEST(Decode, RefusesAndNamesTheReason) {
  struct Case {
    std::uint32_t method;
    std::string message;
    const char* reason;
  };
  const auto registers = [](std::uint64_t address, std::uint64_t size) {
    return WireWriter().varint(2, address).varint(3, size).take();
  };
  std::string many_banks = WireWriter().bytes(1, "a").bytes(2, "b").take();
  for (std::size_t i = 0; i <= kBanksMax; ++i) {
    many_banks += WireWriter().bytes(8, WireWriter().varint(7, 1).take()).take();
  }
  const std::vector<Case> cases = {
      {2, "", "not served"},
      {4, "", "field 1 is missing"},
      {4, WireWriter().varint(1, 1).take(), "field 2 is missing"},
      {4, WireWriter().bytes(1, "x").varint(2, 1).take(), "field 1 is not a number"},
      {6, WireWriter().varint(3, 1).varint(4, 1).varint(5, 1).take(), "field 4 is not a byte string"},
      {6, WireWriter().varint(3, 1).bytes(4, "abc").varint(5, 4).take(), "size 4, but 3 bytes"},
      {7, WireWriter().varint(4, 1).varint(5, kMessageBytesMax).take(), "more than a packet"},
      {11, registers(0x1800002, 4), "words of 4 bytes"},
      {11, registers(0x1800000, 3), "words of 4 bytes"},
      {11, registers(0x1800000, 0), "words of 4 bytes"},
      {11, registers(0x1800000, kRegisterBytesMax + 4), "words of 4 bytes"},
      {3, WireWriter().bytes(1, "a").take(), "field 2 is missing"},
      {3, WireWriter().bytes(1, "a").bytes(2, "b").bytes(8, "").take(), "a bank without its size"},
      {3, many_banks, "more than 64"},
      {5, "\x08", "cut short"},
      {5, std::string("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11), "cut short"},
      {5, "\x0b", "wire type 3"},
      {5, std::string("\x00\x01", 2), "tag"},
      {6,
       "\x22\x05"
       "abc",
       "cut short"},
  };
  for (const auto& one : cases) {
    const auto request = decode_request(one.method, one.message);
    ASSERT_FALSE(request.ok()) << one.reason;
    EXPECT_THAT(text(request.status().message()), HasSubstr(one.reason));
  }
}

// A reply as the host reads it: its header, then field by field.
std::vector<WireField> fields_of(const std::string& reply) {
  EXPECT_GE(reply.size(), kReplyHeaderBytes);
  EXPECT_EQ(reply[0], 0x09);
  EXPECT_EQ(static_cast<std::uint8_t>(reply[1]), (reply.size() - kReplyHeaderBytes) & 0xff);
  std::vector<WireField> fields;
  WireReader reader(absl::string_view(reply).substr(kReplyHeaderBytes));
  for (;;) {
    const auto field = reader.next();
    EXPECT_TRUE(field.ok());
    if (!field.ok() || !*field) {
      return fields;
    }
    fields.push_back(**field);
  }
}

TEST(Reply, HasTheFieldsThatXrtReads) {
  const auto ack = fields_of(encode_reply(Method::alloc_device_buffer, {true, 0, {}}));
  ASSERT_EQ(ack.size(), 1u);
  EXPECT_EQ(ack[0].value, 1u);
  const auto read_reply = encode_reply(Method::copy_device_to_host, {true, 3, "abc"});
  const auto read = fields_of(read_reply);
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].value, 3u);
  EXPECT_EQ(text(read[1].bytes), "abc");
  EXPECT_EQ(encode_reply(Method::get_debug_messages, {true, 0, {}}).size(), kReplyHeaderBytes);
}

TEST(Reply, OfARefusedTransferMovesNothing) {
  const auto reply = encode_refusal(7);
  const auto read = fields_of(reply);
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].value, 0u);
  EXPECT_TRUE(read[1].bytes.empty());
  EXPECT_EQ(fields_of(encode_refusal(6))[0].value, 0u);
  EXPECT_EQ(fields_of(encode_refusal(4711))[0].value, 0u);
}

TEST(Wire, ReadsBackWhatItWrote) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const auto value = random() >> (random() % 64);
    const auto number = static_cast<std::uint32_t>(1 + random() % 0x1fffffff);
    const std::string bytes(random() % 300, 'x');
    const auto message = WireWriter()
                             .varint(number, value)
                             .fixed64(2, value)
                             .fixed32(3, static_cast<std::uint32_t>(value))
                             .bytes(number, bytes)
                             .take();
    WireReader reader(message);
    const auto first = reader.next();
    ASSERT_TRUE(first.ok() && first->has_value());
    EXPECT_EQ((*first)->number, number);
    EXPECT_EQ((*first)->value, value);
    EXPECT_EQ((*reader.next())->value, value);
    EXPECT_EQ((*reader.next())->value, static_cast<std::uint32_t>(value));
    EXPECT_EQ(text((*reader.next())->bytes), bytes);
    EXPECT_FALSE(reader.next()->has_value());
  }
}

// Whatever comes, an answer comes back and nothing is read beyond the message (the sanitizers watch that).
TEST(Decode, SurvivesRandomAndMutatedMessages) {
  std::mt19937_64 random(2);
  const std::vector<std::string> seeds = {
      WireWriter().bytes(1, "/x.xml").bytes(2, "/x.so").bytes(8, WireWriter().varint(7, 4096).take()).take(),
      WireWriter().bytes(2, "h").varint(3, 5).bytes(4, "data").varint(5, 4).take(),
      WireWriter().varint(2, 0x1800010).varint(3, 8).bytes(4, "12345678").take(),
  };
  const std::uint32_t methods[] = {1, 3, 4, 5, 6, 7, 9, 11, 19, 22, 27, 28, 50, 51, 52, 53};
  int accepted = 0;
  int refused = 0;
  for (int i = 0; i < 100'000; ++i) {
    auto message = seeds[random() % seeds.size()];
    for (auto changes = random() % 4; changes > 0; --changes) {
      message[random() % message.size()] = static_cast<char>(random());
    }
    message.resize(random() % (message.size() + 1));
    const auto request = decode_request(methods[random() % std::size(methods)], message);
    ++(request.ok() ? accepted : refused);
    if (request.ok()) {
      EXPECT_LE(request->data.size(), message.size());
    }
  }
  EXPECT_GT(accepted, 1000);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace phalanx::emulator

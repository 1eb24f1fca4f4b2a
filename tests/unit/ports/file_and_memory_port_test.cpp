#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host/ports/memory_port.hpp"
#include "host/ports/pcap_port.hpp"
#include "tests/unit/ports/test_network.hpp"

namespace phalanx {
namespace {

using test::Bytes;
using test::receive_copies;
using test::send_one;

constexpr MacAddress kVirtual = {0, 0x1c, 0x7f, 0, 0, 1};

class PcapPortTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "phalanx-pcap-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const char* name) const { return (folder_ / name).string(); }
  std::unique_ptr<PcapPort> open(const std::string& read, const std::string& write) {
    auto port = PcapPort::open({.name = "file", .read_path = read, .write_path = write});
    EXPECT_TRUE(port.ok()) << port.status();
    return port.ok() ? std::move(*port) : nullptr;
  }
  std::filesystem::path folder_;
};

TEST_F(PcapPortTest, WhatIsWrittenIsReadBack) {
  std::vector<Bytes> frames;
  for (uint16_t i = 0; i < 100; ++i) frames.push_back(test::udp_frame(kVirtual, 20u + 10u * i, i));
  {
    auto writer = open("", path("a"));
    for (Bytes& frame : frames) writer->queue({frame.data(), static_cast<uint32_t>(frame.size())});
    writer->flush();
    EXPECT_EQ(writer->stats().sent, 100u);
    EXPECT_TRUE(writer->finished());
  }
  auto reader = open(path("a"), "");
  EXPECT_FALSE(reader->finished());
  EXPECT_EQ(receive_copies(*reader, 100), frames);
  EXPECT_EQ(receive_copies(*reader, 1).size(), 0u);
  EXPECT_TRUE(reader->finished());
  EXPECT_EQ(reader->stats().rx_errors, 0u);
  EXPECT_EQ(reader->stats().received, 100u);
}

TEST_F(PcapPortTest, FramesStayValidUntilReleased) {
  std::vector<Bytes> frames = {test::udp_frame(kVirtual, 30), test::udp_frame(kVirtual, 40)};
  {
    auto writer = open("", path("a"));
    for (Bytes& frame : frames) send_one(*writer, frame);
  }
  auto reader = open(path("a"), "");
  std::array<Frame, 2> burst;
  ASSERT_EQ(reader->receive(absl::MakeSpan(burst).first(1)), 1u);
  ASSERT_EQ(reader->receive(absl::MakeSpan(burst).last(1)), 1u);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(Bytes(burst[i].data, burst[i].data + burst[i].length), frames[i]);
  reader->release();
}

// tshark judges the checksums that the offload header had left open.
TEST_F(PcapPortTest, ChecksumsAreCompleted) {
  {
    auto writer = open("", path("a"));
    for (const size_t payload : {0, 1, 2, 999, 1000}) {
      Bytes frame = test::tcp_gso_frame(kVirtual, payload, 1448);
      send_one(*writer, frame);
      Bytes tagged = test::tcp_gso_frame(kVirtual, payload, 1448, 7);
      send_one(*writer, tagged);
    }
  }
  const std::string command = absl::StrCat("tshark -r ", path("a"),
                                           " -o tcp.check_checksum:TRUE -Y tcp.checksum.status==1 2>/dev/null | wc -l");
  FILE* tshark = popen(command.c_str(), "r");
  ASSERT_NE(tshark, nullptr);
  int good = 0;
  EXPECT_EQ(std::fscanf(tshark, "%d", &good), 1);
  pclose(tshark);
  EXPECT_EQ(good, 10);
}

TEST_F(PcapPortTest, EqualRunsWriteEqualFiles) {
  for (const char* name : {"a", "b"}) {
    auto writer = open("", path(name));
    for (uint16_t i = 0; i < 10; ++i) {
      Bytes frame = test::udp_frame(kVirtual, 30, i);
      send_one(*writer, frame);
    }
  }
  const auto content = [&](const char* name) {
    std::ifstream file(path(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_GT(content("a").size(), 500u);
  EXPECT_EQ(content("a"), content("b"));
}

TEST_F(PcapPortTest, DamagedFilesAreRefusedOrCounted) {
  EXPECT_FALSE(PcapPort::open({.name = "x", .read_path = path("missing"), .write_path = ""}).ok());
  EXPECT_FALSE(PcapPort::open({.name = "x", .read_path = "", .write_path = path("no/folder")}).ok());
  std::ofstream(path("text")) << "this is no capture at all, but long enough to look at";
  EXPECT_FALSE(PcapPort::open({.name = "x", .read_path = path("text"), .write_path = ""}).ok());

  {
    auto writer = open("", path("a"));
    Bytes first = test::udp_frame(kVirtual, 30), second = test::udp_frame(kVirtual, 31);
    send_one(*writer, first);
    send_one(*writer, second);
  }
  std::filesystem::resize_file(path("a"), std::filesystem::file_size(path("a")) - 5);
  auto reader = open(path("a"), "");
  EXPECT_EQ(receive_copies(*reader, 2).size(), 1u);
  EXPECT_TRUE(reader->finished());
  EXPECT_EQ(reader->stats().rx_errors, 1u);
}

TEST_F(PcapPortTest, FramesCutByTheCaptureAreCounted) {
  const auto write_record = [&](uint32_t captured, uint32_t length) {
    std::ofstream file(path("cut"), std::ios::binary);
    const uint32_t header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1};
    const uint32_t record[4] = {0, 0, captured, length};
    file.write(reinterpret_cast<const char*>(header), sizeof header);
    file.write(reinterpret_cast<const char*>(record), sizeof record);
    file << std::string(captured, 'x');
  };
  write_record(60, 61);
  auto cut = open(path("cut"), "");
  EXPECT_EQ(receive_copies(*cut, 1).size(), 0u);
  EXPECT_EQ(cut->stats().rx_truncated, 1u);
  write_record(13, 13);
  auto runt = open(path("cut"), "");
  EXPECT_EQ(receive_copies(*runt, 1).size(), 0u);
  EXPECT_EQ(runt->stats().rx_malformed, 1u);
}

TEST(MemoryPort, CarriesFramesBothWaysWithTheirOffloadHeader) {
  auto [a, b] = MemoryPort::make_pair("a", "b");
  Bytes there = test::tcp_gso_frame(kVirtual, 5000, 1448), back = test::udp_frame(kVirtual, 20);
  const Bytes there_copy = there;
  send_one(*a, there);
  there.assign(there.size(), 0);  // after flush() the memory is the sender's again
  send_one(*b, back);
  EXPECT_THAT(receive_copies(*b, 5), testing::ElementsAre(there_copy));
  EXPECT_THAT(receive_copies(*a, 5), testing::ElementsAre(back));
  EXPECT_EQ(a->stats().sent_bytes, b->stats().received_bytes);
  EXPECT_EQ(a->name(), "a");
  EXPECT_EQ(b->name(), "b");
}

TEST(MemoryPort, QueuedFramesLeaveWithFlush) {
  auto [a, b] = MemoryPort::make_pair("a", "b");
  Bytes frame = test::udp_frame(kVirtual, 20);
  a->queue({frame.data(), static_cast<uint32_t>(frame.size())});
  EXPECT_EQ(receive_copies(*b, 1).size(), 0u);
  frame[20] = 0x99;
  a->flush();
  EXPECT_THAT(receive_copies(*b, 1), testing::ElementsAre(frame));
}

TEST(MemoryPort, FullQueueAndCutWireAreCounted) {
  auto [a, b] = MemoryPort::make_pair("a", "b", 3);
  Bytes frame = test::udp_frame(kVirtual, 20);
  for (int i = 0; i < 5; ++i) send_one(*a, frame);
  EXPECT_EQ(a->stats().sent, 3u);
  EXPECT_EQ(a->stats().tx_error_queue_full, 2u);
  EXPECT_EQ(receive_copies(*b, 9).size(), 3u);
  b->set_link(false);
  send_one(*a, frame);
  send_one(*b, frame);
  EXPECT_EQ(a->stats().tx_error_link_down, 1u);
  EXPECT_EQ(b->stats().tx_error_link_down, 1u);
  a->set_link(true);
  send_one(*a, frame);
  EXPECT_EQ(receive_copies(*b, 9).size(), 1u);
  EXPECT_EQ(a->stats().tx_dropped, 3u);
}

}  // namespace
}  // namespace phalanx

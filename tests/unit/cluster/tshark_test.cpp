// An independent judge: tshark reads every message, finds the fields where we put them, and calls nothing malformed.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "host/cluster/ccp.hpp"
#include "host/cluster/ccp_frame.hpp"
#include "host/packet/frame.hpp"

namespace phalanx::cluster {
namespace {

void put_little(std::ostream& out, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.put(static_cast<char>(value >> (8 * i)));
}

// Classic pcap, link type Ethernet.
void write_pcap(const std::string& path, const std::vector<std::vector<uint8_t>>& frames) {
  std::ofstream out(path, std::ios::binary);
  put_little(out, 0xa1b2c3d4, 4);
  put_little(out, 2, 2);
  put_little(out, 4, 2);
  for (const uint32_t v : {0u, 0u, 65535u, 1u}) put_little(out, v, 4);
  for (const auto& frame : frames) {
    const auto length = static_cast<uint32_t>(frame.size() - sizeof(VirtioNetHeader));
    for (const uint32_t v : {0u, 0u, length, length}) put_little(out, v, 4);
    out.write(reinterpret_cast<const char*>(frame.data() + sizeof(VirtioNetHeader)), length);
  }
}

std::string run(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  char buffer[4096];
  while (const size_t n = fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
  EXPECT_EQ(pclose(pipe), 0) << command;
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

class Tshark : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "phalanx-ccp-XXXXXX";
    const int fd = mkstemp(name.data());
    ASSERT_GE(fd, 0);
    fclose(fdopen(fd, "w"));
    path_ = name;
  }
  void TearDown() override { std::remove(path_.c_str()); }
  std::string path_;
};

TEST_P(Tshark, DecodesEveryMessageAndFindsNothingMalformed) {
  CcpConfig config;
  config.cluster_number = 4711;
  config.own_id = 2;
  config.member_count = 3;
  config.incarnation = 0xabcdef;
  if (GetParam()) config.key.emplace().fill(9);
  CcpCodec codec(config);
  CcpFrameConfig frame;
  frame.own_id = 2;
  frame.virtual_ip = 0x0a000001;
  frame.network_address = 0x0a000000;

  CcpMessage m;
  m.interface = 1;
  m.policy_id = 77;
  m.report.member = 2;
  m.report.state = MemberState::kActive;
  m.report.interfaces_up = 0b111;
  m.report.peers[0] = {1, 1, MemberState::kStandby, 30'000};
  m.probed_interface = 5;
  m.interface_config = {3, {0, 0x1c, 0x7f, 1, 2, 3}, true, 0x0a000002};
  m.load_balancing = {1, 2, 3, 4};
  m.policy_status = 2;
  m.opaque = {0xde, 0xad};
  std::vector<std::vector<uint8_t>> frames;
#define X(name, number, text, bytes) \
  m.opcode = CcpOpcode::name;        \
  frames.push_back(build_frame(frame, *codec.encode(m)));
  PHALANX_CCP_MESSAGES(X)
#undef X
  write_pcap(path_, frames);

  const std::string checks = "tshark -o udp.check_checksum:TRUE -o ip.check_checksum:TRUE -r " + path_;
  const std::string full = run(checks + " -V 2>/dev/null");
  EXPECT_EQ(full.find("Malformed"), std::string::npos) << full;
  EXPECT_EQ(full.find("incorrect"), std::string::npos) << full;
  const auto rows = lines_of(
      run(checks + " -T fields -E separator=/t -e eth.src -e eth.dst -e ip.src -e ip.dst -e ip.ttl "
                   "-e udp.checksum.status -e cpha.magic_number -e cpha.version -e cpha.cluster_number -e cpha.opcode "
                   "-e cpha.src_if -e cpha.src_id -e cpha.dst_id -e cpha.policy_id 2>/dev/null"));
  ASSERT_EQ(rows.size(), frames.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i], "00:00:00:00:fe:02\t01:00:5e:00:00:01\t0.0.0.0\t10.0.0.0\t255\t1\t0x1a90\t2920\t4711\t" +
                           std::to_string(i + 1) + "\t2\t1\t65534\t77");
  }
  const auto states =
      lines_of(run(checks + " -Y cpha.opcode==1 -T fields -e cpha.id_num -e cpha.report_code -e cpha.ha_mode "
                            "-e cpha.ha_time_unit -e cpha.state_node -e cpha.in_up -e cpha.in_assume_up -e cpha.out_up "
                            "-e cpha.out_assume_up -e cpha.cluster_last_packet 2>/dev/null"));
  ASSERT_EQ(states.size(), 1u);
  EXPECT_EQ(states[0], "3\t3\t4\t10\t2,4,0\t3\t0\t3\t0\t3,0,127");
  const auto field = [&](int opcode, const std::string& name) {
    const auto found =
        lines_of(run(checks + " -Y cpha.opcode==" + std::to_string(opcode) + " -T fields -e " + name + " 2>/dev/null"));
    return found.size() == 1 ? found[0] : "?";
  };
  EXPECT_EQ(field(3, "cpha.ifn"), "5");
  EXPECT_EQ(field(4, "cpha.ifn"), "5");
  EXPECT_EQ(field(6, "cpha.ethernet_addr"), "00:1c:7f:01:02:03");
  EXPECT_EQ(field(6, "cpha.ip"), "10.0.0.2");
  EXPECT_EQ(field(7, "cpha.hash_len"), "4");
  EXPECT_EQ(field(9, "cpha.status"), "2");
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutAuthenticator, Tshark, testing::Bool());

}  // namespace
}  // namespace phalanx::cluster

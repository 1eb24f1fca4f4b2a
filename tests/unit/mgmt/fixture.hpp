// A server in this process with a fake member behind it, on a unix socket and on TCP of the loopback with mutual TLS;
// keys made by phalanxctl; and phalanxctl run as a process.
#ifndef PHALANX_TESTS_UNIT_MGMT_FIXTURE_HPP
#define PHALANX_TESTS_UNIT_MGMT_FIXTURE_HPP

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "mgmt/service/full_sync_client.hpp"
#include "mgmt/service/server.hpp"
#include "tests/unit/mgmt/fake_control.hpp"

namespace phalanx::mgmt {

struct RunResult {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// Runs phalanxctl of the same build with these arguments, without a terminal and with an environment of its own.
RunResult run_ctl(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {});

// A folder that goes away with it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class ServerTest : public testing::Test {
 protected:
  // Keys of the cluster, and of another one ("strangers").
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  void SetUp() override;

  static v1::Tls tls_of(const std::string& name, const std::string& folder = "keys");
  std::shared_ptr<grpc::Channel> unix_channel() const;
  std::shared_ptr<grpc::Channel> tls_channel(const v1::Tls& tls, const std::string& server_name = "alpha") const;
  std::string unix_target() const { return "unix:" + folder_->path() + "/ctl.sock"; }
  std::string tcp_target() const { return "127.0.0.1:" + std::to_string(server_->ports()[0]); }
  FullSyncOptions join_options() const;

  static TemporaryFolder* folder_;
  v1::Config config_;
  FakeControl control_;
  std::unique_ptr<Server> server_;
};

// Waits until `condition` holds, for as long as a slow machine may need; false if it never does.
template <typename F>
bool eventually(F condition) {
  for (int i = 0; i < 3000; ++i) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return false;
}

std::string read_text(const std::string& path);

}  // namespace phalanx::mgmt

#endif

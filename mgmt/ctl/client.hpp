// What every command of phalanxctl shares: where the member is reached, how a call ends, the exit codes.
#ifndef PHALANX_MGMT_CTL_CLIENT_HPP
#define PHALANX_MGMT_CTL_CLIENT_HPP

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace phalanx::ctl {

// docs/operations.md has the same table.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,        // the member refused, or something went wrong on the way
  kExitUsage = 2,         // the command line is wrong
  kExitNotReachable = 3,  // no member answers at the target in time
  kExitDegraded = 4,      // the answer came; what it shows is not healthy
};

enum class Output { kTable, kJson };

struct Options {
  std::string target = "unix:/run/phalanx/phalanxd.sock";
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string server_name;  // in the member's certificate; default: the target's address
  Output output = Output::kTable;
  double timeout_s = 5;
};

// A connection to one member.
class Client {
 public:
  // Largest answer: a message of 64 sessions is 10 KiB, all counters some 100 KiB.
  static constexpr int kMessageBytesMax = 4 << 20;

  explicit Client(const Options& options) : options_(options) {}

  // Connects. Any code but kExitOk has been explained on standard error.
  ExitCode connect();
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  // Gives a call its deadline.
  void bound(grpc::ClientContext& context) const;
  // The exit code of a finished call, explained on standard error unless ok.
  ExitCode ended(const grpc::Status& status) const;

  bool json() const { return options_.output == Output::kJson; }

 private:
  std::shared_ptr<grpc::ChannelCredentials> credentials(ExitCode& code) const;

  const Options& options_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace phalanx::ctl

#endif

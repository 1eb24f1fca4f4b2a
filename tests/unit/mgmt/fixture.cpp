#include "tests/unit/mgmt/fixture.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace phalanx::mgmt {
namespace {

std::string ctl_path() {
  const auto here = std::filesystem::read_symlink("/proc/self/exe");
  return (here.parent_path().parent_path().parent_path() / "mgmt/ctl/phalanxctl").string();
}

}  // namespace

std::string read_text(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = testing::TempDir() + "phalanx-mgmt-XXXXXX";
  path_ = mkdtemp(pattern.data()) == nullptr ? "" : pattern;
  EXPECT_FALSE(path_.empty());
}
TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

RunResult run_ctl(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  const TemporaryFolder folder;
  const std::string out = folder.path() + "/out";
  const std::string err = folder.path() + "/err";
  std::vector<std::string> words = {ctl_path()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables = environment;
  std::vector<char*> envp;
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);
  const pid_t child = vfork();
  if (child == 0) {
    const int fd_in = open("/dev/null", O_RDONLY);
    const int fd_out = open(out.c_str(), O_WRONLY | O_CREAT, 0600);
    const int fd_err = open(err.c_str(), O_WRONLY | O_CREAT, 0600);
    dup2(fd_in, 0);
    dup2(fd_out, 1);
    dup2(fd_err, 2);
    execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(out), read_text(err)};
}

TemporaryFolder* ServerTest::folder_ = nullptr;

void ServerTest::SetUpTestSuite() {
  folder_ = new TemporaryFolder();
  const auto own = run_ctl({"keys", "init", folder_->path() + "/keys", "--members", "alpha,beta", "--address",
                            "alpha=127.0.0.1", "--address", "beta=127.0.0.1"});
  ASSERT_EQ(own.exit_code, 0) << own.err;
  const auto other = run_ctl({"keys", "init", folder_->path() + "/strangers", "--members", "alpha,beta"});
  ASSERT_EQ(other.exit_code, 0) << other.err;
}

void ServerTest::TearDownTestSuite() {
  delete folder_;
  folder_ = nullptr;
}

void ServerTest::SetUp() {
  ASSERT_NE(folder_, nullptr);
  config_.mutable_member()->set_id(1);
  config_.mutable_member()->set_name("alpha");
  for (const auto& [id, name] : {std::pair{1u, "alpha"}, std::pair{2u, "beta"}}) {
    v1::Member* member = config_.mutable_cluster()->add_members();
    member->set_id(id);
    member->set_name(name);
  }
  config_.mutable_management()->add_listen("127.0.0.1:0");
  config_.mutable_management()->add_listen(unix_target());
  *config_.mutable_management()->mutable_tls() = tls_of("alpha");
  auto server = Server::start(config_, control_);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

v1::Tls ServerTest::tls_of(const std::string& name, const std::string& folder) {
  v1::Tls tls;
  tls.set_ca_file(folder_->path() + "/" + folder + "/ca.pem");
  tls.set_certificate_file(folder_->path() + "/" + folder + "/" + name + ".pem");
  tls.set_key_file(folder_->path() + "/" + folder + "/" + name + ".key");
  return tls;
}

std::shared_ptr<grpc::Channel> ServerTest::unix_channel() const {
  return grpc::CreateChannel(unix_target(), grpc::InsecureChannelCredentials());
}

std::shared_ptr<grpc::Channel> ServerTest::tls_channel(const v1::Tls& tls, const std::string& server_name) const {
  grpc::SslCredentialsOptions options{read_text(tls.ca_file()), read_text(tls.key_file()),
                                      read_text(tls.certificate_file())};
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride(server_name);
  return grpc::CreateCustomChannel(tcp_target(), grpc::SslCredentials(options), arguments);
}

FullSyncOptions ServerTest::join_options() const {
  FullSyncOptions options;
  options.address = tcp_target();
  options.peer_name = "alpha";
  options.tls = tls_of("beta");
  options.request.set_member_id(2);
  options.request.set_cluster_id(10);
  options.connect_timeout = absl::Seconds(20);
  return options;
}

}  // namespace phalanx::mgmt

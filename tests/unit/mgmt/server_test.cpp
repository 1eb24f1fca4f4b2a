// The services over a unix socket and over mutual TLS: who is let in, what is asked of the member, how errors come
// back.
#include "mgmt/service/server.hpp"

#include <google/protobuf/util/message_differencer.h>
#include <grpcpp/generic/generic_stub.h>
#include <sys/stat.h>

#include <thread>

#include "absl/strings/match.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "mgmt/service/limits.hpp"
#include "phalanx/v1/cluster.grpc.pb.h"
#include "phalanx/v1/session.grpc.pb.h"
#include "phalanx/v1/sync.grpc.pb.h"
#include "phalanx/v1/system.grpc.pb.h"
#include "tests/unit/mgmt/fixture.hpp"

namespace phalanx::mgmt {
namespace {

using google::protobuf::util::MessageDifferencer;

grpc::Status get_status(const std::shared_ptr<grpc::Channel>& channel, v1::ClusterStatus* status) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  return v1::Cluster::NewStub(channel)->GetStatus(&context, v1::GetStatusRequest(), status);
}

TEST_F(ServerTest, AnswersOnTheUnixSocketAndOverMutualTls) {
  for (const auto& channel : {unix_channel(), tls_channel(tls_of("operator")), tls_channel(tls_of("beta"))}) {
    v1::ClusterStatus status;
    const grpc::Status result = get_status(channel, &status);
    ASSERT_TRUE(result.ok()) << result.error_message();
    EXPECT_TRUE(MessageDifferencer::Equals(status, FakeControl::good_status()));
  }
}

TEST_F(ServerTest, TheUnixSocketIsItsOwnersOnly) {
  struct stat info = {};
  ASSERT_EQ(stat((folder_->path() + "/ctl.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(ServerTest, RefusesStrangers) {
  v1::ClusterStatus status;
  // Signed by another authority, though of the right name.
  v1::Tls stranger = tls_of("beta", "strangers");
  stranger.set_ca_file(tls_of("beta").ca_file());
  EXPECT_EQ(get_status(tls_channel(stranger), &status).error_code(), grpc::StatusCode::UNAVAILABLE);
  // No certificate at all.
  const auto anonymous =
      grpc::CreateChannel(tcp_target(), grpc::SslCredentials({read_text(tls_of("beta").ca_file()), "", ""}));
  EXPECT_EQ(get_status(anonymous, &status).error_code(), grpc::StatusCode::UNAVAILABLE);
  // No TLS.
  EXPECT_EQ(get_status(grpc::CreateChannel(tcp_target(), grpc::InsecureChannelCredentials()), &status).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  // The client refuses a server of another name.
  EXPECT_EQ(get_status(tls_channel(tls_of("operator"), "gamma"), &status).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerTest, RefusesACertificateOfTheAuthorityWithANameItDoesNotKnow) {
  // A cluster of alpha alone with alpha's certificates: beta's is good, but of no member.
  v1::Config config = config_;
  config.mutable_cluster()->mutable_members()->RemoveLast();
  config.mutable_management()->mutable_listen()->RemoveLast();
  auto server = Server::start(config, control_);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  v1::ClusterStatus status;
  EXPECT_EQ(get_status(tls_channel(tls_of("beta")), &status).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(get_status(tls_channel(tls_of("alpha")), &status).ok());
}

TEST_F(ServerTest, HandsOnRequestsAndErrors) {
  const auto stub = v1::Cluster::NewStub(unix_channel());
  v1::FailoverRequest request;
  v1::FailoverResponse response;
  request.set_reason("maintenance");
  {
    grpc::ClientContext context;
    EXPECT_TRUE(stub->Failover(&context, request, &response).ok());
    EXPECT_EQ(control_.reason_, "maintenance");
  }
  control_.failover_result_ = absl::FailedPreconditionError("no standby is ready");
  {
    grpc::ClientContext context;
    const auto status = stub->Failover(&context, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(status.error_message(), "no standby is ready");
  }
  request.set_reason(std::string(256, 'x'));
  {
    grpc::ClientContext context;
    EXPECT_EQ(stub->Failover(&context, request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  v1::SetMemberStateRequest set;
  v1::SetMemberStateResponse set_response;
  {
    grpc::ClientContext context;
    EXPECT_EQ(stub->SetMemberState(&context, set, &set_response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(control_.admin_, v1::ADMIN_STATE_UNSPECIFIED);
  }
  set.set_state(v1::ADMIN_STATE_DOWN);
  grpc::ClientContext context;
  EXPECT_TRUE(stub->SetMemberState(&context, set, &set_response).ok());
  EXPECT_EQ(control_.admin_, v1::ADMIN_STATE_DOWN);
}

TEST_F(ServerTest, ListsSessionsInSeveralMessages) {
  control_.sessions_ = 150;
  v1::ListSessionsRequest request;
  request.mutable_filter()->set_source("10.1.0.0/24");
  grpc::ClientContext context;
  const auto reader = v1::Sessions::NewStub(unix_channel())->List(&context, request);
  v1::ListSessionsResponse response;
  std::vector<int> sizes;
  while (reader->Read(&response)) sizes.push_back(response.sessions_size());
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_THAT(sizes, testing::ElementsAre(64, 64, 22));
  EXPECT_EQ(control_.filter_.source(), "10.1.0.0/24");
}

TEST_F(ServerTest, AListThatNobodyReadsIsGivenUp) {
  control_.sessions_ = 50'000'000;
  grpc::ClientContext context;
  const auto reader = v1::Sessions::NewStub(unix_channel())->List(&context, v1::ListSessionsRequest());
  v1::ListSessionsResponse response;
  ASSERT_TRUE(reader->Read(&response));
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  server_->shutdown();  // waits for the walk
  EXPECT_LT(control_.listed_, control_.sessions_);
}

TEST_F(ServerTest, ChecksFilters) {
  const auto stub = v1::Sessions::NewStub(unix_channel());
  const auto fails = [&](const std::function<void(v1::SessionFilter&)>& spoil) {
    v1::CountSessionsRequest request;
    spoil(*request.mutable_filter());
    v1::CountSessionsResponse response;
    grpc::ClientContext context;
    const auto status = stub->Count(&context, request, &response);
    return status.error_code() == grpc::StatusCode::INVALID_ARGUMENT ? status.error_message() : "taken";
  };
  EXPECT_EQ(fails([](auto& f) { f.set_source("10.0.0.1/8"); }), "filter.source: has bits set behind its length of 8");
  EXPECT_EQ(fails([](auto& f) { f.set_destination("x"); }),
            "filter.destination: is not a prefix like 10.0.0.0/8 or fd00::/64");
  EXPECT_EQ(fails([](auto& f) { f.set_port(65536); }), "filter.port: 65536 is more than 65535");
  EXPECT_EQ(fails([](auto& f) { f.set_protocol_number(256); }), "filter.protocol_number: 256 is more than 255");
  EXPECT_EQ(fails([](auto& f) { f.set_state(static_cast<v1::SessionState>(99)); }), "filter.state: unknown");
  EXPECT_EQ(fails([](auto& f) { f.set_port(0); }), "taken");
}

TEST_F(ServerTest, DeletesEverythingOnlyIfAskedTo) {
  const auto stub = v1::Sessions::NewStub(unix_channel());
  const auto remove = [&](const v1::DeleteSessionsRequest& request) {
    v1::DeleteSessionsResponse response;
    grpc::ClientContext context;
    const auto status = stub->Delete(&context, request, &response);
    return status.ok() ? static_cast<int>(response.deleted()) : -static_cast<int>(status.error_code());
  };
  v1::DeleteSessionsRequest request;
  EXPECT_EQ(remove(request), -grpc::StatusCode::INVALID_ARGUMENT);
  request.mutable_filter()->set_protocol(v1::PROTOCOL_ANY);
  EXPECT_EQ(remove(request), -grpc::StatusCode::INVALID_ARGUMENT);
  request.mutable_filter()->set_source("0.0.0.0/0");
  EXPECT_EQ(remove(request), -grpc::StatusCode::INVALID_ARGUMENT);
  request.mutable_filter()->set_port(0);  // set, and so a condition
  EXPECT_EQ(remove(request), 3);
  request.Clear();
  request.set_all(true);
  EXPECT_EQ(remove(request), 3);
}

TEST_F(ServerTest, WatchersSeeChangesAndAreBounded) {
  const auto stub = v1::Cluster::NewStub(unix_channel());
  const size_t own = control_.subscribers();  // the server's, for health
  grpc::ClientContext context;
  const auto reader = stub->Watch(&context, v1::WatchRequest());
  v1::ClusterStatus status;
  ASSERT_TRUE(reader->Read(&status));
  EXPECT_EQ(status.epoch(), 7u);
  v1::ClusterStatus changed = FakeControl::good_status();
  changed.set_epoch(8);
  control_.set_status(changed);
  ASSERT_TRUE(reader->Read(&status));
  EXPECT_EQ(status.epoch(), 8u);
  {
    std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
    std::vector<std::unique_ptr<grpc::ClientReader<v1::ClusterStatus>>> readers;
    for (int i = 1; i < kWatchersMax; ++i) {
      contexts.push_back(std::make_unique<grpc::ClientContext>());
      readers.push_back(stub->Watch(contexts.back().get(), v1::WatchRequest()));
      ASSERT_TRUE(readers.back()->Read(&status));
    }
    grpc::ClientContext one_more;
    EXPECT_EQ(stub->Watch(&one_more, v1::WatchRequest())->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    for (const auto& c : contexts) c->TryCancel();
    for (const auto& r : readers) r->Finish();
  }
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(eventually([&] { return control_.subscribers() == own; }));
}

TEST_F(ServerTest, ShutdownEndsWatchersAndFreesTheAddress) {
  grpc::ClientContext context;
  const auto reader = v1::Cluster::NewStub(unix_channel())->Watch(&context, v1::WatchRequest());
  v1::ClusterStatus status;
  ASSERT_TRUE(reader->Read(&status));
  const std::string address = tcp_target();
  server_->shutdown();
  server_->shutdown();
  EXPECT_FALSE(reader->Read(&status));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(control_.subscribers(), 0u);
  config_.mutable_management()->set_listen(0, address);
  const auto again = Server::start(config_, control_);
  EXPECT_TRUE(again.ok()) << again.status();
}

TEST_F(ServerTest, SaysWhatItCantListenOn) {
  v1::Config second = config_;
  second.mutable_management()->clear_listen();
  second.mutable_management()->add_listen(tcp_target());
  const auto taken = Server::start(second, control_);
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(taken.status().message(), tcp_target())) << taken.status();
  second.mutable_management()->mutable_tls()->set_key_file("/nowhere/key");
  EXPECT_EQ(Server::start(second, control_).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ServerTest, HealthFollowsTheMember) {
  const auto stub = grpc::health::v1::Health::NewStub(tls_channel(tls_of("operator")));
  const auto check = [&](const std::string& service) {
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::health::v1::HealthCheckResponse response;
    grpc::ClientContext context;
    const auto status = stub->Check(&context, request, &response);
    return status.ok() ? static_cast<int>(response.status()) : -static_cast<int>(status.error_code());
  };
  EXPECT_EQ(check(""), grpc::health::v1::HealthCheckResponse::SERVING);
  EXPECT_EQ(check("phalanx.v1.Cluster"), grpc::health::v1::HealthCheckResponse::SERVING);
  EXPECT_EQ(check("phalanx.v1.Nothing"), -grpc::StatusCode::NOT_FOUND);
  control_.healthy_ = false;
  server_->update_health();
  EXPECT_EQ(check("phalanx.v1.Cluster"), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  // By itself, after a change of the cluster's status.
  control_.healthy_ = true;
  control_.set_status(FakeControl::good_status());
  EXPECT_TRUE(eventually([&] { return check("") == grpc::health::v1::HealthCheckResponse::SERVING; }));
}

// Reflection, spoken by hand: one request to list the services, field 7 of ServerReflectionRequest.
TEST_F(ServerTest, ReflectionNamesTheServices) {
  grpc::GenericStub stub(unix_channel());
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  const auto stream =
      stub.PrepareCall(&context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  const auto finished = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  stream->StartCall(nullptr);
  ASSERT_TRUE(finished());
  const grpc::Slice request("\x3a\x01*");
  stream->Write(grpc::ByteBuffer(&request, 1), nullptr);
  ASSERT_TRUE(finished());
  grpc::ByteBuffer answer;
  stream->Read(&answer, nullptr);
  ASSERT_TRUE(finished());
  grpc::Slice slice;
  ASSERT_TRUE(answer.DumpToSingleSlice(&slice).ok());
  const std::string names(reinterpret_cast<const char*>(slice.begin()), slice.size());
  for (const char* name : {"phalanx.v1.Cluster", "phalanx.v1.Sessions", "phalanx.v1.System", "phalanx.v1.Sync"}) {
    EXPECT_NE(names.find(name), std::string::npos) << name;
  }
  context.TryCancel();
  grpc::Status status;
  stream->Finish(&status, nullptr);
  finished();
}

}  // namespace
}  // namespace phalanx::mgmt

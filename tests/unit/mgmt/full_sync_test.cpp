// Full sync from the active member's feed to the joiner's callback: order, confirmations, refusals, cancel, slowness.
#include <thread>

#include "absl/time/clock.h"
#include "phalanx/v1/sync.grpc.pb.h"
#include "tests/unit/mgmt/fixture.hpp"

namespace phalanx::mgmt {
namespace {

class FullSyncTest : public ServerTest {};

TEST_F(FullSyncTest, BringsEveryChunkInOrderThenTheTrailer) {
  control_.sync_.chunks = 40;
  control_.sync_.chunk_bytes = kFullSyncChunkBytesMax;
  FullSyncClient client(join_options());
  std::vector<uint64_t> numbers;
  size_t bytes = 0;
  const auto trailer = client.run([&](const v1::FullSyncChunk& chunk) {
    numbers.push_back(chunk.number());
    bytes += chunk.records().size();
    return absl::OkStatus();
  });
  ASSERT_TRUE(trailer.ok()) << trailer.status();
  EXPECT_EQ(trailer->trailer(), "the end");
  ASSERT_EQ(numbers.size(), 40u);
  for (size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], i + 1);
  EXPECT_EQ(bytes, 40 * kFullSyncChunkBytesMax);
  EXPECT_EQ(control_.sync_.confirmed, 40u);
  EXPECT_TRUE(eventually([&] { return control_.sync_.feeds_alive == 0; }));
}

TEST_F(FullSyncTest, AnEmptyTableIsATrailerOnly) {
  control_.sync_.chunks = 0;
  FullSyncClient client(join_options());
  const auto trailer = client.run([](const v1::FullSyncChunk&) { return absl::InternalError("no chunk is expected"); });
  EXPECT_TRUE(trailer.ok()) << trailer.status();
}

TEST_F(FullSyncTest, ASlowJoinerHasOnlySoMuchInFlight) {
  control_.sync_.chunks = 100;
  FullSyncClient client(join_options());
  const auto trailer = client.run([&](const v1::FullSyncChunk& chunk) {
    // Long enough for the sender to run ahead, if it would.
    if (chunk.number() == 1) absl::SleepFor(absl::Milliseconds(300));
    return absl::OkStatus();
  });
  ASSERT_TRUE(trailer.ok()) << trailer.status();
  EXPECT_LE(control_.sync_.most_in_flight, kFullSyncChunksInFlightMax);
  EXPECT_GT(control_.sync_.most_in_flight, 1u);
}

TEST_F(FullSyncTest, CancelEndsAStreamThatHasStalled) {
  control_.sync_.stall = true;
  FullSyncClient client(join_options());
  std::thread canceller([&] {
    eventually([&] { return control_.sync_.feeds_alive == 1; });
    client.cancel();
  });
  EXPECT_EQ(client.run([](const v1::FullSyncChunk&) { return absl::OkStatus(); }).status().code(),
            absl::StatusCode::kCancelled);
  canceller.join();
  EXPECT_TRUE(eventually([&] { return control_.sync_.feeds_alive == 0; }));
}

TEST_F(FullSyncTest, CancelBeforeTheStartIsKept) {
  FullSyncClient client(join_options());
  client.cancel();
  EXPECT_EQ(client.run([](const v1::FullSyncChunk&) { return absl::OkStatus(); }).status().code(),
            absl::StatusCode::kCancelled);
}

TEST_F(FullSyncTest, WhatInstallSaysEndsIt) {
  FullSyncClient client(join_options());
  const auto result = client.run([](const v1::FullSyncChunk& chunk) {
    return chunk.number() == 2 ? absl::DataLossError("bad record") : absl::OkStatus();
  });
  EXPECT_EQ(result.status(), absl::DataLossError("bad record"));
  EXPECT_TRUE(eventually([&] { return control_.sync_.feeds_alive == 0; }));
}

TEST_F(FullSyncTest, RefusalsAndErrorsArriveWithTheirReason) {
  const auto install = [](const v1::FullSyncChunk&) { return absl::OkStatus(); };
  control_.sync_.refuse_at = 2;
  EXPECT_EQ(FullSyncClient(join_options()).run(install).status(), absl::FailedPreconditionError("table is too large"));
  control_.sync_.refuse_at = 0;
  control_.sync_.produced = 0;
  control_.sync_.fail_at = 3;
  EXPECT_EQ(FullSyncClient(join_options()).run(install).status(), absl::AbortedError("the member is no longer active"));
  FullSyncOptions other = join_options();
  other.request.set_cluster_id(11);
  EXPECT_EQ(FullSyncClient(other).run(install).status(), absl::FailedPreconditionError("another cluster's member"));
}

TEST_F(FullSyncTest, OnlyTheMemberItselfMayJoin) {
  const auto install = [](const v1::FullSyncChunk&) { return absl::OkStatus(); };
  FullSyncOptions options = join_options();
  options.tls = tls_of("operator");
  EXPECT_EQ(FullSyncClient(options).run(install).status().code(), absl::StatusCode::kPermissionDenied);
  options = join_options();
  options.request.set_member_id(1);
  EXPECT_EQ(FullSyncClient(options).run(install).status().code(), absl::StatusCode::kPermissionDenied);
  options.request.set_member_id(9);
  EXPECT_EQ(FullSyncClient(options).run(install).status().code(), absl::StatusCode::kPermissionDenied);
  options = join_options();
  options.peer_name = "beta";  // the peer shows alpha's certificate
  options.connect_timeout = absl::Seconds(1);
  EXPECT_EQ(FullSyncClient(options).run(install).status().code(), absl::StatusCode::kUnavailable);
  // Nor anybody on the unix socket, who shows no certificate.
  grpc::ClientContext context;
  const auto stream = v1::Sync::NewStub(unix_channel())->FullSync(&context);
  v1::FullSyncToActive request;
  *request.mutable_request() = join_options().request;
  stream->Write(request);
  stream->WritesDone();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(control_.sync_.produced, 0u);
}

TEST_F(FullSyncTest, AConfirmationOfWhatWasNeverSentEndsIt) {
  control_.sync_.chunks = 2;
  grpc::ClientContext context;
  const auto stream = v1::Sync::NewStub(tls_channel(tls_of("beta")))->FullSync(&context);
  v1::FullSyncToActive message;
  *message.mutable_request() = join_options().request;
  ASSERT_TRUE(stream->Write(message));
  v1::FullSyncToJoiner answer;
  ASSERT_TRUE(stream->Read(&answer));
  message.mutable_confirm()->set_number(77);
  ASSERT_TRUE(stream->Write(message));
  stream->WritesDone();
  while (stream->Read(&answer)) {
  }
  const auto status = stream->Finish();
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(control_.sync_.confirmed, 0u);
}

TEST_F(FullSyncTest, ShutdownEndsIt) {
  control_.sync_.stall = true;
  FullSyncClient client(join_options());
  std::thread stopper([&] {
    eventually([&] { return control_.sync_.feeds_alive == 1; });
    server_->shutdown();
  });
  EXPECT_EQ(client.run([](const v1::FullSyncChunk&) { return absl::OkStatus(); }).status().code(),
            absl::StatusCode::kUnavailable);
  stopper.join();
  EXPECT_EQ(control_.sync_.feeds_alive, 0);
}

TEST_F(FullSyncTest, NobodyThere) {
  FullSyncOptions options = join_options();
  server_->shutdown();
  options.connect_timeout = absl::Milliseconds(200);
  const auto result = FullSyncClient(options).run([](const v1::FullSyncChunk&) { return absl::OkStatus(); });
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace phalanx::mgmt

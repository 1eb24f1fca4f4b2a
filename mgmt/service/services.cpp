#include "mgmt/service/services.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "mgmt/config/syntax.hpp"
#include "mgmt/service/limits.hpp"

namespace phalanx::mgmt {
namespace {

// The latest status that a watcher has not seen yet; older ones are overwritten.
class StatusMailbox {
 public:
  void put(const v1::ClusterStatus& status) {
    const std::lock_guard lock(mutex_);
    latest_ = status;
    arrived_.notify_one();
  }

  std::optional<v1::ClusterStatus> take(absl::Duration timeout) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, absl::ToChronoMilliseconds(timeout), [this] { return latest_.has_value(); });
    return std::exchange(latest_, std::nullopt);
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::optional<v1::ClusterStatus> latest_;
};

// Copies a value out, or hands the error on.
template <typename T>
absl::Status answer(absl::StatusOr<T> value, T* response) {
  if (!value.ok()) return value.status();
  *response = *std::move(value);
  return absl::OkStatus();
}

absl::Status check_reason(const std::string& reason) {
  if (reason.size() <= kReasonBytesMax) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("reason: longer than ", kReasonBytesMax, " bytes"));
}

absl::Status check_prefix(const char* field, const std::string& text) {
  if (text.empty()) return absl::OkStatus();
  const auto problem = syntax_problem(v1::SYNTAX_PREFIX, text);
  if (!problem) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("filter.", field, ": ", *problem));
}

absl::Status check_number(const char* field, uint32_t value, uint32_t maximum) {
  if (value <= maximum) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("filter.", field, ": ", value, " is more than ", maximum));
}

absl::Status check_filter(const v1::SessionFilter& filter) {
  absl::Status status = check_prefix("source", filter.source());
  status.Update(check_prefix("destination", filter.destination()));
  status.Update(check_number("port", filter.port(), 65535));
  status.Update(check_number("source_port", filter.source_port(), 65535));
  status.Update(check_number("destination_port", filter.destination_port(), 65535));
  status.Update(check_number("protocol_number", filter.protocol_number(), 255));
  if (!v1::Protocol_IsValid(filter.protocol())) status.Update(absl::InvalidArgumentError("filter.protocol: unknown"));
  if (!v1::SessionState_IsValid(filter.state())) status.Update(absl::InvalidArgumentError("filter.state: unknown"));
  return status;
}

// Whether every session fits.
bool fits_all(v1::SessionFilter filter) {
  if (filter.protocol() == v1::PROTOCOL_ANY) filter.clear_protocol();
  const auto whole = [](const std::string& prefix) {
    return prefix.size() > 2 && prefix.substr(prefix.size() - 2) == "/0";
  };
  // "0.0.0.0/0" leaves out IPv6 but is meant as everything often enough to ask.
  if (whole(filter.source())) filter.clear_source();
  if (whole(filter.destination())) filter.clear_destination();
  return filter.ByteSizeLong() == 0;
}

}  // namespace

grpc::Status ClusterService::GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest*,
                                       v1::ClusterStatus* response) {
  absl::Status status = admission_.admit(*context);
  if (status.ok()) status = answer(control_.cluster_status(), response);
  return to_grpc(status);
}

grpc::Status ClusterService::Watch(grpc::ServerContext* context, const v1::WatchRequest*,
                                   grpc::ServerWriter<v1::ClusterStatus>* writer) {
  absl::Status status = admission_.admit(*context);
  if (!status.ok()) return to_grpc(status);
  if (watchers_.fetch_add(1) < kWatchersMax) {
    status = watch(*context, *writer);
  } else {
    status = absl::ResourceExhaustedError(absl::StrCat("more than ", kWatchersMax, " watchers"));
  }
  watchers_.fetch_sub(1);
  return to_grpc(status);
}

absl::Status ClusterService::watch(grpc::ServerContext& context, grpc::ServerWriter<v1::ClusterStatus>& writer) {
  StatusMailbox mailbox;
  // Before the first status is asked for: a change in between is told twice rather than never.
  const auto subscription = control_.subscribe([&mailbox](const v1::ClusterStatus& status) { mailbox.put(status); });
  if (subscription == nullptr) return absl::ResourceExhaustedError("no more watchers are possible");
  const auto first = control_.cluster_status();
  if (!first.ok()) return first.status();
  if (!writer.Write(*first)) return absl::CancelledError("the watcher has gone");
  while (!context.IsCancelled()) {
    const bool stopping = stopping_;  // read before the mailbox: the last change is still told
    const auto status = mailbox.take(stopping ? absl::ZeroDuration() : kPollInterval);
    if (status && !writer.Write(*status)) break;
    if (stopping) return absl::UnavailableError("the member is stopping");
  }
  return absl::CancelledError("the watcher has gone");
}

grpc::Status ClusterService::Failover(grpc::ServerContext* context, const v1::FailoverRequest* request,
                                      v1::FailoverResponse*) {
  absl::Status status = admission_.admit(*context);
  if (status.ok()) status = check_reason(request->reason());
  if (status.ok()) status = control_.failover(*request);
  return to_grpc(status);
}

grpc::Status ClusterService::SetMemberState(grpc::ServerContext* context, const v1::SetMemberStateRequest* request,
                                            v1::SetMemberStateResponse*) {
  absl::Status status = admission_.admit(*context);
  if (status.ok()) status = check_reason(request->reason());
  if (status.ok() && request->state() != v1::ADMIN_STATE_UP && request->state() != v1::ADMIN_STATE_DOWN) {
    status = absl::InvalidArgumentError("state: neither UP nor DOWN");
  }
  if (status.ok()) status = control_.set_member_state(*request);
  return to_grpc(status);
}

grpc::Status SessionsService::List(grpc::ServerContext* context, const v1::ListSessionsRequest* request,
                                   grpc::ServerWriter<v1::ListSessionsResponse>* writer) {
  absl::Status status = admission_.admit(*context);
  if (status.ok()) status = check_filter(request->filter());
  if (!status.ok()) return to_grpc(status);
  v1::ListSessionsResponse batch;
  bool gone = false;
  status = control_.list_sessions(request->filter(), request->limit(), [&](const v1::Session& session) {
    *batch.add_sessions() = session;
    if (batch.sessions_size() < kSessionsPerMessage) return true;
    gone = context->IsCancelled() || !writer->Write(batch);
    batch.Clear();
    return !gone;
  });
  if (gone) return to_grpc(absl::CancelledError("the client has gone"));
  if (status.ok() && batch.sessions_size() > 0) writer->Write(batch);
  return to_grpc(status);
}

grpc::Status SessionsService::Count(grpc::ServerContext* context, const v1::CountSessionsRequest* request,
                                    v1::CountSessionsResponse* response) {
  absl::Status status = admission_.admit(*context);
  if (status.ok()) status = check_filter(request->filter());
  if (!status.ok()) return to_grpc(status);
  const auto count = control_.count_sessions(request->filter());
  if (count.ok()) response->set_count(*count);
  return to_grpc(count.status());
}

grpc::Status SessionsService::Delete(grpc::ServerContext* context, const v1::DeleteSessionsRequest* request,
                                     v1::DeleteSessionsResponse* response) {
  absl::Status status = admission_.admit(*context);
  if (status.ok()) status = check_filter(request->filter());
  if (status.ok() && fits_all(request->filter()) && !request->all()) {
    status = absl::InvalidArgumentError("filter: fits every session; `all` must be set to mean it");
  }
  if (!status.ok()) return to_grpc(status);
  const auto deleted = control_.delete_sessions(request->filter());
  if (deleted.ok()) response->set_deleted(*deleted);
  return to_grpc(deleted.status());
}

grpc::Status SystemService::GetCounters(grpc::ServerContext* context, const v1::GetCountersRequest*,
                                        v1::Counters* response) {
  absl::Status status = admission_.admit(*context);
  if (status.ok()) status = answer(control_.counters(), response);
  return to_grpc(status);
}

grpc::Status SystemService::ListLinks(grpc::ServerContext* context, const v1::ListLinksRequest*,
                                      v1::LinkList* response) {
  absl::Status status = admission_.admit(*context);
  if (status.ok()) status = answer(control_.links(), response);
  return to_grpc(status);
}

grpc::Status SystemService::GetVersion(grpc::ServerContext* context, const v1::GetVersionRequest*,
                                       v1::Version* response) {
  absl::Status status = admission_.admit(*context);
  if (status.ok()) status = answer(control_.version(), response);
  return to_grpc(status);
}

}  // namespace phalanx::mgmt

#include "mgmt/service/cards_service.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mgmt/service/limits.hpp"

namespace phalanx::mgmt {
namespace {

// Tells a client how far it is. A client that is gone is told nothing more.
template <typename Writer>
class StreamListener final : public CardListener {
 public:
  StreamListener(const grpc::ServerContext& context, Writer* writer, const std::atomic<bool>& stopping)
      : context_(context), writer_(writer), stopping_(stopping) {}

  void tell(const v1::CardProgress& progress) override {
    if (writer_ != nullptr && !gone()) writer_->Write(progress);
  }
  bool gone() override { return context_.IsCancelled(); }
  bool stopping() override { return stopping_; }

 private:
  const grpc::ServerContext& context_;
  Writer* writer_;
  const std::atomic<bool>& stopping_;
};

// Gives up a call whose client takes too long to send its file: a read that waits cannot be given up otherwise.
class UploadLimit {
 public:
  UploadLimit(grpc::ServerContext& context, const std::atomic<bool>& stopping)
      : thread_([this, &context, &stopping, due = absl::Now() + kUploadTimeout] {
          std::unique_lock lock(mutex_);
          while (!ended_.wait_for(lock, absl::ToChronoMilliseconds(kPollInterval), [this] { return over_; })) {
            if (!stopping && absl::Now() < due) continue;
            context.TryCancel();
            return;
          }
        }) {}
  ~UploadLimit() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    ended_.notify_one();
    thread_.join();
  }
  UploadLimit(const UploadLimit&) = delete;
  UploadLimit& operator=(const UploadLimit&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::thread thread_;
};

absl::Status refuse(const std::string& file, const char* field, const std::string& reason) {
  return absl::InvalidArgumentError(absl::StrCat(file.empty() ? "the file" : file, ": ", field, ": ", reason));
}

absl::Status check_header(const v1::BitstreamHeader& header) {
  const std::string& file = header.file();
  if (file.size() > kReasonBytesMax) return refuse("", "file", absl::StrCat("longer than ", kReasonBytesMax, " bytes"));
  const bool shown = std::none_of(file.begin(), file.end(), [](unsigned char c) { return absl::ascii_iscntrl(c); });
  if (!shown) return refuse("", "file", "has control characters in it");
  if (header.xclbin_bytes() == 0) return refuse(file, "xclbin_bytes", "is 0");
  if (header.xclbin_bytes() > kBitstreamBytesMax) {
    return refuse(file, "xclbin_bytes", absl::StrCat(header.xclbin_bytes(), ", more than ", kBitstreamBytesMax));
  }
  if (header.manifest().empty()) return refuse(file, "manifest", "is missing");
  if (header.manifest().size() > kManifestTextBytesMax) {
    return refuse(file, "manifest",
                  absl::StrCat(header.manifest().size(), " bytes, more than ", kManifestTextBytesMax));
  }
  return absl::OkStatus();
}

// All chunks, until the client says that there are no more.
absl::StatusOr<BitstreamUpload> receive(CardsService::LoadStream& stream, v1::BitstreamHeader header) {
  BitstreamUpload upload;
  upload.file = header.file();
  upload.manifest = std::move(*header.mutable_manifest());
  v1::LoadBitstreamRequest request;
  while (stream.Read(&request)) {
    const std::string& chunk = request.chunk();
    if (!request.has_chunk() || chunk.empty() || chunk.size() > kBitstreamChunkBytesMax) {
      return refuse(
          upload.file, "chunk",
          absl::StrCat("1 to ", kBitstreamChunkBytesMax, " bytes were expected, behind ", upload.xclbin.size()));
    }
    if (chunk.size() > header.xclbin_bytes() - upload.xclbin.size()) {
      return refuse(upload.file, "xclbin_bytes", absl::StrCat(header.xclbin_bytes(), ", but more came"));
    }
    upload.xclbin.append(chunk);
  }
  if (upload.xclbin.size() == header.xclbin_bytes()) return upload;
  return refuse(upload.file, "xclbin_bytes",
                absl::StrCat(header.xclbin_bytes(), ", but ", upload.xclbin.size(), " came"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<CardWork>> CardsService::take(const grpc::ServerContext& context,
                                                             const std::string& card) {
  const absl::Status admitted = admission_.admit(context);
  if (!admitted.ok()) return admitted;
  if (stopping_) return absl::UnavailableError("the member is stopping");
  return control_.take_card(card);
}

grpc::Status CardsService::ListCards(grpc::ServerContext* context, const v1::ListCardsRequest*,
                                     v1::CardList* response) {
  const absl::Status admitted = admission_.admit(*context);
  if (!admitted.ok()) return to_grpc(admitted);
  auto cards = control_.cards();
  if (!cards.ok()) return to_grpc(cards.status());
  *response = *std::move(cards);
  return grpc::Status::OK;
}

absl::Status CardsService::load(grpc::ServerContext& context, LoadStream& stream) {
  StreamListener<LoadStream> listener(context, &stream, stopping_);
  std::unique_ptr<CardWork> work;
  BitstreamUpload upload;
  {
    const UploadLimit limit(context, stopping_);
    v1::LoadBitstreamRequest first;
    if (!stream.Read(&first) || !first.has_header()) return absl::InvalidArgumentError("a header was expected first");
    if (absl::Status status = check_header(first.header()); !status.ok()) return status;
    // Before the chunks: a card that is at work already costs no memory.
    auto taken = take(context, first.header().card());
    if (!taken.ok()) return taken.status();
    work = *std::move(taken);
    auto received = receive(stream, std::move(*first.mutable_header()));
    if (listener.gone()) return absl::CancelledError("the client has gone, or took too long to send its file");
    if (!received.ok()) return received.status();
    upload = *std::move(received);
  }
  v1::CardProgress progress;
  progress.set_step(v1::CARD_STEP_RECEIVED);
  progress.set_done(upload.xclbin.size());
  progress.set_total(upload.xclbin.size());
  listener.tell(progress);
  return work->load(std::move(upload), listener);
}

grpc::Status CardsService::LoadBitstream(grpc::ServerContext* context, LoadStream* stream) {
  const absl::Status admitted = admission_.admit(*context);
  return to_grpc(admitted.ok() ? load(*context, *stream) : admitted);
}

grpc::Status CardsService::SelfTest(grpc::ServerContext* context, const v1::CardRequest* request,
                                    grpc::ServerWriter<v1::CardProgress>* writer) {
  auto work = take(*context, request->card());
  if (!work.ok()) return to_grpc(work.status());
  StreamListener<grpc::ServerWriter<v1::CardProgress>> listener(*context, writer, stopping_);
  return to_grpc((*work)->self_test(listener));
}

grpc::Status CardsService::GetSensors(grpc::ServerContext* context, const v1::CardRequest* request,
                                      v1::SensorList* response) {
  auto work = take(*context, request->card());
  if (!work.ok()) return to_grpc(work.status());
  StreamListener<grpc::ServerWriter<v1::CardProgress>> listener(*context, nullptr, stopping_);
  auto sensors = (*work)->sensors(listener);
  if (!sensors.ok()) return to_grpc(sensors.status());
  *response = *std::move(sensors);
  return grpc::Status::OK;
}

grpc::Status CardsService::Reset(grpc::ServerContext* context, const v1::CardRequest* request,
                                 grpc::ServerWriter<v1::CardProgress>* writer) {
  auto work = take(*context, request->card());
  if (!work.ok()) return to_grpc(work.status());
  StreamListener<grpc::ServerWriter<v1::CardProgress>> listener(*context, writer, stopping_);
  return to_grpc((*work)->reset(listener));
}

}  // namespace phalanx::mgmt

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mgmt/ctl/commands.hpp"
#include "mgmt/ctl/meter.hpp"
#include "mgmt/ctl/output.hpp"
#include "phalanx/v1/card.grpc.pb.h"

namespace phalanx::ctl {
namespace {

// As card.proto says; the member refuses more.
constexpr size_t kChunkBytes = 48 * 1024;
constexpr uint64_t kManifestBytesMax = 32 * 1024;
// The member's own limits end a work on a card before this; an upload may take 5 minutes beside.
constexpr double kWorkTimeoutS = 600;

bool degraded(const v1::CardStatus& card) {
  return card.degraded() || card.state() == v1::CARD_STATE_FAULTED || !card.bitstream().problem().empty();
}

std::string kernels_text(const v1::BitstreamInfo& info) {
  return absl::StrJoin(info.kernels(), ", ", [](std::string* out, const v1::CardKernel& kernel) {
    absl::StrAppend(out, kernel.name(), " version ", kernel.version(), " x ", kernel.compute_units());
  });
}

void add_line(std::string& out, absl::string_view label, absl::string_view text) {
  if (!text.empty()) absl::StrAppend(&out, "  ", label, std::string(12 - label.size(), ' '), printable(text), "\n");
}

std::string card_text(const v1::CardStatus& card) {
  const v1::BitstreamInfo& info = card.bitstream();
  std::string out;
  add_line(out, "bitstream", info.file());
  add_line(out, "problem", info.problem());
  add_line(out, "uuid", info.xclbin_uuid());
  add_line(out, "platform", info.platform());
  add_line(out, "kernels", kernels_text(info));
  if (info.problem().empty()) {
    add_line(out, "signed by",
             info.signer().empty() ? "nobody"
             : info.trusted()      ? info.signer() + ", trusted"
                                   : info.signer() + ", not trusted");
  }
  if (card.offload() == v1::OFFLOAD_STATE_TO_CARD) {
    add_line(out, "moving", absl::StrCat(card.slots_copied(), " of ", card.slots(), " slots"));
  }
  add_line(out, "last fault", card.last_fault());
  add_line(out, "work", card.work());
  return out;
}

std::string cards_text(const v1::CardList& list, bool colours) {
  Table table({"DEVICE", "DRIVER", "STATE", "DECIDES", "DEGRADED"});
  std::string details;
  for (const v1::CardStatus& card : list.cards()) {
    const Colour colour = degraded(card) ? Colour::kBad : Colour::kGood;
    table.add({card.device(), short_name(card.driver()), short_name(card.state()), short_name(card.offload()),
               card.degraded() ? "yes" : "no"},
              {Colour::kNone, Colour::kNone, colour});
    absl::StrAppend(&details, "\n", printable(card.device()), "\n", card_text(card));
  }
  return table.text(colours) + details;
}

// What a step means, for people; empty for those that the meter shows.
std::string step_text(const v1::CardProgress& p) {
  switch (p.step()) {
    case v1::CARD_STEP_RECEIVED:
      return absl::StrCat("received ", p.done(), " bytes");
    case v1::CARD_STEP_CHECKED:
      return "checked";
    case v1::CARD_STEP_MOVED_AWAY:
      return "the CPU engine decides";
    case v1::CARD_STEP_STOPPED:
      return "the card is stopped";
    case v1::CARD_STEP_TESTED:
      return absl::StrCat(p.failed() ? "FAILED " : "ok ", p.name());
    case v1::CARD_STEP_RESET:
      return "the card is reset";
    case v1::CARD_STEP_PROGRAMMED:
      return "the card is programmed";
    case v1::CARD_STEP_MOVING_BACK:
      return "";
    case v1::CARD_STEP_DONE:
      return "the card decides";
    case v1::CARD_STEP_RESTORED:
      return "the former bitstream is back";
    default:
      return short_name(p.step());
  }
}

void show_step(const Client& client, Meter& meter, const v1::CardProgress& progress) {
  if (client.json()) {
    std::cout << json_document("progress", to_json(progress)) << std::flush;
    return;
  }
  const std::string text = step_text(progress);
  if (text.empty()) return meter.show("sessions move to the card", progress.done(), progress.total());
  meter.clear();
  const std::string detail = progress.detail().empty() ? "" : absl::StrCat(": ", progress.detail());
  std::cout << printable(absl::StrCat(text, detail)) << "\n" << std::flush;
}

// Shows all that comes. Whether a test failed.
template <typename Reader>
bool show_steps(const Client& client, Meter& meter, Reader& reader) {
  bool failed = false;
  v1::CardProgress progress;
  while (reader.Read(&progress)) {
    failed = failed || progress.failed();
    show_step(client, meter, progress);
  }
  meter.clear();
  return failed;
}

void bound_work(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(static_cast<int64_t>(kWorkTimeoutS)));
}

ExitCode bad_file(const std::string& path, absl::string_view why) {
  std::cerr << "phalanxctl: " << printable(path) << ": " << why << "\n";
  return kExitFailed;
}

using LoadStream = grpc::ClientReaderWriter<v1::LoadBitstreamRequest, v1::CardProgress>;

// Sends the file, until it ends or the member does not want more. False if it cannot be read.
bool send_file(LoadStream& stream, std::ifstream& file, uint64_t bytes, Meter& meter) {
  std::string buffer(kChunkBytes, '\0');
  v1::LoadBitstreamRequest request;
  for (uint64_t sent = 0; sent < bytes;) {
    file.read(buffer.data(), static_cast<std::streamsize>(std::min<uint64_t>(kChunkBytes, bytes - sent)));
    const auto count = static_cast<size_t>(file.gcount());
    if (count == 0) return false;
    request.set_chunk(buffer.data(), count);
    if (!stream.Write(request)) return true;  // the call's status says why
    sent += count;
    meter.show("sent", sent, bytes);
  }
  return true;
}

}  // namespace

ExitCode cards_list(Client& client) {
  grpc::ClientContext context;
  client.bound(context);
  v1::CardList list;
  const ExitCode code =
      client.ended(v1::Cards::NewStub(client.channel())->ListCards(&context, v1::ListCardsRequest(), &list));
  if (code != kExitOk) return code;
  if (client.json()) {
    const std::string all = absl::StrJoin(
        list.cards(), ",", [](std::string* out, const v1::CardStatus& card) { out->append(to_json(card)); });
    std::cout << json_document("cards", absl::StrCat("[", all, "]"));
  } else {
    std::cout << cards_text(list, colours_wanted());
  }
  return std::any_of(list.cards().begin(), list.cards().end(), degraded) ? kExitDegraded : kExitOk;
}

ExitCode cards_load(Client& client, const CardFlags& flags) {
  std::ifstream file(flags.file, std::ios::binary | std::ios::ate);
  const std::streamoff bytes = file ? static_cast<std::streamoff>(file.tellg()) : -1;
  if (bytes < 0) return bad_file(flags.file, "can't be read");
  file.seekg(0);
  const std::string manifest_file = flags.manifest.empty()
                                        ? std::filesystem::path(flags.file).replace_extension(".manifest").string()
                                        : flags.manifest;
  std::ifstream manifest(manifest_file, std::ios::binary);
  std::string text(kManifestBytesMax + 1, '\0');
  manifest.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!manifest.is_open() || manifest.bad()) return bad_file(manifest_file, "can't be read");
  text.resize(static_cast<size_t>(manifest.gcount()));
  if (text.size() > kManifestBytesMax) return bad_file(manifest_file, "is too large for a manifest");

  grpc::ClientContext context;
  bound_work(context);
  const auto stream = v1::Cards::NewStub(client.channel())->LoadBitstream(&context);
  v1::LoadBitstreamRequest first;
  first.mutable_header()->set_card(flags.card);
  first.mutable_header()->set_file(std::filesystem::path(flags.file).filename().string());
  first.mutable_header()->set_xclbin_bytes(static_cast<uint64_t>(bytes));
  first.mutable_header()->set_manifest(text);
  Meter meter(client.json());
  if (stream->Write(first) && !send_file(*stream, file, static_cast<uint64_t>(bytes), meter)) {
    context.TryCancel();
    stream->Finish();
    return bad_file(flags.file, "can't be read whole");
  }
  stream->WritesDone();
  show_steps(client, meter, *stream);
  return client.ended(stream->Finish());
}

ExitCode cards_self_test(Client& client, const CardFlags& flags) {
  grpc::ClientContext context;
  bound_work(context);
  v1::CardRequest request;
  request.set_card(flags.card);
  const auto reader = v1::Cards::NewStub(client.channel())->SelfTest(&context, request);
  Meter meter(client.json());
  const bool failed = show_steps(client, meter, *reader);
  const ExitCode code = client.ended(reader->Finish());
  return code == kExitOk && failed ? kExitDegraded : code;
}

ExitCode cards_reset(Client& client, const CardFlags& flags) {
  grpc::ClientContext context;
  bound_work(context);
  v1::CardRequest request;
  request.set_card(flags.card);
  const auto reader = v1::Cards::NewStub(client.channel())->Reset(&context, request);
  Meter meter(client.json());
  show_steps(client, meter, *reader);
  return client.ended(reader->Finish());
}

ExitCode cards_sensors(Client& client, const CardFlags& flags) {
  grpc::ClientContext context;
  bound_work(context);
  v1::CardRequest request;
  request.set_card(flags.card);
  v1::SensorList list;
  const ExitCode code = client.ended(v1::Cards::NewStub(client.channel())->GetSensors(&context, request, &list));
  if (code != kExitOk) return code;
  if (client.json()) {
    std::cout << json_document("sensors", to_json(list));
    return kExitOk;
  }
  Table table({"SENSOR", "VALUE"});
  for (const v1::Sensor& sensor : list.sensors()) table.add({sensor.name(), sensor.value()});
  std::cout << table.text(colours_wanted());
  std::cerr << printable(absl::StrCat("of ", list.device(), ", read by ", list.source())) << "\n";
  return kExitOk;
}

}  // namespace phalanx::ctl

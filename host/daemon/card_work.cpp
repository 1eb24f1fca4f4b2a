#include "host/daemon/card_work.hpp"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "drivers/bitstream/bitstream.hpp"
#include "drivers/card/card_verbs.hpp"
#include "host/daemon/bitstream_trust.hpp"
#include "host/daemon/card_engine.hpp"
#include "host/daemon/log.hpp"

namespace phalanx::daemon {
namespace {

v1::CardProgress step(v1::CardStep which, const std::string& detail = "") {
  v1::CardProgress progress;
  progress.set_step(which);
  progress.set_detail(detail);
  return progress;
}

std::string describe(const bitstream::Bitstream& checked) {
  return absl::StrCat("platform ", checked.manifest.platform, ", uuid ", checked.contents.uuid, ", ",
                      checked.trusted                ? absl::StrCat("signed by ", checked.manifest.signer)
                      : checked.manifest.is_signed() ? "signed by a key that is not trusted"
                                                     : "not signed");
}

absl::Status with(const absl::Status& status, const std::string& text) {
  return absl::Status(status.code(), absl::StrCat(status.message(), text));
}

// The last lines of what a program said on standard error.
std::string last_words(const CardRun& run) {
  constexpr size_t kBytesMax = 500;
  const absl::string_view text = absl::StripSuffix(run.err, "\n");
  return std::string(text.substr(text.size() > kBytesMax ? text.size() - kBytesMax : 0));
}

}  // namespace

absl::Status CardTask::wait(const char* what, absl::Duration limit, mgmt::CardListener& listener,
                            const std::function<absl::StatusOr<bool>(const CardView&)>& condition) {
  const absl::Time due = absl::Now() + limit;
  for (;;) {
    const auto view = running_->look();
    if (!view.ok()) return view.status();
    const auto holds = condition(*view);
    if (!holds.ok()) return holds.status();
    if (*holds) return absl::OkStatus();
    if (listener.stopping()) return absl::UnavailableError("the member is stopping");
    if (absl::Now() > due) {
      return absl::DeadlineExceededError(
          absl::StrCat("card ", card_.device(), ": ", what, ": not within ", absl::FormatDuration(limit)));
    }
    absl::SleepFor(kCardLookInterval);
  }
}

absl::Status CardTask::move_away(mgmt::CardListener& listener) {
  absl::Status status = running_->ask(CardWish::kRelease);
  if (status.ok()) {
    status = wait("sessions to the CPU engine", kMoveAwayLimit, listener,
                  [](const CardView& view) { return view.status.state == OffloadState::kCpu; });
  }
  if (status.ok()) {
    listener.tell(step(v1::CARD_STEP_MOVED_AWAY));
    status = running_->ask(CardWish::kStop);
  }
  if (status.ok()) {
    status = wait("the process's end", kCardStopLimit, listener, [](const CardView& view) { return view.stopped; });
  }
  if (status.ok()) {
    listener.tell(step(v1::CARD_STEP_STOPPED));
  } else {
    running_->ask(CardWish::kUse).IgnoreError();
  }
  return status;
}

absl::Status CardTask::move_back(mgmt::CardListener& listener) {
  const auto before = running_->look();
  if (!before.ok()) return before.status();
  if (absl::Status status = running_->ask(CardWish::kUse); !status.ok()) return status;
  bool programmed = false;
  absl::Time told = absl::InfinitePast();
  return wait("the card in use", kCardBackLimit, listener, [&](const CardView& now) -> absl::StatusOr<bool> {
    if (now.client.faults > before->client.faults) {
      return absl::AbortedError(absl::StrCat("card ", card_.device(), ": ", now.fault.text()));
    }
    if (now.status.counters.moves_failed > before->status.counters.moves_failed) {
      return absl::AbortedError(absl::StrCat("card ", card_.device(), ": ", now.status.last_fault.text()));
    }
    if (!programmed && now.status.card == CardState::kReady) {
      programmed = true;
      listener.tell(step(v1::CARD_STEP_PROGRAMMED));
    }
    if (now.status.state == OffloadState::kToCard && absl::Now() - told > kCardTellInterval) {
      told = absl::Now();
      v1::CardProgress progress = step(v1::CARD_STEP_MOVING_BACK);
      progress.set_done(now.status.slots_copied);
      progress.set_total(now.status.slots);
      listener.tell(progress);
    }
    return now.status.state == OffloadState::kCard;
  });
}

absl::Status CardTask::load(mgmt::BitstreamUpload upload, mgmt::CardListener& listener) {
  const auto policy = trust_policy(card_);
  if (!policy.ok()) return with(policy.status(), " (engine.card.trusted_keys)");
  const std::string file = upload.file.empty() ? "the file" : upload.file;
  auto checked = bitstream::load_bitstream(file, std::move(upload.xclbin), upload.manifest, *policy);
  if (!checked.ok()) {
    log::warning(absl::StrCat("card ", card_.device(), ": a bitstream is refused: ", checked.status().message()));
    return checked.status();
  }
  listener.tell(step(v1::CARD_STEP_CHECKED, describe(*checked)));
  // A full disk shows before anything is touched.
  auto files = BitstreamFiles::stage(card_.bitstream(), checked->xclbin, upload.manifest);
  if (!files.ok()) return with(files.status(), ": can't be written");
  if (listener.gone()) return absl::CancelledError("the client has gone; nothing was touched");
  log::info(absl::StrCat("card ", card_.device(), ": loading ", file, ", ", describe(*checked)));
  checked->xclbin = {};  // 100 MB that are on the disk now
  if (absl::Status status = move_away(listener); !status.ok()) return status;
  const absl::Status status = start_with(**files, file, listener);
  if (!status.ok()) return put_back(**files, status, file, listener);
  (*files)->keep();
  listener.tell(step(v1::CARD_STEP_DONE));
  return absl::OkStatus();
}

absl::Status CardTask::start_with(BitstreamFiles& files, const std::string& file, mgmt::CardListener& listener) {
  if (absl::Status status = files.exchange(); !status.ok()) return with(status, ": can't be put in place");
  absl::Status status = move_back(listener);
  if (status.ok()) log::info(absl::StrCat("card ", card_.device(), ": runs ", file));
  return status;
}

// After a load that failed: the former files, and the card in use with them.
absl::Status CardTask::put_back(BitstreamFiles& files, const absl::Status& why, const std::string& file,
                                mgmt::CardListener& listener) {
  log::warning(absl::StrCat("card ", card_.device(), ": ", file, " is no good: ", why.message()));
  if (listener.stopping()) return with(why, "; the former files are in place again");  // by ~BitstreamFiles
  absl::Status back = move_away(listener);
  back.Update(files.restore());
  // Whatever went wrong so far, a card in use is better than none.
  back.Update(move_back(listener));
  if (!back.ok()) {
    return absl::InternalError(
        absl::StrCat(file, ": ", why.message(), "; the former bitstream does not run either: ", back.message()));
  }
  listener.tell(step(v1::CARD_STEP_RESTORED));
  return absl::AbortedError(absl::StrCat(file, ": ", why.message(), "; the former bitstream is in use again"));
}

absl::StatusOr<CardRun> CardTask::run(const char* option, mgmt::CardListener& listener) {
  auto folder = RunDirectory::create();
  if (!folder.ok()) return folder.status();
  auto arguments = card_arguments(card_);
  if (!arguments.ok()) return arguments.status();
  arguments->push_back(option);
  const auto environment = card_environment(card_, (*folder)->path());
  if (!environment.ok()) return environment.status();
  return run_card(*arguments, *environment, kCardRunLimit, [&listener] { return listener.stopping(); });
}

absl::Status CardTask::self_test(mgmt::CardListener& listener) {
  if (absl::Status status = move_away(listener); !status.ok()) return status;
  const auto ran = run("--self-test", listener);
  absl::Status status = ran.status();
  int tests = 0;
  if (ran.ok()) {
    for (const absl::string_view line : absl::StrSplit(ran->out, '\n')) {
      const std::vector<std::string> fields = parse_verb_line(line);
      if (fields.empty() || fields[0] != kTestLine) continue;
      ++tests;
      v1::CardProgress progress = step(v1::CARD_STEP_TESTED, fields[3]);
      progress.set_name(fields[1]);
      progress.set_failed(fields[2] != "ok");
      if (progress.failed()) log::warning(absl::StrCat("card ", card_.device(), ": self-test: ", line));
      listener.tell(progress);
    }
    if (tests == 0) status = absl::AbortedError(absl::StrCat("the self-test did not run: ", last_words(*ran)));
  }
  status.Update(move_back(listener));
  if (status.ok()) listener.tell(step(v1::CARD_STEP_DONE));
  return status;
}

absl::StatusOr<v1::SensorList> CardTask::sensors(mgmt::CardListener& listener) {
  const auto ran = run("--sensors", listener);
  if (!ran.ok()) return ran.status();
  if (ran->exit_code != 0) return absl::AbortedError(absl::StrCat("no sensors can be read: ", last_words(*ran)));
  v1::SensorList out;
  out.set_device(card_.device());
  out.set_source(card_.device() == "emulated"
                     ? "a process of its own, whose device model is another than the one in use"
                     : "a process of its own, beside the one that uses the card");
  for (const absl::string_view line : absl::StrSplit(ran->out, '\n')) {
    const std::vector<std::string> fields = parse_verb_line(line);
    if (!fields.empty() && fields[0] == kCardLine) out.set_source(absl::StrCat(out.source(), ": ", fields[1]));
    if (fields.empty() || fields[0] != kSensorLine) continue;
    v1::Sensor* const sensor = out.add_sensors();
    sensor->set_name(fields[1]);
    sensor->set_present(fields[2] == "present");
    sensor->set_value(fields[3]);
  }
  return out;
}

absl::Status CardTask::reset(mgmt::CardListener& listener) {
  if (absl::Status status = move_away(listener); !status.ok()) return status;
  const auto ran = run("--reset", listener);
  absl::Status status = ran.status();
  if (ran.ok() && ran->exit_code != 0) {
    status = absl::AbortedError(absl::StrCat("card ", card_.device(), ": not reset: ", last_words(*ran)));
  }
  if (status.ok()) {
    std::string detail;
    for (const absl::string_view line : absl::StrSplit(ran->out, '\n')) {
      const std::vector<std::string> fields = parse_verb_line(line);
      if (!fields.empty() && fields[0] == kResetLine) detail = fields[1];
    }
    listener.tell(step(v1::CARD_STEP_RESET, detail));
  }
  status.Update(move_back(listener));
  if (status.ok()) listener.tell(step(v1::CARD_STEP_DONE));
  return status;
}

}  // namespace phalanx::daemon

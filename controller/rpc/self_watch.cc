#include "controller/rpc/self_watch.h"

#include "controller/rpc/clocks.h"
#include "proto/support/duration_text.h"
#include "proto/support/size_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {

void SelfWatch::Tick(MonoTime now) {
  JudgeMemory();
  if (now - counted_ >= kCountEvery) {
    counted_ = now;
    JudgeDescriptors();
  }
  Judge(sources_.deaf(), &deaf_,
        "the controller does not accept connections to its own address; nobody new can reach it",
        "the controller accepts connections again");
  Judge(sources_.unanswered() > limits_.answer, &stuck_,
        fmt::format("the controller does not answer a call of its own within {}; its threads are "
                    "held up",
                    FormatDuration(limits_.answer)),
        "the controller answers its own calls again");
  ready_.store(!memory_.blown() && !deaf_ && !stuck_ && sources_.disk_works(),
               std::memory_order_relaxed);
}

void SelfWatch::JudgeMemory() {
  const auto resident = sources_.resident();
  if (!resident.has_value()) return;
  switch (memory_.Judge(*resident)) {
    case Fuse::Change::kNone:
      return;
    case Fuse::Change::kBlown:
      admission_->SetShortOfMemory(true);
      return Announce(true, fmt::format("the controller uses {} of memory, limit {}: no new "
                                        "session, watch or list begins",
                                        FormatSize(*resident), FormatSize(memory_.limit())));
    case Fuse::Change::kMended:
      admission_->SetShortOfMemory(false);
      return Announce(false, fmt::format("the controller uses {} of memory again, limit {}: all "
                                         "may begin",
                                         FormatSize(*resident), FormatSize(memory_.limit())));
  }
}

void SelfWatch::JudgeDescriptors() {
  const auto used = sources_.descriptors();
  if (!used.has_value()) return;
  switch (descriptors_.Judge(*used)) {
    case Fuse::Change::kNone:
      return;
    case Fuse::Change::kBlown:
      return Announce(true, fmt::format("the controller uses {} of {} descriptors; raise "
                                        "LimitNOFILE or see who connects",
                                        *used, limits_.descriptors));
    case Fuse::Change::kMended:
      return Announce(false, fmt::format("the controller uses {} of {} descriptors again", *used,
                                         limits_.descriptors));
  }
}

void SelfWatch::Judge(bool is_wrong, bool* was_wrong, const std::string& text,
                      const std::string& over) {
  if (is_wrong == *was_wrong) return;
  *was_wrong = is_wrong;
  Announce(is_wrong, is_wrong ? text : over);
}

void SelfWatch::Announce(bool alarm, const std::string& message) {
  if (alarm) {
    spdlog::error("{}", message);
  } else {
    spdlog::info("{}", message);
  }
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_CONTROLLER_ALARM);
  event.set_severity(alarm ? v1::SEVERITY_ALARM : v1::SEVERITY_INFO);
  *event.mutable_at() = ToProto(WallNow());
  event.set_message(message);
  // Refused only while the controller goes down; the log line is what is left then.
  log_->AppendOwn({std::move(event)}, [](const absl::StatusOr<Committed>&) {});
}

}  // namespace procctl::controller

// The events of one kill as a guardian would record them: of web-01/encoder, pid 4182, kill 17,
// from noon on.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "cli/story.h"
#include "proto/support/time_convert.h"
#include "tests/cli/rows.h"

namespace procctl::cli::testing {

class KillEvents {
 public:
  explicit KillEvents(v1::Cause cause) {
    setenv("TZ", "UTC", 1);
    tzset();
    subject_.set_node("web-01");
    subject_.set_slot("encoder");
    subject_.set_name("encoder");
    subject_.set_boot_id("b7e1f0c2");
    *subject_.mutable_incarnation() =
        Row("web-01", "encoder", v1::SLOT_STATE_HUNG, 4182).slot().incarnation();
    subject_.set_cause(cause);
    subject_.set_kill(17);
    if (cause == v1::CAUSE_HEARTBEAT) {
      subject_.set_symptom(v1::SYMPTOM_SILENT);
      *subject_.mutable_silence() = ToProto(std::chrono::milliseconds(5041));
      *subject_.mutable_timeout() = ToProto(std::chrono::seconds(5));
    }
  }

  // What all events say that are added from now on.
  v1::Event& subject() { return subject_; }

  // `after` noon. To be filled in further.
  v1::Event& Add(v1::EventKind kind, std::chrono::milliseconds after) {
    v1::Event event = subject_;
    event.set_kind(kind);
    event.mutable_id()->set_origin("web-01");
    event.mutable_id()->set_epoch(epoch_);
    event.mutable_id()->set_seq(++seq_);
    const std::chrono::system_clock::time_point noon{std::chrono::seconds(kNoon)};
    *event.mutable_at() = ToProto(noon + after);
    *event.mutable_since_boot() = ToProto(std::chrono::hours(1) + after);
    facts_.events.push_back(event);
    return facts_.events.back();
  }

  v1::Event& Verdict(v1::Verdict verdict, std::chrono::milliseconds after,
                     std::chrono::milliseconds took = std::chrono::milliseconds(0)) {
    v1::Event& event = Add(v1::EVENT_KIND_VERDICT, after);
    event.set_verdict(verdict);
    if (took.count() > 0) {
      event.set_term_sent(true);
      *event.mutable_took() = ToProto(took);
    }
    return event;
  }

  v1::Event& Held(v1::HeldBy by, std::chrono::milliseconds after) {
    v1::Event& event = Add(v1::EVENT_KIND_HELD, after);
    event.set_held_by(by);
    return event;
  }

  // Another life of the guardian makes the events from now on.
  void NextGuardian() { ++epoch_; }

  StoryFacts& facts() { return facts_; }

  // All sentences, joined by line breaks.
  std::string Story() const {
    std::string text;
    for (const std::string& sentence : TellKill(facts_)) text += sentence + "\n";
    return text;
  }

 private:
  v1::Event subject_;
  StoryFacts facts_;
  int64_t epoch_ = 3;
  int64_t seq_ = 0;
};

}  // namespace procctl::cli::testing

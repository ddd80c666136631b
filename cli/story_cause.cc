#include "cli/cell.h"
#include "cli/names.h"
#include "cli/story_parts.h"
#include "cli/story_words.h"
#include "cli/time_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// What is recorded of a silence, in the words of `format` with {0} the silence and {1} the limit;
// `bare` where either is not recorded.
std::string Numbers(const v1::Event& event, const char* format, std::string_view bare) {
  if (!event.has_silence() || !event.has_timeout()) return std::string(bare);
  return fmt::format(fmt::runtime(format), ExactText(FromProto(event.silence())),
                     ExactText(FromProto(event.timeout())));
}

v1::Symptom SymptomOf(const v1::Event& event) {
  if (event.symptom() != v1::SYMPTOM_UNSPECIFIED) return event.symptom();
  switch (event.cause()) {
    case v1::CAUSE_HEARTBEAT:
      return v1::SYMPTOM_SILENT;
    case v1::CAUSE_SELF_FAILED:
      return v1::SYMPTOM_GAVE_UP;
    default:
      return v1::SYMPTOM_UNSPECIFIED;
  }
}

std::string SymptomText(const v1::Event& event, const v1::Evidence* evidence) {
  const std::string heart = Cell(event.name().empty() ? event.slot() : event.name());
  switch (SymptomOf(event)) {
    case v1::SYMPTOM_SILENT:
      return fmt::format("its heart {} gave {}", heart,
                         Numbers(event, "no beat for {}, limit {}", "no beat within its limit"));
    case v1::SYMPTOM_NO_PROGRESS:
      return fmt::format("its heart {} {}", heart,
                         Numbers(event, "beats but made no progress for {}, limit {}",
                                 "beats but made no progress within its limit"));
    case v1::SYMPTOM_NOT_READY:
      return fmt::format("its heart {} {}", heart,
                         Numbers(event, "was not READY within its start grace: {} passed, limit {}",
                                 "was not READY within its start grace"));
    case v1::SYMPTOM_BUSY_TOO_LONG:
      return fmt::format("its heart {} {}", heart,
                         Numbers(event, "was busy longer than announced or allowed: {}, limit {}",
                                 "was busy longer than announced or allowed"));
    case v1::SYMPTOM_GAVE_UP: {
      const std::string note = evidence == nullptr ? "" : evidence->note();
      return fmt::format("its heart {} said itself that it failed{}", heart,
                         note.empty() ? "" : ": " + Quote(note));
    }
    default:
      return fmt::format("its heart {} passed a limit (symptom {})", heart, Word(event.symptom()));
  }
}

std::string_view OtherCause(v1::Cause cause) {
  switch (cause) {
    case v1::CAUSE_LIMIT:
      return "a resource limit was passed";
    case v1::CAUSE_CONFIG:
      return "a change of the configuration needs a restart";
    case v1::CAUSE_STOP:
      return "its program was removed, or the node was told to stop its programs";
    case v1::CAUSE_SCHEDULE:
      return "a schedule or its maximum age ended its run";
    default:
      return "";
  }
}

std::string ReasonText(const v1::Event& order) {
  return order.reason().empty() ? "no reason was given" : "reason: " + Quote(order.reason());
}

std::string Issuer(const v1::Event& order) {
  return order.issuer().empty() ? "somebody whose name is not recorded" : Cell(order.issuer());
}

}  // namespace

void TellCause(const KillCourse& course, Sentences* out) {
  const v1::Event& first = *course.first;
  const std::string at = DateText(first.at());
  const std::string who = Who(first);
  const v1::Evidence* evidence =
      course.evidence == nullptr ? nullptr : &course.evidence->evidence();
  const v1::Event& judged = course.hung != nullptr         ? *course.hung
                            : course.would_kill != nullptr ? *course.would_kill
                                                           : first;
  if (judged.cause() == v1::CAUSE_OPERATOR) {
    out->push_back(fmt::format("At {} the guardian had an order of {} to stop {}; {}.", at,
                               Issuer(judged), who, ReasonText(judged)));
  } else if (SymptomOf(judged) != v1::SYMPTOM_UNSPECIFIED) {
    out->push_back(
        fmt::format("At {} {} was found hung: {}.", at, who, SymptomText(judged, evidence)));
  } else if (const auto cause = OtherCause(judged.cause()); !cause.empty()) {
    out->push_back(fmt::format("At {} {} was to be stopped: {}.", at, who, cause));
  } else {
    out->push_back(fmt::format("At {} {} was to be stopped; the cause is not recorded.", at, who));
  }
  if (evidence == nullptr) return;
  if (!evidence->phase().empty()) {
    out->push_back(fmt::format("It said it was doing {}.", Quote(evidence->phase())));
  }
  if (!evidence->note().empty() && SymptomOf(judged) != v1::SYMPTOM_GAVE_UP) {
    out->push_back(fmt::format("Its last words were {}.", Quote(evidence->note())));
  }
}

void TellOrders(const KillCourse& course, Sentences* out) {
  const v1::Event& first = *course.first;
  for (const v1::Event* order : course.orders) {
    if (order->order_id() == first.order_id()) continue;
    const bool held =
        order->kind() == v1::EVENT_KIND_VERDICT && order->verdict() == v1::VERDICT_HELD;
    out->push_back(
        fmt::format("{} ordered it too ({}){}.", Issuer(*order), ReasonText(*order),
                    held ? "; the answer was that it is held" : "; the first cause stands"));
  }
}

}  // namespace procctl::cli

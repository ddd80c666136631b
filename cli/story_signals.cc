#include <string_view>

#include "cli/cell.h"
#include "cli/names.h"
#include "cli/story_parts.h"
#include "cli/story_words.h"
#include "cli/time_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

std::string GuardianSays(const v1::Event& event) {
  return event.message().empty() ? "" : " The guardian's word: " + Quote(event.message()) + ".";
}

// The record of the hold itself knows best; HELD may repeat it.
std::string OperatorsHold(const KillCourse& course, const v1::Event& held) {
  const v1::Event& source = course.hold != nullptr ? *course.hold : held;
  std::string text = source.issuer().empty() ? "an operator's hold"
                                             : fmt::format("a hold of {}", Cell(source.issuer()));
  if (source.has_hold_until()) text += " until " + DateText(source.hold_until());
  if (!source.reason().empty()) text += fmt::format(" ({})", Quote(source.reason()));
  return text;
}

// What withheld it, and whether the message says more than we can.
struct Brake {
  std::string text;
  bool message_says_more = false;
};

Brake BrakeText(const KillCourse& course, const v1::Event& held) {
  switch (held.held_by()) {
    case v1::HELD_BY_TRACER:
      return {"a debugger that was attached (tracer)", true};
    case v1::HELD_BY_FREEZER:
      return {"its frozen cgroup (freezer)", true};
    case v1::HELD_BY_OBSERVE:
      return {"mode observe", true};
    case v1::HELD_BY_OPERATOR:
      return {OperatorsHold(course, held)};
    case v1::HELD_BY_BUCKET:
      return {"the brake \"bucket\": the node's token bucket granted no kill at that time"};
    case v1::HELD_BY_COMMON_CAUSE:
      return {
          "the brake \"common cause\": too many slots of the node had gone silent together, which "
          "speaks for a sick host"};
    case v1::HELD_BY_POLICY:
      return {"the node's policy", true};
    case v1::HELD_BY_KERNEL:
      return {"the kernel, which refused the signal", true};
    default:
      return {"something this program does not know (" + Word(held.held_by()) + ")", true};
  }
}

// What a row that cannot be trusted is worth.
bool IsHeard(const v1::FleetSlot& row) {
  return row.node_state() == v1::NODE_STATE_CONNECTED && row.slot().state() != v1::SLOT_STATE_STALE;
}

bool IsSame(const v1::Incarnation& a, const v1::Incarnation& b) {
  return a.boot_id() == b.boot_id() && a.pid() == b.pid() && a.start_ticks() == b.start_ticks() &&
         a.generation() == b.generation();
}

std::string AfterTheHold(const KillCourse& course) {
  const v1::Event& held = *course.held.back().held;
  switch (held.held_by()) {
    case v1::HELD_BY_OBSERVE:
      return "As long as this mode stands nobody is signalled.";
    case v1::HELD_BY_BUCKET:
      return "It is signalled as soon as the bucket grants a kill, unless it beats again before.";
    case v1::HELD_BY_COMMON_CAUSE:
      return "It is signalled when the pause is over and its turn comes, unless it beats again "
             "before.";
    case v1::HELD_BY_OPERATOR:
    case v1::HELD_BY_TRACER:
    case v1::HELD_BY_FREEZER:
      return course.term == nullptr
                 ? "It is signalled as soon as the hold ends, unless it beats again before."
                 : "SIGKILL follows as soon as the hold ends.";
    default:
      return "It is tried again until it can be signalled.";
  }
}

// What follows by procctl's own rules from the last step that is recorded.
std::string Following(const KillCourse& course) {
  if (course.verdict != nullptr && course.verdict->verdict() == v1::VERDICT_UNKILLABLE) {
    return "SIGKILL is tried again once a minute.";
  }
  if (!course.held.empty() && course.held.back().end == nullptr) return AfterTheHold(course);
  if (course.kill != nullptr) {
    return "No end is recorded yet; ten seconds after SIGKILL it counts as unkillable.";
  }
  if (course.term != nullptr) {
    return "No end is recorded yet; SIGKILL follows when its grace has passed.";
  }
  return "No signal and no end is recorded yet.";
}

std::string After(const v1::Event& verdict) {
  return verdict.has_took()
             ? ", " + ExactText(FromProto(verdict.took())) + " after the first signal"
             : "";
}

std::string EndText(const KillCourse& course) {
  const v1::Event& verdict = *course.verdict;
  const bool signalled = verdict.term_sent() || verdict.kill_sent() || course.term != nullptr ||
                         course.kill != nullptr;
  const std::string nobody = signalled ? "" : " Nobody was signalled.";
  switch (verdict.verdict()) {
    case v1::VERDICT_GONE_ALREADY:
      return "It had ended before any signal was sent.";
    case v1::VERDICT_EXITED_ON_TERM:
      return fmt::format("It ended on SIGTERM{}.", After(verdict));
    case v1::VERDICT_KILLED:
      return fmt::format("It ended on SIGKILL{}{}.", After(verdict),
                         course.was_unkillable ? "; before, it had counted as unkillable" : "");
    case v1::VERDICT_UNKILLABLE:
      return fmt::format("It does not end on SIGKILL: it was still there{} (unkillable).",
                         After(verdict));
    case v1::VERDICT_IDENTITY_MISMATCH:
      return "The process found was not the one that was meant (identity mismatch)." + nobody +
             GuardianSays(verdict);
    case v1::VERDICT_HELD:
      if (verdict.held_by() == v1::HELD_BY_UNSPECIFIED) {
        return "The order was not carried out: its target was withheld." + nobody +
               GuardianSays(verdict);
      }
      return fmt::format("The order was not carried out: its target was withheld by {}.{}{}",
                         BrakeText(course, verdict).text, nobody, GuardianSays(verdict));
    case v1::VERDICT_REFUSED:
      return fmt::format("It was refused ({}).{}{}", Word(verdict.refusal()), nobody,
                         GuardianSays(verdict));
    case v1::VERDICT_EXPIRED:
      return "The order's turn came after its time to live (expired)." + nobody +
             GuardianSays(verdict);
    case v1::VERDICT_RECOVERED:
      return "The kill was withdrawn before SIGTERM (recovered)." + nobody + GuardianSays(verdict);
    case v1::VERDICT_UNKNOWN_AFTER_CRASH:
      return "The guardian ended between the intent and the result: whether a signal was sent is "
             "not known." +
             GuardianSays(verdict);
    default:
      return fmt::format("It ended as {}.{}", Word(verdict.verdict()), GuardianSays(verdict));
  }
}

// The stretches before SIGTERM, or those between it and SIGKILL.
void TellSpans(const KillCourse& course, bool after_term, Sentences* out) {
  for (const HeldSpan& span : course.held) {
    const v1::Event& held = *span.held;
    if ((course.term != nullptr && held.term_sent()) != after_term) continue;
    const Brake brake = BrakeText(course, held);
    const std::string_view what = after_term ? "SIGKILL" : "It";
    const std::string more = brake.message_says_more ? GuardianSays(held) : "";
    if (span.end == nullptr) {
      out->push_back(fmt::format("{} is withheld since {} by {}.{}", what, ClockText(held.at()),
                                 brake.text, more));
    } else {
      out->push_back(fmt::format("{} was withheld for {}, from {} on, by {}.{}", what,
                                 ExactText(Apart(held, *span.end)), ClockText(held.at()),
                                 brake.text, more));
    }
  }
}

std::string GuardianChange(const KillCourse& course) {
  if (course.taken_up != nullptr) {
    return fmt::format("At {} another guardian took up the state of one that had ended.",
                       ClockText(course.taken_up->at()));
  }
  return course.several_guardians ? "The guardian was started anew in between." : "";
}

}  // namespace

void TellHeld(const KillCourse& course, Sentences* out) {
  if (course.would_kill != nullptr && course.term == nullptr) {
    out->push_back("Nobody was signalled: it was only reported that it would have been stopped." +
                   GuardianSays(*course.would_kill));
  }
  TellSpans(course, /*after_term=*/false, out);
}

void TellSignals(const KillCourse& course, Sentences* out) {
  if (course.term != nullptr && course.kill != nullptr) {
    out->push_back(fmt::format("SIGTERM was sent at {}, SIGKILL {} later.",
                               ClockText(course.term->at()),
                               ExactText(Apart(*course.term, *course.kill))));
  } else if (course.term != nullptr) {
    out->push_back(fmt::format("SIGTERM was sent at {}.", ClockText(course.term->at())));
  } else if (course.kill != nullptr) {
    out->push_back(fmt::format("SIGKILL was sent at {}; when SIGTERM was is not recorded.",
                               ClockText(course.kill->at())));
  }
  TellSpans(course, /*after_term=*/true, out);
  if (const std::string change = GuardianChange(course); !change.empty()) out->push_back(change);
  if (course.verdict != nullptr) out->push_back(EndText(course));
}

std::string StateText(const v1::FleetSlot& row) {
  const v1::Slot& slot = row.slot();
  const std::string word = Word(slot.state());
  if (IsHeard(row)) return "is " + word;
  // A controller that knows it is stale does not tell what it was.
  return fmt::format("cannot be told now: its node was last heard {} ago{}",
                     ExactText(FromProto(row.age())),
                     slot.state() == v1::SLOT_STATE_STALE ? "" : ", and then it was " + word);
}

void TellNext(const StoryFacts& facts, const KillCourse& course, Sentences* out) {
  const v1::Event& first = *course.first;
  const bool over = IsOver(course);
  const std::string place = fmt::format("{}/{}", Cell(first.node()), Cell(first.slot()));
  if (!facts.row) {
    if (!over) out->push_back(Following(course));
    const bool ended =
        course.verdict != nullptr && (course.verdict->verdict() == v1::VERDICT_KILLED ||
                                      course.verdict->verdict() == v1::VERDICT_EXITED_ON_TERM ||
                                      course.verdict->verdict() == v1::VERDICT_GONE_ALREADY);
    if (ended) {
      out->push_back("The slot was cleared; a program that registers again gets a new one.");
    } else if (!first.slot().empty()) {
      out->push_back(fmt::format("No slot of the name {} is there now.", place));
    }
    return;
  }
  const v1::FleetSlot& row = *facts.row;
  if (IsSame(row.slot().incarnation(), first.incarnation())) {
    if (over) {
      out->push_back(fmt::format("{} {}.", IsHeard(row) ? "Now it" : "How it is", StateText(row)));
    } else if (IsHeard(row)) {
      out->push_back(Following(course));
    } else {
      out->push_back(fmt::format("What became of it {}.", StateText(row)));
    }
    return;
  }
  if (!over) out->push_back(Following(course));
  std::string since;
  if (row.slot().has_registered_at()) {
    since = fmt::format(", registered at {}", DateText(row.slot().registered_at()));
  }
  out->push_back(fmt::format("The name {} now belongs to pid {}{}; {} {}.", place,
                             row.slot().incarnation().pid(), since,
                             IsHeard(row) ? "that one" : "how that one is", StateText(row)));
}

}  // namespace procctl::cli

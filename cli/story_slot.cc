#include "cli/cell.h"
#include "cli/story.h"
#include "cli/story_parts.h"
#include "cli/story_words.h"
#include "cli/time_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// Silence only grows between two reports, so a row that does not beat is as silent as it was, and
// the time since.
std::string Silence(const v1::FleetSlot& row) {
  return ExactText(SafeSum(row.slot().silence(), row.reported()));
}

std::string Limit(const v1::Slot& slot) {
  return slot.has_special_limit() ? ExactText(FromProto(slot.special_limit())) : "";
}

std::string JudgedAgainst(const v1::Slot& slot, std::string_view what) {
  const std::string limit = Limit(slot);
  return limit.empty() ? fmt::format("judged against {}", what)
                       : fmt::format("judged against {} of {}", what, limit);
}

std::string Standing(const v1::FleetSlot& row) {
  const v1::Slot& slot = row.slot();
  const std::string timeout = ExactText(FromProto(slot.timeout()));
  switch (slot.state()) {
    case v1::SLOT_STATE_ALIVE:
      if (!slot.has_timeout()) return "runs; it need not beat, only its end is watched";
      return fmt::format("is alive: its last beat is at most {} old, half its timeout of {}",
                         ExactText(FromProto(slot.timeout()) / 2), timeout);
    case v1::SLOT_STATE_QUIET:
      return fmt::format("is quiet: silent for {}, over half its timeout of {}", Silence(row),
                         timeout);
    case v1::SLOT_STATE_HUNG:
      return fmt::format("hangs: silent for {}, limit {}; its kill is about to begin", Silence(row),
                         timeout);
    case v1::SLOT_STATE_TERM_SENT:
      return "was sent SIGTERM and its grace is running";
    case v1::SLOT_STATE_KILL_SENT:
      return "was sent SIGKILL and is not gone yet";
    case v1::SLOT_STATE_UNKILLABLE:
      return "does not end on SIGKILL; it is tried again once a minute";
    case v1::SLOT_STATE_HELD:
      return slot.hold_reason().empty()
                 ? std::string("should be stopped and is held")
                 : fmt::format("should be stopped and is held: {}", Quote(slot.hold_reason()));
    case v1::SLOT_STATE_STARTING:
      return "is starting: not READY yet, " + JudgedAgainst(slot, "its start grace");
    case v1::SLOT_STATE_NO_PROGRESS:
      return slot.has_progress_limit() && slot.has_progress_silence()
                 ? fmt::format(
                       "beats but made no progress for {}, limit {}; its kill is about to "
                       "begin",
                       ExactText(SafeSum(slot.progress_silence(), row.reported())),
                       ExactText(FromProto(slot.progress_limit())))
                 : std::string("beats but makes no progress; its kill is about to begin");
    case v1::SLOT_STATE_BUSY:
      return "announced long work: " + JudgedAgainst(slot, "that limit");
    case v1::SLOT_STATE_GAVE_UP:
      return "said itself that it failed; its kill is about to begin";
    default:
      return StateText(row);
  }
}

}  // namespace

std::vector<std::string> TellSlot(const v1::FleetSlot& row, const v1::Event* would_kill,
                                  const google::protobuf::Timestamp& as_of) {
  const v1::Slot& slot = row.slot();
  std::vector<std::string> out;
  const std::string who =
      fmt::format("{}/{} (pid {})", Cell(row.node()), Cell(slot.label()), slot.incarnation().pid());
  const bool heard =
      row.node_state() == v1::NODE_STATE_CONNECTED && slot.state() != v1::SLOT_STATE_STALE;
  if (!heard) {
    out.push_back(fmt::format("How {} is {}.", who, StateText(row)));
  } else {
    out.push_back(fmt::format("{} {}.", who, Standing(row)));
  }
  if (!slot.phase().empty()) {
    out.push_back(fmt::format("It says it is doing {}.", Quote(slot.phase())));
  }
  if (!slot.note().empty()) out.push_back(fmt::format("Its note is {}.", Quote(slot.note())));
  if (slot.has_hold()) {
    const v1::Hold& hold = slot.hold();
    const auto left = Between(as_of, hold.until());
    out.push_back(fmt::format("{} holds it until {} ({} left){}: no kill of it begins or goes on.",
                              Cell(hold.owner()), DateText(hold.until()), ExactText(left),
                              hold.reason().empty() ? "" : ", reason: " + Quote(hold.reason())));
  }
  if (slot.observe()) {
    out.push_back("A rule of its node says observe: it is judged and reported, never signalled.");
  }
  if (would_kill != nullptr) {
    out.push_back(
        fmt::format("It would have been stopped at {}{}.", DateText(would_kill->at()),
                    would_kill->message().empty() ? "" : ": " + Quote(would_kill->message())));
  }
  out.push_back("No kill of it is recorded.");
  return out;
}

}  // namespace procctl::cli

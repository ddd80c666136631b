#include "cli/program_wait.h"

#include "cli/death_words.h"
#include "cli/names.h"
#include "cli/render_programs.h"
#include "cli/target.h"
#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

bool HasNewLife(const v1::Program& before, const v1::Program& now) {
  if (now.starts() != before.starts()) return true;
  if (!now.run().empty() && now.run() != before.run()) return true;
  return now.incarnation().pid() > 0 &&
         IncarnationText(now.incarnation()) != IncarnationText(before.incarnation());
}

bool HasNewEnd(const v1::Program& before, const v1::Program& now) {
  return now.has_last_death() &&
         now.last_death().SerializeAsString() != before.last_death().SerializeAsString();
}

bool EndedWell(const v1::Program& program) {
  const v1::Death& death = program.last_death();
  return death.cause() == v1::CAUSE_EXIT && death.status_known() && death.signal() == 0 &&
         death.exit_code() == 0;
}

Standing JudgeStop(const v1::Program& now) {
  const bool stopped =
      now.state() == v1::PROGRAM_STATE_STOPPED || now.state() == v1::PROGRAM_STATE_DONE;
  return stopped ? Standing::kReached : Standing::kUnderWay;
}

}  // namespace

Standing Judge(v1::ProgramAction action, const v1::Program& before, const v1::Program& now) {
  if (action == v1::PROGRAM_ACTION_STOP) return JudgeStop(now);
  const bool restart = action == v1::PROGRAM_ACTION_RESTART;
  const bool new_life = HasNewLife(before, now);
  const bool new_end = HasNewEnd(before, now);
  // The end that a restart itself brings about is no failure.
  const bool tried =
      new_life || (new_end && (!restart || now.last_death().cause() == v1::CAUSE_START_FAILED));
  switch (now.state()) {
    case v1::PROGRAM_STATE_RUNNING:
      return !restart || new_life ? Standing::kReached : Standing::kUnderWay;
    case v1::PROGRAM_STATE_BACKOFF:
      return tried ? Standing::kFailed : Standing::kUnderWay;
    case v1::PROGRAM_STATE_PARKED:
      return tried || before.state() != v1::PROGRAM_STATE_PARKED ? Standing::kFailed
                                                                 : Standing::kUnderWay;
    case v1::PROGRAM_STATE_DONE:
    case v1::PROGRAM_STATE_SCHEDULED:
      // A run that was over before anybody looked.
      if (tried) return EndedWell(now) ? Standing::kReached : Standing::kFailed;
      // A scheduled program that was stopped runs at its times again.
      return action == v1::PROGRAM_ACTION_START && now.state() == v1::PROGRAM_STATE_SCHEDULED
                 ? Standing::kReached
                 : Standing::kUnderWay;
    case v1::PROGRAM_STATE_STOPPED:
      // Somebody stopped it meanwhile.
      return new_life ? Standing::kFailed : Standing::kUnderWay;
    default:  // WAITING, STARTING, STOPPING, and whatever a newer node says
      return Standing::kUnderWay;
  }
}

std::string StandingText(const v1::Program& program, const google::protobuf::Timestamp& as_of) {
  std::string text = Word(program.state());
  if (program.state() == v1::PROGRAM_STATE_RUNNING) {
    return program.incarnation().pid() > 0
               ? fmt::format("{}, pid {}", text, program.incarnation().pid())
               : text;
  }
  if (const std::string next = NextText(program, as_of); next != "-") {
    text += fmt::format(", started {}", next);
  }
  const bool ended =
      program.state() == v1::PROGRAM_STATE_BACKOFF || program.state() == v1::PROGRAM_STATE_PARKED ||
      program.state() == v1::PROGRAM_STATE_DONE || program.state() == v1::PROGRAM_STATE_SCHEDULED;
  if (ended && program.has_last_death()) {
    text += fmt::format("; last end: {}", LastText(program.last_death()));
  }
  return program.message().empty() ? text : text + "; " + Printable(program.message());
}

}  // namespace procctl::cli

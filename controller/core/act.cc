#include "controller/core/act.h"

#include <algorithm>

namespace procctl::controller {

bool IsProgramAct(Act act) {
  switch (act) {
    case Act::kStop:
    case Act::kHold:
    case Act::kRelease:
      return false;
    case Act::kProgramStart:
    case Act::kProgramStop:
    case Act::kProgramRestart:
    case Act::kProgramRetry:
    case Act::kReload:
      return true;
  }
  return false;
}

bool EndsALife(Act act) {
  return act == Act::kStop || act == Act::kProgramStop || act == Act::kProgramRestart;
}

std::string_view FeatureFor(Act act) {
  if (IsProgramAct(act)) return "programs";
  return act == Act::kStop ? "" : "holds";
}

std::string_view DoneTo(Act act) {
  switch (act) {
    case Act::kStop:
    case Act::kProgramStop:
      return "stopped";
    case Act::kHold:
      return "held";
    case Act::kRelease:
      return "released";
    case Act::kProgramStart:
      return "started";
    case Act::kProgramRestart:
      return "restarted";
    case Act::kProgramRetry:
      return "retried";
    case Act::kReload:
      return "reloaded";
  }
  return "";
}

std::string_view NothingDone(Act act) {
  switch (act) {
    case Act::kStop:
      return "nobody was signalled";
    case Act::kHold:
      return "nothing is held";
    case Act::kRelease:
      return "nothing was released";
    case Act::kProgramStart:
    case Act::kProgramRetry:
      return "nothing was started";
    case Act::kProgramStop:
      return "nothing was stopped";
    case Act::kProgramRestart:
      return "nothing was restarted";
    case Act::kReload:
      return "its configuration was not read again";
  }
  return "";
}

const std::vector<v1::EventKind>& AnswerKinds(Act act) {
  using Kinds = std::vector<v1::EventKind>;
  static const auto* stop = new Kinds{v1::EVENT_KIND_VERDICT};
  static const auto* hold =
      new Kinds{v1::EVENT_KIND_VERDICT, v1::EVENT_KIND_HOLD_PLACED, v1::EVENT_KIND_HOLD_ENDED};
  static const auto* program = new Kinds{v1::EVENT_KIND_VERDICT, v1::EVENT_KIND_PROGRAM_ORDERED};
  static const auto* reload = new Kinds{v1::EVENT_KIND_VERDICT, v1::EVENT_KIND_CONFIG_APPLIED,
                                        v1::EVENT_KIND_CONFIG_REFUSED};
  switch (act) {
    case Act::kHold:
    case Act::kRelease:
      return *hold;
    case Act::kProgramStart:
    case Act::kProgramStop:
    case Act::kProgramRestart:
    case Act::kProgramRetry:
      return *program;
    case Act::kReload:
      return *reload;
    case Act::kStop:
      break;
  }
  return *stop;
}

bool IsAnswer(Act act, const v1::Event& event) {
  const std::vector<v1::EventKind>& kinds = AnswerKinds(act);
  return std::find(kinds.begin(), kinds.end(), event.kind()) != kinds.end();
}

}  // namespace procctl::controller

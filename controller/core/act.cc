#include "controller/core/act.h"

#include <algorithm>

namespace procctl::controller {

std::string_view DoneTo(Act act) {
  switch (act) {
    case Act::kStop:
      return "stopped";
    case Act::kHold:
      return "held";
    case Act::kRelease:
      return "released";
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
  }
  return "";
}

const std::vector<v1::EventKind>& AnswerKinds(Act act) {
  using Kinds = std::vector<v1::EventKind>;
  static const auto* stop = new Kinds{v1::EVENT_KIND_VERDICT};
  static const auto* hold =
      new Kinds{v1::EVENT_KIND_VERDICT, v1::EVENT_KIND_HOLD_PLACED, v1::EVENT_KIND_HOLD_ENDED};
  switch (act) {
    case Act::kHold:
    case Act::kRelease:
      return *hold;
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

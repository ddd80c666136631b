// One kill, taken apart: which of its events plays which part. Pure.
#pragma once

#include <vector>

#include "cli/story.h"
#include "procctl/v1/event.pb.h"

namespace procctl::cli {

// A stretch of time in which a due kill was withheld.
struct HeldSpan {
  const v1::Event* held = nullptr;
  // What came next of this kill; null: it is withheld still.
  const v1::Event* end = nullptr;
};

// Pointers into StoryFacts::events, null for what is not recorded.
struct KillCourse {
  // The oldest event of the kill itself; never null.
  const v1::Event* first = nullptr;
  const v1::Event* hung = nullptr;
  const v1::Event* would_kill = nullptr;
  // The newest evidence.
  const v1::Event* evidence = nullptr;
  const v1::Event* term = nullptr;
  // The first SIGKILL: what is sent again to an unkillable process does not change the story.
  const v1::Event* kill = nullptr;
  std::vector<HeldSpan> held;
  // How the kill ended; of several words the last. Answers to orders that merely found the target
  // withheld are not among them.
  const v1::Event* verdict = nullptr;
  // It had counted as unkillable before it ended.
  bool was_unkillable = false;
  // One event of each order, in the order of their coming.
  std::vector<const v1::Event*> orders;
  // A guardian that took up the state while this kill was under way.
  const v1::Event* taken_up = nullptr;
  // More than one life of the guardian made these events.
  bool several_guardians = false;
  // The operator's hold that was in force last.
  const v1::Event* hold = nullptr;
};

KillCourse TakeApart(const std::vector<v1::Event>& events);

// No signal can follow any more, and none of what was asked is open.
bool IsOver(const KillCourse& course);

}  // namespace procctl::cli

// The parts of a kill's story. Each adds its sentences, perhaps none, to `out`. Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/story.h"
#include "cli/story_course.h"
#include "procctl/v1/evidence.pb.h"

namespace procctl::cli {

using Sentences = std::vector<std::string>;

// Who was to be stopped, and why: the heart and its limit, or the operator and the reason.
void TellCause(const KillCourse& course, Sentences* out);

// Where the process was, and the numbers. `heart` is the name of the heart that caused the kill.
void TellProcess(const v1::Evidence& evidence, const std::string& heart, int pid, Sentences* out);

// Whether the guardian itself was on time.
void TellGuardian(const v1::Evidence& evidence, Sentences* out);

// What could not be read.
void TellMissing(const v1::Evidence& evidence, Sentences* out);

// By what a due kill was withheld before SIGTERM, and how long.
void TellHeld(const KillCourse& course, Sentences* out);

// Signals, what withheld SIGKILL in between, and how it ended.
void TellSignals(const KillCourse& course, Sentences* out);

// Orders that joined a kill with another cause.
void TellOrders(const KillCourse& course, Sentences* out);

// What happens next, or what stands in its place now.
void TellNext(const StoryFacts& facts, const KillCourse& course, Sentences* out);

// The state of a row in words ("is alive: ..."), without its name. Of a node that cannot be heard
// it says so, and what the row said last.
std::string StateText(const v1::FleetSlot& row);

}  // namespace procctl::cli

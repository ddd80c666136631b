// What can be asked of a target, and what of each act differs: the words, and the events that
// answer its orders. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "procctl/v1/event.pb.h"

namespace procctl::controller {

// Numbered as the store records it.
enum class Act {
  // Of a slot.
  kStop = 0,
  kHold = 1,
  kRelease = 2,
  // Of a program.
  kProgramStart = 3,
  kProgramStop = 4,
  kProgramRestart = 5,
  kProgramRetry = 6,
  // Of a node: its configuration.
  kReload = 7,
};

// What travels as a ProgramOrder: all but those of a slot.
bool IsProgramAct(Act act);

// True for what ends a process, and so may name the one that is meant.
bool EndsALife(Act act);

// "3 targets are to be ..."
std::string_view DoneTo(Act act);

// What a node must name among its features to be sent such an order, and what its people read.
// Empty: every node knows it.
std::string_view FeatureFor(Act act);

// What did not happen when an order never left, as the end of a sentence.
std::string_view NothingDone(Act act);

// Kinds of event that end an order of that act: exactly one of them comes, once.
const std::vector<v1::EventKind>& AnswerKinds(Act act);

// True for an event that ends the order it names, if that is one of `act`.
bool IsAnswer(Act act, const v1::Event& event);

}  // namespace procctl::controller

// What nodes, slots, programs and events can be filtered by (the keys named at each list in
// fleet_service.proto). Choices are the enums' own values, read from their descriptors, so a new
// kind or state can be filtered by from the day it exists; the index of a choice is the enum's
// number.
#pragma once

#include "proto/support/filter.h"

namespace procctl {

enum NodeKey { kNodeKeyNode, kNodeKeyState, kNodeKeyVersion, kNodeKeyHostname, kNodeKeyMode };
const FilterSchema& NodeFilterSchema();

// cpu is in percent of one CPU, memory in bytes.
enum SlotKey {
  kSlotKeyNode,
  kSlotKeyName,
  kSlotKeySlot,
  kSlotKeyState,
  kSlotKeyPid,
  kSlotKeyDoor,
  kSlotKeyProgram,
  kSlotKeyUid,
  kSlotKeyAge,
  kSlotKeySilence,
  kSlotKeyCpu,
  kSlotKeyMemory
};
const FilterSchema& SlotFilterSchema();

enum ProgramKey {
  kProgramKeyNode,
  kProgramKeyProgram,
  kProgramKeyName,
  kProgramKeyState,
  kProgramKeyLabel
};
const FilterSchema& ProgramFilterSchema();

enum EventKey {
  kEventKeyNode,
  kEventKeySlot,
  kEventKeyName,
  kEventKeyKind,
  kEventKeyCause,
  kEventKeyVerdict,
  kEventKeyOrder,
  kEventKeyPid,
  kEventKeyKill,
  kEventKeyProgram,
  kEventKeyRun
};
const FilterSchema& EventFilterSchema();

}  // namespace procctl

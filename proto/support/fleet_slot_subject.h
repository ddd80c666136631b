// A row of ListSlots, complete, as a filter sees it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "procctl/v1/fleet_service.pb.h"
#include "proto/support/filter.h"
#include "proto/support/filter_schemas.h"
#include "proto/support/slot_silence.h"
#include "proto/support/time_convert.h"

namespace procctl {

struct FleetSlotSubject {
  const v1::FleetSlot& row;
  std::chrono::system_clock::time_point now;

  std::string_view Text(int key) const {
    const v1::Slot& slot = row.slot();
    switch (static_cast<SlotKey>(key)) {
      case kSlotKeyNode:
        return row.node();
      case kSlotKeyName:
        return slot.name();
      case kSlotKeySlot:
        return slot.label();
      case kSlotKeyProgram:
        return slot.program();
      default:
        return "";
    }
  }
  NumberRange Number(int key) const {
    const v1::Slot& slot = row.slot();
    switch (static_cast<SlotKey>(key)) {
      case kSlotKeyPid:
        return slot.incarnation().pid();
      case kSlotKeyUid:
        return slot.uid();
      case kSlotKeyAge:
        if (!slot.has_registered_at()) return {};
        return (now - FromProto(slot.registered_at())).count();
      case kSlotKeySilence:
        return KnownSilence(slot.state(), FromProto(slot.timeout()), FromProto(slot.silence()),
                            FromProto(row.reported()));
      case kSlotKeyCpu:
        if (!row.has_usage()) return {};
        return row.usage().cpu_percent();
      case kSlotKeyMemory:
        if (!row.has_usage()) return {};
        return row.usage().resident();
      default:
        return {};
    }
  }
  int Choice(int key) const {
    return key == kSlotKeyDoor ? static_cast<int>(row.slot().door())
                               : static_cast<int>(row.slot().state());
  }
};

}  // namespace procctl

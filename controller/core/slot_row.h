// One slot as the controller keeps it, small and ready to be sent: there may be a million.
//
// The row is what its node sent, packed, with the few columns beside it that filters and counts
// ask for. Texts are views into the packed bytes. Built once, never changed; pure data.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "controller/core/mono_time.h"
#include "procctl/v1/slot.pb.h"
#include "proto/support/filter.h"

namespace procctl::controller {

class SlotRow {
 public:
  // Far above what a guardian's limits on names, notes and reasons add up to.
  static constexpr size_t kMostBytes = 16 * 1024;

  // False: no row, because it has no generation, too many bytes, or no label, one that is too long
  // or that holds control characters (labels become page tokens).
  static bool IsWellFormed(const v1::Slot& slot);

  // `slot` is well-formed. What no version knows, and times that no clock shows, are taken out: a
  // row that one node made up must not break the lists of all.
  SlotRow(const v1::Slot& slot, MonoTime now);
  SlotRow(const SlotRow&) = delete;  // the views would stay behind
  SlotRow& operator=(const SlotRow&) = delete;

  // v1::Slot.
  const std::string packed;
  const std::string_view label;
  const std::string_view name;     // never empty
  const std::string_view program;  // empty: its node did not start it
  const std::int64_t generation;
  const std::int32_t pid;
  const std::int32_t uid;
  const v1::SlotState state;
  const v1::Door door;
  // An operator holds it; a rule says observe; a due kill is withheld.
  const bool held;
  const bool observe;
  const MonoTime reported;
  const std::uint64_t digest;  // proto/support/row_digest.h

  v1::Slot Unpack() const;
  std::string_view ShownName() const { return name; }

  // How long it is there, by the wall clock `now`.
  NumberRange Age(WallTime now) const;
  // How long no beat was seen, as far as that is known when its node is heard.
  NumberRange Silence(MonoTime now) const;

 private:
  const bool has_registered_at_;
  const WallTime registered_at_;
  const std::chrono::nanoseconds timeout_;  // 0: it need not beat
  const std::chrono::nanoseconds silence_;  // when it was reported
};

}  // namespace procctl::controller

// The last question before every signal, asked again from the ground each time: may this process be
// signalled?
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "node/core/process_identity.h"
#include "procctl/v1/event.pb.h"

namespace procctl::node {

// What the kernel says about the target right now. Never from the target's own word.
struct TargetFacts {
  // The pidfd's process has not ended.
  bool alive = false;
  // Start time now found under the pid; absent if there is no such pid.
  std::optional<int64_t> start_ticks;
  std::string comm;
  bool kernel_thread = false;
  int64_t uid = -1;
  // Pid of a debugger; 0 if none.
  int32_t tracer = 0;
  // Its cgroup is frozen.
  bool frozen = false;
};

struct SignalPolicy {
  bool enforce = true;
  // The guardian's own effective user id. Anybody but root may only signal their own.
  int64_t guardian_uid = 0;
  // The guardian and all its ancestors.
  std::set<int32_t> own_line;
  // Names that are never signalled.
  std::set<std::string> protected_names;
};

enum class Permission {
  kAllowed,
  // Ended already.
  kGone,
  // The pid is somebody else's.
  kMismatch,
  // Not now; may be later.
  kHold,
  // Not at all.
  kRefused,
};

struct SignalAnswer {
  Permission permission = Permission::kRefused;
  v1::Refusal refusal = v1::REFUSAL_UNSPECIFIED;
  // For kHold and kRefused: what withholds the signal.
  v1::HeldBy held_by = v1::HELD_BY_UNSPECIFIED;
  // Why not, as the end of a sentence. Empty if allowed.
  std::string reason;
};

// `registered_uid`: the target's user when its identity was bound.
SignalAnswer MaySignal(const ProcessIdentity& target, int64_t registered_uid,
                       const TargetFacts& facts, const SignalPolicy& policy);

// Names every guardian protects, whatever its configuration: init systems, sshd, and procctl
// itself.
const std::set<std::string>& AlwaysProtected();

}  // namespace procctl::node

#include "node/core/may_signal.h"

#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

SignalAnswer Refused(v1::Refusal refusal, std::string reason) {
  return {Permission::kRefused, refusal, v1::HELD_BY_POLICY, std::move(reason)};
}

}  // namespace

const std::set<std::string>& AlwaysProtected() {
  // comm holds 15 bytes: procctl-controller shows as procctl-control.
  static const std::set<std::string> names = {"init",           "systemd",        "sshd",
                                              "procctl-node",   "procctl-uplink", "procctl-logger",
                                              "procctl-control"};
  return names;
}

SignalAnswer MaySignal(const ProcessIdentity& target, int64_t registered_uid,
                       const TargetFacts& facts, const SignalPolicy& policy) {
  // Identity first: nothing else that was read is about the target if the pid is somebody else's.
  if (target.pid <= 1) {
    return Refused(v1::REFUSAL_PROTECTED, fmt::format("pid {} is never a target", target.pid));
  }
  if (facts.start_ticks && *facts.start_ticks != target.start_ticks) {
    return {Permission::kMismatch, v1::REFUSAL_UNSPECIFIED, v1::HELD_BY_UNSPECIFIED,
            fmt::format("pid {} now belongs to another process (started at tick {}, not {})",
                        target.pid, *facts.start_ticks, target.start_ticks)};
  }
  if (!facts.alive || !facts.start_ticks) {
    return {Permission::kGone, v1::REFUSAL_UNSPECIFIED, v1::HELD_BY_UNSPECIFIED, "it has ended"};
  }
  if (policy.own_line.contains(target.pid)) {
    return Refused(v1::REFUSAL_PROTECTED, "it is the guardian itself or one of its ancestors");
  }
  if (facts.kernel_thread) return Refused(v1::REFUSAL_PROTECTED, "it is a kernel thread");
  if (policy.protected_names.contains(facts.comm)) {
    return Refused(v1::REFUSAL_PROTECTED,
                   fmt::format("\"{}\" is a protected name", Escape(facts.comm)));
  }
  if (policy.guardian_uid != 0 && facts.uid != policy.guardian_uid) {
    return Refused(v1::REFUSAL_OTHER_USER,
                   fmt::format("it belongs to user {}, and this guardian runs as user {}",
                               facts.uid, policy.guardian_uid));
  }
  // Giving up root is what good daemons do; gaining another user after registering is how somebody
  // else's process could be put in the line of fire.
  if (registered_uid != 0 && facts.uid != registered_uid) {
    return Refused(v1::REFUSAL_OTHER_USER,
                   fmt::format("it was user {}'s when it registered and is user {}'s now",
                               registered_uid, facts.uid));
  }
  const auto hold = [](v1::HeldBy by, std::string reason) {
    return SignalAnswer{Permission::kHold, v1::REFUSAL_UNSPECIFIED, by, std::move(reason)};
  };
  if (facts.tracer != 0)
    return hold(v1::HELD_BY_TRACER, fmt::format("it is traced by pid {}", facts.tracer));
  if (facts.frozen) return hold(v1::HELD_BY_FREEZER, "its cgroup is frozen");
  if (!policy.enforce) return hold(v1::HELD_BY_OBSERVE, "this node only observes (mode: observe)");
  return {Permission::kAllowed, v1::REFUSAL_UNSPECIFIED, v1::HELD_BY_UNSPECIFIED, ""};
}

}  // namespace procctl::node

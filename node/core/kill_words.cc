#include "node/core/kill_words.h"

#include <cstring>

#include "proto/support/duration_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

std::string WhySilent(const v1::Event& subject) {
  const std::string silence = Exact(FromProto(subject.silence()));
  const std::string limit = FormatDuration(FromProto(subject.timeout()));
  switch (subject.symptom()) {
    case v1::SYMPTOM_NO_PROGRESS:
      return fmt::format("beats, but no progress for {}, limit {}", silence, limit);
    case v1::SYMPTOM_NOT_READY:
      return fmt::format("not ready after {}, start grace {}", silence, limit);
    case v1::SYMPTOM_BUSY_TOO_LONG:
      return fmt::format("busy without a beat for {}, limit of this work {}", silence, limit);
    default:
      return fmt::format("no beat for {}, limit {}", silence, limit);
  }
}

}  // namespace

std::string Who(const v1::Event& subject) {
  return fmt::format("{} pid {}", subject.slot(), subject.incarnation().pid());
}

std::string SignalName(int signal) {
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", name);
}

std::string Exact(Nanos duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  return seconds < 1 ? fmt::format("{:.1f}ms", seconds * 1000) : fmt::format("{:.3f}s", seconds);
}

std::string Why(const v1::Event& subject) {
  switch (subject.cause()) {
    case v1::CAUSE_HEARTBEAT:
      return WhySilent(subject);
    case v1::CAUSE_SELF_FAILED:
      return "it said itself that it failed";
    case v1::CAUSE_LIMIT:
      return "over a limit";
    case v1::CAUSE_CONFIG:
      return "its configuration changed";
    case v1::CAUSE_STOP:
      return "it is not to run";
    case v1::CAUSE_SCHEDULE:
      return "its time is over";
    default:
      return subject.issuer().empty() ? "ordered" : fmt::format("ordered by {}", subject.issuer());
  }
}

}  // namespace procctl::node

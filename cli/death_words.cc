#include "cli/death_words.h"

#include <csignal>
#include <cstring>

#include "cli/cell.h"
#include "cli/names.h"
#include "cli/story_words.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// What a process brings upon itself; anybody may send these too.
bool IsFault(int signal) {
  switch (signal) {
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGABRT:
    case SIGTRAP:
    case SIGSYS:
      return true;
    default:
      return false;
  }
}

std::string Ordered(const v1::Event& event) {
  std::string text = event.issuer().empty() ? "operator" : Cell(event.issuer());
  return event.reason().empty() ? text : text + ", " + Quote(event.reason());
}

// With what it ended, as the end of a sentence.
std::string With(const v1::Death& death) {
  if (!death.status_known()) return "; how is not known";
  if (death.signal() != 0) {
    return fmt::format(" on {}{}", SignalText(death.signal()),
                       death.core_dumped() ? " (core dumped)" : "");
  }
  return fmt::format(" with exit code {}", death.exit_code());
}

}  // namespace

std::string SignalText(int signal) {
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", name);
}

std::string HowText(const v1::Death& death) {
  if (death.cause() == v1::CAUSE_START_FAILED) return "not started";
  if (!death.status_known()) return "unknown";
  if (death.signal() == 0) return fmt::format("exit {}", death.exit_code());
  return SignalText(death.signal()) + (death.core_dumped() ? ", core dumped" : "");
}

std::string LastText(const v1::Death& death) {
  switch (death.cause()) {
    case v1::CAUSE_HEARTBEAT:
      return "hung";
    case v1::CAUSE_SELF_FAILED:
      return "gave up";
    case v1::CAUSE_OPERATOR:
      return "operator";
    case v1::CAUSE_LIMIT:
      return "limit";
    case v1::CAUSE_CONFIG:
      return "config";
    case v1::CAUSE_STOP:
      return "node stop";
    case v1::CAUSE_SCHEDULE:
      return "schedule";
    case v1::CAUSE_OOM:
      return "OOM";
    case v1::CAUSE_START_FAILED:
      return "not started";
    case v1::CAUSE_UNKNOWN:
      return "unknown";
    default:  // EXIT, SIGNAL, and whatever a newer node says: the kernel's own word
      return death.status_known() && death.signal() != 0 ? SignalText(death.signal())
                                                         : HowText(death);
  }
}

std::string CauseText(const v1::Event& event) {
  const v1::Death& death = event.death();
  switch (death.cause()) {
    case v1::CAUSE_EXIT:
      return "ended by itself";
    case v1::CAUSE_SIGNAL:
      return IsFault(death.signal()) ? "crashed" : "killed by a signal from outside";
    case v1::CAUSE_OOM:
      return "out of memory";
    case v1::CAUSE_HEARTBEAT:
      return "hung";
    case v1::CAUSE_SELF_FAILED:
      return "said itself that it failed";
    case v1::CAUSE_OPERATOR:
      return Ordered(event);
    case v1::CAUSE_LIMIT:
      return "passed a limit";
    case v1::CAUSE_CONFIG:
      return "configuration changed";
    case v1::CAUSE_STOP:
      return "removed, or all programs of its node were stopped";
    case v1::CAUSE_SCHEDULE:
      return "schedule or age limit";
    case v1::CAUSE_START_FAILED:
      return "could not be started";
    case v1::CAUSE_UNKNOWN:
      return "unknown: no guardian saw it";
    default:
      return death.cause() == v1::CAUSE_UNSPECIFIED ? "-" : Word(death.cause());
  }
}

std::string EndText(const v1::Event& event) {
  const v1::Death& death = event.death();
  const std::string with = With(death);
  switch (death.cause()) {
    case v1::CAUSE_EXIT:
      return "ended by itself" + with;
    case v1::CAUSE_SIGNAL:
      return IsFault(death.signal()) ? "crashed" + with
                                     : "was killed by a signal from outside and ended" + with;
    case v1::CAUSE_OOM:
      return "ended" + with + " because memory ran out";
    case v1::CAUSE_HEARTBEAT:
      return "was stopped because it hung, and ended" + with;
    case v1::CAUSE_SELF_FAILED:
      return "said itself that it failed, was stopped and ended" + with;
    case v1::CAUSE_OPERATOR:
      return fmt::format("was stopped by order of {}{}, and ended{}",
                         event.issuer().empty() ? "an operator" : Cell(event.issuer()),
                         event.reason().empty() ? "" : " (reason: " + Quote(event.reason()) + ")",
                         with);
    case v1::CAUSE_LIMIT:
      return "was stopped because it passed a limit, and ended" + with;
    case v1::CAUSE_CONFIG:
      return "was stopped because its configuration changed, and ended" + with;
    case v1::CAUSE_STOP:
      return "was stopped because it was removed or all programs of its node were stopped, and "
             "ended" +
             with;
    case v1::CAUSE_SCHEDULE:
      return "was stopped by its schedule or its age limit, and ended" + with;
    case v1::CAUSE_START_FAILED:
      return "could not be started";
    case v1::CAUSE_UNKNOWN:
      return "ended while no guardian could see how";
    default:
      return "ended" + with;
  }
}

}  // namespace procctl::cli

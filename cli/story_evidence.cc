#include <algorithm>
#include <utility>

#include "cli/cell.h"
#include "cli/story_parts.h"
#include "cli/story_words.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

using std::chrono::nanoseconds;

constexpr size_t kMostGroups = 3;
constexpr size_t kMostNamed = 4;
constexpr int kMostMissing = 4;
constexpr size_t kCommBytes = 15;  // what the kernel keeps of a thread's name
constexpr int kFdPercent = 80;
constexpr double kPressurePercent = 10;

// A lag of more than this share of the limit may have made a silence longer than it was.
constexpr int kLagShare = 10;

std::string Where(const v1::Thread& thread) {
  const std::string in = thread.wchan().empty() ? "" : " in " + Cell(thread.wchan());
  std::string text;
  if (thread.state() == "R") {
    text = "running";
  } else if (thread.state() == "S") {
    text = "sleeping" + in;
  } else if (thread.state() == "D") {
    text = "in uninterruptible sleep" + in;
  } else if (thread.state() == "T") {
    text = "stopped by a signal";
  } else if (thread.state() == "t") {
    text = "stopped by a debugger";
  } else if (thread.state() == "Z" || thread.state() == "X") {
    text = "ended already";
  } else if (thread.state().empty()) {
    text = "in a state that could not be read";
  } else {
    text = fmt::format("in state {}{}", Cell(thread.state()), in);
  }
  if (thread.syscall().empty()) return text;
  const bool number = std::all_of(thread.syscall().begin(), thread.syscall().end(),
                                  [](char c) { return c >= '0' && c <= '9'; });
  return text +
         fmt::format(", in system call {}{}", number ? "number " : "", Cell(thread.syscall()));
}

using Threads = std::vector<const v1::Thread*>;

template <typename Wanted>
Threads Those(const v1::Evidence& evidence, Wanted wanted) {
  Threads found;
  for (const v1::Thread& thread : evidence.threads()) {
    if (wanted(thread)) found.push_back(&thread);
  }
  return found;
}

bool AllAlike(const v1::Evidence& evidence) {
  const auto& threads = evidence.threads();
  return std::all_of(threads.begin(), threads.end(),
                     [&](const v1::Thread& t) { return Where(t) == Where(threads[0]); });
}

// Uninterruptible ones first, then those that bear the heart's name, then all if they wait in one
// place, then the leader.
Threads Interesting(const v1::Evidence& evidence, const std::string& heart, int pid) {
  Threads found = Those(evidence, [](const v1::Thread& t) { return t.state() == "D"; });
  if (!found.empty()) return found;
  found = Those(evidence, [&](const v1::Thread& t) {
    return !heart.empty() && t.comm() == heart.substr(0, kCommBytes);
  });
  if (!found.empty() || AllAlike(evidence)) return found;
  return Those(evidence, [&](const v1::Thread& t) { return t.tid() == pid; });
}

std::string NameOf(const v1::Thread& thread) {
  return thread.comm().empty() ? std::to_string(thread.tid())
                               : fmt::format("{} ({})", thread.tid(), Cell(thread.comm()));
}

// Threads in one place are told together.
std::string Grouped(const Threads& threads) {
  std::vector<std::pair<std::string, Threads>> groups;
  for (const v1::Thread* thread : threads) {
    const std::string where = Where(*thread);
    auto found = std::find_if(groups.begin(), groups.end(),
                              [&](const auto& group) { return group.first == where; });
    if (found == groups.end()) found = groups.insert(found, {where, {}});
    found->second.push_back(thread);
  }
  std::string text;
  for (size_t i = 0; i < std::min(groups.size(), kMostGroups); ++i) {
    std::vector<std::string> names;
    const Threads& members = groups[i].second;
    for (size_t k = 0; k < std::min(members.size(), kMostNamed); ++k) {
      names.push_back(NameOf(*members[k]));
    }
    if (members.size() > kMostNamed) {
      names.push_back(fmt::format("{} more", members.size() - kMostNamed));
    }
    text +=
        fmt::format("{}{} {} {} {}", i == 0 ? "" : "; ", members.size() == 1 ? "thread" : "threads",
                    JoinWords(names), members.size() == 1 ? "was" : "were", groups[i].first);
  }
  if (groups.size() > kMostGroups) {
    text += fmt::format("; others in {} more places", groups.size() - kMostGroups);
  }
  return text;
}

void TellThreads(const v1::Evidence& evidence, const std::string& heart, int pid, Sentences* out) {
  if (evidence.threads().empty()) return;
  const Threads threads = Interesting(evidence, heart, pid);
  std::string text;
  if (!threads.empty()) {
    text = Grouped(threads);
    const auto others = static_cast<size_t>(evidence.threads_size()) - threads.size();
    if (others > 0) {
      text += fmt::format(" ({} {} read as well)", CountText(static_cast<int64_t>(others), "other"),
                          others == 1 ? "was" : "were");
    }
  } else if (evidence.threads_size() == 1) {
    text = Grouped({&evidence.threads(0)});
  } else if (AllAlike(evidence)) {
    text = fmt::format("all {} threads that were read were {}", evidence.threads_size(),
                       Where(evidence.threads(0)));
  } else {
    text = fmt::format("{} threads were read, none of them the leader", evidence.threads_size());
  }
  if (evidence.threads_left_out() > 0) {
    text += fmt::format(" ({} not read)",
                        evidence.threads_left_out() == 1
                            ? "1 more was"
                            : fmt::format("{} more were", evidence.threads_left_out()));
  }
  out->push_back(fmt::format("When the guardian looked, {}.", text));
}

void TellHearts(const v1::Evidence& evidence, Sentences* out) {
  std::vector<std::string> beating;
  std::vector<std::string> silent;
  for (const v1::OtherHeart& heart : evidence.other_hearts()) {
    const nanoseconds silence = FromProto(heart.silence());
    const nanoseconds timeout = FromProto(heart.timeout());
    std::string text = fmt::format("{} (silent {}, limit {})", Cell(heart.label()),
                                   ExactText(silence), ExactText(timeout));
    (silence <= timeout / 2 ? beating : silent).push_back(std::move(text));
  }
  if (!beating.empty()) {
    out->push_back(fmt::format("Of its other hearts {} beat on.", JoinWords(beating)));
  }
  if (!silent.empty()) {
    out->push_back(
        fmt::format("Its other {} {} quiet too.",
                    silent.size() == 1 ? "heart " + silent[0] : "hearts " + JoinWords(silent),
                    silent.size() == 1 ? "was" : "were"));
  }
  if (evidence.other_hearts_left_out() > 0) {
    out->push_back(fmt::format("{} of it {} not recorded.",
                               CountText(evidence.other_hearts_left_out(), "more heart"),
                               evidence.other_hearts_left_out() == 1 ? "is" : "are"));
  }
}

void TellNumbers(const v1::Evidence& evidence, Sentences* out) {
  std::vector<std::string> parts;
  if (evidence.has_cpu_user()) {
    parts.push_back(ExactText(FromProto(evidence.cpu_user())) + " of CPU in user mode");
  }
  if (evidence.has_cpu_system()) {
    parts.push_back(ExactText(FromProto(evidence.cpu_system())) + " in the kernel");
  }
  std::string text = parts.empty() ? "" : "It had used " + JoinWords(parts);
  if (evidence.resident() > 0) {
    text += fmt::format("{}{} of memory", text.empty() ? "It held " : ", and held ",
                        BytesText(evidence.resident()));
    if (evidence.swapped() > 0) {
      text += fmt::format(" ({} more swapped out)", BytesText(evidence.swapped()));
    }
  }
  if (!text.empty()) out->push_back(text + ".");
  if (evidence.fd_limit() > 0 &&
      int64_t{evidence.open_fds()} > evidence.fd_limit() / 100.0 * kFdPercent) {
    out->push_back(fmt::format("It had {} of at most {} file descriptors open.",
                               evidence.open_fds(), evidence.fd_limit()));
  }
  if (evidence.cgroup_frozen()) out->push_back("Its cgroup was frozen.");
  if (evidence.tracer() > 0) {
    out->push_back(fmt::format("A debugger (pid {}) was attached.", evidence.tracer()));
  }
}

void TellPressure(const v1::Evidence& evidence, Sentences* out) {
  std::vector<std::string> parts;
  const auto add = [&](bool present, const v1::Pressure& pressure, std::string_view what) {
    if (!present || !pressure.known() || !(pressure.some() > kPressurePercent)) return;
    parts.push_back(fmt::format("for {} {:.0f} %", what, pressure.some()));
  };
  add(evidence.has_cpu_pressure(), evidence.cpu_pressure(), "CPU");
  add(evidence.has_memory_pressure(), evidence.memory_pressure(), "memory");
  add(evidence.has_io_pressure(), evidence.io_pressure(), "input and output");
  if (parts.empty()) return;
  out->push_back(
      fmt::format("In the last 10s tasks of the host waited {} of the time.", JoinWords(parts)));
}

}  // namespace

void TellProcess(const v1::Evidence& evidence, const std::string& heart, int pid, Sentences* out) {
  TellThreads(evidence, heart, pid, out);
  TellHearts(evidence, out);
  TellNumbers(evidence, out);
  TellPressure(evidence, out);
}

void TellGuardian(const v1::Evidence& evidence, Sentences* out) {
  if (!evidence.has_guardian_worst_lag()) return;
  const nanoseconds worst = FromProto(evidence.guardian_worst_lag());
  const nanoseconds limit =
      evidence.has_limit() ? FromProto(evidence.limit()) : nanoseconds(std::chrono::seconds(1));
  if (worst <= limit / kLagShare) {
    out->push_back(fmt::format(
        "The guardian was on time: its own scans were at most {} late in the last minute.",
        ExactText(worst)));
  } else {
    out->push_back(fmt::format(
        "The guardian itself was late: one of its scans came {} late in the last minute.",
        ExactText(worst)));
  }
}

void TellMissing(const v1::Evidence& evidence, Sentences* out) {
  if (evidence.timed_out()) {
    out->push_back("Gathering this ran out of its time, so it may be incomplete.");
  }
  if (evidence.missing().empty()) return;
  std::string text;
  for (int i = 0; i < std::min(evidence.missing_size(), kMostMissing); ++i) {
    text += (i == 0 ? "" : ", ") + Quote(evidence.missing(i));
  }
  if (evidence.missing_size() > kMostMissing) {
    text += fmt::format(" and {} more", evidence.missing_size() - kMostMissing);
  }
  out->push_back(fmt::format("Could not be read: {}.", text));
}

}  // namespace procctl::cli

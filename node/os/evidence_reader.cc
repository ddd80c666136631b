#include "node/os/evidence_reader.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "node/os/clock.h"
#include "node/os/evidence_bound.h"
#include "node/os/evidence_parsers.h"
#include "node/os/proc_file.h"
#include "node/os/proc_text.h"
#include "node/os/syscall_name.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr size_t kMostFds = 65536;
constexpr size_t kMostListedThreads = 32768;
// Threads whose state is looked at to find those that matter; one look costs about 10 us.
constexpr size_t kMostRankedThreads = 1024;
constexpr size_t kLongestCgroup = 1024;
// How many entries of a folder are read between two looks at the clock.
constexpr size_t kEntriesPerLook = 256;

Nanos FromTicks(uint64_t ticks) {
  static const auto kPerSecond = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  return std::chrono::seconds(ticks / kPerSecond) +
         Nanos((ticks % kPerSecond) * 1'000'000'000 / kPerSecond);
}

// "Permission denied" as the end of a sentence.
std::string Reason(const absl::Status& status) {
  std::string text(status.message());
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

struct RankedThread {
  int rank = 0;
  int32_t tid = 0;
  ProcStat stat;
};

int Rank(int32_t tid, int32_t leader, char state) {
  if (tid == leader) return 0;
  if (state == 'D') return 1;
  return state == 'R' ? 2 : 3;
}

class Reading {
 public:
  Reading(const ProcessIdentity& process, MonoTime deadline, const EvidenceSoFar& so_far)
      : process_(process),
        folder_(fmt::format("/proc/{}", process.pid)),
        deadline_(deadline),
        so_far_(so_far) {}

  v1::Evidence Run() {
    if (!ReadProcess()) return Ended();
    Publish();
    ReadThreads();
    ReadMemoryAndTracer();
    ReadCgroup();
    ReadDescriptors();
    Publish();
    ReadHost();
    const auto stat = ReadStat(process_.pid);
    if (!stat || stat->start_ticks != process_.start_ticks) return Ended();
    return Finished();
  }

 private:
  static v1::Evidence Ended() {
    v1::Evidence evidence;
    evidence.add_missing("process: it has ended");
    return evidence;
  }

  // What was read, with the files of threads that were refused: one line for all threads that share
  // file and reason, or they would fill the evidence where they explain nothing.
  v1::Evidence Finished() const {
    v1::Evidence evidence = evidence_;
    for (const auto& [key, refused] : refused_) {
      const auto& [file, why] = key;
      const auto& [tid, count] = refused;
      evidence.add_missing(count == 1 ? fmt::format("threads/{}/{}: {}", tid, file, why)
                                      : fmt::format("threads/{}/{} and {} more threads: {}", tid,
                                                    file, count - 1, why));
    }
    BoundEvidence(&evidence);
    return evidence;
  }

  void Publish() const {
    if (so_far_) so_far_(Finished());
  }

  void Missing(std::string_view what, std::string_view why) {
    evidence_.add_missing(fmt::format("{}: {}", what, why));
  }

  bool OutOfTime() {
    if (MonoNow() > deadline_) evidence_.set_timed_out(true);
    return evidence_.timed_out();
  }

  // Nullopt, and said so, once time is up or if the file cannot be read.
  std::optional<std::string> Read(std::string_view what, const std::string& path) {
    if (OutOfTime()) {
      Missing(what, "no time left");
      return std::nullopt;
    }
    auto text = ReadKernelFile(path);
    if (text.ok()) return *std::move(text);
    Missing(what, Reason(text.status()));
    return std::nullopt;
  }

  // Numbers that name the entries of a folder, at most `most`. Short, and said so, if time is up.
  std::vector<int32_t> List(std::string_view what, const std::string& path, size_t most) {
    std::vector<int32_t> numbers;
    if (OutOfTime()) {
      Missing(what, "no time left");
      return numbers;
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(path.c_str()), closedir);
    if (!folder) {
      Missing(what, Reason(absl::UnknownError(std::strerror(errno))));
      return numbers;
    }
    while (const dirent* entry = readdir(folder.get())) {
      int32_t number = 0;
      if (!ReadNumber(std::string_view(entry->d_name), &number)) continue;
      if (numbers.size() == most || (numbers.size() % kEntriesPerLook == 0 && OutOfTime())) {
        Missing(what, fmt::format("counting ended at {}", numbers.size()));
        break;
      }
      numbers.push_back(number);
    }
    return numbers;
  }

  bool ReadProcess() {
    const auto stat = ReadStat(process_.pid);
    if (!stat || stat->start_ticks != process_.start_ticks) return false;
    evidence_.set_comm(Escape(stat->comm));
    evidence_.set_state(Escape(std::string_view(&stat->state, 1)));
    *evidence_.mutable_cpu_user() = ToProto(FromTicks(stat->user_ticks));
    *evidence_.mutable_cpu_system() = ToProto(FromTicks(stat->system_ticks));
    return true;
  }

  void ReadThreads() {
    const std::vector<int32_t> tids = List("threads", folder_ + "/task", kMostListedThreads);
    std::vector<RankedThread> ranked;
    for (const int32_t tid : tids) {
      if (ranked.size() == kMostRankedThreads || OutOfTime()) break;
      const auto text = ReadSmallFile(fmt::format("{}/task/{}/stat", folder_, tid), 4096);
      auto stat = text ? ParseStat(*text) : std::nullopt;
      // One that ended since it was listed explains nothing.
      if (!stat) continue;
      const int rank = Rank(tid, process_.pid, stat->state);
      ranked.push_back({rank, tid, *std::move(stat)});
    }
    std::sort(ranked.begin(), ranked.end(), [](const RankedThread& a, const RankedThread& b) {
      return std::tie(a.rank, a.tid) < std::tie(b.rank, b.tid);
    });
    // A leader that ended before the others has neither memory nor descriptors to show; they have.
    for (const RankedThread& thread : ranked) {
      if (thread.stat.state == 'Z') continue;
      resources_ = fmt::format("{}/task/{}", folder_, thread.tid);
      break;
    }
    for (const RankedThread& thread : ranked) {
      if (evidence_.threads_size() == kMostEvidenceThreads) break;
      evidence_.set_threads_left_out(static_cast<int32_t>(tids.size()) - evidence_.threads_size());
      if (OutOfTime()) {
        Missing("threads", fmt::format("no time left after {}", evidence_.threads_size()));
        return;
      }
      ReadThread(thread);
      evidence_.set_threads_left_out(static_cast<int32_t>(tids.size()) - evidence_.threads_size());
      Publish();
    }
  }

  void ReadThread(const RankedThread& ranked) {
    const std::string folder = fmt::format("{}/task/{}", folder_, ranked.tid);
    // Added to the evidence only when whole, so that none is half in what was read so far.
    v1::Thread thread;
    thread.set_tid(ranked.tid);
    thread.set_comm(Escape(ranked.stat.comm));
    thread.set_state(Escape(std::string_view(&ranked.stat.state, 1)));
    *thread.mutable_cpu() = ToProto(FromTicks(ranked.stat.user_ticks + ranked.stat.system_ticks));
    if (const auto text = ReadOfThread(ranked.tid, folder, "wchan"))
      thread.set_wchan(Escape(ParseWchan(*text)));
    if (const auto text = ReadOfThread(ranked.tid, folder, "syscall")) {
      const auto reading = ParseSyscall(*text);
      if (!reading) Refused(ranked.tid, "syscall", "not understood");
      if (reading && reading->inside) {
        // A 32-bit process on a 64-bit kernel counts its calls by another table.
        const bool foreign_table = reading->maybe_compat && sizeof(void*) == 8;
        thread.set_syscall(foreign_table ? std::to_string(reading->number)
                                         : SyscallName(reading->number));
      }
    }
    if (const auto text = ReadOfThread(ranked.tid, folder, "stack")) {
      for (const std::string& frame : ParseStack(*text, kMostStackFrames))
        thread.add_stack(Escape(frame));
    }
    *evidence_.add_threads() = std::move(thread);
  }

  std::optional<std::string> ReadOfThread(int32_t tid, const std::string& folder,
                                          const char* file) {
    if (OutOfTime()) {
      Refused(tid, file, "no time left");
      return std::nullopt;
    }
    auto text = ReadKernelFile(fmt::format("{}/{}", folder, file));
    if (text.ok()) return *std::move(text);
    Refused(tid, file, Reason(text.status()));
    return std::nullopt;
  }

  void Refused(int32_t tid, const char* file, const std::string& why) {
    const auto [entry, is_first] = refused_.try_emplace({file, why}, tid, 0);
    ++entry->second.second;
  }

  void ReadMemoryAndTracer() {
    const auto text = Read("status", resources_ + "/status");
    if (!text) return;
    if (const auto status = ParseStatus(*text)) {
      evidence_.set_tracer(status->tracer);
    } else {
      Missing("tracer", "not understood");
    }
    if (const auto memory = ParseMemoryUse(*text)) {
      evidence_.set_resident(memory->resident);
      evidence_.set_swapped(memory->swapped);
    } else {
      Missing("memory", "the process has none");
    }
  }

  void ReadCgroup() {
    const auto text = Read("cgroup", folder_ + "/cgroup");
    if (!text) return;
    const std::string path = ParseCgroupV2Path(*text);
    if (path.size() > kLongestCgroup) {
      Missing("cgroup", fmt::format("its path has {} bytes", path.size()));
    } else {
      evidence_.set_cgroup(Escape(path));
    }
    if (OutOfTime()) {
      Missing("cgroup_frozen", "no time left");
    } else {
      evidence_.set_cgroup_frozen(IsCgroupFrozen(path));
    }
  }

  void ReadDescriptors() {
    if (resources_ == folder_ && evidence_.state() == "Z") {
      Missing("open_fds", "the process has none");
    } else {
      const auto fds = List("open_fds", resources_ + "/fd", kMostFds);
      evidence_.set_open_fds(static_cast<int32_t>(fds.size()));
    }
    const auto text = Read("fd_limit", folder_ + "/limits");
    const auto limit = text ? ParseFdLimit(*text) : std::nullopt;
    if (limit) evidence_.set_fd_limit(*limit);
    if (text && !limit) Missing("fd_limit", "not understood");
  }

  void ReadHost() {
    ReadPressure("cpu", evidence_.mutable_cpu_pressure());
    ReadPressure("memory", evidence_.mutable_memory_pressure());
    ReadPressure("io", evidence_.mutable_io_pressure());
    if (const auto text = Read("load_1m", "/proc/loadavg")) {
      const auto load = ParseLoad(*text);
      if (load) evidence_.set_load_1m(*load);
      if (!load) Missing("load_1m", "not understood");
    }
    if (const auto text = Read("memory_available", "/proc/meminfo")) {
      const auto available = ParseMemoryAvailable(*text);
      if (available) evidence_.set_memory_available(*available);
      if (!available) Missing("memory_available", "the kernel does not say");
    }
  }

  void ReadPressure(const char* kind, v1::Pressure* pressure) {
    const std::string what = fmt::format("{}_pressure", kind);
    if (OutOfTime()) {
      Missing(what, "no time left");
      return;
    }
    const auto text = ReadKernelFile(fmt::format("/proc/pressure/{}", kind));
    // `known` says it: the kernel was built or started without.
    if (absl::IsNotFound(text.status()) || absl::IsUnimplemented(text.status())) return;
    if (!text.ok()) {
      Missing(what, Reason(text.status()));
      return;
    }
    const auto reading = ParsePressure(*text);
    if (!reading) {
      Missing(what, "not understood");
      return;
    }
    pressure->set_known(true);
    pressure->set_some(reading->some);
    pressure->set_full(reading->full);
  }

  const ProcessIdentity process_;
  const std::string folder_;
  // Where status and fd are read: of a thread that has not ended, if there is one.
  std::string resources_ = folder_;
  const MonoTime deadline_;
  const EvidenceSoFar& so_far_;
  v1::Evidence evidence_;
  // By file and reason: the first thread, and how many.
  std::map<std::pair<std::string, std::string>, std::pair<int32_t, int>> refused_;
};

}  // namespace

v1::Evidence ReadEvidence(const ProcessIdentity& process, MonoTime deadline,
                          const EvidenceSoFar& so_far) {
  return Reading(process, deadline, so_far).Run();
}

}  // namespace procctl::node

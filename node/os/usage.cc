#include "node/os/usage.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "node/os/proc_file.h"
#include "node/os/proc_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

// Nullopt if it has ended: a zombie uses nothing.
std::optional<ProcStat> StatOf(const ProcessIdentity& process) {
  auto stat = ReadStat(process.pid);
  if (!stat || stat->start_ticks != process.start_ticks) return std::nullopt;
  if (stat->state == 'Z' || stat->state == 'X') return std::nullopt;
  return stat;
}

int64_t ResidentOf(int32_t pid) {
  const auto text = ReadSmallFile(fmt::format("/proc/{}/statm", pid), 256);
  int64_t pages = 0;
  if (!text || !ReadNumber(Word(*text, 1), &pages)) return 0;
  return pages * sysconf(_SC_PAGESIZE);
}

int32_t DescriptorsOf(int32_t pid) {
  const std::string folder = fmt::format("/proc/{}/fd", pid);
  // Since 6.2 the folder's size is the number, for everybody and at no cost.
  struct stat status {};
  if (stat(folder.c_str(), &status) == 0 && status.st_size > 0)
    return static_cast<int32_t>(std::min<int64_t>(status.st_size, INT32_MAX));
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(folder.c_str()), closedir);
  if (dir == nullptr) return 0;
  int32_t count = 0;
  while (const dirent* entry = readdir(dir.get())) count += entry->d_name[0] == '.' ? 0 : 1;
  return count;
}

}  // namespace

std::optional<v1::Usage> UsageReader::Read(const ProcessIdentity& process, MonoTime now) {
  const auto stat = StatOf(process);
  if (!stat) return std::nullopt;
  const uint64_t ticks = stat->user_ticks + stat->system_ticks;
  const Nanos since = now - read_at_;
  if (process != process_) {
    process_ = process;
    cpu_percent_ = 0;
    knows_cpu_ = false;
    read_at_ = now;
    ticks_ = ticks;
  } else if (since >= kLeastInterval) {
    const double seconds = std::chrono::duration<double>(since).count();
    const double used = static_cast<double>(ticks - std::min(ticks, ticks_)) /
                        static_cast<double>(sysconf(_SC_CLK_TCK));
    cpu_percent_ = static_cast<int32_t>(std::clamp(used / seconds * 100 + 0.5, 0.0, 1e8));
    knows_cpu_ = true;
    read_at_ = now;
    ticks_ = ticks;
  }
  v1::Usage usage;
  usage.set_cpu_percent(cpu_percent_);
  usage.set_threads(stat->threads);
  usage.set_resident(ResidentOf(process.pid));
  usage.set_descriptors(DescriptorsOf(process.pid));
  // What was read in between was of this process only if it is still there.
  if (!StatOf(process)) return std::nullopt;
  return usage;
}

std::optional<int64_t> ReadResident(const ProcessIdentity& process) {
  const int64_t resident = ResidentOf(process.pid);
  // Read of this process only if it is still there.
  if (!StatOf(process)) return std::nullopt;
  return resident;
}

}  // namespace procctl::node

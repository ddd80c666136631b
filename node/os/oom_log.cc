#include "node/os/oom_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "node/os/proc_text.h"

namespace procctl::node {
namespace {

constexpr int kMostRecordsAtOnce = 1000;
constexpr int kMostRecordsForAnAnswer = 20'000;
constexpr size_t kMostRecord = 8192;  // the kernel's CONSOLE_EXT_LOG_MAX

bool TakePrefix(std::string_view* text, std::string_view prefix) {
  if (text->substr(0, prefix.size()) != prefix) return false;
  text->remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::optional<int32_t> ParseOomKill(std::string_view record) {
  // The number before the first comma is facility * 8 + level; the kernel's facility is 0, and what
  // comes from elsewhere is never given that one.
  int priority = 0;
  const size_t comma = std::min(record.find(','), record.size());
  if (!ReadNumber(record.substr(0, comma), &priority) || priority < 0 || priority > 7)
    return std::nullopt;
  const size_t begin = record.find(';');
  if (begin == std::string_view::npos) return std::nullopt;
  std::string_view text = record.substr(begin + 1);
  // At its very beginning: names of processes, which anybody may choose, stand in other records.
  if (!TakePrefix(&text, "Memory cgroup out of memory: ") &&
      !TakePrefix(&text, "Out of memory (oom_kill_allocating_task): ") &&
      !TakePrefix(&text, "Out of memory: ")) {
    return std::nullopt;
  }
  if (!TakePrefix(&text, "Killed process ")) return std::nullopt;
  int32_t pid = 0;
  const size_t end = text.find(" (");
  if (end == std::string_view::npos || !ReadNumber(text.substr(0, end), &pid) || pid <= 0)
    return std::nullopt;
  return pid;
}

OomLog OomLog::Open() {
  UniqueFd fd(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (fd && lseek(fd.get(), 0, SEEK_END) < 0) fd.reset();
  return OomLog(std::move(fd));
}

void OomLog::ReadUpTo(int most_records) {
  if (!fd_) return;
  char record[kMostRecord];
  for (int i = 0; i < most_records; ++i) {
    const ssize_t n = read(fd_.get(), record, sizeof record);
    if (n < 0 && (errno == EPIPE || errno == EINTR)) continue;  // EPIPE: some were overwritten
    if (n <= 0) return;
    if (const auto pid = ParseOomKill({record, static_cast<size_t>(n)})) victims_.Add(*pid);
  }
}

void OomLog::Read() { ReadUpTo(kMostRecordsAtOnce); }

bool OomLog::TakeVictim(int32_t pid) {
  // The kernel lists all processes of the host before it names the one it killed.
  ReadUpTo(kMostRecordsForAnAnswer);
  return victims_.Take(pid);
}

void OomVictims::Add(int32_t pid) {
  if (pids_.size() >= kMost) pids_.pop_front();
  pids_.push_back(pid);
}

bool OomVictims::Take(int32_t pid) { return std::erase(pids_, pid) > 0; }

}  // namespace procctl::node

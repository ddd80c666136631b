#include "node/run/notify_door.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "node/run/duration.h"
#include "node/run/proc_stat.h"

namespace procctl::run {
namespace {

using std::chrono::milliseconds;

// Many times what the kernel queues on one socket.
constexpr int kMostAtOnce = 256;
// Deeper than any honest tree of processes.
constexpr int kMostAncestors = 64;
// What service managers grant for a stop unless told otherwise.
constexpr milliseconds kStopTime{90'000};

// As far as /proc says now. Numbers may be reused while we look: good enough for whose word counts,
// not for whom to signal.
bool DescendsFromUs(pid_t pid) {
  const pid_t self = getpid();
  for (int i = 0; i < kMostAncestors && pid > 1; ++i) {
    const auto stat = ReadProcStat(pid);
    if (!stat.has_value()) return false;
    if (stat->parent == self) return true;
    pid = stat->parent;
  }
  return false;
}

// In memory where there is such a folder: a socket on a disk that hangs would hang its program.
std::string BaseFolder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  for (const char* folder : {runtime, "/run/procctl", "/run", "/dev/shm"}) {
    if (folder != nullptr && *folder == '/' && access(folder, W_OK | X_OK) == 0) return folder;
  }
  return "/tmp";
}

milliseconds Rounded(std::chrono::microseconds time) {
  return std::chrono::ceil<milliseconds>(time);
}

}  // namespace

std::string NotifyDoor::Open() {
  int error = 0;
  const std::string base = BaseFolder();
  receiver_ = notify::Receiver::Open(base, &error);
  if (error == 0) return "";
  return "no socket for the program below " + base + ": " + std::strerror(error) +
         "; name a folder in XDG_RUNTIME_DIR that this user may write to";
}

std::vector<std::string> NotifyDoor::variables() const {
  return {"NOTIFY_SOCKET=" + receiver_.path(),
          "WATCHDOG_USEC=" + std::to_string(std::chrono::microseconds(timeout_).count())};
}

NotifyDoor::Heard NotifyDoor::TakeAll(pid_t program) {
  Heard heard;
  for (int i = 0; i < kMostAtOnce; ++i) {
    const auto datagram = receiver_.Receive();
    if (!datagram.has_value()) break;
    if (!MaySpeak(datagram->sender, program)) {
      Complain(&said_stranger_, "process " + std::to_string(datagram->sender.pid) +
                                    " may not speak for the program; see --notify-access");
      continue;
    }
    const auto message = notify::Parse(datagram->bytes);
    if (!message.has_value() || message->bad > 0) {
      Complain(&said_garbage_, "the program sends notifications that make no sense; passed over");
    }
    if (message.has_value()) Heed(*message, &heard);
  }
  return heard;
}

bool NotifyDoor::MaySpeak(const ucred& sender, pid_t program) const {
  if (sender.pid == program || (main_pid_ != 0 && sender.pid == main_pid_)) return true;
  if (access_ == NotifyAccess::kMain || sender.pid <= 0) return false;
  if (DescendsFromUs(sender.pid)) return true;
  // A short-lived sender has gone by now. Its user is all that is left to go by.
  if (ReadProcStat(sender.pid).has_value()) return false;
  struct stat owner {};
  const std::string folder = "/proc/" + std::to_string(program);
  return sender.uid == geteuid() ||
         (stat(folder.c_str(), &owner) == 0 && sender.uid == owner.st_uid);
}

void NotifyDoor::Heed(const notify::Message& message, Heard* heard) {
  if (message.main_pid.has_value()) {
    if (DescendsFromUs(*message.main_pid)) {
      main_pid_ = *message.main_pid;
    } else {
      Complain(&said_main_, "MAINPID=" + std::to_string(*message.main_pid) +
                                " is no process of the program; passed over");
    }
  }
  if (message.watchdog_limit.has_value()) {
    const milliseconds asked = Rounded(*message.watchdog_limit);
    // An operator's word stands above the program's.
    if (asked > timeout_) {
      Complain(&said_longer_, "the program asks for a timeout of " + FormatDuration(asked) +
                                  "; it stays at " + FormatDuration(timeout_));
    }
    heart_->SetTimeout(std::clamp(asked, std::min(milliseconds(1'000), timeout_), timeout_));
  }
  if (message.status.has_value()) {
    heart_->SetNote(*message.status);
  } else if (message.error_number.has_value() && *message.error_number != 0) {
    heart_->SetNote("the program says: " + std::string(std::strerror(*message.error_number)));
  }
  if (message.trigger) heart_->Failed("the program gave itself up (WATCHDOG=trigger)");
  if (message.ready) {
    ready_ = heard->ready = true;
    heart_->SetReady();
    heart_->SetPhase("");
    heart_->BusyDone();
  }
  if (message.reloading) heart_->SetPhase("reloading");
  if (message.watchdog) heart_->BusyDone();
  if (message.stopping) {
    heart_->SetPhase("stopping");
    heart_->Busy(kStopTime);
  }
  if (message.extend.has_value()) {
    if (ready_) {
      heart_->Busy(Rounded(*message.extend));
    } else {
      heard->more_start_time = Rounded(*message.extend);
    }
  }
}

void NotifyDoor::Complain(bool* said, const std::string& what) {
  if (*said) return;
  *said = true;
  std::fprintf(stderr, "procctl-run: %s\n", what.c_str());
}

}  // namespace procctl::run

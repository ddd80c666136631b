#include "tests/e2e/harness/signal_oracle.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "tests/e2e/harness/child.h"

namespace procctl::e2e {
namespace {

bool Put(const std::string& path, const char* text) {
  FILE* file = fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  const bool written = fputs(text, file) >= 0;
  return (fclose(file) == 0) && written;
}

}  // namespace

SignalOracle::SignalOracle() {
  char folder[] = "/tmp/procctl-trace-XXXXXX";
  if (mkdtemp(folder) == nullptr) {
    why_ = "mkdtemp failed";
    return;
  }
  mount_ = folder;
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("tracefs", folder, "tracefs", 0, nullptr) != 0) {
    why_ = std::string("cannot mount tracefs: ") + strerror(errno);
    return;
  }
  instance_ = mount_ + "/instances/procctl-test-" + std::to_string(getpid());
  const std::string event = instance_ + "/events/signal/signal_generate";
  if (mkdir(instance_.c_str(), 0700) != 0 || !Put(event + "/filter", "sig==15||sig==9") ||
      !Put(event + "/enable", "1")) {
    why_ = "this kernel does not trace signal_generate";
  }
}

SignalOracle::~SignalOracle() {
  if (!instance_.empty()) rmdir(instance_.c_str());
  if (!mount_.empty()) {
    umount2(mount_.c_str(), MNT_DETACH);
    rmdir(mount_.c_str());
  }
}

std::vector<SentSignal> SignalOracle::SentBy(pid_t sender) const {
  std::vector<SentSignal> sent = All();
  std::erase_if(sent, [sender](const SentSignal& one) { return one.sender != sender; });
  return sent;
}

std::vector<SentSignal> SignalOracle::All() const {
  // "  procctl-node-4242  [001] d..1.  12.345678: signal_generate: sig=15 errno=0 code=0
  // comm=worker pid=99 ..."
  std::vector<SentSignal> sent;
  if (!usable()) return sent;
  std::istringstream lines(ReadFile(instance_ + "/trace"));
  for (std::string line; std::getline(lines, line);) {
    const size_t event = line.find(" signal_generate: sig=");
    const size_t cpu = line.find(" [");
    const size_t pid = line.rfind(" pid=");
    if (event == std::string::npos || cpu == std::string::npos || pid == std::string::npos)
      continue;
    const size_t dash = line.substr(0, cpu).rfind('-');
    SentSignal one;
    one.sender = atoi(line.c_str() + dash + 1);
    one.signal = atoi(line.c_str() + event + strlen(" signal_generate: sig="));
    one.target = atoi(line.c_str() + pid + strlen(" pid="));
    sent.push_back(one);
  }
  return sent;
}

}  // namespace procctl::e2e

#include "tests/e2e/harness/guarded_child.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace procctl::e2e {

int OpenHeart(procctl_heart* heart, const Node& node, const std::string& name,
              std::chrono::milliseconds timeout) {
  setenv("PROCCTL_HEARTBEAT_SOCKET", node.socket().c_str(), 1);
  return procctl_open(heart, name.c_str(), static_cast<uint32_t>(timeout.count()));
}

void Hang() {
  while (true) pause();
}

Child GuardedChild(const Node& node, const std::string& name, std::chrono::milliseconds timeout,
                   const std::function<void(procctl_heart*)>& body) {
  int said[2];
  if (pipe2(said, O_CLOEXEC) != 0) throw HarnessError("pipe2 failed");
  Child child = Child::Fork([&] {
    close(said[0]);
    procctl_heart heart = PROCCTL_HEART_INIT;
    const int error = OpenHeart(&heart, node, name, timeout);
    const std::string answer =
        error == 0 ? "ok" : std::string(strerror(-error)) + ": " + procctl_open_error();
    if (write(said[1], answer.data(), answer.size()) < 0 || error != 0) return 1;
    close(said[1]);
    body(&heart);
    return 0;
  });
  close(said[1]);
  char answer[256] = "no answer";
  pollfd readable{said[0], POLLIN, 0};
  ssize_t got = 0;
  if (poll(&readable, 1, 10000) == 1) got = read(said[0], answer, sizeof answer - 1);
  close(said[0]);
  if (got > 0) answer[got] = '\0';
  if (std::string(answer) != "ok") throw HarnessError("'" + name + "' is not guarded: " + answer);
  return child;
}

}  // namespace procctl::e2e

// Who sent which signal to whom, from the kernel itself: an own tracefs instance that records every
// SIGTERM and SIGKILL of the machine. It shares no line of code with what it judges.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace procctl::e2e {

struct SentSignal {
  pid_t sender = 0;  // thread id
  int signal = 0;
  pid_t target = 0;
};

class SignalOracle {
 public:
  // Mounts tracefs in a mount namespace of this test's own (needs root).
  SignalOracle();
  ~SignalOracle();
  SignalOracle(const SignalOracle&) = delete;
  SignalOracle& operator=(const SignalOracle&) = delete;

  // False where this kernel has no such tracing; `why` says what is missing. SentBy is then empty
  // for ever.
  bool usable() const { return why_.empty(); }
  const std::string& why() const { return why_; }

  // SIGTERM and SIGKILL sent by that process (its main thread) since the oracle began.
  std::vector<SentSignal> SentBy(pid_t sender) const;
  // Those of everybody.
  std::vector<SentSignal> All() const;

 private:
  std::string why_;
  std::string mount_;
  std::string instance_;
};

}  // namespace procctl::e2e

// A process that takes a pid which another one has just given back (clone3 with set_tid; needs
// root), and writes down every signal that reaches it. It stands for the innocent newcomer that pid
// reuse puts in the line of fire.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <vector>

#include "tests/e2e/harness/child.h"

namespace procctl::e2e {

class Impostor {
 public:
  // Empty if the pid is (again) taken: some third process was faster. `first` runs in the newcomer
  // before anything else; it must not need threads.
  static std::optional<Impostor> TakePid(pid_t pid, const std::function<void()>& first = nullptr);

  // The same with whatever pid comes: somebody who must not be signalled.
  static Impostor Bystander();

  pid_t pid() const { return child_.pid(); }
  // Signals it has received so far; SIGKILL shows as its end.
  std::vector<int> Signals();

  Impostor(Impostor&& other) noexcept;
  Impostor& operator=(Impostor&&) = delete;
  ~Impostor();

 private:
  Impostor(pid_t pid, int signals_fd);
  // wanted = 0: any pid.
  static std::optional<Impostor> Make(pid_t wanted, const std::function<void()>& first);

  Child child_;
  int signals_fd_;
  std::vector<int> signals_;
};

}  // namespace procctl::e2e

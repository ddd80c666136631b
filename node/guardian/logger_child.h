// Starts the logger and starts it again whenever it ends. It is told what to write, and told all of
// it again after each start; what it does or fails to do never reaches the enforcement.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "node/core/mono_time.h"
#include "node/guardian/kept_child.h"
#include "node/os/poller.h"
#include "node/os/unique_fd.h"
#include "procctl/v1/logger.pb.h"

namespace procctl::node {

// One thread, the poller's. Never waits for the logger.
class LoggerChild {
 public:
  struct Callbacks {
    std::function<void(const v1::LoggerLost&)> lost;
    std::function<void(const v1::LoggerTrouble&)> trouble;
    std::function<void(int64_t request, const std::string& stderr_tail)> tail;
    std::function<void(int64_t request, const v1::OutputChunk&)> read;
  };

  // `path`: of procctl-logger. `journal_socket`: where it finds the system's journal; empty: at its
  // standard place.
  LoggerChild(std::string path, std::string journal_socket, Poller* poller, Callbacks callbacks);
  // Closes the link, as LetGo.
  ~LoggerChild();
  LoggerChild(const LoggerChild&) = delete;
  LoggerChild& operator=(const LoggerChild&) = delete;

  // Starts it if none runs and its turn has come. Call now and then.
  void Tend(MonoTime now) { child_.Tend(now); }
  // Closes the link for good: the logger takes what is in the FIFOs, writes for a second at most,
  // and exits. A guardian that ends sooner kills it in the middle of that.
  void LetGo();
  bool running() const { return child_.running(); }
  // 0: none runs.
  int32_t pid() const { return child_.pid(); }

  // Sent as soon as the socket takes it, and to each later logger. Replaces what was attached under
  // this label; what CheckAttach of the logger refuses comes back as trouble.
  void Attach(const v1::LoggerAttach& attach);
  // The FIFOs may be removed at once: if the logger has them open, it still takes what is in them.
  void Detach(const std::string& label);

  // `forget`: a life is over, and nothing of it comes with later answers.
  // The number of the answer; 0: not asked, because no logger runs or it does not read. An answer
  // also never comes if the logger ends first: wait for it with a limit.
  int64_t AskTail(const std::string& label, bool forget);
  // False: not asked. `request` comes back in the answer.
  bool Read(int64_t request, const v1::ReadOutput& read);

 private:
  struct Attached {
    v1::LoggerAttach attach;
    // This logger has its FIFOs open.
    bool opened = false;
    bool attach_due = false;
    bool detach_due = false;
  };
  enum class Sent { kYes, kFull, kGone };

  void OnLink(uint32_t events);
  void Take(const std::string& packet);
  // What is in a FIFO is gone once nobody has it open: a program that ends before the logger has
  // opened it would have said nothing. So it is open here until then.
  void Hold(Attached* attached);
  void AskOpened();
  void OnOpened();
  void Connect(UniqueFd link);
  void Disconnect();
  void WaitForRoom();
  // What is due of attachments, as far as the socket takes it.
  void Pump();
  Sent Send(const v1::LoggerDown& message);

  Poller* const poller_;
  const Callbacks callbacks_;
  std::map<std::string, Attached> attached_;
  // Labels with something due.
  std::set<std::string> due_;
  int64_t last_request_ = 0;
  // By path. Those in asked_ are let go of with the answer to opened_request_ (0: none is due): it
  // was sent after their attachments, and the logger takes one after the other.
  std::map<std::string, UniqueFd> held_;
  std::map<std::string, UniqueFd> asked_;
  std::vector<std::string> asked_labels_;
  int64_t opened_request_ = 0;

  UniqueFd link_;
  Poller::Token link_watch_ = 0;
  bool waiting_for_room_ = false;
  KeptChild child_;
};

}  // namespace procctl::node

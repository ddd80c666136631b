// A guardian as the uplink knows it: starts the real procctl-uplink on a socketpair, keeps events
// in a ring until they are reported as spooled, and collects what comes down. One thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "procctl/v1/link.pb.h"
#include "proto/support/unique_fd.h"

namespace procctl::uplink {

class FakeGuardian {
 public:
  // `state_dir` of `hello` is used; its log goes to <log_path>.
  FakeGuardian(v1::LinkHello hello, std::string log_path);
  // Kills the uplink if it still runs.
  ~FakeGuardian();
  FakeGuardian(const FakeGuardian&) = delete;
  FakeGuardian& operator=(const FakeGuardian&) = delete;

  // Applied in the child between fork and exec; async-signal-safe calls only.
  void set_before_exec(std::function<void()> prepare) { before_exec_ = std::move(prepare); }

  // Starts an uplink; sends hello, the rows and every event that is not spooled.
  void Start();
  // SIGKILL and reap.
  void Kill();
  // Closes the link. Returns the exit code, or -1 if the uplink has not ended within `patience`.
  int Close(std::chrono::milliseconds patience);
  int Terminate(std::chrono::milliseconds patience);
  pid_t pid() const { return pid_; }

  // A later guardian: new epoch, empty ring.
  void NextEpoch();

  // Records `count` events and sends them; sends as much as fits and the rest from Pump.
  void Record(int count);
  void RecordVerdict(const std::string& order_id);
  // An event of that kind that answers an order.
  void RecordAnswer(v1::EventKind kind, const std::string& order_id);
  void SetSlots(const std::vector<v1::Slot>& slots);
  // Sent with the slots from the next SetSlots on.
  void SetPrograms(std::vector<v1::Program> programs) { programs_ = std::move(programs); }
  void Send(const v1::LinkUp& message);
  void SendRaw(const std::string& bytes);

  // Sends and receives until `done` or the time is over.
  bool Pump(const std::function<bool()>& done,
            std::chrono::milliseconds patience = std::chrono::seconds(20));

  std::int64_t last_seq() const { return last_seq_; }
  std::int64_t spooled() const { return spooled_; }
  const std::vector<v1::LinkOrder>& orders() const { return orders_; }
  const std::vector<v1::LinkHoldOrder>& holds() const { return holds_; }
  const std::vector<v1::LinkProgramOrder>& programs() const { return program_orders_; }
  const std::vector<v1::DetailRequest>& details() const { return details_; }
  // Refused controllers that it was told of.
  const std::vector<std::string>& conflicts() const { return conflicts_; }
  int snapshot_requests() const { return snapshot_requests_; }
  std::string Log() const;

 private:
  void QueueEvent(v1::Event event);
  void Reap();

  v1::LinkHello hello_;
  std::string log_path_;
  std::function<void()> before_exec_;
  UniqueFd link_;
  pid_t pid_ = -1;
  std::vector<v1::Slot> slots_;
  std::vector<v1::Program> programs_;
  std::deque<v1::Event> ring_;
  // What waits for room in the socket.
  std::deque<std::string> outgoing_;
  std::int64_t last_seq_ = 0;
  std::int64_t spooled_ = 0;
  std::vector<v1::LinkOrder> orders_;
  std::vector<v1::LinkHoldOrder> holds_;
  std::vector<v1::LinkProgramOrder> program_orders_;
  std::vector<v1::DetailRequest> details_;
  std::vector<std::string> conflicts_;
  int snapshot_requests_ = 0;
};

}  // namespace procctl::uplink

// How fast the targets of one order are stopped: who is next, when to look again, when to halt.
//
//   WAITING --Next--> SENT --verdict--> BACK
//      ^               |  \--verdict, its node starts it again--> AWAITED --Returned--> BACK
//      |               |                                              \--too late--> FAILED
//      +--Withdraw-----+--no verdict in time, or one that is no end--> FAILED
//
//   RUNNING <--Pause, Resume--> PAUSED        RUNNING --too many failed--> HALTED --Resume-->
//   RUNNING
//      any of them --Cancel--> CANCELLED, --nobody is waited for any more--> FINISHED
//
// What has failed is waited for no longer: halting is what stops an order then. Pure: no clock, no
// lock.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "controller/core/mono_time.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::controller {

struct Pace {
  // Most targets that are SENT or AWAITED at a time; 0: no bound.
  int max_unavailable = 0;
  // Targets of one batch; 0: all.
  int batch = 0;
  std::chrono::nanoseconds pause{0};
  // From the verdict; still in time at exactly the limit. 0: nobody waits for what comes back.
  std::chrono::nanoseconds recovery_limit = std::chrono::minutes(5);
  // Halts when more than this share of a batch has failed; exactly the share is not more.
  int halt_percent = 20;

  // An order of so many targets goes out in more than one piece.
  bool SlowsDown(size_t targets) const;
  bool operator==(const Pace&) const = default;
};

// INVALID_ARGUMENT says which field is wrong and what would be right.
absl::Status CheckPace(const v1::Pace& pace);
// Of one that passed the check.
Pace PaceOf(const v1::Pace& pace);
v1::Pace MessageOf(const Pace& pace);

class Pacer {
 public:
  // `batches`: the batch of each target, from 1, ascending without holes.
  Pacer(const Pace& pace, const std::vector<int>& batches);

  struct Turn {
    // To send now; they are SENT from here on.
    std::vector<size_t> send;
    // When Next may have something new though nothing was reported.
    std::optional<MonoTime> look_again;
  };
  // Also finds out whether the order halts or is finished: look at state() afterwards.
  Turn Next(MonoTime now);

  // Of a SENT target.
  void Ended(size_t target, bool stopped, bool comes_back, MonoTime now);
  // It was chosen by Next and did not go out after all.
  void Withdraw(size_t target);
  // Of an AWAITED target: it runs again, or its node will not start it again. Any other is ignored.
  void Returned(size_t target, MonoTime now);

  // It was sent in an earlier life of the controller. Before anything else is called.
  void RestoreSent(size_t target);
  // As it stood in an earlier life.
  void RestoreState(v1::OrderState state, std::string message);

  // Each returns false and changes nothing where the order has ended. One that is there already
  // stays as it is.
  bool Pause(std::string why);
  // What failed so far is forgiven: it does not halt the order a second time.
  bool Resume(std::string why, MonoTime now);
  bool Cancel(std::string why);

  v1::OrderState state() const { return state_; }
  const std::string& message() const { return message_; }
  bool ended() const;

  // AWAITED ones.
  std::vector<size_t> Awaited() const;

  int waiting() const { return waiting_; }
  int under_way() const { return under_way_; }
  // FAILED ones among them.
  int done() const { return static_cast<int>(targets_.size()) - waiting_ - under_way_; }
  int failed() const { return failed_; }
  // The one under way, from 1; the last one at the end.
  int batch() const;
  int batches() const { return static_cast<int>(batches_.size()); }

 private:
  enum class At : unsigned char { kWaiting, kSent, kAwaited, kBack, kFailed };
  struct Batch {
    size_t begin = 0;
    size_t end = 0;
    size_t settled = 0;
    size_t failed = 0;  // and not forgiven
  };
  void Settle(size_t target, At at, MonoTime now);
  bool HaltsAt(const Batch& batch) const;
  void FailOverdue(MonoTime now);

  const Pace pace_;
  std::vector<At> targets_;
  std::vector<size_t> batch_of_;
  std::vector<Batch> batches_;
  size_t current_ = 0;                  // first batch that is not settled
  std::optional<MonoTime> settled_at_;  // when the batch before it was
  std::map<size_t, MonoTime> awaited_;  // since when
  int waiting_ = 0;
  int under_way_ = 0;
  int failed_ = 0;
  v1::OrderState state_ = v1::ORDER_STATE_RUNNING;
  std::string message_;
};

}  // namespace procctl::controller

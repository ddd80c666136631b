// Takes questions for details, for usage of slots and for output of programs to the nodes, and
// their answers back.
//
//   Ask -> (DetailRequest to the session) -> node -> OnReply -> listener
//                        \ the session ends, or its patience does -> listener, with the reason
//
// Thread-safe, never blocks. Never calls a listener or a session with its lock held.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/mono_time.h"
#include "controller/rpc/fleet.h"
#include "procctl/v1/detail.pb.h"

namespace procctl::controller {

// One caller; exactly one of these is called, once.
class DetailListener {
 public:
  virtual ~DetailListener() = default;
  // Holds what was asked for.
  virtual void Answered(v1::DetailReply reply) = 0;
  virtual void Refused(const absl::Status& why) = 0;
};

class DetailDesk {
 public:
  static constexpr std::chrono::seconds kPatience{5};
  // For usage, which is shown beside what is known without: with the 250 ms between two ticks, 2 s.
  static constexpr std::chrono::milliseconds kUsagePatience{1750};
  // An answer costs its guardian time: a few at once are a person's, many a mistake. Details,
  // output and usage are counted apart: who waits for a program to write something shuts out nobody
  // who asks how it is.
  static constexpr size_t kMostOfNode = 16;
  static constexpr size_t kMost = 1000;
  // A guardian tells the usage of so many slots in one answer, and so many rows does a list with
  // usage have on a page: one question to each of its nodes is enough.
  static constexpr int kMostSlotsOfQuestion = 1000;
  // A list may ask as many nodes as it has rows.
  static constexpr size_t kMostUsage = 4 * kMostSlotsOfQuestion;

  explicit DetailDesk(Fleet* fleet) : fleet_(fleet) {}

  // `request` as the node is to get it, but for its number. Its wait must leave the answer time to
  // come within kPatience.
  void Ask(const std::string& node, v1::DetailRequest request,
           const std::shared_ptr<DetailListener>& listener);

  // From a session of `node`.
  void OnReply(const std::string& node, v1::DetailReply reply);
  // Nothing more comes from that session.
  void OnSessionOver(const std::string& node, std::int64_t session_epoch);

  // Gives up on what is overdue.
  void Tick();

 private:
  enum class Kind { kDetails, kOutput, kUsage };
  struct Asked {
    std::string node;
    v1::DetailRequest request;
    std::int64_t session_epoch = 0;
    MonoTime overdue;
    // Weak: a caller that goes away is forgotten.
    std::weak_ptr<DetailListener> listener;
  };
  // The number of the question, or UNAVAILABLE if there are too many.
  absl::StatusOr<std::int64_t> Register(Asked asked);
  void Refuse(std::int64_t number, const absl::Status& why);

  static Kind KindOf(const v1::DetailRequest& request);
  using Questions = absl::flat_hash_map<std::int64_t, Asked>;
  Asked TakeLocked(Questions::iterator it) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Fleet* const fleet_;
  absl::Mutex mutex_;
  std::int64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  Questions asked_ ABSL_GUARDED_BY(mutex_);
  // How many of them there are; none of a node without any.
  absl::flat_hash_map<Kind, size_t> of_kind_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::pair<std::string, Kind>, size_t> of_node_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller

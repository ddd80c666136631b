// A fake node that takes orders to stop on a thread of its own and answers when a test says so.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "tests/controller/rpc/fake_node.h"

namespace procctl::controller {

class Guardian {
 public:
  // Takes over a node that is connected. Its events are numbered from `first_seq` in epoch 5.
  Guardian(std::unique_ptr<FakeNode> node, std::int64_t first_seq);
  ~Guardian();

  // From now on each order is answered at once.
  void AnswerAll(v1::Verdict verdict);

  // Order ids as they came, of all time.
  std::vector<std::string> Taken();
  // Waits until so many have come in all; false after 20 s.
  bool AwaitTaken(size_t orders);
  // Answers the oldest order that has no answer yet.
  void AnswerOne(v1::Verdict verdict);
  bool Send(const v1::SessionRequest& request);

 private:
  void Loop();
  void Answer(const v1::Order& order, v1::Verdict verdict) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::unique_ptr<FakeNode> node_;
  absl::Mutex mutex_;
  std::int64_t seq_ ABSL_GUARDED_BY(mutex_);
  v1::Verdict verdict_ ABSL_GUARDED_BY(mutex_) = v1::VERDICT_UNSPECIFIED;
  std::vector<std::string> taken_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::Order> open_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace procctl::controller

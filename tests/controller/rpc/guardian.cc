#include "tests/controller/rpc/guardian.h"

#include <utility>

#include "absl/time/time.h"

namespace procctl::controller {

Guardian::Guardian(std::unique_ptr<FakeNode> node, std::int64_t first_seq)
    : node_(std::move(node)), seq_(first_seq), thread_([this] { Loop(); }) {}

Guardian::~Guardian() {
  node_->Cancel();
  thread_.join();
}

void Guardian::Loop() {
  for (;;) {
    const v1::SessionResponse response = node_->Receive();
    if (response.message_case() == v1::SessionResponse::MESSAGE_NOT_SET) return;
    if (!response.has_order()) continue;
    absl::MutexLock lock(&mutex_);
    taken_.push_back(response.order().order_id());
    if (verdict_ == v1::VERDICT_UNSPECIFIED) {
      open_.push_back(response.order());
    } else {
      Answer(response.order(), verdict_);
    }
  }
}

void Guardian::Answer(const v1::Order& order, v1::Verdict verdict) {
  // A stream that has ended answers nothing: what it should have told is missing in the test.
  (void)node_->SendEvents({node_->MakeVerdict(5, seq_++, order, verdict)});
}

void Guardian::AnswerAll(v1::Verdict verdict) {
  absl::MutexLock lock(&mutex_);
  verdict_ = verdict;
  for (; !open_.empty(); open_.pop_front()) Answer(open_.front(), verdict);
}

void Guardian::AnswerOne(v1::Verdict verdict) {
  absl::MutexLock lock(&mutex_);
  if (open_.empty()) return;
  Answer(open_.front(), verdict);
  open_.pop_front();
}

std::vector<std::string> Guardian::Taken() {
  absl::MutexLock lock(&mutex_);
  return taken_;
}

bool Guardian::AwaitTaken(size_t orders) {
  absl::MutexLock lock(&mutex_);
  const auto enough = [this, orders]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return taken_.size() >= orders; };
  return mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(20));
}

bool Guardian::Send(const v1::SessionRequest& request) {
  absl::MutexLock lock(&mutex_);
  return node_->Send(request);
}

}  // namespace procctl::controller

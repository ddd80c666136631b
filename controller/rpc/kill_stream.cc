#include "controller/rpc/kill_stream.h"

#include <utility>

#include "controller/rpc/fleet_messages.h"
#include "proto/support/status.h"

namespace procctl::controller {

std::shared_ptr<KillStream> KillStream::Make(std::string request_id, bool with_status) {
  std::shared_ptr<KillStream> stream(new KillStream(std::move(request_id), with_status));
  {
    absl::MutexLock lock(&stream->mutex_);
    stream->self_ = stream;
  }
  stream->StartSendInitialMetadata();
  return stream;
}

KillStream::KillStream(std::string request_id, bool with_status)
    : request_id_(std::move(request_id)), with_status_(with_status) {}

void KillStream::Accepted(bool repeated, size_t targets) {
  {
    absl::MutexLock lock(&mutex_);
    if (!accepted_.has_value()) accepted_ = repeated;
    if (targets_.size() < targets) targets_.resize(targets);
  }
  Pump();
}

void KillStream::Stands(const OrderStanding& standing) {
  if (!with_status_) return;
  {
    absl::MutexLock lock(&mutex_);
    // News may overtake each other on their way here, but nothing comes after the end.
    if (standing_ && HasEnded(standing_->state)) return;
    standing_ = standing;
    standing_written_ = false;
  }
  Pump();
}

void KillStream::Told(const Progress& progress) {
  {
    absl::MutexLock lock(&mutex_);
    // News may come before Accepted has said how many there are.
    if (progress.target >= targets_.size()) targets_.resize(progress.target + 1);
    Target& target = targets_[progress.target];
    // News may overtake each other on their way here: a later phase stands, and done is done.
    if (target.told &&
        (target.progress.done || RankOf(target.progress.phase) >= RankOf(progress.phase))) {
      return;
    }
    target.told = true;
    target.progress = progress;
    if (progress.done) ++done_;
    if (!target.queued) news_.push_back(progress.target);
    target.queued = true;
  }
  Pump();
}

void KillStream::Refused(const absl::Status& why) { End(why); }

void KillStream::Drain() {
  End(
      absl::UnavailableError("the controller is going down; what was sent stands, repeat with the "
                             "same request id to see it"));
}

void KillStream::Pump() {
  const std::shared_ptr<KillStream> self = shared_from_this();
  mutex_.Lock();
  if (pumping_) {
    mutex_.Unlock();
    return;
  }
  pumping_ = true;
  for (Step step = NextStep(); step != Step::kNone; step = NextStep()) {
    const grpc::Status status = finish_.value_or(grpc::Status::OK);
    mutex_.Unlock();
    if (step == Step::kWrite) {
      StartWrite(&response_);
    } else {
      Finish(status);
    }
    mutex_.Lock();
  }
  pumping_ = false;
  mutex_.Unlock();
}

KillStream::Step KillStream::NextStep() {
  if (finished_ || writing_) return Step::kNone;
  if (!finish_.has_value() && FillResponse()) {
    writing_ = true;
    return Step::kWrite;
  }
  if (!finish_.has_value() && !summary_written_) return Step::kNone;
  finished_ = true;
  return Step::kFinish;
}

bool KillStream::FillResponse() {
  response_.Clear();
  if (!accepted_.has_value()) return false;
  if (!accepted_written_) {
    accepted_written_ = true;
    response_.mutable_accepted()->set_request_id(request_id_);
    response_.mutable_accepted()->set_targets(static_cast<int>(targets_.size()));
    response_.mutable_accepted()->set_repeated_request(*accepted_);
    return true;
  }
  if (!news_.empty()) {
    Target& target = targets_[news_.front()];
    news_.pop_front();
    target.queued = false;
    ToMessage(target.progress, response_.mutable_progress());
    return true;
  }
  if (!standing_written_) {
    standing_written_ = true;
    ToMessage(*standing_, response_.mutable_status());
    return true;
  }
  if (!AllTold() || summary_written_) return false;
  summary_written_ = true;
  FillSummary(response_.mutable_summary());
  return true;
}

bool KillStream::AllTold() const {
  if (done_ < targets_.size()) return false;
  return !with_status_ || (standing_ && HasEnded(standing_->state));
}

void KillStream::FillSummary(v1::KillSummary* summary) const {
  int stopped = 0;
  int gone = 0;
  int not_the_same = 0;
  int cancelled = 0;
  for (const Target& target : targets_) {
    const v1::Verdict verdict = target.progress.verdict;
    if (verdict == v1::VERDICT_EXITED_ON_TERM || verdict == v1::VERDICT_KILLED) ++stopped;
    if (verdict == v1::VERDICT_GONE_ALREADY) ++gone;
    if (verdict == v1::VERDICT_IDENTITY_MISMATCH) ++not_the_same;
    if (target.progress.phase == KillPhase::kCancelled) ++cancelled;
  }
  summary->set_stopped(stopped);
  summary->set_already_gone(gone);
  summary->set_not_the_same(not_the_same);
  summary->set_failed(static_cast<int>(targets_.size()) - stopped - gone - not_the_same -
                      cancelled);
  summary->set_cancelled(cancelled);
}

void KillStream::End(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    if (!finish_.has_value()) finish_ = ToGrpc(status);
  }
  // Also when the end was decided before: it waits for a write that may be over only now.
  Pump();
}

void KillStream::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
  }
  if (!ok) return End(absl::CancelledError("the caller is gone"));
  Pump();
}

// The request goes on without its caller.
void KillStream::OnCancel() { End(absl::CancelledError("the caller is gone")); }

void KillStream::OnDone() {
  std::shared_ptr<KillStream> self;  // let go after the lock, which may be the last of us
  {
    absl::MutexLock lock(&mutex_);
    self = std::move(self_);
  }
}

}  // namespace procctl::controller

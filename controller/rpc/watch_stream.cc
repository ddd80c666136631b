#include "controller/rpc/watch_stream.h"

#include <grpc/grpc.h>

#include <utility>

#include "controller/core/watch_messages.h"
#include "controller/rpc/clocks.h"
#include "controller/rpc/watch_token.h"
#include "proto/support/status.h"

namespace procctl::controller {
namespace {

constexpr char kGoingDown[] = "the controller is going down; watch again with the last bookmark";
constexpr char kTookNothing[] =
    "the watcher took nothing for 60 s; watch again with the last bookmark";

void LetGo(void* held) { delete static_cast<WatchBytes*>(held); }

// The very bytes, kept for as long as gRPC needs them.
grpc::ByteBuffer BufferOf(WatchBytes bytes) {
  auto held = std::make_unique<WatchBytes>(std::move(bytes));
  // gRPC's C interface takes what it never writes to as not const.
  void* data = const_cast<char*>((*held)->data());
  const size_t size = (*held)->size();
  const grpc::Slice slice(data, size, LetGo, held.release());
  return {&slice, 1};
}

}  // namespace

std::string WatchFeed::Token(std::int64_t sequence, std::int64_t position) const {
  return kind == Kind::kSlots ? MakeSlotsToken(filter.fingerprint(), {life, id, sequence})
                              : MakeEventsToken(filter.fingerprint(), position);
}

std::shared_ptr<WatchStream> WatchStream::Make(grpc::CallbackServerContext* context,
                                               AskForPiece ask, std::function<void()> ended) {
  std::shared_ptr<WatchStream> stream(new WatchStream(context, std::move(ask), std::move(ended)));
  {
    absl::MutexLock lock(&stream->mutex_);
    stream->self_ = stream;
  }
  // At once: until then the client keeps what it has sent for a retry.
  stream->StartSendInitialMetadata();
  return stream;
}

void WatchStream::Begin(std::shared_ptr<WatchFeed> feed, WatchCourse course) {
  {
    absl::MutexLock lock(&mutex_);
    feed_ = std::move(feed);
    course_.emplace(std::move(course));
  }
  Pump();
}

void WatchStream::GivePiece(std::int64_t walk, WatchPiece piece) {
  {
    absl::MutexLock lock(&mutex_);
    if (course_) course_->GivePiece(walk, std::move(piece));
  }
  Pump();
}

void WatchStream::TellHole(std::string reason, std::int64_t missed) {
  absl::MutexLock lock(&mutex_);
  if (course_) course_->TellHole(std::move(reason), missed);
}

void WatchStream::Pump() {
  // Finish may let gRPC drop its hold on this object while we are still in the loop.
  const std::shared_ptr<WatchStream> self = shared_from_this();
  mutex_.Lock();
  if (pumping_) {
    // Whoever pumps looks again before it stops.
    mutex_.Unlock();
    return;
  }
  pumping_ = true;
  for (Step step = NextStep(); step != Step::kNone; step = NextStep()) {
    const grpc::Status status = finish_.value_or(grpc::Status::OK);
    PieceOrder order;
    if (step == Step::kAsk) {
      order = {self,
               feed_,
               course_->walk(),
               course_->walk_began(),
               course_->place(),
               course_->join_position(),
               !asked_before_};
      asked_before_ = true;
    }
    mutex_.Unlock();
    switch (step) {
      case Step::kNone:
        break;
      case Step::kWrite:
        StartWrite(&buffer_);
        break;
      case Step::kAsk:
        ask_(std::move(order));
        break;
      case Step::kFinish:
        Finish(status);
        break;
    }
    mutex_.Lock();
  }
  pumping_ = false;
  mutex_.Unlock();
}

WatchStream::Step WatchStream::NextStep() {
  if (finished_) return Step::kNone;
  if (finish_.has_value()) {
    if (writing_) return Step::kNone;
    finished_ = true;
    return Step::kFinish;
  }
  if (!course_) return Step::kNone;
  if (!writing_ && FillBuffer()) {
    writing_ = true;
    write_began_ = MonoNow();
    return Step::kWrite;
  }
  // While one is on its way to the client the next is made.
  return course_->AskForPiece() ? Step::kAsk : Step::kNone;
}

bool WatchStream::FillBuffer() {
  WatchCourse::Next next;
  {
    absl::MutexLock lock(&feed_->mutex);
    next = course_->TakeNext(feed_->ring, MonoNow());
  }
  switch (next.what) {
    case WatchCourse::What::kNothing:
      return false;
    case WatchCourse::What::kPiece:
    case WatchCourse::What::kBatch:
      buffer_ = BufferOf(std::move(next.bytes));
      return true;
    case WatchCourse::What::kSnapshotEnd:
      buffer_ = BufferOf(SnapshotEndMessage());
      return true;
    case WatchCourse::What::kBookmark:
      buffer_ = BufferOf(BookmarkMessage(feed_->Token(next.sequence, next.position), WallNow()));
      return true;
    case WatchCourse::What::kResync:
      buffer_ = BufferOf(ResyncMessage(next.reason, next.missed));
      return true;
  }
  return false;
}

void WatchStream::Cut(const char* why) {
  // The context lives only until OnDone, which cannot come before Finish.
  if (finished_ || cut_) return;
  cut_ = true;
  grpc_call_cancel_with_status(context_->c_call(), GRPC_STATUS_UNAVAILABLE, why, nullptr);
}

void WatchStream::CutIfStuck(MonoTime now) {
  absl::MutexLock lock(&mutex_);
  if (writing_ && now - write_began_ > kMostStuck) {
    if (!finish_.has_value()) finish_ = grpc::Status(grpc::StatusCode::UNAVAILABLE, kTookNothing);
    Cut(kTookNothing);
  }
}

void WatchStream::Drain() {
  {
    absl::MutexLock lock(&mutex_);
    if (!finish_.has_value()) finish_ = grpc::Status(grpc::StatusCode::UNAVAILABLE, kGoingDown);
    // What its client does not take would hold up the shutdown, and what is lost it gets with its
    // bookmark.
    Cut(kGoingDown);
  }
  Pump();
}

void WatchStream::End(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    if (!finish_.has_value()) finish_ = ToGrpc(status);
  }
  // Also when the end was decided before: it waits for a write that may be over only now.
  Pump();
}

void WatchStream::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    buffer_.Clear();
  }
  if (!ok) return End(absl::CancelledError("the watcher is gone"));
  Pump();
}

void WatchStream::OnCancel() { End(absl::CancelledError("the watcher is gone")); }

void WatchStream::OnDone() {
  std::shared_ptr<WatchStream> self;  // let go after the lock, which may be the last of us
  {
    absl::MutexLock lock(&mutex_);
    self = std::move(self_);
    feed_.reset();
    course_.reset();
  }
  ended_();
}

}  // namespace procctl::controller

// The stream of one Watch call: a cursor into the ring of its feed, and the pieces made for it
// alone.
//
// The same pump as node_session.h: one write at a time, one Finish, no lock held in a call to gRPC.
// What it sends are the feed's own bytes, by reference. Owns itself until OnDone.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/watch_course.h"
#include "controller/rpc/live_calls.h"
#include "controller/rpc/watch_feed.h"

namespace procctl::controller {

class WatchStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                          public LiveCall,
                          public std::enable_shared_from_this<WatchStream> {
 public:
  // A watcher that takes nothing for longer than this is cut.
  static constexpr std::chrono::seconds kMostStuck{60};

  // What a piece has to be of.
  struct PieceOrder {
    std::weak_ptr<WatchStream> stream;
    std::shared_ptr<WatchFeed> feed;
    std::int64_t walk = 0;
    std::int64_t walk_began = 0;
    WatchPlace place;
    std::int64_t join_position = 0;  // of events
    bool first = false;
  };
  using AskForPiece = std::function<void(PieceOrder)>;

  // `ask` has pieces made, `ended` hears once that the call is over; both on any thread, without a
  // lock. The reactor belongs to gRPC until its OnDone.
  static std::shared_ptr<WatchStream> Make(grpc::CallbackServerContext* context, AskForPiece ask,
                                           std::function<void()> ended);

  // Once, from the hub's thread: what it is fed by, and where it begins.
  void Begin(std::shared_ptr<WatchFeed> feed, WatchCourse course);
  void GivePiece(std::int64_t walk, WatchPiece piece);
  // Events that it should have seen first are in no history any more.
  void TellHole(std::string reason, std::int64_t missed);
  void End(const absl::Status& status);

  // Sends what there is, if it can take it.
  void Pump();
  void CutIfStuck(MonoTime now);

  void Drain() override;

 private:
  enum class Step { kNone, kWrite, kAsk, kFinish };

  WatchStream(grpc::CallbackServerContext* context, AskForPiece ask, std::function<void()> ended)
      : context_(context), ask_(std::move(ask)), ended_(std::move(ended)) {}

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  Step NextStep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool FillBuffer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Tells the client at once, past everything that it does not read.
  void Cut(const char* why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::CallbackServerContext* const context_;
  const AskForPiece ask_;
  const std::function<void()> ended_;
  // Owned by gRPC between StartWrite and OnWriteDone.
  grpc::ByteBuffer buffer_;

  absl::Mutex mutex_;
  std::shared_ptr<WatchStream> self_ ABSL_GUARDED_BY(mutex_);
  bool pumping_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool cut_ ABSL_GUARDED_BY(mutex_) = false;
  bool asked_before_ ABSL_GUARDED_BY(mutex_) = false;
  MonoTime write_began_ ABSL_GUARDED_BY(mutex_);
  std::optional<grpc::Status> finish_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<WatchFeed> feed_ ABSL_GUARDED_BY(mutex_);
  std::optional<WatchCourse> course_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller

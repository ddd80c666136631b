// One stream of NodeService.Session.
//
//   AWAIT_HELLO --Hello--> CLAIMING --epoch, cursors--> OPEN --...--> finished
//
// Reactions come on gRPC's callback threads, commits on the store's writer thread, ticks on the
// ticker's. All of them change the state under the lock and then Pump: one thread at a time
// performs the next read, write or finish, with no lock held. So there is one read and one write in
// flight at most, exactly one Finish, and nothing after it. The object owns itself until OnDone.
// node_session.cc has the pump, session_welcome.cc the way to OPEN, session_intake.cc what the node
// says from there on.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/synchronization/mutex.h"
#include "controller/core/clock_skew.h"
#include "controller/rpc/admission.h"
#include "controller/rpc/answer_desk.h"
#include "controller/rpc/detail_desk.h"
#include "controller/rpc/fleet.h"
#include "controller/rpc/gatekeeper.h"
#include "controller/rpc/kill_desk.h"
#include "controller/rpc/session_desk.h"
#include "controller/rpc/session_outbox.h"
#include "controller/store/engine.h"
#include "procctl/v1/node_service.grpc.pb.h"
#include "proto/support/peer_identity.h"

namespace procctl::controller {

// What all sessions share; outlives them.
struct SessionWorld {
  Fleet* fleet = nullptr;
  Engine* engine = nullptr;
  KillDesk* kills = nullptr;
  AnswerDesk* answers = nullptr;
  DetailDesk* details = nullptr;
  SessionDesk* desk = nullptr;
  Gatekeeper* gatekeeper = nullptr;
  const Admission* admission = nullptr;
  std::string controller_id;
  std::chrono::nanoseconds heartbeat_interval{0};
  // Orders are taken although they cannot be recorded just now.
  bool orders_without_disk = true;
};

class NodeSession final : public grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse>,
                          public Session,
                          public std::enable_shared_from_this<NodeSession> {
 public:
  // `identity` is a node's. The reactor belongs to gRPC until its OnDone.
  static NodeSession* Start(const SessionWorld* world, grpc::CallbackServerContext* context,
                            Identity identity);

  bool Send(OrderMessage order) override;
  bool AskDetail(v1::DetailRequest request) override;
  void Supersede() override;
  void Dismiss() override;
  void Tick(MonoTime now) override;
  void StopReading() override;
  void Drain(std::chrono::nanoseconds come_back) override;

 private:
  enum class Phase { kAwaitHello, kClaiming, kOpen };
  enum class Step { kNone, kRead, kWrite, kFinish };

  NodeSession(const SessionWorld* world, grpc::CallbackServerContext* context, Identity identity);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void Pump();
  Step NextStep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Perform(Step step);
  // Ends the stream; the first call wins.
  void End(const absl::Status& status);

  // Each returns OK, or what the stream ends with.
  absl::Status Take(v1::SessionRequest* request);
  absl::Status TakeHello(const v1::Hello& hello);
  absl::Status TakeOpen(v1::SessionRequest* request);
  absl::Status TakeSnapshot(std::int64_t epoch, const v1::SnapshotChunk& piece);
  absl::Status TakeEvents(v1::EventBatch* batch);
  void TakeHeartbeat(std::int64_t epoch, const v1::NodeHeartbeat& heartbeat);
  // About this node, into the log and the history.
  void Warn(const std::string& message);
  absl::Status AfterRows(FleetView::Applied applied);
  void Claimed(absl::StatusOr<std::int64_t> epoch, v1::Hello hello);
  void Welcome(std::int64_t epoch, const v1::Hello& hello, const std::vector<Cursor>& cursors);
  void Committed(const absl::StatusOr<procctl::controller::Committed>& committed, size_t bytes);

  const SessionWorld* const world_;
  grpc::CallbackServerContext* const context_;
  const Identity identity_;
  const std::string& node_ = identity_.id;
  const std::string peer_;
  const MonoTime began_;

  // Owned by gRPC between StartRead and OnReadDone, and by this session's reaction in between.
  v1::SessionRequest request_;
  // Touched in that reaction only.
  ClockSkew clock_;
  SkewAlarm skew_alarm_;
  // Owned by gRPC between StartWrite and OnWriteDone.
  v1::SessionResponse response_;

  absl::Mutex mutex_;
  std::shared_ptr<NodeSession> self_ ABSL_GUARDED_BY(mutex_);
  Phase phase_ ABSL_GUARDED_BY(mutex_) = Phase::kAwaitHello;
  std::int64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  bool drains_ ABSL_GUARDED_BY(mutex_) = false;  // the node understands Drain
  bool pumping_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> finish_ ABSL_GUARDED_BY(mutex_);
  bool flush_before_finish_ ABSL_GUARDED_BY(mutex_) = false;
  // Batches taken from the node and not committed: while there are many, nothing more is read,
  // HTTP/2's window closes, and the node's spool holds the rest.
  int uncommitted_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t uncommitted_bytes_ ABSL_GUARDED_BY(mutex_) = 0;

  SessionOutbox outbox_ ABSL_GUARDED_BY(mutex_);
  MonoTime last_write_ ABSL_GUARDED_BY(mutex_);  // began
  MonoTime finish_asked_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller

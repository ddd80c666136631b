// A controller as the uplink knows it: NodeService over mTLS on loopback, with a store that takes
// each event once and notices every breach of the protocol.
#pragma once

#include <grpcpp/server.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "procctl/v1/node_service.grpc.pb.h"
#include "proto/support/tls_files.h"

namespace procctl::uplink {

class FakeController final : public v1::NodeService::Service {
 public:
  explicit FakeController(TlsPem tls);
  ~FakeController() override;

  // On the port of the first start, chosen by the system.
  void Start();
  void Stop();
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // How it behaves; for sessions that begin later, unless said otherwise.
  struct Behaviour {
    std::int64_t session_epoch = 0;  // 0: one more than the last.
    std::chrono::milliseconds heartbeat{1'000};
    bool sends_heartbeats = true;
    // Ends each session with PERMISSION_DENIED.
    bool refuses = false;
    // Takes effect at once: events are received and forgotten.
    bool commits = true;
    // Takes effect at once: committed, but not acknowledged.
    bool acknowledges = true;
    // The database it runs on; none: a controller before that was said.
    std::string history_id;
    std::int64_t generation = 0;
    std::string run;
    std::chrono::milliseconds reconnect_within{100};
    std::chrono::milliseconds snapshot_delay{0};
  };
  void Set(const Behaviour& behaviour);

  void SendOrder(const v1::Order& order);
  void SendHold(const v1::HoldOrder& order);
  void SendProgram(const v1::ProgramOrder& order);
  void AskDetail(std::int64_t request, std::int64_t generation);
  void Ask(const v1::DetailRequest& request);
  void SendResync();
  void SendDrain(std::chrono::milliseconds delay, const std::string& reason);
  // Ends the present session with that status.
  void EndSession(const grpc::Status& status);
  // Forgets everything but the sessions.
  void LoseStore();

  // ---- What it saw. Copies; thread-safe.

  std::int64_t Committed(std::int64_t epoch) const;
  // All numbers that came in the present session, in order (also those not committed).
  std::vector<std::int64_t> ReceivedInSession() const;
  std::vector<v1::Event> Lost() const;
  std::size_t StoredEvents() const;
  int Welcomed() const;
  bool Connected() const;
  std::vector<v1::Hello> Hellos() const;
  // Rows of the last complete snapshot with the deltas since.
  std::map<std::int64_t, v1::Slot> Slots() const;
  std::map<std::string, v1::Program> Programs() const;
  std::int64_t Snapshots() const;
  int Heartbeats() const;
  // Heartbeats with a digest; one that is not of the rows held here is a breach.
  int Digests() const;
  v1::NodeHeartbeat LastHeartbeat() const;
  std::vector<std::string> Goodbyes() const;
  // Sessions that the node ended in good order.
  int EndedByNode() const;
  std::vector<v1::DetailReply> Details() const;
  // Events that name an order, in the order of their commits.
  std::vector<v1::Event> Answers() const;
  // Breaches of the protocol; empty if all is well.
  std::string Breaches() const;
  std::chrono::steady_clock::time_point LastEventAt() const;

  grpc::Status Session(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::SessionResponse, v1::SessionRequest>* stream) override;

 private:
  using Stream = grpc::ServerReaderWriter<v1::SessionResponse, v1::SessionRequest>;

  void TakeLocked(const v1::SessionRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeEventsLocked(const v1::EventBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeHeartbeatLocked(const v1::NodeHeartbeat& heartbeat)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeSlotsLocked(const v1::SessionRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteLocked(const v1::SessionResponse& response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BreachLocked(const std::string& what) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const TlsPem tls_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;

  mutable absl::Mutex mutex_;
  Behaviour behaviour_ ABSL_GUARDED_BY(mutex_);
  Stream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
  grpc::ServerContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);
  std::int64_t last_session_epoch_ ABSL_GUARDED_BY(mutex_) = 100;
  int welcomed_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<v1::Hello> hellos_ ABSL_GUARDED_BY(mutex_);
  std::string breaches_ ABSL_GUARDED_BY(mutex_);
  int heartbeats_ ABSL_GUARDED_BY(mutex_) = 0;
  int digests_ ABSL_GUARDED_BY(mutex_) = 0;
  v1::NodeHeartbeat last_heartbeat_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> goodbyes_ ABSL_GUARDED_BY(mutex_);
  int ended_by_node_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<v1::DetailReply> details_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Event> answers_ ABSL_GUARDED_BY(mutex_);

  // The store.
  std::map<std::int64_t, std::int64_t> committed_ ABSL_GUARDED_BY(mutex_);
  std::size_t stored_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<v1::Event> lost_ ABSL_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point last_event_at_ ABSL_GUARDED_BY(mutex_);

  // Of the present session.
  std::vector<std::int64_t> received_ ABSL_GUARDED_BY(mutex_);
  std::map<std::int64_t, std::int64_t> session_seq_ ABSL_GUARDED_BY(mutex_);
  std::map<std::int64_t, v1::Slot> staged_ ABSL_GUARDED_BY(mutex_);
  std::int64_t staged_number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::int64_t, v1::Slot> slots_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, v1::Program> staged_programs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, v1::Program> programs_ ABSL_GUARDED_BY(mutex_);
  std::int64_t revision_ ABSL_GUARDED_BY(mutex_) = -1;
  std::int64_t snapshots_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace procctl::uplink

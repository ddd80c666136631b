// The stream of one KillSlots, ApplyKill or WatchOrder call: Accepted, progress, but for KillSlots
// where the order stands, Summary.
//
// Progress of a target that the caller has not taken yet is replaced by what is newer, so a slow
// caller costs no more memory than it has targets. The same pump as node_session.h: one write at a
// time, one Finish, no lock held in a call to gRPC. Owns itself until OnDone.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "controller/rpc/kill_listener.h"
#include "controller/rpc/live_calls.h"
#include "procctl/v1/fleet_service.grpc.pb.h"

namespace procctl::controller {

class KillStream final : public grpc::ServerWriteReactor<v1::KillSlotsResponse>,
                         public KillListener,
                         public LiveCall,
                         public std::enable_shared_from_this<KillStream> {
 public:
  // The reactor belongs to gRPC until its OnDone. `with_status`: it tells how the order stands, and
  // ends only with the order.
  static std::shared_ptr<KillStream> Make(std::string request_id, bool with_status);

  void Accepted(bool repeated, size_t targets) override;
  void Told(const Progress& progress) override;
  void Stands(const OrderStanding& standing) override;
  void Refused(const absl::Status& why) override;

  // Ends the call though the request goes on.
  void Drain() override;

 private:
  enum class Step { kNone, kWrite, kFinish };

  KillStream(std::string request_id, bool with_status);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void Pump();
  Step NextStep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool FillResponse() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AllTold() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FillSummary(v1::KillSummary* summary) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(const absl::Status& status);

  const std::string request_id_;
  const bool with_status_;
  // Owned by gRPC between StartWrite and OnWriteDone.
  v1::KillSlotsResponse response_;

  absl::Mutex mutex_;
  std::shared_ptr<KillStream> self_ ABSL_GUARDED_BY(mutex_);
  bool pumping_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> finish_ ABSL_GUARDED_BY(mutex_);
  std::optional<bool> accepted_ ABSL_GUARDED_BY(mutex_);  // its value: repeated
  bool accepted_written_ ABSL_GUARDED_BY(mutex_) = false;
  bool summary_written_ ABSL_GUARDED_BY(mutex_) = false;
  // news_ holds the targets that have changed since they were written.
  struct Target {
    Progress progress;
    bool told = false;
    bool queued = false;
  };
  std::vector<Target> targets_ ABSL_GUARDED_BY(mutex_);
  std::deque<size_t> news_ ABSL_GUARDED_BY(mutex_);
  size_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  // The newest, and whether it is written.
  std::optional<OrderStanding> standing_ ABSL_GUARDED_BY(mutex_);
  bool standing_written_ ABSL_GUARDED_BY(mutex_) = true;
};

}  // namespace procctl::controller

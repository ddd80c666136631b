// A controller that says what a test wants, over real mTLS on loopback; and the CLI run against it.
#pragma once

#include <grpcpp/server.h>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "cli/exit_code.h"
#include "procctl/v1/fleet_service.grpc.pb.h"
#include "tests/proto/test_fleet.h"

namespace procctl::cli::testing {

// Set what it says before the first call; read what it heard after the last one has returned.
class FakeController : public v1::FleetService::Service {
 public:
  using KillWriter = grpc::ServerWriter<v1::KillSlotsResponse>;
  using WatchWriter = grpc::ServerWriter<v1::WatchResponse>;

  explicit FakeController(const TlsFiles& files);
  ~FakeController() override;

  const std::string& address() const { return address_; }

  // What it says. Lists come in pages of `page_size`; filters are heard, not applied, but for
  // those of events where `applies_event_filters`: node, slot, pid, kill, program and kind; and
  // `newest`.
  std::vector<v1::FleetSlot> slots;
  std::vector<v1::Node> nodes;
  std::vector<v1::StoredEvent> events;
  bool applies_event_filters = false;
  v1::FleetSummary summary;
  v1::DescribeResponse description;
  grpc::Status describe_failure = grpc::Status::OK;
  v1::HoldSlotsResponse hold_answer;
  grpc::Status hold_failure = grpc::Status::OK;
  grpc::Status forget_failure = grpc::Status::OK;
  // The handlers are called one at a time, and may change it.
  std::vector<v1::FleetProgram> programs;
  grpc::Status program_failure = grpc::Status::OK;  // instead of their list
  // Before each list of programs.
  std::function<void()> on_list_programs;
  std::function<grpc::Status(const v1::ControlProgramsRequest&, v1::ControlProgramsResponse*)>
      on_control;
  std::function<grpc::Status(const v1::ReadOutput&, v1::OutputChunk*)> on_read;
  size_t page_size = 1000;
  bool repeats_pages = false;
  // Instead of a page, once this many have been given.
  grpc::Status failure = grpc::Status::OK;
  size_t pages_before_failure = 0;
  std::function<grpc::Status(const v1::KillSlotsRequest&, KillWriter*, grpc::ServerContext*)>
      on_kill;
  // With the number of the watch, from 0.
  std::function<grpc::Status(size_t, WatchWriter*, grpc::ServerContext*)> on_watch;

  v1::CountSlotsResponse counts;

  // Of each plan.
  std::string confirm_because;
  grpc::Status plan_failure = grpc::Status::OK;
  std::vector<v1::OrderStatus> order_list;
  grpc::Status steer_failure = grpc::Status::OK;
  std::function<grpc::Status(const v1::WatchOrderRequest&, KillWriter*)> on_watch_order;

  // What it heard.
  v1::CountSlotsRequest count_request;
  std::vector<v1::PlanKillRequest> plans;
  std::vector<v1::ApplyKillRequest> applied;
  std::vector<v1::SteerOrderRequest> steered;
  std::vector<std::string> filters;
  bool asked_for_usage = false;  // by the last list of slots
  v1::ListEventsRequest events_request;
  std::vector<v1::KillSlotsRequest> kills;
  std::vector<v1::WatchRequest> watches;
  std::vector<v1::DescribeRequest> descriptions;
  std::vector<v1::HoldSlotsRequest> holds;
  std::vector<std::string> program_filters;
  std::vector<v1::ControlProgramsRequest> orders;
  std::vector<v1::ReadOutputRequest> reads;
  std::vector<v1::ForgetNodeRequest> forgets;

  grpc::Status GetFleet(grpc::ServerContext*, const v1::GetFleetRequest*,
                        v1::GetFleetResponse*) override;
  grpc::Status ListNodes(grpc::ServerContext*, const v1::ListNodesRequest*,
                         v1::ListNodesResponse*) override;
  grpc::Status ListSlots(grpc::ServerContext*, const v1::ListSlotsRequest*,
                         v1::ListSlotsResponse*) override;
  grpc::Status CountSlots(grpc::ServerContext*, const v1::CountSlotsRequest*,
                          v1::CountSlotsResponse*) override;
  grpc::Status ListEvents(grpc::ServerContext*, const v1::ListEventsRequest*,
                          v1::ListEventsResponse*) override;
  grpc::Status Describe(grpc::ServerContext*, const v1::DescribeRequest*,
                        v1::DescribeResponse*) override;
  grpc::Status ForgetNode(grpc::ServerContext*, const v1::ForgetNodeRequest*,
                          v1::ForgetNodeResponse*) override;
  grpc::Status HoldSlots(grpc::ServerContext*, const v1::HoldSlotsRequest*,
                         v1::HoldSlotsResponse*) override;
  grpc::Status KillSlots(grpc::ServerContext*, const v1::KillSlotsRequest*, KillWriter*) override;
  grpc::Status Watch(grpc::ServerContext*, const v1::WatchRequest*, WatchWriter*) override;
  // Plans what is named, or for a filter all its slots; applies them through on_kill, which sees
  // them as a kill of the same targets.
  grpc::Status PlanKill(grpc::ServerContext*, const v1::PlanKillRequest*,
                        v1::PlanKillResponse*) override;
  grpc::Status ApplyKill(grpc::ServerContext*, const v1::ApplyKillRequest*, KillWriter*) override;
  grpc::Status WatchOrder(grpc::ServerContext*, const v1::WatchOrderRequest*, KillWriter*) override;
  grpc::Status ListOrders(grpc::ServerContext*, const v1::ListOrdersRequest*,
                          v1::ListOrdersResponse*) override;
  grpc::Status SteerOrder(grpc::ServerContext*, const v1::SteerOrderRequest*,
                          v1::SteerOrderResponse*) override;
  grpc::Status ListPrograms(grpc::ServerContext*, const v1::ListProgramsRequest*,
                            v1::ListProgramsResponse*) override;
  grpc::Status ControlPrograms(grpc::ServerContext*, const v1::ControlProgramsRequest*,
                               v1::ControlProgramsResponse*) override;
  grpc::Status ReadOutput(grpc::ServerContext*, const v1::ReadOutputRequest*,
                          v1::ReadOutputResponse*) override;

 private:
  // The half-open range of the page that `token` asks for, or why there is none.
  grpc::Status Page(const std::string& filter, const std::string& token, size_t total,
                    size_t* begin, size_t* end, std::string* next);
  grpc::Status PageLocked(const std::string& token, size_t total, size_t* begin, size_t* end,
                          std::string* next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::vector<v1::StoredEvent> Matching(const v1::ListEventsRequest& request) const;

  absl::Mutex mutex_;                                  // calls may overlap
  v1::PlanKillResponse plan_ ABSL_GUARDED_BY(mutex_);  // the last one
  size_t pages_given_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

// Every order of it is in force.
void TakeAll(const v1::ControlProgramsRequest& request, v1::ControlProgramsResponse* response);

// What an order's stream says of it as a whole.
v1::KillSlotsResponse Stands(v1::OrderState state, const std::string& message);

// What a kill's stream says.
v1::KillSlotsResponse Accepted(const v1::KillSlotsRequest& request);
v1::KillSlotsResponse Step(int target, v1::KillPhase phase);
v1::KillSlotsResponse Done(int target, v1::Verdict verdict,
                           v1::Refusal refusal = v1::REFUSAL_UNSPECIFIED);

struct Outcome {
  ExitCode code;
  std::string out;
  std::string err;
};

// The CLI with a person or a script before it.
struct Cli {
  std::string controller;
  TlsFiles tls;
  std::string server_name;
  // The answer a person gives; nobody is there without one.
  std::optional<bool> answer;
  std::stop_token detach;
  bool terminal = false;
  // The reader of stdout goes away once this says so.
  std::function<bool()> closed;
  std::string question;  // the last one that was put

  Outcome Run(std::vector<std::string> arguments);
};

}  // namespace procctl::cli::testing

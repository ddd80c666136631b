#include "tests/cli/fake_controller.h"

#include <fnmatch.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <sstream>

#include "cli/names.h"
#include "cli/run.h"
#include "proto/support/logging.h"
#include "proto/support/server_arguments.h"
#include "tests/cli/rows.h"

namespace procctl::cli::testing {

namespace {

// What a key of ListEvents stands for in one event.
std::string ValueOf(const std::string& key, const v1::Event& event) {
  if (key == "node") return event.node();
  if (key == "slot") return event.slot();
  if (key == "pid") return std::to_string(event.incarnation().pid());
  if (key == "kill") return std::to_string(event.kill());
  if (key == "program") return event.program();
  if (key == "kind") return Word(event.kind());
  Fatal("the fake controller cannot filter by " + key);
}

bool Holds(const std::string& term, const v1::Event& event) {
  const size_t equals = term.find('=');
  const bool negated = equals > 0 && term[equals - 1] == '!';
  const std::string value = ValueOf(term.substr(0, equals - (negated ? 1 : 0)), event);
  std::istringstream values(term.substr(equals + 1));
  bool among = false;
  for (std::string wanted; std::getline(values, wanted, ',');) {
    among = among || fnmatch(wanted.c_str(), value.c_str(), 0) == 0;
  }
  return among != negated;
}

}  // namespace

FakeController::FakeController(const TlsFiles& files) {
  grpc::ServerBuilder builder;
  ApplyServerArguments(&builder);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", MakeServerCredentials(procctl::testing::Read(files)),
                           &port);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0) Fatal("the fake controller cannot listen");
  address_ = "127.0.0.1:" + std::to_string(port);
}

FakeController::~FakeController() {
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

grpc::Status FakeController::Page(const std::string& filter, const std::string& token, size_t total,
                                  size_t* begin, size_t* end, std::string* next) {
  const absl::MutexLock lock(&mutex_);
  filters.push_back(filter);
  return PageLocked(token, total, begin, end, next);
}

grpc::Status FakeController::PageLocked(const std::string& token, size_t total, size_t* begin,
                                        size_t* end, std::string* next) {
  if (!failure.ok() && pages_given_++ >= pages_before_failure) return failure;
  *begin = std::min(total, token.empty() ? 0 : std::stoul(token));
  *end = std::min(total, *begin + page_size);
  if (*end < total) *next = std::to_string(repeats_pages ? page_size : *end);
  return grpc::Status::OK;
}

grpc::Status FakeController::GetFleet(grpc::ServerContext*, const v1::GetFleetRequest*,
                                      v1::GetFleetResponse* response) {
  const absl::MutexLock lock(&mutex_);
  if (!failure.ok()) return failure;
  response->set_fleet("test");
  response->set_controller_id("ctl-1");
  response->set_software_version("9.9.9");
  response->set_you("operator/alice");
  response->mutable_clock()->set_seconds(kNoon);
  return grpc::Status::OK;
}

grpc::Status FakeController::ListNodes(grpc::ServerContext*, const v1::ListNodesRequest* request,
                                       v1::ListNodesResponse* response) {
  size_t begin = 0;
  size_t end = 0;
  const auto status = Page(request->filter(), request->page_token(), nodes.size(), &begin, &end,
                           response->mutable_next_page_token());
  for (size_t i = begin; i < end; ++i) *response->add_nodes() = nodes[i];
  response->mutable_as_of()->set_seconds(kNoon);
  return status;
}

grpc::Status FakeController::ListSlots(grpc::ServerContext*, const v1::ListSlotsRequest* request,
                                       v1::ListSlotsResponse* response) {
  {
    const absl::MutexLock lock(&mutex_);
    asked_for_usage = request->with_usage();
  }
  size_t begin = 0;
  size_t end = 0;
  const auto status = Page(request->filter(), request->page_token(), slots.size(), &begin, &end,
                           response->mutable_next_page_token());
  for (size_t i = begin; i < end; ++i) *response->add_slots() = slots[i];
  if (begin == 0) *response->mutable_summary() = summary;
  response->mutable_as_of()->set_seconds(kNoon);
  return status;
}

grpc::Status FakeController::CountSlots(grpc::ServerContext*, const v1::CountSlotsRequest* request,
                                        v1::CountSlotsResponse* response) {
  const absl::MutexLock lock(&mutex_);
  count_request = *request;
  *response = counts;
  return failure;
}

grpc::Status FakeController::ListEvents(grpc::ServerContext*, const v1::ListEventsRequest* request,
                                        v1::ListEventsResponse* response) {
  if (request->page_token().empty()) {
    const absl::MutexLock lock(&mutex_);
    events_request = *request;
  }
  const std::vector<v1::StoredEvent> matching = Matching(*request);
  size_t begin = 0;
  size_t end = 0;
  const auto status = Page(request->filter(), request->page_token(), matching.size(), &begin, &end,
                           response->mutable_next_page_token());
  for (size_t i = begin; i < end; ++i) *response->add_events() = matching[i];
  return status;
}

std::vector<v1::StoredEvent> FakeController::Matching(const v1::ListEventsRequest& request) const {
  if (!applies_event_filters) return events;
  std::vector<v1::StoredEvent> matching;
  for (const v1::StoredEvent& stored : events) {
    std::istringstream terms(request.filter());
    bool matches = true;
    for (std::string term; terms >> term;) matches = matches && Holds(term, stored.event());
    if (matches) matching.push_back(stored);
  }
  const auto newest = static_cast<size_t>(request.newest());
  if (newest > 0 && matching.size() > newest) {
    matching.erase(matching.begin(), matching.end() - request.newest());
  }
  return matching;
}

grpc::Status FakeController::Describe(grpc::ServerContext*, const v1::DescribeRequest* request,
                                      v1::DescribeResponse* response) {
  const absl::MutexLock lock(&mutex_);
  descriptions.push_back(*request);
  *response = description;
  return describe_failure;
}

grpc::Status FakeController::ForgetNode(grpc::ServerContext*, const v1::ForgetNodeRequest* request,
                                        v1::ForgetNodeResponse*) {
  const absl::MutexLock lock(&mutex_);
  forgets.push_back(*request);
  return forget_failure;
}

grpc::Status FakeController::HoldSlots(grpc::ServerContext*, const v1::HoldSlotsRequest* request,
                                       v1::HoldSlotsResponse* response) {
  const absl::MutexLock lock(&mutex_);
  holds.push_back(*request);
  *response = hold_answer;
  return hold_failure;
}

grpc::Status FakeController::KillSlots(grpc::ServerContext* context,
                                       const v1::KillSlotsRequest* request, KillWriter* writer) {
  {
    const absl::MutexLock lock(&mutex_);
    kills.push_back(*request);
  }
  if (on_kill == nullptr) return {grpc::StatusCode::INTERNAL, "no kill was expected"};
  return on_kill(*request, writer, context);
}

grpc::Status FakeController::Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                                   WatchWriter* writer) {
  size_t number = 0;
  {
    const absl::MutexLock lock(&mutex_);
    number = watches.size();
    watches.push_back(*request);
  }
  if (on_watch == nullptr) return {grpc::StatusCode::INTERNAL, "no watch was expected"};
  return on_watch(number, writer, context);
}

grpc::Status FakeController::PlanKill(grpc::ServerContext*, const v1::PlanKillRequest* request,
                                      v1::PlanKillResponse* response) {
  const absl::MutexLock lock(&mutex_);
  plans.push_back(*request);
  if (!plan_failure.ok()) return plan_failure;
  const auto add = [&](const v1::KillTarget& target) {
    v1::PlannedTarget* planned = response->add_targets();
    *planned->mutable_target() = target;
    planned->set_state(v1::SLOT_STATE_ALIVE);
    planned->set_outcome(v1::PLANNED_OUTCOME_STOP);
    planned->set_batch(1);
    ++(*response->mutable_outcomes())[v1::PLANNED_OUTCOME_STOP];
  };
  for (const v1::KillTarget& target : request->targets()) add(target);
  for (size_t i = 0; i < slots.size() && request->targets().empty(); ++i) {
    v1::KillTarget target;
    target.set_node(slots[i].node());
    target.set_slot(slots[i].slot().label());
    *target.mutable_incarnation() = slots[i].slot().incarnation();
    add(target);
  }
  response->set_plan_hash("hash-" + std::to_string(plans.size()));
  response->set_batches(1);
  response->set_confirm_needed(!confirm_because.empty());
  response->set_confirm_because(confirm_because);
  plan_ = *response;
  return grpc::Status::OK;
}

grpc::Status FakeController::ApplyKill(grpc::ServerContext* context,
                                       const v1::ApplyKillRequest* request, KillWriter* writer) {
  v1::KillSlotsRequest kill;
  {
    const absl::MutexLock lock(&mutex_);
    applied.push_back(*request);
    if (request->plan_hash() != plan_.plan_hash()) {
      return {grpc::StatusCode::NOT_FOUND, "no such plan"};
    }
    kill.set_request_id(request->request_id());
    for (const v1::PlannedTarget& target : plan_.targets()) *kill.add_targets() = target.target();
    kill.set_reason(plans.back().reason());
  }
  return KillSlots(context, &kill, writer);
}

grpc::Status FakeController::WatchOrder(grpc::ServerContext*, const v1::WatchOrderRequest* request,
                                        KillWriter* writer) {
  if (on_watch_order == nullptr) return {grpc::StatusCode::NOT_FOUND, "no such order is known"};
  return on_watch_order(*request, writer);
}

grpc::Status FakeController::ListOrders(grpc::ServerContext*, const v1::ListOrdersRequest* request,
                                        v1::ListOrdersResponse* response) {
  const absl::MutexLock lock(&mutex_);
  for (const v1::OrderStatus& order : order_list) {
    const bool over = order.state() == v1::ORDER_STATE_FINISHED;
    if (!request->only_running() || !over) *response->add_orders() = order;
  }
  return grpc::Status::OK;
}

grpc::Status FakeController::SteerOrder(grpc::ServerContext*, const v1::SteerOrderRequest* request,
                                        v1::SteerOrderResponse* response) {
  const absl::MutexLock lock(&mutex_);
  steered.push_back(*request);
  for (const v1::OrderStatus& order : order_list) *response->add_orders() = order;
  return steer_failure;
}

grpc::Status FakeController::ListPrograms(grpc::ServerContext*,
                                          const v1::ListProgramsRequest* request,
                                          v1::ListProgramsResponse* response) {
  const absl::MutexLock lock(&mutex_);
  program_filters.push_back(request->filter());
  if (on_list_programs != nullptr) on_list_programs();
  if (!program_failure.ok()) return program_failure;
  size_t begin = 0;
  size_t end = 0;
  const auto status = PageLocked(request->page_token(), programs.size(), &begin, &end,
                                 response->mutable_next_page_token());
  for (size_t i = begin; i < end; ++i) *response->add_programs() = programs[i];
  response->mutable_as_of()->set_seconds(kNoon);
  return status;
}

grpc::Status FakeController::ControlPrograms(grpc::ServerContext*,
                                             const v1::ControlProgramsRequest* request,
                                             v1::ControlProgramsResponse* response) {
  const absl::MutexLock lock(&mutex_);
  orders.push_back(*request);
  if (on_control == nullptr) return {grpc::StatusCode::INTERNAL, "no order was expected"};
  return on_control(*request, response);
}

grpc::Status FakeController::ReadOutput(grpc::ServerContext*, const v1::ReadOutputRequest* request,
                                        v1::ReadOutputResponse* response) {
  const absl::MutexLock lock(&mutex_);
  reads.push_back(*request);
  if (on_read == nullptr) return {grpc::StatusCode::INTERNAL, "no reader was expected"};
  return on_read(request->read(), response->mutable_chunk());
}

void TakeAll(const v1::ControlProgramsRequest& request, v1::ControlProgramsResponse* response) {
  for (int i = 0; i < request.targets_size(); ++i) {
    v1::ProgramOutcome* outcome = response->add_outcomes();
    outcome->set_order_id(request.request_id() + "/" + std::to_string(i));
    outcome->set_done(true);
  }
}

v1::KillSlotsResponse Accepted(const v1::KillSlotsRequest& request) {
  v1::KillSlotsResponse response;
  response.mutable_accepted()->set_request_id(request.request_id());
  response.mutable_accepted()->set_targets(request.targets_size());
  return response;
}

v1::KillSlotsResponse Stands(v1::OrderState state, const std::string& message) {
  v1::KillSlotsResponse response;
  response.mutable_status()->set_request_id("r-1");
  response.mutable_status()->set_state(state);
  response.mutable_status()->set_message(message);
  return response;
}

v1::KillSlotsResponse Step(int target, v1::KillPhase phase) {
  v1::KillSlotsResponse response;
  response.mutable_progress()->set_target(target);
  response.mutable_progress()->set_phase(phase);
  return response;
}

v1::KillSlotsResponse Done(int target, v1::Verdict verdict, v1::Refusal refusal) {
  v1::KillSlotsResponse response = Step(target, v1::KILL_PHASE_DONE);
  v1::TargetProgress* progress = response.mutable_progress();
  progress->set_done(true);
  progress->set_verdict(verdict);
  progress->set_refusal(refusal);
  progress->mutable_took()->set_nanos(800'000'000);
  return response;
}

Outcome Cli::Run(std::vector<std::string> arguments) {
  std::ostringstream out;
  std::ostringstream err;
  Screen::Streams streams{&out, &err, /*colour=*/false, nullptr};
  if (answer) {
    streams.ask = [this](const std::string& text) {
      question = text;
      return *answer;
    };
  }
  streams.terminal = terminal;
  streams.closed = closed;
  const auto environment = [this](const std::string& name) -> std::string {
    if (name == "PROCCTL_CONTROLLER") return controller;
    if (name == "PROCCTL_CA") return tls.ca;
    if (name == "PROCCTL_CERT") return tls.cert;
    if (name == "PROCCTL_KEY") return tls.key;
    if (name == "PROCCTL_SERVER_NAME") return server_name;
    return "";
  };
  const ExitCode code =
      cli::Run(arguments, environment, Screen(streams), [this] { return detach; });
  return {code, out.str(), err.str()};
}

}  // namespace procctl::cli::testing

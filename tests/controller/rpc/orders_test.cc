// PlanKill, ApplyKill, WatchOrder, ListOrders and SteerOrder against a real server and fake nodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/synchronization/notification.h"
#include "tests/controller/rpc/guardian.h"
#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A stream of an order, read on a thread of its own.
class OrderStream {
 public:
  explicit OrderStream(std::unique_ptr<v1::FleetService::Stub> caller)
      : caller_(std::move(caller)) {}
  ~OrderStream() {
    if (!thread_.joinable()) return;
    call_.TryCancel();
    thread_.join();
  }
  void Apply(const v1::ApplyKillRequest& request) { Read(caller_->ApplyKill(&call_, request)); }
  void Watch(const std::string& id) {
    v1::WatchOrderRequest request;
    request.set_request_id(id);
    Read(caller_->WatchOrder(&call_, request));
  }
  // Waits for the first status in that state; nothing comes after 20 s.
  v1::OrderStatus Await(v1::OrderState state) {
    absl::MutexLock lock(&mutex_);
    const auto there = [this, state]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return over_ || FindLocked(state) != nullptr;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(20));
    const v1::OrderStatus* found = FindLocked(state);
    return found == nullptr ? v1::OrderStatus() : *found;
  }
  grpc::Status End() {
    thread_.join();
    return status_;
  }
  bool Over() {
    absl::MutexLock lock(&mutex_);
    return over_;
  }
  // After End.
  const std::vector<v1::KillSlotsResponse>& messages() const { return messages_; }
  const v1::KillSummary& summary() const { return messages_.back().summary(); }
  v1::TargetProgress Last(int target) const {
    v1::TargetProgress last;
    for (const auto& message : messages_) {
      if (message.has_progress() && message.progress().target() == target) {
        last = message.progress();
      }
    }
    return last;
  }

 private:
  void Read(std::unique_ptr<grpc::ClientReader<v1::KillSlotsResponse>> reader) {
    thread_ = std::thread([this, reader = std::move(reader)] {
      v1::KillSlotsResponse response;
      while (reader->Read(&response)) {
        absl::MutexLock lock(&mutex_);
        messages_.push_back(response);
      }
      status_ = reader->Finish();
      absl::MutexLock lock(&mutex_);
      over_ = true;
    });
  }
  const v1::OrderStatus* FindLocked(v1::OrderState state) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const auto& message : messages_) {
      if (message.has_status() && message.status().state() == state) return &message.status();
    }
    return nullptr;
  }

  std::unique_ptr<v1::FleetService::Stub> caller_;
  Call call_;
  absl::Mutex mutex_;
  std::vector<v1::KillSlotsResponse> messages_;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_;
  std::thread thread_;
};

class OrdersTest : public ServerTest {
 protected:
  static v1::Slot Slot(const std::string& label, int number) {
    v1::Slot slot = MakeSlot(label, number);
    slot.mutable_incarnation()->set_pid(1000 + number);
    return slot;
  }
  // A node with so many slots, web-0 and on, whose rows the controller holds when this returns.
  std::unique_ptr<Guardian> Host(const std::string& id, int slots, std::int64_t seq = 1,
                                 const std::vector<v1::Program>& programs = {}) {
    auto node = Node(id);
    EXPECT_TRUE(node->Connect());
    v1::SessionRequest request;
    v1::SnapshotChunk* chunk = request.mutable_snapshot_chunk();
    chunk->set_snapshot(1);
    chunk->set_revision(1);
    chunk->set_last(true);
    for (int i = 0; i < slots; ++i) *chunk->add_slots() = Slot("web-" + std::to_string(i), i + 1);
    for (const v1::Program& program : programs) *chunk->add_programs() = program;
    EXPECT_TRUE(node->Send(request));
    EXPECT_TRUE(node->SendEvents({node->MakeEvent(5, seq)}));
    EXPECT_TRUE(node->AwaitAck(5, seq));
    return std::make_unique<Guardian>(std::move(node), seq + 1);
  }
  struct Planned {
    v1::PlanKillResponse plan;
    grpc::Status status;
  };
  Planned Plan(const v1::PlanKillRequest& request, const std::string& who = "alice",
               Role role = Role::kOperator) {
    Planned planned;
    Call call;
    planned.status = Caller(role, who)->PlanKill(&call, request, &planned.plan);
    return planned;
  }
  static v1::PlanKillRequest ByFilter(const std::string& filter) {
    v1::PlanKillRequest request;
    request.set_filter(filter);
    request.set_reason("new release");
    return request;
  }
  // A plan of all that match, at most so many at a time.
  std::string PlanHash(const std::string& filter, int max_unavailable) {
    v1::PlanKillRequest request = ByFilter(filter);
    request.mutable_pace()->set_max_unavailable(max_unavailable);
    const Planned planned = Plan(request);
    EXPECT_TRUE(planned.status.ok()) << planned.status.error_message();
    confirm_ = planned.plan.confirm_needed() ? planned.plan.targets_size() : 0;
    return planned.plan.plan_hash();
  }
  std::unique_ptr<OrderStream> Apply(const std::string& id, const std::string& hash,
                                     const std::string& who = "alice") {
    v1::ApplyKillRequest request;
    request.set_request_id(id);
    request.set_plan_hash(hash);
    request.set_confirm_targets(confirm_);
    auto stream = std::make_unique<OrderStream>(Caller(Role::kOperator, who));
    stream->Apply(request);
    return stream;
  }
  std::unique_ptr<OrderStream> Watch(const std::string& id) {
    auto stream = std::make_unique<OrderStream>(Caller(Role::kViewer));
    stream->Watch(id);
    return stream;
  }
  grpc::Status Steer(const std::string& id, v1::OrderAction action,
                     v1::SteerOrderResponse* response) {
    v1::SteerOrderRequest request;
    request.set_request_id(id);
    request.set_all(id.empty());
    request.set_action(action);
    request.set_reason("because");
    Call call;
    return Caller(Role::kOperator, "bob")->SteerOrder(&call, request, response);
  }
  grpc::Status Steer(const std::string& id, v1::OrderAction action) {
    v1::SteerOrderResponse response;
    return Steer(id, action, &response);
  }
  std::vector<v1::OrderStatus> Orders(bool only_running = false, int page_size = 0) {
    v1::ListOrdersRequest request;
    request.set_only_running(only_running);
    request.set_page_size(page_size);
    std::vector<v1::OrderStatus> orders;
    const auto caller = Caller(Role::kViewer);
    for (;;) {
      v1::ListOrdersResponse response;
      Call call;
      const grpc::Status status = caller->ListOrders(&call, request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      orders.insert(orders.end(), response.orders().begin(), response.orders().end());
      if (response.next_page_token().empty()) return orders;
      request.set_page_token(response.next_page_token());
    }
  }
  // Among all there are; those of Settle may end a little later than it returns.
  v1::OrderStatus OrderOf(const std::string& id) {
    for (const v1::OrderStatus& order : Orders()) {
      if (order.request_id() == id) return order;
    }
    return {};
  }
  std::vector<std::string> StepsOf(const std::string& id) {
    std::vector<std::string> steps;
    for (const v1::Event& event : Events("kind=order_step order=" + id)) {
      steps.push_back(event.issuer() + ": " + event.message());
    }
    return steps;
  }

  int confirm_ = 0;
};

TEST_F(OrdersTest, APacedOrderNeverTakesMoreThanItMayAndTellsEveryVerdict) {
  const auto host = Host("web-01", 10);
  const auto stream = Apply("r-1", PlanHash("node=web-01", 2));
  ASSERT_TRUE(host->AwaitTaken(2));
  for (size_t answered = 1; answered <= 10; ++answered) {
    Settle();
    EXPECT_EQ(host->Taken().size(), std::min<size_t>(answered + 1, 10)) << "two at a time";
    host->AnswerOne(answered % 2 == 0 ? v1::VERDICT_KILLED : v1::VERDICT_EXITED_ON_TERM);
    ASSERT_TRUE(host->AwaitTaken(std::min<size_t>(answered + 2, 10)));
  }
  ASSERT_TRUE(stream->End().ok());
  EXPECT_EQ(stream->summary().stopped(), 10);
  EXPECT_EQ(stream->messages().front().accepted().targets(), 10);
  for (int target = 0; target < 10; ++target) {
    EXPECT_EQ(host->Taken()[static_cast<size_t>(target)], "r-1/" + std::to_string(target));
    EXPECT_TRUE(stream->Last(target).done());
  }
  EXPECT_EQ(stream->Await(v1::ORDER_STATE_FINISHED).done(), 10);
  EXPECT_THAT(StepsOf("r-1"),
              ElementsAre(HasSubstr("operator/alice: begun by operator/alice: 10 targets to stop, "
                                    "by the filter \"node=web-01\", at most 2 at a time"),
                          HasSubstr("all 10 targets have an outcome, 0 of them failed")));
}

TEST_F(OrdersTest, AnOrderWithoutAPaceGoesOutAtOnce) {
  const auto host = Host("web-01", 5);
  const auto stream = Apply("r-1", PlanHash("node=web-01", 0));
  ASSERT_TRUE(host->AwaitTaken(5));
  host->AnswerAll(v1::VERDICT_KILLED);
  ASSERT_TRUE(stream->End().ok());
  EXPECT_EQ(stream->summary().stopped(), 5);
}

TEST_F(OrdersTest, PausedNothingMoreIsSentAndResumedItGoesOn) {
  const auto host = Host("web-01", 4);
  const auto stream = Apply("r-1", PlanHash("node=web-01", 1));
  ASSERT_TRUE(host->AwaitTaken(1));
  v1::SteerOrderResponse response;
  ASSERT_TRUE(Steer("r-1", v1::ORDER_ACTION_PAUSE, &response).ok());
  EXPECT_EQ(response.orders(0).state(), v1::ORDER_STATE_PAUSED);
  EXPECT_EQ(response.orders(0).message(), "paused by operator/bob: because");
  host->AnswerAll(v1::VERDICT_KILLED);
  EXPECT_EQ(stream->Await(v1::ORDER_STATE_PAUSED).waiting(), 3);
  while (Events("kind=verdict order=r-1/0").empty()) std::this_thread::yield();
  Settle();
  EXPECT_EQ(host->Taken().size(), 1U);
  EXPECT_EQ(OrderOf("r-1").state(), v1::ORDER_STATE_PAUSED);
  ASSERT_TRUE(Steer("r-1", v1::ORDER_ACTION_RESUME).ok());
  ASSERT_TRUE(stream->End().ok());
  EXPECT_EQ(stream->summary().stopped(), 4);
  EXPECT_THAT(StepsOf("r-1"),
              ElementsAre(HasSubstr("begun"), "operator/bob: paused by operator/bob: because",
                          "operator/bob: resumed by operator/bob: because", HasSubstr("all 4")));
  EXPECT_EQ(Steer("r-1", v1::ORDER_ACTION_PAUSE).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Steer("unknown", v1::ORDER_ACTION_PAUSE).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(OrdersTest, CancelledWhatWasNotSentNeverIs) {
  const auto host = Host("web-01", 4);
  const auto stream = Apply("r-1", PlanHash("node=web-01", 1));
  ASSERT_TRUE(host->AwaitTaken(1));
  ASSERT_TRUE(Steer("r-1", v1::ORDER_ACTION_CANCEL).ok());
  ASSERT_TRUE(Steer("r-1", v1::ORDER_ACTION_CANCEL).ok()) << "it is";
  host->AnswerAll(v1::VERDICT_KILLED);
  ASSERT_TRUE(stream->End().ok());
  EXPECT_EQ(stream->summary().stopped(), 1);
  EXPECT_EQ(stream->summary().cancelled(), 3);
  EXPECT_EQ(stream->summary().failed(), 0);
  EXPECT_EQ(stream->Last(3).phase(), v1::KILL_PHASE_CANCELLED);
  ASSERT_TRUE(Steer("r-1", v1::ORDER_ACTION_CANCEL).ok()) << "also as the store tells it";
  Settle();
  EXPECT_EQ(host->Taken().size(), 1U);
  const auto again = Watch("r-1");
  ASSERT_TRUE(again->End().ok());
  EXPECT_EQ(again->summary().cancelled(), 3);
  EXPECT_EQ(again->Last(0).verdict(), v1::VERDICT_KILLED);
  EXPECT_EQ(again->Last(3).phase(), v1::KILL_PHASE_CANCELLED);
}

TEST_F(OrdersTest, AllOrdersArePausedAndCancelledAtOnce) {
  const auto host = Host("web-01", 4);
  const auto first = Apply("r-1", PlanHash("slot=web-0,web-1", 1));
  const auto second = Apply("r-2", PlanHash("slot=web-2,web-3", 1));
  ASSERT_TRUE(host->AwaitTaken(2));
  v1::SteerOrderResponse response;
  ASSERT_TRUE(Steer("", v1::ORDER_ACTION_PAUSE, &response).ok());
  EXPECT_EQ(response.orders_size(), 2);
  EXPECT_EQ(Steer("", v1::ORDER_ACTION_RESUME).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  response.Clear();
  ASSERT_TRUE(Steer("", v1::ORDER_ACTION_CANCEL, &response).ok());
  EXPECT_EQ(response.orders_size(), 2);
  host->AnswerAll(v1::VERDICT_KILLED);
  ASSERT_TRUE(first->End().ok());
  ASSERT_TRUE(second->End().ok());
  EXPECT_EQ(host->Taken().size(), 2U);
}

TEST_F(OrdersTest, ItHaltsWhenTooManyFailAndGoesOnWhenSomebodyResumes) {
  const auto host = Host("web-01", 6);
  v1::PlanKillRequest request = ByFilter("node=web-01");
  request.mutable_pace()->set_batch(2);
  request.mutable_pace()->set_halt_percent(49);
  const Planned planned = Plan(request);
  ASSERT_TRUE(planned.status.ok()) << planned.status.error_message();
  EXPECT_EQ(planned.plan.batches(), 3);
  EXPECT_EQ(planned.plan.targets(5).batch(), 3);
  confirm_ = planned.plan.targets_size();
  const auto stream = Apply("r-1", planned.plan.plan_hash());
  ASSERT_TRUE(host->AwaitTaken(2));
  host->AnswerOne(v1::VERDICT_HELD);
  host->AnswerOne(v1::VERDICT_KILLED);
  const v1::OrderStatus halted = stream->Await(v1::ORDER_STATE_HALTED);
  EXPECT_THAT(halted.message(), HasSubstr("1 of the 2 targets of batch 1 of 3 failed, more than "
                                          "49%; 4 were not sent"));
  EXPECT_EQ(halted.failed(), 1);
  EXPECT_FALSE(stream->Over()) << "it goes on when somebody resumes it";
  Settle();
  EXPECT_EQ(host->Taken().size(), 2U);
  host->AnswerAll(v1::VERDICT_KILLED);
  ASSERT_TRUE(Steer("r-1", v1::ORDER_ACTION_RESUME).ok());
  ASSERT_TRUE(stream->End().ok());
  EXPECT_EQ(stream->summary().stopped(), 5);
  EXPECT_EQ(stream->summary().failed(), 1);
}

TEST_F(OrdersTest, AfterARestartWhatWasSentIsNotSentAgainAndTheRestWaitsForSomebody) {
  auto host = Host("web-01", 4);
  {
    const auto stream = Apply("r-1", PlanHash("node=web-01", 2));
    ASSERT_TRUE(host->AwaitTaken(2));
    host->AnswerOne(v1::VERDICT_KILLED);
    ASSERT_TRUE(host->AwaitTaken(3));
    Restart();
    EXPECT_EQ(stream->End().error_code(), grpc::StatusCode::UNAVAILABLE);
  }
  host.reset();
  host = Host("web-01", 4, /*seq=*/3);
  const auto orders = Orders(/*only_running=*/true);
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].state(), v1::ORDER_STATE_PAUSED);
  EXPECT_THAT(orders[0].message(), HasSubstr("procctl-cli order r-1 --resume"));
  EXPECT_EQ(orders[0].waiting(), 1);
  EXPECT_EQ(orders[0].under_way(), 2);
  EXPECT_EQ(orders[0].done(), 1);
  Settle();
  EXPECT_THAT(host->Taken(), IsEmpty()) << "nobody is signalled twice, or without a person";
  // The verdicts of what an earlier life has sent come as events of their node.
  v1::SessionRequest verdicts;
  for (int target = 1; target <= 2; ++target) {
    v1::Event* event = verdicts.mutable_events()->add_events();
    event->mutable_id()->set_origin("web-01");
    event->mutable_id()->set_epoch(5);
    event->mutable_id()->set_seq(3 + target);
    event->set_node("web-01");
    event->set_kind(v1::EVENT_KIND_VERDICT);
    event->set_verdict(v1::VERDICT_EXITED_ON_TERM);
    event->set_order_id("r-1/" + std::to_string(target));
  }
  ASSERT_TRUE(host->Send(verdicts));
  const auto stream = Watch("r-1");
  EXPECT_EQ(stream->Await(v1::ORDER_STATE_PAUSED).targets(), 4);
  while (OrderOf("r-1").done() < 3) std::this_thread::yield();
  ASSERT_TRUE(Steer("r-1", v1::ORDER_ACTION_RESUME).ok());
  ASSERT_TRUE(host->AwaitTaken(1));
  EXPECT_THAT(host->Taken(), ElementsAre("r-1/3"));
  ASSERT_TRUE(Steer("r-1", v1::ORDER_ACTION_CANCEL).ok()) << "what is sent goes on";
}

TEST_F(OrdersTest, AnOrderThatWasAllSentGoesOnWaitingOverARestart) {
  auto host = Host("web-01", 1);
  {
    const auto stream = Apply("r-1", PlanHash("node=web-01 slot=web-0", 0));
    ASSERT_TRUE(host->AwaitTaken(1));
    Settle();
    Restart();
  }
  host.reset();
  EXPECT_EQ(OrderOf("r-1").state(), v1::ORDER_STATE_RUNNING);
  host = Host("web-01", 1, /*seq=*/1);
  const auto stream = Watch("r-1");
  EXPECT_EQ(stream->Await(v1::ORDER_STATE_RUNNING).under_way(), 1);
  v1::SessionRequest verdict;
  v1::Event* event = verdict.mutable_events()->add_events();
  event->mutable_id()->set_origin("web-01");
  event->mutable_id()->set_epoch(5);
  event->mutable_id()->set_seq(2);
  event->set_node("web-01");
  event->set_kind(v1::EVENT_KIND_VERDICT);
  event->set_verdict(v1::VERDICT_KILLED);
  event->set_order_id("r-1/0");
  ASSERT_TRUE(host->Send(verdict));
  ASSERT_TRUE(stream->End().ok());
  EXPECT_EQ(stream->summary().stopped(), 1);
  EXPECT_THAT(host->Taken(), IsEmpty());
}

TEST_F(OrdersTest, APlanThatWasNeverAppliedStartsNothing) {
  const auto host = Host("web-01", 2);
  const std::string hash = PlanHash("node=web-01", 0);
  Settle();
  EXPECT_THAT(host->Taken(), IsEmpty());
  Restart();
  const auto stream = Apply("r-1", hash);
  const grpc::Status status = stream->End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("plan again"));
  EXPECT_EQ(OrderOf("r-1").state(), v1::ORDER_STATE_UNSPECIFIED) << "there is none";
}

TEST_F(OrdersTest, ARepeatReattachesAlsoWhereThePlanIsGone) {
  const auto host = Host("web-01", 2);
  host->AnswerAll(v1::VERDICT_KILLED);
  const std::string hash = PlanHash("node=web-01", 1);
  ASSERT_TRUE(Apply("r-1", hash)->End().ok());
  Restart();
  const auto again = Apply("r-1", hash);
  ASSERT_TRUE(again->End().ok());
  EXPECT_TRUE(again->messages().front().accepted().repeated_request());
  EXPECT_EQ(again->summary().stopped(), 2);
  EXPECT_EQ(Apply("r-1", std::string(64, '0'))->End().error_code(),
            grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(OrdersTest, OnlyWhoPlannedMayApplyAndOnlyOnce) {
  const auto host = Host("web-01", 2);
  host->AnswerAll(v1::VERDICT_KILLED);
  const std::string hash = PlanHash("node=web-01", 0);
  EXPECT_EQ(Apply("r-1", hash, "mallory")->End().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(host->Taken(), IsEmpty());
  ASSERT_TRUE(Apply("r-2", hash)->End().ok());
  const grpc::Status twice = Apply("r-3", hash)->End();
  EXPECT_EQ(twice.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(twice.error_message(), HasSubstr("applied already, as order r-2"));
  EXPECT_EQ(host->Taken().size(), 2U);
}

TEST_F(OrdersTest, EverybodyNeedsTheExactNumber) {
  const auto host = Host("web-01", 3);
  host->AnswerAll(v1::VERDICT_KILLED);
  for (const char* everybody : {"", " ", "*", "node=*", "name=web-*"}) {
    const Planned planned = Plan(ByFilter(everybody));
    ASSERT_TRUE(planned.status.ok()) << planned.status.error_message();
    EXPECT_TRUE(planned.plan.confirm_needed()) << "\"" << everybody << "\"";
    EXPECT_THAT(planned.plan.confirm_because(), HasSubstr("every slot of the fleet"));
    for (const int wrong : {0, 2, 4, -1}) {
      confirm_ = wrong;
      const grpc::Status status = Apply("r-wrong", planned.plan.plan_hash())->End();
      EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
      EXPECT_THAT(status.error_message(), HasSubstr("must be 3"));
    }
  }
  EXPECT_THAT(host->Taken(), IsEmpty());
  const Planned planned = Plan(ByFilter("*"));
  confirm_ = 3;
  ASSERT_TRUE(Apply("r-1", planned.plan.plan_hash())->End().ok());
  EXPECT_EQ(host->Taken().size(), 3U);
}

TEST_F(OrdersTest, MoreThanTheRoleMayNeedsTheNumberOrIsRefused) {
  server_.reset();
  options_.order_limits = {2, 3, 4, 5};
  Start();
  const auto host = Host("web-01", 6);
  EXPECT_FALSE(Plan(ByFilter("slot=web-0,web-1")).plan.confirm_needed());
  const Planned three = Plan(ByFilter("slot=web-0,web-1,web-2"));
  EXPECT_TRUE(three.plan.confirm_needed());
  EXPECT_FALSE(
      Plan(ByFilter("slot=web-0,web-1,web-2"), "root", Role::kAdmin).plan.confirm_needed());
  const Planned five = Plan(ByFilter("slot!=web-0"));
  EXPECT_EQ(five.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(five.status.error_message(), HasSubstr("5 slots match"));
  EXPECT_TRUE(Plan(ByFilter("slot!=web-0"), "root", Role::kAdmin).status.ok());
}

TEST_F(OrdersTest, AFilterThatIsWrongOrMatchesNothingIsRefused) {
  const auto host = Host("web-01", 2);
  const Planned typo = Plan(ByFilter("nmae=web-0"));
  EXPECT_EQ(typo.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(typo.status.error_message(), HasSubstr("nmae"));
  const Planned nothing = Plan(ByFilter("name=db"));
  EXPECT_EQ(nothing.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(nothing.status.error_message(), HasSubstr("no slot matches \"name=db\""));
  EXPECT_EQ(Plan(ByFilter("cpu>50")).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  v1::PlanKillRequest both = ByFilter("node=web-01");
  both.add_targets();
  EXPECT_EQ(Plan(both).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  v1::PlanKillRequest broken;
  broken.add_targets()->set_node("web-01");
  EXPECT_THAT(Plan(broken).status.error_message(), HasSubstr("targets[0]"));
  EXPECT_EQ(Plan(ByFilter("node=web-01"), "eve", Role::kViewer).status.error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(OrdersTest, AStoppedProgramIsWaitedForUntilItsNewSlotIsAlive) {
  v1::Program program;
  program.set_label("web-0");
  program.set_state(v1::PROGRAM_STATE_RUNNING);
  const auto host = Host("web-01", 2, 1, {program});
  v1::PlanKillRequest request = ByFilter("node=web-01");
  request.mutable_pace()->set_batch(1);
  const Planned planned = Plan(request);
  EXPECT_EQ(planned.plan.targets(0).outcome(), v1::PLANNED_OUTCOME_RESTART);
  EXPECT_EQ(planned.plan.targets(1).outcome(), v1::PLANNED_OUTCOME_STOP);
  confirm_ = 2;
  const auto stream = Apply("r-1", planned.plan.plan_hash());
  ASSERT_TRUE(host->AwaitTaken(1));
  host->AnswerAll(v1::VERDICT_EXITED_ON_TERM);
  while (Events("kind=verdict order=r-1/0").empty()) std::this_thread::yield();
  Settle();
  EXPECT_EQ(host->Taken().size(), 1U) << "it is stopped and not back";
  EXPECT_EQ(OrderOf("r-1").under_way(), 1);
  v1::SessionRequest back;
  back.mutable_delta()->set_from_revision(1);
  back.mutable_delta()->set_to_revision(2);
  *back.mutable_delta()->add_upserts() = Slot("web-0", 17);
  ASSERT_TRUE(host->Send(back));
  ASSERT_TRUE(host->AwaitTaken(2));
  ASSERT_TRUE(stream->End().ok());
  EXPECT_EQ(stream->summary().stopped(), 2);
}

TEST_F(OrdersTest, OrdersAreListedNewestFirstInPages) {
  const auto host = Host("web-01", 3);
  host->AnswerAll(v1::VERDICT_KILLED);
  for (const char* id : {"r-1", "r-2", "r-3"}) {
    ASSERT_TRUE(Apply(id, PlanHash("slot=web-" + std::string(1, id[2] - 1), 0))->End().ok()) << id;
  }
  ASSERT_TRUE(RunHold(HoldRequest("h-1", {"nobody"})).status.ok());
  const auto orders = Orders(false, /*page_size=*/1);
  ASSERT_EQ(orders.size(), 3U) << "a hold is none";
  EXPECT_EQ(orders[0].request_id(), "r-3");
  EXPECT_EQ(orders[2].request_id(), "r-1");
  EXPECT_EQ(orders[2].state(), v1::ORDER_STATE_FINISHED);
  EXPECT_EQ(orders[2].done(), 1);
  EXPECT_EQ(orders[2].issuer(), "operator/alice");
  EXPECT_EQ(orders[2].reason(), "new release");
  EXPECT_THAT(Orders(/*only_running=*/true), IsEmpty());
}

TEST_F(OrdersTest, WatchingWhatIsNoOrderToStopIsNotFound) {
  ASSERT_TRUE(RunHold(HoldRequest("h-1", {"nobody"})).status.ok());
  EXPECT_EQ(Watch("h-1")->End().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Watch("unknown")->End().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Watch("not/an/id")->End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(OrdersTest, AKillOfOneTargetIsAnOrderToo) {
  const auto host = Host("web-01", 1);
  host->AnswerAll(v1::VERDICT_KILLED);
  ASSERT_TRUE(RunKill(KillRequest("r-1", {"web-01"})).status.ok());
  const auto watched = Watch("r-1");
  ASSERT_TRUE(watched->End().ok());
  EXPECT_EQ(watched->Last(0).verdict(), v1::VERDICT_KILLED);
  EXPECT_EQ(watched->Await(v1::ORDER_STATE_FINISHED).done(), 1);
  EXPECT_THAT(StepsOf("r-1"), IsEmpty()) << "its verdict says it all";
}

}  // namespace
}  // namespace procctl::controller

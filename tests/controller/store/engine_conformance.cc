#include "tests/controller/store/engine_conformance.h"

#include <stdlib.h>

#include <filesystem>
#include <future>
#include <random>
#include <string_view>
#include <utility>

#include "controller/core/event_gap.h"
#include "controller/core/event_match.h"
#include "proto/support/filter_schemas.h"

namespace procctl::controller {
namespace {

template <typename Result>
auto Into(std::promise<Result>* promise) {
  return [promise](Result result) { promise->set_value(std::move(result)); };
}

std::vector<v1::Event> Range(const std::string& node, std::int64_t epoch, std::int64_t first,
                             std::int64_t last) {
  std::vector<v1::Event> events;
  for (std::int64_t seq = first; seq <= last; ++seq) events.push_back(MakeEvent(node, epoch, seq));
  return events;
}

std::vector<std::int64_t> Seqs(const std::vector<v1::Event>& events) {
  std::vector<std::int64_t> seqs;
  for (const v1::Event& event : events) seqs.push_back(event.id().seq());
  return seqs;
}

OrderRequest MakeRequest(const std::string& id, const std::vector<std::string>& nodes) {
  OrderRequest request;
  request.id = id;
  request.issuer = "operator/alice";
  request.reason = "stuck";
  request.grace = std::chrono::seconds(3);
  for (const std::string& node : nodes) {
    OrderTarget& target = request.targets.emplace_back();
    target.node = node;
    target.label = "encoder";
    target.incarnation.set_boot_id("boot");
    target.incarnation.set_pid(4242);
    target.incarnation.set_start_ticks(1'000'000'000'000);
    target.incarnation.set_generation(7);
  }
  return request;
}

}  // namespace

v1::Event MakeEvent(const std::string& node, std::int64_t epoch, std::int64_t seq) {
  v1::Event event;
  event.mutable_id()->set_origin(node);
  event.mutable_id()->set_epoch(epoch);
  event.mutable_id()->set_seq(seq);
  event.set_node(node);
  event.set_kind(v1::EVENT_KIND_HUNG);
  event.set_slot("encoder.2");
  event.set_name("encoder");
  event.mutable_incarnation()->set_pid(static_cast<int>(1000 + seq));
  return event;
}

void EngineConformance::SetUp() {
  std::string pattern = (std::filesystem::temp_directory_path() / "procctl-engine-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  dir_ = pattern + "/state";
  Reopen();
}

void EngineConformance::TearDown() {
  engine_.reset();
  std::filesystem::remove_all(std::filesystem::path(dir_).parent_path());
}

void EngineConformance::Reopen() {
  engine_.reset();
  auto opened = GetParam().open(dir_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  engine_ = *std::move(opened);
}

std::int64_t EngineConformance::Claim(const std::string& node, std::int64_t at_least) {
  std::promise<absl::StatusOr<std::int64_t>> result;
  engine_->coordinator().Claim(node, at_least, Into(&result));
  const auto epoch = result.get_future().get();
  EXPECT_TRUE(epoch.ok()) << epoch.status();
  return epoch.value_or(0);
}

absl::StatusOr<Committed> EngineConformance::Append(const std::string& node, std::int64_t session,
                                                    std::vector<v1::Event> events) {
  std::promise<absl::StatusOr<Committed>> result;
  engine_->commit_log().Append({node, session, std::move(events)}, Into(&result));
  return result.get_future().get();
}

absl::StatusOr<Committed> EngineConformance::AppendOwn(std::vector<v1::Event> events) {
  std::promise<absl::StatusOr<Committed>> result;
  engine_->commit_log().AppendOwn(std::move(events), Into(&result));
  return result.get_future().get();
}

std::vector<Cursor> EngineConformance::Cursors(const std::string& node) {
  std::promise<absl::StatusOr<std::vector<Cursor>>> result;
  engine_->commit_log().LoadCursors(node, Into(&result));
  const auto cursors = result.get_future().get();
  EXPECT_TRUE(cursors.ok()) << cursors.status();
  return cursors.value_or(std::vector<Cursor>());
}

absl::StatusOr<std::vector<Cursor>> EngineConformance::AcceptGaps(const std::string& node,
                                                                  std::int64_t session,
                                                                  std::vector<HeldRange> held) {
  std::promise<absl::StatusOr<std::vector<Cursor>>> result;
  engine_->commit_log().AcceptGaps(node, session, std::move(held), Into(&result));
  return result.get_future().get();
}

absl::Status EngineConformance::Forget(const std::string& node) {
  std::promise<absl::Status> result;
  engine_->coordinator().Forget(node, Into(&result));
  return result.get_future().get();
}

absl::Status EngineConformance::Record(const OrderRequest& request) {
  std::promise<absl::Status> result;
  engine_->history().RecordRequest(request, std::chrono::system_clock::now(), Into(&result));
  return result.get_future().get();
}

std::vector<std::string> EngineConformance::Events(std::string_view filter, int page) {
  EventQuery query;
  query.filter = *Filter::Parse(filter, EventFilterSchema());
  query.limit = page;
  std::vector<std::string> found;
  for (;;) {
    const auto events = engine_->history().Query(query);
    EXPECT_TRUE(events.ok()) << events.status();
    if (!events.ok()) return found;
    for (const LoggedEvent& logged : events->events) {
      const v1::EventId& id = logged.event.id();
      found.push_back(id.origin() + " " + std::to_string(id.epoch()) + "/" +
                      std::to_string(id.seq()));
      query.after_position = logged.position;
    }
    if (!events->more) return found;
  }
}

TEST_P(EngineConformance, EverySessionEpochIsGreaterThanAllBefore) {
  const std::int64_t first = Claim("a");
  EXPECT_GT(first, 0);
  EXPECT_EQ(Claim("a"), first + 1);
  EXPECT_EQ(Claim("b"), 1);
  Reopen();
  EXPECT_EQ(Claim("a"), first + 2);
  EXPECT_EQ(Claim("a", 100), 101) << "the node has seen 100: ours are behind";
  EXPECT_EQ(Claim("a", 5), 102);
}

TEST_P(EngineConformance, NodesEverClaimedAreKnown) {
  EXPECT_TRUE(engine_->coordinator().KnownNodes()->empty());
  Claim("b");
  Claim("a");
  Claim("b");
  Reopen();
  EXPECT_EQ(*engine_->coordinator().KnownNodes(), (std::vector<std::string>{"a", "b"}));
}

TEST_P(EngineConformance, AForgottenNodeIsKnownAgainWhenItIsClaimedAndStaysFenced) {
  Claim("a");
  Claim("b");
  const std::int64_t session = Claim("a");
  ASSERT_TRUE(Append("a", session, Range("a", 7, 1, 2)).ok());
  ASSERT_TRUE(Forget("a").ok());
  EXPECT_TRUE(absl::IsNotFound(Forget("never claimed")));
  Reopen();
  EXPECT_EQ(*engine_->coordinator().KnownNodes(), (std::vector<std::string>{"b"}));
  EXPECT_EQ(Cursors("a"), (std::vector<Cursor>{{7, 2}}));
  EXPECT_EQ(Claim("a"), session + 1);
  EXPECT_EQ(*engine_->coordinator().KnownNodes(), (std::vector<std::string>{"a", "b"}));
}

TEST_P(EngineConformance, EachStartIsAGreaterGenerationOfTheSameHistory) {
  const StoreIdentity first = engine_->coordinator().identity();
  EXPECT_EQ(first.history_id.size(), 36U);
  EXPECT_GT(first.generation, 0);
  Reopen();
  const StoreIdentity second = engine_->coordinator().identity();
  EXPECT_EQ(second.history_id, first.history_id);
  EXPECT_GT(second.generation, first.generation);
  EXPECT_NE(second.run, first.run);
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_NODE_LOST);
  ASSERT_TRUE(AppendOwn({event}).ok());
  EXPECT_EQ(Events("kind=node_lost"),
            (std::vector<std::string>{"@test " + std::to_string(second.generation) + "/1"}));
}

TEST_P(EngineConformance, WhatNobodyHoldsAnyMoreIsAGapOnRecordAndTheNodeGoesOn) {
  const std::int64_t session = Claim("a");
  ASSERT_TRUE(Append("a", session, Range("a", 7, 1, 3)).ok());
  const std::vector<HeldRange> held = {{9, 5, 6}, {8, 1, 4}, {7, 11, 20}};
  const auto cursors = AcceptGaps("a", session, held);
  ASSERT_TRUE(cursors.ok()) << cursors.status();
  EXPECT_EQ(*cursors, (std::vector<Cursor>{{9, 4}, {7, 10}})) << "8 begins where we stand";
  EXPECT_EQ(*AcceptGaps("a", session, held), *cursors) << "told once";
  Reopen();
  EXPECT_EQ(Cursors("a"), *cursors);
  EventQuery query;
  query.filter = *Filter::Parse("kind=gap node=a", EventFilterSchema());
  const auto page = engine_->history().Query(query);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->events.size(), 2U);
  EXPECT_EQ(GapOf(page->events[0].event), (EventGap{"a", 9, 1, 4}));
  EXPECT_EQ(GapOf(page->events[1].event), (EventGap{"a", 7, 4, 10}));
  EXPECT_EQ(page->events[0].event.id().origin(), "@test");
  EXPECT_EQ(page->events[1].event.severity(), v1::SEVERITY_ALARM);
  EXPECT_TRUE(Append("a", Claim("a"), Range("a", 7, 11, 20)).ok());
}

TEST_P(EngineConformance, GapsAreToldOnlyByTheSessionThatOwnsTheNode) {
  const std::int64_t old_session = Claim("a");
  const std::int64_t session = Claim("a");
  EXPECT_TRUE(absl::IsAborted(AcceptGaps("a", old_session, {{7, 5, 9}}).status()));
  for (const HeldRange& bad : {HeldRange{0, 1, 2}, {7, 0, 2}, {7, 3, 2}, {-1, 1, 1}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(AcceptGaps("a", session, {{8, 4, 5}, bad}).status()));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(
      AcceptGaps("a", session, std::vector<HeldRange>(CommitLog::kMostCursors + 1, {7, 1, 1}))
          .status()));
  EXPECT_TRUE(Events().empty());
  EXPECT_TRUE(AcceptGaps("a", session, {})->empty());
}

TEST_P(EngineConformance, TheClocksDifferenceIsKeptWhereItIsKnown) {
  const std::int64_t session = Claim("a");
  std::promise<absl::StatusOr<Committed>> result;
  engine_->commit_log().Append(
      {"a", session, Range("a", 7, 1, 1), std::chrono::nanoseconds(-1'500'000'007)}, Into(&result));
  ASSERT_TRUE(result.get_future().get().ok());
  ASSERT_TRUE(Append("a", session, Range("a", 7, 2, 2)).ok());
  const auto page = engine_->history().Query({});
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->events.size(), 2U);
  EXPECT_EQ(page->events[0].skew, std::chrono::nanoseconds(-1'500'000'007));
  EXPECT_EQ(page->events[1].skew, std::nullopt);
}

TEST_P(EngineConformance, ABatchIsCommittedWithItsCursor) {
  const std::int64_t session = Claim("a");
  const auto committed = Append("a", session, Range("a", 7, 1, 3));
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(committed->cursors, (std::vector<Cursor>{{7, 3}}));
  EXPECT_EQ(Seqs(committed->fresh), (std::vector<std::int64_t>{1, 2, 3}));
  Reopen();
  EXPECT_EQ(Cursors("a"), (std::vector<Cursor>{{7, 3}}));
  EXPECT_EQ(Events(), (std::vector<std::string>{"a 7/1", "a 7/2", "a 7/3"}));
}

TEST_P(EngineConformance, DuplicatesAreLeftOutAndAcknowledgedAgain) {
  const std::int64_t session = Claim("a");
  ASSERT_TRUE(Append("a", session, Range("a", 7, 1, 3)).ok());
  const auto again = Append("a", session, Range("a", 7, 1, 5));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->cursors, (std::vector<Cursor>{{7, 5}}));
  EXPECT_EQ(Seqs(again->fresh), (std::vector<std::int64_t>{4, 5}));
  const auto all_old = Append("a", session, Range("a", 7, 2, 4));
  ASSERT_TRUE(all_old.ok());
  EXPECT_EQ(all_old->cursors, (std::vector<Cursor>{{7, 5}}));
  EXPECT_TRUE(all_old->fresh.empty());
  EXPECT_EQ(Events().size(), 5U);
}

TEST_P(EngineConformance, AGapCommitsNothingOfItsBatch) {
  const std::int64_t session = Claim("a");
  EXPECT_TRUE(absl::IsAborted(Append("a", session, Range("a", 7, 2, 3)).status()));
  std::vector<v1::Event> events = Range("a", 7, 1, 2);
  events.push_back(MakeEvent("a", 7, 4));
  EXPECT_TRUE(absl::IsAborted(Append("a", session, events).status()));
  EXPECT_TRUE(Events().empty());
  EXPECT_TRUE(Cursors("a").empty());
  EXPECT_TRUE(Append("a", session, Range("a", 7, 1, 4)).ok());
}

TEST_P(EngineConformance, ALostRangeCountsAsItsNumbers) {
  const std::int64_t session = Claim("a");
  v1::Event lost = MakeEvent("a", 7, 500);
  lost.set_kind(v1::EVENT_KIND_EVENTS_LOST);
  lost.mutable_lost()->set_first_seq(2);
  lost.mutable_lost()->set_last_seq(500);
  const auto committed = Append("a", session, {MakeEvent("a", 7, 1), lost, MakeEvent("a", 7, 501)});
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(committed->cursors, (std::vector<Cursor>{{7, 501}}));
}

TEST_P(EngineConformance, EpochsAreNumberedApart) {
  const std::int64_t session = Claim("a");
  std::vector<v1::Event> events = Range("a", 7, 1, 2);
  for (v1::Event& event : Range("a", 9, 1, 3)) events.push_back(std::move(event));
  ASSERT_TRUE(Append("a", session, events).ok());
  EXPECT_EQ(Cursors("a"), (std::vector<Cursor>{{9, 3}, {7, 2}}));
}

TEST_P(EngineConformance, ASupersededSessionCommitsNothing) {
  const std::int64_t old_session = Claim("a");
  const std::int64_t session = Claim("a");
  EXPECT_TRUE(absl::IsAborted(Append("a", old_session, Range("a", 7, 1, 1)).status()));
  EXPECT_TRUE(absl::IsAborted(Append("never claimed", 1, {}).status()));
  EXPECT_TRUE(Append("a", session, Range("a", 7, 1, 1)).ok());
}

TEST_P(EngineConformance, ANodeSpeaksOnlyForItself) {
  const std::int64_t session = Claim("a");
  EXPECT_TRUE(absl::IsInvalidArgument(Append("a", session, Range("b", 7, 1, 1)).status()));
  v1::Event event = MakeEvent("a", 7, 1);
  event.set_node("b");
  ASSERT_TRUE(Append("a", session, {event}).ok());
  EXPECT_EQ(Events("node=a").size(), 1U);
  EXPECT_TRUE(Events("node=b").empty());
}

TEST_P(EngineConformance, OwnEventsAreNumberedAnewInEachLife) {
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_NODE_LOST);
  event.set_node("a");
  ASSERT_TRUE(AppendOwn({event, event}).ok());
  ASSERT_TRUE(AppendOwn({event}).ok());
  Reopen();
  ASSERT_TRUE(AppendOwn({event}).ok());
  const std::vector<std::string> events = Events("kind=node_lost");
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[0], "@test 1/1");
  EXPECT_EQ(events[2], "@test 1/3");
  EXPECT_EQ(events[3], "@test 2/1");
}

TEST_P(EngineConformance, CallbacksComeInTheOrderOfTheCalls) {
  const std::int64_t session = Claim("a");
  std::vector<std::int64_t> order;
  for (std::int64_t seq = 1; seq <= 500; ++seq) {
    engine_->commit_log().Append({"a", session, {MakeEvent("a", 7, seq)}},
                                 [&order, seq](const absl::StatusOr<Committed>& committed) {
                                   EXPECT_TRUE(committed.ok());
                                   order.push_back(seq);
                                 });
  }
  EXPECT_EQ(Cursors("a"), (std::vector<Cursor>{{7, 500}})) << "all appended before are seen";
  engine_->Stop();
  ASSERT_EQ(order.size(), 500U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(engine_->commit_log().WaitingBytes(), 0U);
}

TEST_P(EngineConformance, StopCommitsWhatWaitsAndRefusesTheRest) {
  const std::int64_t session = Claim("a");
  absl::Status last = absl::UnknownError("not called");
  engine_->commit_log().Append(
      {"a", session, Range("a", 7, 1, 3000)},
      [&](const absl::StatusOr<Committed>& committed) { last = committed.status(); });
  engine_->Stop();
  EXPECT_TRUE(last.ok()) << last;
  EXPECT_TRUE(absl::IsUnavailable(Append("a", session, Range("a", 7, 3001, 3001)).status()));
  Reopen();
  EXPECT_EQ(Cursors("a"), (std::vector<Cursor>{{7, 3000}}));
}

TEST_P(EngineConformance, EventsCanBeFilteredByEveryKey) {
  const std::int64_t a = Claim("a");
  const std::int64_t b = Claim("b");
  v1::Event verdict = MakeEvent("a", 7, 2);
  verdict.set_kind(v1::EVENT_KIND_VERDICT);
  verdict.set_cause(v1::CAUSE_OPERATOR);
  verdict.set_verdict(v1::VERDICT_KILLED);
  verdict.set_order_id("r/0");
  verdict.set_name("my [worker]");
  verdict.set_kill(1'099'511'627'777);
  verdict.set_program("web@1");
  verdict.set_run("web@1/17");
  ASSERT_TRUE(Append("a", a, {MakeEvent("a", 7, 1), verdict}).ok());
  ASSERT_TRUE(Append("b", b, Range("b", 3, 1, 1)).ok());
  const std::vector<std::string> one = {"a 7/2"};
  const std::vector<std::string> others = {"a 7/1", "b 3/1"};
  EXPECT_EQ(Events("kind=verdict"), one);
  EXPECT_EQ(Events("kind!=verdict"), others);
  EXPECT_EQ(Events("cause=operator"), one);
  EXPECT_EQ(Events("verdict=killed,gone_already"), one);
  EXPECT_EQ(Events("order=r/0"), one);
  EXPECT_EQ(Events("order=r/*"), one);
  EXPECT_EQ(Events("order!=r/0"), others);
  EXPECT_EQ(Events("order!=r/*"), others);
  EXPECT_EQ(Events("pid=1002"), one);
  EXPECT_EQ(Events("kill=1099511627777"), one);
  EXPECT_EQ(Events("kill=1099511627777,5"), one);
  EXPECT_EQ(Events("kill!=1099511627777"), others);
  EXPECT_EQ(Events("kill=0"), others);
  EXPECT_EQ(Events("kill!=0"), one);
  EXPECT_EQ(Events("kill=0,1099511627777").size(), 3U);
  EXPECT_EQ(Events("program=web@1"), one);
  EXPECT_EQ(Events("program=web@*,db"), one);
  EXPECT_EQ(Events("program!=web@1"), others);
  EXPECT_EQ(Events("program!=w*"), others);
  EXPECT_EQ(Events("run=web@1/17"), one);
  EXPECT_EQ(Events("run!=web@1/17"), others);
  EXPECT_TRUE(Events("run=web@1/1").empty());
  EXPECT_EQ(Events("name=my\\x20[worker]"), one);
  EXPECT_EQ(Events("name=my*[w*"), one);
  EXPECT_EQ(Events("name!=my*"), others);
  EXPECT_EQ(Events("node=b"), (std::vector<std::string>{"b 3/1"}));
  EXPECT_EQ(Events("slot=encoder.?").size(), 3U);
  EXPECT_EQ(Events("node=a kind=hung slot=encoder.2"), (std::vector<std::string>{"a 7/1"}));
  EXPECT_TRUE(Events("name=';drop*").empty());
}

TEST_P(EngineConformance, AFilterMeansInTheStoreWhatItMeansInMemory) {
  const std::int64_t session = Claim("a");
  std::mt19937 random(4242);
  const auto pick = [&](const auto& of) -> const auto& {
    return of[std::uniform_int_distribution<size_t>(0, std::size(of) - 1)(random)];
  };
  const std::vector<std::string> texts = {"", "web", "web.2", "a(b)", "*x", "\"q\"", "caf\xc3\xa9"};
  const std::vector<std::int64_t> kills = {0, 0, 5, 7, 1'099'511'627'777};
  std::vector<v1::Event> events;
  for (std::int64_t seq = 1; seq <= 60; ++seq) {
    v1::Event& event = events.emplace_back(MakeEvent("a", 7, seq));
    event.set_slot(pick(texts));
    event.set_name(pick(texts));
    event.set_order_id(pick(texts));
    event.set_program(pick(texts));
    event.set_run(pick(texts));
    event.set_kill(pick(kills));
    event.mutable_incarnation()->set_pid(static_cast<int>(pick(kills) % 100));
    event.set_kind(pick(std::vector<v1::EventKind>{v1::EVENT_KIND_HUNG, v1::EVENT_KIND_VERDICT,
                                                   static_cast<v1::EventKind>(1999)}));
    event.set_cause(pick(std::vector<v1::Cause>{v1::CAUSE_UNSPECIFIED, v1::CAUSE_OPERATOR}));
  }
  ASSERT_TRUE(Append("a", session, events).ok());

  const std::vector<std::string> terms = {"slot=web*",
                                          "name=\"\"",
                                          "name!=\"a(b)\"",
                                          "order=web",
                                          "order=\"\"",
                                          "order!=web",
                                          "order:e",
                                          "program=web,*x",
                                          "program!=\"*x\"",
                                          "program=?eb*",
                                          "run=\"\\\"q\\\"\"",
                                          "run=caf?",
                                          "run!=*",
                                          "kill=0",
                                          "kill>0",
                                          "kill>=5",
                                          "kill<7",
                                          "kill<=5",
                                          "kill!=5,7",
                                          "kill=5,7",
                                          "kill>=0",
                                          "pid>5",
                                          "pid<=7",
                                          "kind=hung",
                                          "kind!=hung,verdict",
                                          "kind=*",
                                          "cause=operator",
                                          "cause!=operator",
                                          "node=a",
                                          "node=b"};
  const auto& make = [&](const auto& self, int depth) -> std::string {
    std::string text;
    const int parts = std::uniform_int_distribution<int>(1, 3)(random);
    for (int i = 0; i < parts; ++i) {
      if (i > 0) text += pick(std::vector<std::string>{" ", " AND ", " OR "});
      text += pick(std::vector<std::string>{"", "", "NOT ", "-"});
      const bool deeper = depth < 3 && std::uniform_int_distribution<int>(0, 2)(random) == 0;
      text += deeper ? "(" + self(self, depth + 1) + ")" : pick(terms);
    }
    return text;
  };
  for (int round = 0; round < 400; ++round) {
    // Terms alone first: what breaks there is easier to read.
    const std::string text = static_cast<size_t>(round) < terms.size()
                                 ? terms[static_cast<size_t>(round)]
                                 : make(make, 0);
    const auto filter = Filter::Parse(text, EventFilterSchema());
    ASSERT_TRUE(filter.ok()) << filter.status();
    std::vector<std::string> expected;
    for (const v1::Event& event : events) {
      if (!Matches(*filter, event)) continue;
      expected.push_back("a 7/" + std::to_string(event.id().seq()));
    }
    ASSERT_EQ(Events(text), expected) << text;
  }
}

TEST_P(EngineConformance, PagesTogetherAreTheWholeLogInOrder) {
  const std::int64_t session = Claim("a");
  ASSERT_TRUE(Append("a", session, Range("a", 7, 1, 25)).ok());
  const std::vector<std::string> all = Events();
  ASSERT_EQ(all.size(), 25U);
  for (const int page : {1, 2, 7, 24, 25, 26}) EXPECT_EQ(Events("", page), all) << page;
  EventQuery query;
  query.limit_bytes = 1;
  EXPECT_EQ(engine_->history().Query(query)->events.size(), 1U) << "a page always moves on";
}

TEST_P(EngineConformance, APageEndsBeforeTheEventThatWouldMakeItTooLarge) {
  const std::int64_t session = Claim("a");
  std::vector<v1::Event> events = Range("a", 7, 1, 20);
  for (v1::Event& event : events) {
    event.mutable_evidence()->set_note(std::string(30'000, 'x'));
  }
  ASSERT_TRUE(Append("a", session, events).ok());
  EventQuery query;
  query.limit_bytes = 100'000;
  int seen = 0;
  for (;;) {
    const auto page = engine_->history().Query(query);
    ASSERT_TRUE(page.ok()) << page.status();
    std::size_t bytes = 0;
    for (const LoggedEvent& logged : page->events) bytes += logged.event.ByteSizeLong();
    EXPECT_LE(bytes, query.limit_bytes);
    seen += static_cast<int>(page->events.size());
    if (!page->more) break;
    EXPECT_EQ(page->events.size(), 3U);
    query.after_position = page->events.back().position;
  }
  EXPECT_EQ(seen, 20);
}

TEST_P(EngineConformance, TheNewestAreTheLastThatMatch) {
  const std::int64_t session = Claim("a");
  std::vector<v1::Event> events = Range("a", 7, 1, 20);
  for (v1::Event& event : events) {
    if (event.id().seq() % 2 == 0) event.set_kind(v1::EVENT_KIND_VERDICT);
  }
  ASSERT_TRUE(Append("a", session, events).ok());
  EventQuery query;
  query.filter = *Filter::Parse("kind=verdict", EventFilterSchema());
  query.newest = 3;
  const auto page = engine_->history().Query(query);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->events.size(), 3U);
  EXPECT_EQ(page->events.front().event.id().seq(), 16);
  EXPECT_FALSE(page->more);
  query.newest = 1000;
  EXPECT_EQ(engine_->history().Query(query)->events.size(), 10U);
}

TEST_P(EngineConformance, SinceIsTheControllersClockAtReceipt) {
  const std::int64_t session = Claim("a");
  ASSERT_TRUE(Append("a", session, Range("a", 7, 1, 1)).ok());
  EventQuery query;
  const auto first = engine_->history().Query(query);
  query.since = first->events[0].received_at;
  EXPECT_EQ(engine_->history().Query(query)->events.size(), 1U);
  query.since = *query.since + std::chrono::nanoseconds(1);
  EXPECT_TRUE(engine_->history().Query(query)->events.empty());
  query.newest = 5;
  EXPECT_TRUE(engine_->history().Query(query)->events.empty());
}

TEST_P(EngineConformance, ARequestIsRecordedOnceWithItsTargets) {
  const OrderRequest request = MakeRequest("r", {"a", "b"});
  ASSERT_TRUE(Record(request).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Record(MakeRequest("r", {"c"}))));
  Reopen();
  const auto found = engine_->history().FindRequest("r");
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_TRUE(found->has_value());
  EXPECT_TRUE(SameTargets((*found)->request, request));
  EXPECT_EQ((*found)->request.issuer, "operator/alice");
  EXPECT_EQ((*found)->request.reason, "stuck");
  EXPECT_EQ((*found)->request.grace, std::chrono::seconds(3));
  EXPECT_EQ((*found)->request.time_to_live, std::nullopt);
  EXPECT_TRUE((*found)->answers.empty());
  EXPECT_FALSE(engine_->history().FindRequest("other")->has_value());
  ASSERT_TRUE(Record(MakeRequest("s", {"a"})).ok());
  EXPECT_EQ(*engine_->history().RequestIds(10), (std::vector<std::string>{"s", "r"}));
  EXPECT_EQ(*engine_->history().RequestIds(1), (std::vector<std::string>{"s"}));
}

TEST_P(EngineConformance, ARequestIsFoundWithTheFirstVerdictOfEachTargetFromItsOwnNode) {
  ASSERT_TRUE(Record(MakeRequest("r", {"a", "b", "a"})).ok());
  const std::int64_t a = Claim("a");
  const auto verdict = [](std::int64_t seq, const std::string& order, v1::Verdict value) {
    v1::Event event = MakeEvent("a", 7, seq);
    event.set_kind(v1::EVENT_KIND_VERDICT);
    event.set_verdict(value);
    event.set_order_id(order);
    return event;
  };
  ASSERT_TRUE(Append("a", a,
                     {verdict(1, "r/2", v1::VERDICT_UNKILLABLE),
                      verdict(2, "r/2", v1::VERDICT_KILLED), verdict(3, "r/1", v1::VERDICT_KILLED)})
                  .ok());
  const auto found = engine_->history().FindRequest("r");
  ASSERT_TRUE(found.ok() && found->has_value());
  ASSERT_EQ((*found)->answers.size(), 1U) << "node a cannot answer for node b";
  EXPECT_EQ((*found)->answers[0].order_id(), "r/2");
  EXPECT_EQ((*found)->answers[0].verdict(), v1::VERDICT_UNKILLABLE);
}

TEST_P(EngineConformance, AHoldIsFoundWithWhatItWasAndHowItWasAnswered) {
  OrderRequest hold = MakeRequest("h", {"a", "a"});
  hold.act = Act::kHold;
  hold.hold_for = std::chrono::minutes(10);
  ASSERT_TRUE(Record(hold).ok());
  OrderRequest release = MakeRequest("u", {"a"});
  release.act = Act::kRelease;
  ASSERT_TRUE(Record(release).ok());
  const std::int64_t a = Claim("a");
  const auto answer = [](std::int64_t seq, const std::string& order, v1::EventKind kind) {
    v1::Event event = MakeEvent("a", 7, seq);
    event.set_kind(kind);
    event.set_order_id(order);
    return event;
  };
  ASSERT_TRUE(
      Append("a", a,
             {answer(1, "h/0", v1::EVENT_KIND_HELD), answer(2, "h/0", v1::EVENT_KIND_HOLD_PLACED),
              answer(3, "u/0", v1::EVENT_KIND_HOLD_ENDED)})
          .ok());
  Reopen();
  const auto found = engine_->history().FindRequest("h");
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_TRUE(SameTargets((*found)->request, hold));
  EXPECT_EQ((*found)->request.hold_for, std::chrono::minutes(10));
  ASSERT_EQ((*found)->answers.size(), 1U);
  EXPECT_EQ((*found)->answers[0].kind(), v1::EVENT_KIND_HOLD_PLACED);
  const auto released = engine_->history().FindRequest("u");
  ASSERT_TRUE(released.ok() && released->has_value());
  EXPECT_EQ((*released)->request.act, Act::kRelease);
  ASSERT_EQ((*released)->answers.size(), 1U);
  EXPECT_EQ((*released)->answers[0].kind(), v1::EVENT_KIND_HOLD_ENDED);
}

TEST_P(EngineConformance, AnOrderAboutAProgramIsFoundWithWhatItWasAndHowItWasAnswered) {
  OrderRequest restart = MakeRequest("p", {"a", "a", "a"});
  restart.act = Act::kProgramRestart;
  restart.grace.reset();
  for (OrderTarget& target : restart.targets) target.label = "web@1";
  restart.targets[0].incarnation.Clear();
  restart.targets[0].any_life = true;
  ASSERT_TRUE(Record(restart).ok());
  OrderRequest reload = MakeRequest("c", {"a", "a"});
  reload.act = Act::kReload;
  for (OrderTarget& target : reload.targets) target = {"a", "", {}, true};
  ASSERT_TRUE(Record(reload).ok());
  const std::int64_t a = Claim("a");
  const auto answer = [](std::int64_t seq, const std::string& order, v1::EventKind kind) {
    v1::Event event = MakeEvent("a", 7, seq);
    event.set_kind(kind);
    event.set_order_id(order);
    return event;
  };
  ASSERT_TRUE(Append("a", a,
                     {answer(1, "p/0", v1::EVENT_KIND_PROGRAM_ENDED),
                      answer(2, "p/0", v1::EVENT_KIND_PROGRAM_ORDERED),
                      answer(3, "p/1", v1::EVENT_KIND_VERDICT),
                      answer(4, "p/2", v1::EVENT_KIND_HOLD_PLACED),
                      answer(5, "c/0", v1::EVENT_KIND_CONFIG_APPLIED),
                      answer(6, "c/1", v1::EVENT_KIND_CONFIG_REFUSED)})
                  .ok());
  Reopen();
  const auto found = engine_->history().FindRequest("p");
  ASSERT_TRUE(found.ok() && found->has_value()) << found.status();
  EXPECT_TRUE(SameTargets((*found)->request, restart));
  EXPECT_TRUE((*found)->request.targets[0].any_life);
  EXPECT_FALSE((*found)->request.targets[1].any_life);
  EXPECT_EQ((*found)->request.targets[0].label, "web@1");
  ASSERT_EQ((*found)->answers.size(), 2U) << "a hold answers no program";
  EXPECT_EQ((*found)->answers[0].kind(), v1::EVENT_KIND_PROGRAM_ORDERED);
  EXPECT_EQ((*found)->answers[1].kind(), v1::EVENT_KIND_VERDICT);
  const auto reloaded = engine_->history().FindRequest("c");
  ASSERT_TRUE(reloaded.ok() && reloaded->has_value()) << reloaded.status();
  EXPECT_EQ((*reloaded)->request.act, Act::kReload);
  ASSERT_EQ((*reloaded)->answers.size(), 2U);
  EXPECT_EQ((*reloaded)->answers[0].kind(), v1::EVENT_KIND_CONFIG_APPLIED);
  EXPECT_EQ((*reloaded)->answers[1].kind(), v1::EVENT_KIND_CONFIG_REFUSED);
}

}  // namespace procctl::controller

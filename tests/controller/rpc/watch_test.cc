// Watch against a real server: slots and events as they change, resumed, dropped behind, drained.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <thread>

#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::WatchRequest OfSlots(const std::string& filter = "", const std::string& token = "") {
  v1::WatchRequest request;
  request.set_slots(filter);
  request.set_resume_token(token);
  return request;
}

v1::WatchRequest OfEvents(const std::string& filter = "", const std::string& token = "") {
  v1::WatchRequest request;
  request.set_events(filter);
  request.set_resume_token(token);
  return request;
}

std::string Key(const v1::FleetSlot& row) {
  return row.node() + "/" + row.slot().label() + " " +
         v1::SlotState_Name(row.slot().state()).substr(11);
}

// One watch, read message by message. No test waits for ever: a Call has a deadline.
class Watcher {
 public:
  Watcher(std::shared_ptr<grpc::Channel> channel, const v1::WatchRequest& request)
      : stub_(v1::FleetService::NewStub(std::move(channel))),
        stream_(stub_->Watch(&call_, request)) {}
  ~Watcher() {
    if (!ended_) (void)Cancel();
  }

  // The next message; nothing set at the end.
  v1::WatchResponse Next() {
    v1::WatchResponse message;
    if (!stream_->Read(&message)) message.Clear();
    if (message.has_bookmark()) token_ = message.bookmark().resume_token();
    return message;
  }
  // Reads to the first message of that kind, and returns what came before it too. The last is
  // of another kind only at the end of the stream.
  std::vector<v1::WatchResponse> Until(v1::WatchResponse::MessageCase kind) {
    std::vector<v1::WatchResponse> messages;
    for (;;) {
      messages.push_back(Next());
      const auto got = messages.back().message_case();
      if (got == kind || got == v1::WatchResponse::MESSAGE_NOT_SET) return messages;
    }
  }
  // The rows of a snapshot that begins now, and then the bookmark behind it.
  std::vector<std::string> Snapshot() {
    std::vector<std::string> rows;
    for (const auto& message : Until(v1::WatchResponse::kSnapshotEnd)) {
      for (const auto& row : message.snapshot().upserts()) rows.push_back(Key(row));
    }
    EXPECT_TRUE(Next().has_bookmark());
    return rows;
  }
  v1::WatchRows Changes() { return Until(v1::WatchResponse::kChanges).back().changes(); }

  const std::string& token() const { return token_; }
  grpc::Status Cancel() {
    call_.TryCancel();
    return End();
  }
  grpc::Status End() {
    ended_ = true;
    v1::WatchResponse ignored;
    while (stream_->Read(&ignored)) {
    }
    return stream_->Finish();
  }

 private:
  Call call_;
  std::unique_ptr<v1::FleetService::Stub> stub_;
  std::unique_ptr<grpc::ClientReader<v1::WatchResponse>> stream_;
  std::string token_;
  bool ended_ = false;
};

class WatchTest : public ServerTest {
 protected:
  std::unique_ptr<Watcher> Watch(const v1::WatchRequest& request, Role role = Role::kViewer) {
    return std::make_unique<Watcher>(Channel(role, role == Role::kNode ? "web-09" : "alice"),
                                     request);
  }
  // A connected node with these slots.
  std::unique_ptr<FakeNode> NodeWith(const std::string& id, const std::vector<v1::Slot>& slots) {
    auto node = Node(id);
    EXPECT_TRUE(node->Connect());
    EXPECT_TRUE(node->SendSnapshot(slots));
    Applied(node.get());
    return node;
  }
  // Returns when everything that the node has sent is applied.
  void Applied(FakeNode* node) {
    const std::int64_t seq = ++seqs_[node];
    ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, seq)}));
    ASSERT_TRUE(node->AwaitAck(5, seq));
  }
  static bool SendDelta(FakeNode* node, std::int64_t from, const std::vector<v1::Slot>& upserts,
                        const std::vector<std::int64_t>& removes = {}) {
    v1::SessionRequest request;
    v1::SlotDelta* delta = request.mutable_delta();
    delta->set_from_revision(from);
    delta->set_to_revision(from + 1);
    for (const v1::Slot& slot : upserts) *delta->add_upserts() = slot;
    for (const std::int64_t generation : removes) delta->add_removes(generation);
    return node->Send(request);
  }
  static v1::Slot Hung(v1::Slot slot) {
    slot.set_state(v1::SLOT_STATE_HUNG);
    return slot;
  }
  // Commits `count` events of `bytes` each.
  void Commit(FakeNode* node, int count, size_t bytes = 0) {
    while (count > 0) {
      std::vector<v1::Event> events;
      for (int i = 0; i < std::min(count, 100); ++i) {
        events.push_back(node->MakeEvent(5, ++seqs_[node]));
        events.back().set_message(std::string(bytes, 'm'));
      }
      count -= static_cast<int>(events.size());
      ASSERT_TRUE(node->SendEvents(events));
      ASSERT_TRUE(node->AwaitAck(5, seqs_[node]));
    }
  }
  std::vector<std::int64_t> Positions() {
    v1::ListEventsRequest request;
    request.set_page_size(5000);
    const auto caller = Caller(Role::kViewer);
    std::vector<std::int64_t> positions;
    for (;;) {
      v1::ListEventsResponse response;
      Call call;
      const grpc::Status status = caller->ListEvents(&call, request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      for (const auto& stored : response.events()) positions.push_back(stored.position());
      if (response.next_page_token().empty()) return positions;
      request.set_page_token(response.next_page_token());
    }
  }

  std::map<FakeNode*, std::int64_t> seqs_;
};

TEST_F(WatchTest, RowsAsTheyWereThenTheirChanges) {
  const auto node = NodeWith("web-01", {MakeSlot("encoder", 1), MakeSlot("mixer", 2)});
  const auto watcher = Watch(OfSlots());
  EXPECT_THAT(watcher->Snapshot(), ElementsAre("web-01/encoder ALIVE", "web-01/mixer ALIVE"));
  EXPECT_THAT(watcher->token(), ::testing::Not(IsEmpty()));

  ASSERT_TRUE(SendDelta(node.get(), 1, {Hung(MakeSlot("encoder", 1)), MakeSlot("new", 3)}, {2}));
  const v1::WatchRows changes = watcher->Changes();
  std::vector<std::string> upserts;
  for (const auto& row : changes.upserts()) upserts.push_back(Key(row));
  EXPECT_THAT(upserts, ::testing::UnorderedElementsAre("web-01/encoder HUNG", "web-01/new ALIVE"));
  ASSERT_EQ(changes.removes_size(), 1);
  EXPECT_EQ(changes.removes(0).node(), "web-01");
  EXPECT_EQ(changes.removes(0).generation(), 2);
  EXPECT_TRUE(watcher->Until(v1::WatchResponse::kBookmark).back().has_bookmark())
      << "after a quiet period";
}

TEST_F(WatchTest, RowsComeAndGoWithTheFilter) {
  const auto node = NodeWith("web-01", {MakeSlot("encoder", 1), MakeSlot("mixer", 2)});
  const auto watcher = Watch(OfSlots("state=hung"));
  EXPECT_THAT(watcher->Snapshot(), IsEmpty());

  ASSERT_TRUE(SendDelta(node.get(), 1, {Hung(MakeSlot("encoder", 1)), MakeSlot("mixer", 2)}));
  v1::WatchRows changes = watcher->Changes();
  ASSERT_EQ(changes.upserts_size(), 1);
  EXPECT_EQ(Key(changes.upserts(0)), "web-01/encoder HUNG");
  EXPECT_EQ(changes.removes_size(), 0) << "nobody holds mixer";

  ASSERT_TRUE(SendDelta(node.get(), 2, {MakeSlot("encoder", 1)}));
  changes = watcher->Changes();
  EXPECT_EQ(changes.upserts_size(), 0);
  ASSERT_EQ(changes.removes_size(), 1);
  EXPECT_EQ(changes.removes(0).generation(), 1);
}

TEST_F(WatchTest, ANewSnapshotOfANodeRemovesWhatItNoLongerHolds) {
  const auto node = NodeWith("web-01", {MakeSlot("encoder", 1), MakeSlot("mixer", 2)});
  const auto watcher = Watch(OfSlots());
  EXPECT_EQ(watcher->Snapshot().size(), 2U);
  ASSERT_TRUE(node->SendSnapshot({MakeSlot("mixer", 2), MakeSlot("new", 3)}, /*revision=*/9));
  const v1::WatchRows changes = watcher->Changes();
  EXPECT_EQ(changes.upserts_size(), 2);
  ASSERT_EQ(changes.removes_size(), 1);
  EXPECT_EQ(changes.removes(0).generation(), 1);
}

TEST_F(WatchTest, ManySlotsComeInPieces) {
  std::vector<v1::Slot> slots;
  for (int i = 1; i <= 3000; ++i) slots.push_back(MakeSlot("slot-" + std::to_string(i), i));
  const auto node = NodeWith("web-01", slots);
  const auto watcher = Watch(OfSlots());
  const auto messages = watcher->Until(v1::WatchResponse::kSnapshotEnd);
  EXPECT_GT(messages.size(), 3U);
  int rows = 0;
  for (const auto& message : messages) {
    EXPECT_LT(message.ByteSizeLong(), 66'000U);
    rows += message.snapshot().upserts_size();
  }
  EXPECT_EQ(rows, 3000);
}

TEST_F(WatchTest, AWatchGoesOnFromItsBookmark) {
  const auto node = NodeWith("web-01", {MakeSlot("encoder", 1)});
  auto watcher = Watch(OfSlots());
  EXPECT_EQ(watcher->Snapshot().size(), 1U);
  const std::string token = watcher->token();
  EXPECT_EQ(watcher->Cancel().error_code(), grpc::StatusCode::CANCELLED);
  ASSERT_TRUE(SendDelta(node.get(), 1, {Hung(MakeSlot("encoder", 1))}));

  watcher = Watch(OfSlots("", token));
  const auto messages = watcher->Until(v1::WatchResponse::kChanges);
  for (const auto& message : messages) {
    EXPECT_FALSE(message.has_snapshot());
    EXPECT_FALSE(message.has_resync());
  }
  ASSERT_EQ(messages.back().changes().upserts_size(), 1);
  EXPECT_EQ(Key(messages.back().changes().upserts(0)), "web-01/encoder HUNG");
}

TEST_F(WatchTest, ABookmarkOfAnotherLifeBeginsAnew) {
  auto watcher = Watch(OfSlots());
  EXPECT_THAT(watcher->Snapshot(), IsEmpty());
  const std::string token = watcher->token();
  Restart();
  const auto node = NodeWith("web-01", {MakeSlot("encoder", 1)});
  watcher = Watch(OfSlots("", token));
  EXPECT_THAT(watcher->Next().resync().reason(), HasSubstr("another life"));
  EXPECT_THAT(watcher->Snapshot(), ElementsAre("web-01/encoder ALIVE"));
}

TEST_F(WatchTest, EventsAsTheyAreCommitted) {
  const auto node = NodeWith("web-01", {});
  const auto watcher = Watch(OfEvents("node=web-01 kind=hung"));
  EXPECT_TRUE(watcher->Next().has_bookmark()) << "from here on nothing is missed";
  Commit(node.get(), 3);
  std::vector<std::int64_t> seqs;
  while (seqs.size() < 3) {
    const v1::WatchResponse message = watcher->Until(v1::WatchResponse::kEvents).back();
    ASSERT_TRUE(message.has_events());
    for (const auto& stored : message.events().events()) {
      seqs.push_back(stored.event().id().seq());
      EXPECT_GT(stored.position(), 0);
      EXPECT_TRUE(stored.has_received_at());
    }
  }
  EXPECT_THAT(seqs, ElementsAre(2, 3, 4));
}

TEST_F(WatchTest, TheControllersOwnEventsAreAmongThem) {
  const auto watcher = Watch(OfEvents("kind=node_connected"));
  EXPECT_TRUE(watcher->Next().has_bookmark());
  const auto node = NodeWith("web-01", {});
  const auto message = watcher->Until(v1::WatchResponse::kEvents).back();
  ASSERT_EQ(message.events().events_size(), 1);
  EXPECT_EQ(message.events().events(0).event().node(), "web-01");
}

TEST_F(WatchTest, BeginsWithTheNewestOfThePast) {
  const auto node = NodeWith("web-01", {});
  Commit(node.get(), 20);
  v1::WatchRequest request = OfEvents("kind=hung");
  request.set_newest(5);
  const auto watcher = Watch(request);
  const auto message = watcher->Until(v1::WatchResponse::kEvents).back();
  ASSERT_EQ(message.events().events_size(), 5);
  EXPECT_EQ(message.events().events(0).event().id().seq(), 17);
  EXPECT_EQ(message.events().events(4).event().id().seq(), 21);
  Commit(node.get(), 1);
  const auto live = watcher->Until(v1::WatchResponse::kEvents).back();
  ASSERT_EQ(live.events().events_size(), 1);
  EXPECT_EQ(live.events().events(0).event().id().seq(), 22);
}

// A watcher that goes on from a bookmark again and again while events are committed sees each of
// them exactly once, whether it comes from the history or live; and so across a restart.
TEST_F(WatchTest, ResumedWithoutHoleOrDuplicateWhileEventsAreCommitted) {
  constexpr int kEvents = 3000;
  std::vector<std::int64_t> seen;
  size_t at_bookmark = 0;
  std::string token;
  const auto follow = [&](const std::function<bool()>& enough) {
    seen.resize(at_bookmark);
    const auto watcher = Watch(OfEvents("", token));
    while (!enough()) {
      const v1::WatchResponse message = watcher->Next();
      ASSERT_NE(message.message_case(), v1::WatchResponse::MESSAGE_NOT_SET);
      ASSERT_FALSE(message.has_resync()) << message.resync().reason();
      for (const auto& stored : message.events().events()) seen.push_back(stored.position());
      if (!message.has_bookmark()) continue;
      token = message.bookmark().resume_token();
      at_bookmark = seen.size();
    }
  };
  follow([&] { return !token.empty(); });
  {
    const auto node = NodeWith("web-01", {});
    std::thread committer([&] { Commit(node.get(), kEvents); });
    for (int round = 0; round < 20; ++round) {
      const size_t enough = at_bookmark + 100;
      follow([&] { return seen.size() >= std::min<size_t>(enough, kEvents); });
    }
    committer.join();
  }
  Restart();
  const std::vector<std::int64_t> all = Positions();
  ASSERT_GE(all.size(), static_cast<size_t>(kEvents));
  follow([&] { return seen.size() >= all.size() && at_bookmark == seen.size(); });
  seen.resize(all.size());
  EXPECT_EQ(seen, all);
}

TEST_F(WatchTest, WhoDoesNotReadMissesEventsAndIsToldHowMany) {
  const auto node = NodeWith("web-01", {});
  const auto watcher = Watch(OfEvents("kind=hung"));
  EXPECT_TRUE(watcher->Next().has_bookmark());
  constexpr int kEvents = 1500;
  Commit(node.get(), kEvents, 8000);  // 12 MB, three times what a feed holds
  std::int64_t got = 0;
  std::int64_t missed = 0;
  bool resync = false;
  while (got + missed < kEvents) {
    const v1::WatchResponse message = watcher->Next();
    ASSERT_NE(message.message_case(), v1::WatchResponse::MESSAGE_NOT_SET);
    got += message.events().events_size();
    missed += message.resync().missed();
    if (!message.has_resync()) continue;
    resync = true;
    EXPECT_THAT(message.resync().reason(), HasSubstr("too slow"));
  }
  EXPECT_TRUE(resync);
  EXPECT_EQ(got + missed, kEvents);
}

TEST_F(WatchTest, WatchersThatNeverReadDelayNobody) {
  std::vector<std::unique_ptr<Watcher>> stopped;
  stopped.reserve(20);
  for (int i = 0; i < 20; ++i) stopped.push_back(Watch(OfEvents("kind=hung")));
  const auto node = NodeWith("web-01", {});
  const auto healthy = Watch(OfEvents("kind=hung"));
  EXPECT_TRUE(healthy->Next().has_bookmark());
  constexpr int kEvents = 2000;
  std::thread committer([&] { Commit(node.get(), kEvents, 1000); });
  int got = 0;
  while (got < kEvents) {
    const v1::WatchResponse message = healthy->Next();
    if (message.message_case() == v1::WatchResponse::MESSAGE_NOT_SET) break;
    EXPECT_FALSE(message.has_resync());
    for (const auto& stored : message.events().events()) {
      // One that was committed right before may still be on its way to the feed.
      if (stored.event().id().seq() > 1) ++got;
    }
  }
  committer.join();
  EXPECT_EQ(got, kEvents);
}

TEST_F(WatchTest, OpenWatchesDoNotHoldUpTheShutdown) {
  const auto node = NodeWith("web-01", {MakeSlot("encoder", 1)});
  const auto channel = Channel(Role::kViewer, "alice");
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < 50; ++i) {
    watchers.push_back(std::make_unique<Watcher>(channel, i % 2 == 0 ? OfSlots() : OfEvents()));
  }
  for (const auto& watcher : watchers) EXPECT_NE(watcher->Next().ByteSizeLong(), 0U);
  // Nobody reads any more: most of it waits for them.
  Commit(node.get(), 200, 8000);
  const auto began = std::chrono::steady_clock::now();
  server_->Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
  for (const auto& watcher : watchers) {
    const grpc::Status status = watcher->End();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  }
}

TEST_F(WatchTest, WhatCannotBeWatchedIsSaid) {
  const auto refused = [&](const v1::WatchRequest& request) {
    const grpc::Status status = Watch(request)->End();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    return status.error_message();
  };
  EXPECT_THAT(refused({}), HasSubstr("exactly one of slots and events"));
  v1::WatchRequest both = OfSlots();
  both.set_events("");
  EXPECT_THAT(refused(both), HasSubstr("exactly one of slots and events"));
  EXPECT_THAT(refused(OfSlots("stat=hung")), HasSubstr("stat"));
  EXPECT_THAT(refused(OfSlots("", "nonsense")), HasSubstr("resume_token"));
  v1::WatchRequest newest = OfSlots();
  newest.set_newest(3);
  EXPECT_THAT(refused(newest), HasSubstr("newest"));
  const auto watcher = Watch(OfEvents());
  EXPECT_TRUE(watcher->Next().has_bookmark());
  EXPECT_THAT(refused(OfEvents("kind=hung", watcher->token())), HasSubstr("filter"));
  EXPECT_THAT(refused(OfSlots("", watcher->token())), HasSubstr("resume_token"));
  EXPECT_EQ(Watch(OfSlots(), Role::kNode)->End().error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

class FewWatchesTest : public WatchTest {
 protected:
  FewWatchesTest() { options_.watches = 2; }
};

TEST_F(FewWatchesTest, TooManyAreRefusedUntilOneEnds) {
  auto first = Watch(OfSlots());
  EXPECT_THAT(first->Snapshot(), IsEmpty());
  const auto second = Watch(OfEvents());
  EXPECT_TRUE(second->Next().has_bookmark());
  const grpc::Status status = Watch(OfSlots())->End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("2 watches"));
  first.reset();
  // The server hears of the end a little later.
  bool welcome = false;
  for (int i = 0; i < 500 && !welcome; ++i) {
    welcome = Watch(OfSlots())->Next().has_snapshot_end();
  }
  EXPECT_TRUE(welcome);
}

class LostNodeTest : public WatchTest {
 protected:
  LostNodeTest() {
    options_.liveness = {std::chrono::seconds(1), std::chrono::seconds(2)};
    options_.liveness.start_grace = std::chrono::seconds(0);
    options_.heartbeat_interval = std::chrono::milliseconds(250);
  }
};

TEST_F(LostNodeTest, ANodeThatIsLostIsToldOnceAndItsRowsMatchAsStale) {
  auto node = NodeWith("web-01", {MakeSlot("encoder", 1)});
  const auto all = Watch(OfSlots());
  const auto alive = Watch(OfSlots("state=alive"));
  const auto stale = Watch(OfSlots("state=stale"));
  EXPECT_EQ(all->Snapshot().size(), 1U);
  EXPECT_EQ(alive->Snapshot().size(), 1U);
  EXPECT_EQ(stale->Snapshot().size(), 0U);
  node.reset();
  v1::WatchRows changes;
  do {
    changes = all->Changes();
    ASSERT_EQ(changes.nodes_size(), 1) << "SUSPECT, then LOST; under load both may be one";
    EXPECT_EQ(changes.upserts_size(), 0) << "its rows are not sent again";
  } while (changes.nodes(0).state() != v1::NODE_STATE_LOST);

  const auto rows_of = [](Watcher* watcher) {
    for (;;) {
      v1::WatchRows rows = watcher->Changes();
      if (rows.upserts_size() + rows.removes_size() > 0 || rows.nodes_size() == 0) return rows;
    }
  };
  changes = rows_of(alive.get());
  ASSERT_EQ(changes.removes_size(), 1);
  EXPECT_EQ(changes.removes(0).generation(), 1);
  changes = rows_of(stale.get());
  ASSERT_EQ(changes.upserts_size(), 1);
  EXPECT_EQ(Key(changes.upserts(0)), "web-01/encoder STALE");
}

}  // namespace
}  // namespace procctl::controller

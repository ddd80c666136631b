// The commands with --local, against a guardian's socket.
#include "cli/local_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/run.h"
#include "proto/support/time_convert.h"
#include "tests/cli/fake_guardian.h"

namespace procctl::cli {
namespace {

using ::testing::AllOf;
using testing::FakeGuardian;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

struct Outcome {
  ExitCode code;
  std::string out;
  std::string err;
};

Outcome RunIn(const std::string& folder, std::vector<std::string> arguments,
              const std::stop_token& stop = {}) {
  std::ostringstream out;
  std::ostringstream err;
  arguments.insert(arguments.end(), {"--local", "--runtime-dir", folder});
  const ExitCode code = Run(
      arguments, [](const std::string&) { return std::string(); },
      Screen({&out, &err, /*colour=*/false, nullptr}), [&] { return stop; });
  return {code, out.str(), err.str()};
}

v1::LocalReply To(const v1::LocalRequest& request, bool last = true) {
  v1::LocalReply reply;
  reply.set_request(request.request());
  reply.set_last(last);
  return reply;
}

// Two slots, a page for each.
void SayPage(const v1::LocalRequest& request, const FakeGuardian::Say& say) {
  v1::LocalReply reply = To(request);
  const int64_t after = request.slots().after_generation();
  if (after < 2) {
    v1::Slot* slot = reply.mutable_slots()->add_slots();
    slot->set_label(after == 0 ? "encoder" : "api");
    slot->set_name(slot->label());
    slot->set_state(v1::SLOT_STATE_ALIVE);
    slot->mutable_incarnation()->set_boot_id("boot");
    slot->mutable_incarnation()->set_pid(4120 + static_cast<int>(after));
    slot->mutable_incarnation()->set_generation(after + 1);
  }
  reply.mutable_slots()->set_more(after == 0);
  say(reply);
}

TEST(LocalClient, AllPagesTogetherAreTheList) {
  FakeGuardian guardian([](const auto& request, const auto& say) {
    SayPage(request, say);
    return true;
  });
  const Outcome list = RunIn(guardian.folder(), {"list"});
  EXPECT_EQ(list.code, ExitCode::kOk) << list.err;
  EXPECT_THAT(list.out, AllOf(HasSubstr("web-01  api"), HasSubstr("web-01  encoder"),
                              HasSubstr("2 slots: 2 alive")));
  EXPECT_EQ(guardian.connections(), 1);
}

TEST(LocalClient, AKillIsToldAsItGoesOn) {
  std::vector<v1::Order> orders;
  FakeGuardian guardian([&](const v1::LocalRequest& request, const auto& say) {
    if (request.has_slots()) {
      SayPage(request, say);
      return true;
    }
    orders.push_back(request.order().kill());
    v1::LocalReply reply = To(request, /*last=*/false);
    reply.mutable_event()->set_order_id(request.order().kill().order_id());
    reply.mutable_event()->set_kind(v1::EVENT_KIND_TERM_SENT);
    say(reply);
    v1::LocalReply stray = reply;  // of a request that nobody waits for any more
    stray.set_request(request.request() + 100);
    say(stray);
    reply.set_last(true);
    reply.mutable_event()->set_kind(v1::EVENT_KIND_VERDICT);
    reply.mutable_event()->set_verdict(v1::VERDICT_EXITED_ON_TERM);
    say(reply);
    return true;
  });
  const Outcome kill = RunIn(guardian.folder(), {"kill", "encoder", "--reason", "stuck"});
  EXPECT_EQ(kill.code, ExitCode::kOk) << kill.err;
  EXPECT_THAT(kill.out, AllOf(HasSubstr("web-01/encoder[4120]"), HasSubstr("SIGTERM")));
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].incarnation().generation(), 1) << "exactly what the list showed";
  EXPECT_EQ(orders[0].reason(), "stuck");
}

TEST(LocalClient, AKillThatIsCutOffIsTakenUpAgainByTheSameId) {
  std::vector<std::string> ids;
  FakeGuardian guardian([&](const v1::LocalRequest& request, const auto& say) {
    if (request.has_slots()) {
      SayPage(request, say);
      return true;
    }
    ids.push_back(request.order().kill().order_id());
    if (ids.size() == 1) return false;  // it was killed
    v1::LocalReply reply = To(request);
    reply.mutable_event()->set_kind(v1::EVENT_KIND_VERDICT);
    reply.mutable_event()->set_verdict(v1::VERDICT_KILLED);
    say(reply);
    return true;
  });
  const Outcome kill = RunIn(guardian.folder(), {"kill", "encoder"});
  EXPECT_EQ(kill.code, ExitCode::kOk) << kill.err;
  ASSERT_EQ(ids.size(), 2U);
  EXPECT_EQ(ids[0], ids[1]) << "or it would be signalled twice";
  EXPECT_EQ(guardian.connections(), 2);
}

TEST(LocalClient, NobodyThereIsUnreachable) {
  const Outcome list = RunIn("/nonexistent", {"list"});
  EXPECT_EQ(list.code, ExitCode::kUnreachable);
  EXPECT_THAT(list.err, AllOf(HasSubstr("nobody serves /nonexistent/control.sock"),
                              HasSubstr("--runtime-dir")));
  const Outcome long_path = RunIn("/" + std::string(200, 'x'), {"list"});
  EXPECT_EQ(long_path.code, ExitCode::kUsage);
}

TEST(LocalClient, ARefusalIsTold) {
  v1::LocalReply refusal;
  refusal.set_last(true);
  refusal.mutable_error()->set_kind(v1::LOCAL_ERROR_KIND_NOT_ALLOWED);
  refusal.mutable_error()->set_message("user 7\x1b may not");
  FakeGuardian strict([](const auto&, const auto&) { return true; }, refusal);
  const Outcome refused = RunIn(strict.folder(), {"list"});
  EXPECT_EQ(refused.code, ExitCode::kNotAllowed);
  EXPECT_THAT(refused.err, HasSubstr("not allowed: user 7\\x1b may not"));
  refusal.mutable_error()->set_kind(v1::LOCAL_ERROR_KIND_BUSY);
  FakeGuardian busy([](const auto&, const auto&) { return true; }, refusal);
  EXPECT_EQ(RunIn(busy.folder(), {"list"}).code, ExitCode::kUnreachable);
}

TEST(LocalClient, SilenceHasAnEnd) {
  FakeGuardian silent([](const auto&, const auto&) { return true; }, std::nullopt);
  const Outcome outcome = RunIn(silent.folder(), {"list", "--timeout", "50ms"});
  EXPECT_EQ(outcome.code, ExitCode::kUnreachable);
  EXPECT_THAT(outcome.err, HasSubstr("does not answer"));
  FakeGuardian stuck([](const auto&, const auto&) { return true; });
  EXPECT_EQ(RunIn(stuck.folder(), {"list", "--timeout", "50ms"}).code, ExitCode::kUnreachable);
}

TEST(LocalClient, WhatIsNoGuardianIsSaid) {
  v1::LocalReply nothing;
  nothing.set_last(true);
  FakeGuardian odd([](const auto&, const auto&) { return true; }, nothing);
  const Outcome outcome = RunIn(odd.folder(), {"list"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(outcome.err, HasSubstr("does not say which node it is"));
}

TEST(LocalClient, APageThatIsRepeatedEndsTheList) {
  FakeGuardian guardian([](const v1::LocalRequest& request, const auto& say) {
    v1::LocalReply reply = To(request);
    reply.mutable_slots()->add_slots()->mutable_incarnation()->set_generation(5);
    reply.mutable_slots()->set_more(true);
    say(reply);
    return true;
  });
  const Outcome list = RunIn(guardian.folder(), {"list"});
  EXPECT_EQ(list.code, ExitCode::kFailed);
  EXPECT_THAT(list.err, HasSubstr("repeats a page"));
}

TEST(LocalClient, AnInterruptedKillGoesOn) {
  std::stop_source interrupt;
  FakeGuardian guardian([&](const v1::LocalRequest& request, const auto& say) {
    if (request.has_slots()) {
      SayPage(request, say);
    } else {
      interrupt.request_stop();
    }
    return true;
  });
  const Outcome kill = RunIn(guardian.folder(), {"kill", "encoder"}, interrupt.get_token());
  EXPECT_EQ(kill.code, ExitCode::kInterrupted);
  EXPECT_THAT(kill.err, HasSubstr("the kill goes on"));
}

TEST(LocalClient, AThousandOrdersAreGivenAtOnce) {
  // Nothing is answered before all have come.
  std::vector<v1::LocalRequest> waiting;
  FakeGuardian guardian([&](const v1::LocalRequest& request, const auto& say) {
    waiting.push_back(request);
    if (waiting.size() < 1000) return true;
    for (const v1::LocalRequest& one : waiting) {
      v1::LocalReply reply = To(one);
      reply.mutable_event()->set_kind(v1::EVENT_KIND_PROGRAM_ORDERED);
      say(reply);
    }
    return true;
  });
  auto client = LocalClient::Make(guardian.folder() + "/control.sock", 30s);
  ASSERT_TRUE(client.ok()) << client.status();
  v1::ControlProgramsRequest request;
  request.set_request_id("r");
  request.set_action(v1::PROGRAM_ACTION_START);
  for (int i = 0; i < 1000; ++i) {
    request.add_targets()->set_node("web-01");
    request.mutable_targets(i)->set_program("p" + std::to_string(i));
  }
  const auto response = (*client)->ControlPrograms(request, 60s);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->outcomes_size(), 1000);
  for (const v1::ProgramOutcome& outcome : response->outcomes()) EXPECT_TRUE(outcome.done());
  request.mutable_targets(7)->set_node("web-02");
  EXPECT_TRUE(absl::IsNotFound((*client)->ControlPrograms(request, 60s).status()));
  EXPECT_EQ(waiting.size(), 1000U) << "of a list with another node nothing is ordered";
}

}  // namespace
}  // namespace procctl::cli

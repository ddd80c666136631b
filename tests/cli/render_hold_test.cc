#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "cli/render.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

v1::KillTarget Target() {
  v1::KillTarget target;
  target.set_node("web-01");
  target.set_slot("my worker");
  target.mutable_incarnation()->set_pid(4182);
  return target;
}

std::string Line(const v1::HoldOutcome& outcome, bool release = false) {
  return RenderHold(Target(), outcome, release);
}

TEST(RenderHold, WhatIsDone) {
  setenv("TZ", "UTC", 1);
  tzset();
  v1::HoldOutcome outcome;
  outcome.set_done(true);
  EXPECT_EQ(Line(outcome, /*release=*/true), "web-01/my\\x20worker[4182]  released\n");
  EXPECT_EQ(Line(outcome), "web-01/my\\x20worker[4182]  held\n");
  outcome.mutable_until()->set_seconds(testing::kNoon);
  EXPECT_EQ(Line(outcome), "web-01/my\\x20worker[4182]  held until 2026-11-22T12:00:00\n");
}

TEST(RenderHold, WhatIsNot) {
  const struct {
    v1::Verdict verdict;
    v1::Refusal refusal;
    const char* message;
    const char* text;
  } cases[] = {
      {v1::VERDICT_UNSPECIFIED, v1::REFUSAL_UNSPECIFIED, "",
       "no answer came from its node; it may come about later, look with: procctl-cli list\n"},
      {v1::VERDICT_GONE_ALREADY, v1::REFUSAL_UNSPECIFIED, "", "it has ended already\n"},
      {v1::VERDICT_IDENTITY_MISMATCH, v1::REFUSAL_UNSPECIFIED, "gen\x1b 9",
       "it is no longer the process you saw: gen\\x1b 9\n"},
      {v1::VERDICT_EXPIRED, v1::REFUSAL_UNSPECIFIED, "", "the order came after its time to live\n"},
      {v1::VERDICT_REFUSED, v1::REFUSAL_NODE_UNREACHABLE, "", "its node cannot be reached now\n"},
      {v1::VERDICT_REFUSED, v1::REFUSAL_NO_SUCH_NODE, "", "no node of that name was ever seen\n"},
      {v1::VERDICT_REFUSED, v1::REFUSAL_NOT_GUARDED, "", "it is not guarded any more\n"},
      {v1::VERDICT_REFUSED, v1::REFUSAL_MALFORMED, "too long", "refused (malformed): too long\n"},
      {v1::VERDICT_KILLED, v1::REFUSAL_UNSPECIFIED, "", "ended as killed: no reason was given\n"}};
  for (const auto& c : cases) {
    v1::HoldOutcome outcome;
    outcome.set_verdict(c.verdict);
    outcome.set_refusal(c.refusal);
    outcome.set_message(c.message);
    EXPECT_EQ(Line(outcome), std::string("web-01/my\\x20worker[4182]  not held: ") + c.text);
    EXPECT_EQ(Line(outcome, true),
              std::string("web-01/my\\x20worker[4182]  not released: ") + c.text);
  }
}

TEST(HoldSummary, Counts) {
  v1::HoldSlotsResponse response;
  response.add_outcomes()->set_done(true);
  response.add_outcomes();
  response.add_outcomes()->set_done(true);
  EXPECT_EQ(HoldSummary(response, false), "2 held, 1 failed.\n");
  EXPECT_EQ(HoldSummary(response, true), "2 released, 1 failed.\n");
}

}  // namespace
}  // namespace procctl::cli

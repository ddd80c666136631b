#include "node/core/registration.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "node/heartbeat/include/procctl/heartbeat.h"

namespace procctl::node {
namespace {

procctl_register_request Request(const std::string& name, uint32_t timeout_ms) {
  procctl_register_request request{};
  request.magic = PROCCTL_FRAME_MAGIC;
  request.page_version = PROCCTL_PAGE_VERSION;
  request.timeout_ms = timeout_ms;
  std::memcpy(request.name, name.data(), std::min(name.size(), sizeof request.name));
  return request;
}

RegistrationAnswer Read(const procctl_register_request& request) {
  return ReadRequest(&request, sizeof request, RegistrationLimits{});
}

TEST(ReadRequest, TakesAPlainRequest) {
  const RegistrationAnswer answer = Read(Request("encoder", 5000));
  EXPECT_EQ(answer.error, 0);
  EXPECT_EQ(answer.name, "encoder");
  EXPECT_EQ(answer.terms.timeout, std::chrono::seconds(5));
}

TEST(ReadRequest, EscapesHostileNames) {
  EXPECT_EQ(Read(Request("a\x1b[2J\xff", 5000)).name, "a\\x1b[2J\\xff");
}

TEST(ReadRequest, RefusesEveryLengthButTheTwoThatThereAre) {
  procctl_register_request_more request[2] = {};
  request[0].head = Request("a", 5000);
  for (size_t size = 0; size < sizeof request; ++size) {
    const int error = ReadRequest(request, size, RegistrationLimits{}).error;
    const bool right = size == sizeof request[0].head || size == sizeof request[0];
    EXPECT_EQ(error, right ? 0 : EPROTO) << size;
  }
}

TEST(ReadRequest, TheLongOneAsksForProgressAndStartGraceWithinThePolicy) {
  const auto read = [](uint32_t progress_ms, uint32_t start_ms) {
    procctl_register_request_more request{};
    request.head = Request("a", 5000);
    request.progress_timeout_ms = progress_ms;
    request.start_grace_ms = start_ms;
    return ReadRequest(&request, sizeof request, RegistrationLimits{});
  };
  EXPECT_EQ(read(60'000, 30'000).terms.progress_limit, std::chrono::seconds(60));
  EXPECT_EQ(read(60'000, 30'000).terms.start_grace, std::chrono::seconds(30));
  EXPECT_EQ(read(0, 0).error, 0);
  EXPECT_EQ(read(499, 0).error, EINVAL);
  EXPECT_EQ(read(0, 600'000).error, 0);
  EXPECT_EQ(read(0, 600'001).error, EINVAL);
}

TEST(ReadRequest, RefusesNamesThatAreEmptyOrNotTerminated) {
  EXPECT_EQ(Read(Request("", 5000)).error, EINVAL);
  EXPECT_EQ(Read(Request(std::string(63, 'x'), 5000)).error, 0);
  EXPECT_EQ(Read(Request(std::string(64, 'x'), 5000)).error, EINVAL);
}

TEST(ReadRequest, HoldsTheTimeoutAgainstThePolicyToTheMillisecond) {
  EXPECT_EQ(Read(Request("a", 499)).error, EINVAL);
  EXPECT_EQ(Read(Request("a", 500)).error, 0);
  EXPECT_EQ(Read(Request("a", 24 * 3600 * 1000)).error, 0);
  EXPECT_EQ(Read(Request("a", 24 * 3600 * 1000 + 1)).error, EINVAL);
  EXPECT_EQ(Read(Request("a", 0)).error, EINVAL);
}

TEST(ReadRequest, RefusesAnotherPageVersionAndSaysBoth) {
  procctl_register_request request = Request("a", 5000);
  request.page_version = 9;
  EXPECT_EQ(Read(request).error, EPROTO);
  EXPECT_NE(Read(request).text.find("built with 9"), std::string::npos) << Read(request).text;
}

RegistrationAnswer Ask(const RegistrationFacts& facts, const RegistrationLimits& limits = {}) {
  return Admit(Read(Request("a", 5000)), facts, limits);
}

TEST(Admit, RefusesAPeerItCannotSee) {
  EXPECT_EQ(Ask({.pid = 0, .uid = 1000}).error, EACCES);
  EXPECT_EQ(Ask({.pid = 1, .uid = 0}).error, EACCES);
}

TEST(Admit, APlainUsersGuardianTakesOnlyItsOwn) {
  RegistrationLimits limits;
  limits.guardian_uid = 1000;
  EXPECT_EQ(Ask({.pid = 5, .uid = 1000}, limits).error, 0);
  EXPECT_EQ(Ask({.pid = 5, .uid = 0}, limits).error, EACCES);
}

TEST(Admit, QuotasHoldButNotForTakingOverOnesOwnSlot) {
  RegistrationLimits limits;
  limits.max_slots = 10;
  limits.max_slots_per_user = 3;
  EXPECT_EQ(Ask({.pid = 5, .uid = 7, .slots = 9, .slots_of_user = 2}, limits).error, 0);
  EXPECT_EQ(Ask({.pid = 5, .uid = 7, .slots = 10, .slots_of_user = 0}, limits).error, EDQUOT);
  EXPECT_EQ(Ask({.pid = 5, .uid = 7, .slots = 3, .slots_of_user = 3}, limits).error, EDQUOT);
  EXPECT_EQ(
      Ask({.pid = 5, .uid = 7, .slots = 10, .slots_of_user = 3, .takes_over = true}, limits).error,
      0);
}

}  // namespace
}  // namespace procctl::node

// Who comes in at the local socket, and who is cut off.
#include "node/guardian/control_door.h"

#include <gmock/gmock.h>
#include <sys/wait.h>

#include "tests/node/guardian/control_test_door.h"

namespace procctl::node {
namespace {

using ::testing::HasSubstr;

constexpr uid_t kNobody = 65534;

TEST_F(ControlTest, TheGuardianSpeaksFirstAndSaysWhoItIs) {
  Person person(path_);
  Turn();
  const auto hello = person.Hear();
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->request(), 0);
  EXPECT_TRUE(hello->last());
  EXPECT_EQ(hello->hello().node_id(), "n1");
  EXPECT_EQ(hello->hello().you(), geteuid() == 0 ? "local/root" : "local/tester");
}

// What the child at the other end heard, as its exit code.
enum ChildSaw { kRefused = 0, kNoConnection, kNoReply, kNoRefusal };

[[noreturn]] void ConnectAsNobody(const std::string& path) {
  if (setresuid(kNobody, kNobody, kNobody) != 0) _exit(kNoConnection);
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) _exit(kNoConnection);
  const timeval patience{60, 0};
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char bytes[4096];
  const ssize_t size = recv(fd, bytes, sizeof bytes, 0);
  if (size <= 0) _exit(kNoReply);
  v1::LocalReply reply;
  const bool refused = reply.ParseFromArray(bytes, static_cast<int>(size)) &&
                       reply.error().kind() == v1::LOCAL_ERROR_KIND_NOT_ALLOWED &&
                       reply.error().message().find("user 65534") != std::string::npos;
  // And that is the end of it.
  _exit(refused && recv(fd, bytes, sizeof bytes, 0) == 0 ? kRefused : kNoRefusal);
}

TEST_F(ControlTest, APersonOfAnotherUserIsRefusedAndThatIsOnRecord) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to come as another user";
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) ConnectAsNobody(path_);
  int status = 0;
  while (waitpid(child, &status, WNOHANG) != child) {
    poller_.Wait(100);
    door_.Pump();
  }
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), kRefused);
  ASSERT_EQ(log_.ring().events().size(), 1U);
  const v1::Event& event = log_.ring().events().back();
  EXPECT_EQ(event.kind(), v1::EVENT_KIND_ACCESS_REFUSED);
  EXPECT_EQ(event.severity(), v1::SEVERITY_WARNING);
  EXPECT_THAT(event.message(), HasSubstr("of user 65534"));
  EXPECT_EQ(door_.connections(), 0U);
}

TEST_F(ControlTest, WhoSendsWhatIsNoRequestIsCutOffAndCounted) {
  v1::LocalRequest without_number = Kill(0, "r/0");
  v1::LocalRequest below_zero = Kill(-7, "r/0");
  const std::vector<std::string> packets = {"no protobuf at all", std::string(70'000, '\0'),
                                            without_number.SerializeAsString(),
                                            below_zero.SerializeAsString()};
  Person other = Come();
  for (const std::string& packet : packets) {
    Person person = Come();
    person.SayBytes(packet);
    ASSERT_TRUE(person.said());
    Turn();
    EXPECT_TRUE(person.IsCut()) << packet.substr(0, 20);
  }
  EXPECT_EQ(door_.malformed(), static_cast<int64_t>(packets.size()));
  EXPECT_TRUE(kills_.empty());
  EXPECT_EQ(door_.connections(), 1U);
  // Nobody else suffers.
  v1::LocalRequest request;
  request.set_request(1);
  request.mutable_slots();
  EXPECT_TRUE(Ask(other, request).has_slots());
}

TEST_F(ControlTest, ANumberThatWaitsForItsReplyIsNotTakenTwice) {
  Person person = Come();
  person.Say(Kill(5, "r/0"));
  person.Say(Kill(5, "r/1"));
  Turn();
  EXPECT_TRUE(person.IsCut());
  EXPECT_EQ(kills_.size(), 1U);
  EXPECT_EQ(door_.malformed(), 1);
}

TEST_F(ControlTest, OnlySoManyMayBeConnectedAtATime) {
  std::vector<Person> persons;
  for (size_t i = 0; i < ControlDoor::kMostConnections; ++i) persons.push_back(Come());
  Person late(path_);
  Turn();
  const auto reply = late.Hear();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->error().kind(), v1::LOCAL_ERROR_KIND_BUSY);
  EXPECT_TRUE(late.IsCut());
  persons.pop_back();
  Turn();
  Come();
}

// Rows of 1 KiB, so that one reply to a list is about 48 KiB.
void FillSlots(std::map<int64_t, v1::Slot>* slots) {
  for (int64_t i = 1; i <= 200; ++i) {
    v1::Slot& slot = (*slots)[i];
    slot.mutable_incarnation()->set_generation(i);
    slot.set_note(std::string(1024, 'x'));
  }
}

TEST_F(ControlTest, WhoAsksAndNeverReadsIsNotReadFromEither) {
  FillSlots(&slots_);
  Person lazy = Come();
  Person other = Come();
  v1::LocalRequest request;
  request.mutable_slots();
  // Until the door takes no more: both of its buffers are bounded then.
  int asked = 0;
  constexpr int kFarTooMany = 200'000;
  while (lazy.said() && asked < kFarTooMany) {
    request.set_request(++asked);
    lazy.Say(request);
    if (asked % 16 == 0) Turn();
  }
  EXPECT_LT(asked, kFarTooMany);
  EXPECT_EQ(door_.connections(), 2U);
  request.set_request(1);
  EXPECT_GT(Ask(other, request).slots().slots_size(), 40);
  // It reads after all: every request that was taken is answered.
  int heard = 0;
  while (heard < asked - 1) {
    Turn();
    if (lazy.Hear()) ++heard;
  }
  Turn();
  EXPECT_FALSE(lazy.IsCut());
}

TEST_F(ControlTest, WhoDoesNotReadWhatItOrderedIsCutOff) {
  Person lazy = Come();
  lazy.Say(Kill(1, "r/0"));
  Turn();
  constexpr int kFarTooMany = 200'000;
  int events = 0;
  while (door_.connections() == 1 && events < kFarTooMany) {
    Happen(v1::EVENT_KIND_HELD, "r/0");
    ++events;
    door_.Pump();
  }
  EXPECT_EQ(door_.connections(), 0U);
  // What it ordered goes on, and ends.
  End("r/0");
  Person again = Come();
  EXPECT_EQ(Ask(again, Kill(1, "r/0")).event().kind(), v1::EVENT_KIND_VERDICT);
  EXPECT_EQ(kills_.size(), 1U);
}

TEST_F(ControlTest, WhoDoesNotReadForLongIsCutOff) {
  FillSlots(&slots_);
  Person lazy = Come();
  Person other = Come();
  v1::LocalRequest request;
  request.mutable_slots();
  for (int i = 1; i <= 100 && lazy.said(); ++i) {
    request.set_request(i);
    lazy.Say(request);
    Turn();
  }
  door_.DropStuck(MonoNow() + std::chrono::seconds(20));
  EXPECT_EQ(door_.connections(), 2U);
  door_.DropStuck(MonoNow() + std::chrono::seconds(31));
  EXPECT_EQ(door_.connections(), 1U);
}

TEST_F(ControlTest, WhatAPersonIsToldIsKeptBefore) {
  Person person = Come();
  person.Say(Kill(1, "r/0"));
  Turn();
  End("r/0");
  ASSERT_GT(journal_.waiting(), 0);
  EXPECT_FALSE(person.Hear());
  door_.Pump();
  EXPECT_EQ(journal_.waiting(), 0);
  EXPECT_TRUE(person.Hear());
}

TEST_F(ControlTest, ASocketThatWasLeftBehindIsReplaced) {
  ControlDoor next(&log_, &journal_, &poller_, "", {});
  EXPECT_TRUE(next.Open(path_, 0600).ok());
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

}  // namespace
}  // namespace procctl::node

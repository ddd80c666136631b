#include "node/os/seqpacket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

namespace procctl::node {
namespace {

int OpenDescriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++count;
  return count;
}

TEST(Seqpacket, CarriesPacketsWhole) {
  auto pair = MakeSocketPair();
  ASSERT_TRUE(pair.ok());
  ASSERT_TRUE(Send(pair->ours.get(), "one").ok());
  ASSERT_TRUE(Send(pair->ours.get(), "two").ok());
  EXPECT_EQ(Receive(pair->theirs.get(), 100)->bytes, "one");
  EXPECT_EQ(Receive(pair->theirs.get(), 100)->bytes, "two");
  EXPECT_TRUE(absl::IsUnavailable(Receive(pair->theirs.get(), 100).status()));
}

TEST(Seqpacket, SaysWhenAPacketWasTooLong) {
  auto pair = MakeSocketPair();
  ASSERT_TRUE(Send(pair->ours.get(), std::string(200, 'x')).ok());
  EXPECT_TRUE(Receive(pair->theirs.get(), 100)->truncated);
}

TEST(Seqpacket, AFullSocketIsNotWaitedFor) {
  auto pair = MakeSocketPair();
  absl::Status status;
  for (int i = 0; i < 100000 && status.ok(); ++i)
    status = Send(pair->ours.get(), std::string(1000, 'x'));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST(Seqpacket, AGonePeerIsNotFoundAndRaisesNoSignal) {
  auto pair = MakeSocketPair();
  pair->theirs.reset();
  EXPECT_TRUE(absl::IsNotFound(Send(pair->ours.get(), "x")));
  EXPECT_TRUE(absl::IsNotFound(Receive(pair->ours.get(), 100).status()));
}

TEST(Seqpacket, DescriptorsThatNobodyAskedForAreClosed) {
  auto pair = MakeSocketPair();
  const int before = OpenDescriptors();
  const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Send(pair->ours.get(), "x", null.get()).ok());
    ASSERT_TRUE(Receive(pair->theirs.get(), 100).ok());
  }
  EXPECT_EQ(OpenDescriptors(), before + 1);
}

TEST(Seqpacket, TheLargestMessageOfTheLinkFits) {
  auto pair = MakeSocketPair();
  EXPECT_TRUE(Send(pair->ours.get(), std::string(128 * 1024, 'x')).ok());
}

}  // namespace
}  // namespace procctl::node

// The real program: disks that are full or frozen, and a guardian that speaks nonsense.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <random>
#include <string>

#include "node/os/seqpacket.h"
#include "node/os/spawn.h"
#include "tests/e2e/harness/child.h"
#include "tests/e2e/harness/frozen_disk.h"
#include "tests/e2e/harness/wait.h"
#include "tests/node/logger/node_side.h"
#include "tests/node/os/tiny_tmpfs.h"

namespace procctl::logger {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr int kLines = 300'000;

// A program says far more than is kept for it; then the disk is mended.
void ExpectThatNothingIsHeldUp(NodeSide* node, const std::string& trouble) {
  e2e::Child program = WriteLines(node->out("web"), 0, kLines);
  ASSERT_TRUE(node->Until([&] { return !program.Running(); }))
      << "the program is held up by a disk";
  EXPECT_EQ(program.WaitExit(milliseconds(0)), 0);
  EXPECT_TRUE(node->Until([&] { return node->Troubles(false) >= 1 && node->Lost() > 0; }));
  ASSERT_FALSE(node->troubles.empty());
  EXPECT_THAT(node->troubles[0].why(), HasSubstr(trouble));
  EXPECT_EQ(node->troubles[0].label(), "web");
  // The last words of the program are known all the same.
  ASSERT_TRUE(node->Until([&] {
    const std::string tail = node->Tail("web");
    return tail.size() >= kNumberedLine &&
           tail.substr(tail.size() - kNumberedLine) == NumberedLine(kLines - 1);
  }));
  // Another program, whose output is only kept in memory, is read by somebody.
  Say(node->out("quiet"), "hello\n");
  v1::ReadOutput read;
  read.set_program("quiet");
  read.set_tail_lines(1);
  EXPECT_TRUE(node->Until([&] { return node->Read(read).data() == "hello\n"; }));
}

void ExpectThatAllIsAccountedFor(NodeSide* node, const std::string& path) {
  ASSERT_TRUE(node->Until([&] { return node->Troubles(true) == 1; }));
  Say(node->out("web"), "after\n");
  ASSERT_TRUE(node->Has(path, "after\n"));
  EXPECT_EQ(node->Troubles(false), 1) << "said more than once";
  const Lines lines = ParseLines(e2e::ReadFile(path));
  for (const auto& [number, count] : lines.count) ASSERT_EQ(count, 1) << "line " << number;
  EXPECT_EQ(lines.count.count(0), 1U);
  EXPECT_EQ(lines.count.count(kLines - 1), 1U) << "the newest is worth most";
  const auto missing = static_cast<int64_t>((kLines - lines.count.size()) * kNumberedLine);
  const int64_t told = LostIn(lines.others);
  EXPECT_GT(told, 0);
  // At a loss one line may have been cut.
  EXPECT_GE(missing, told);
  EXPECT_LE(missing, told + 2 * int64_t{kNumberedLine});
  EXPECT_TRUE(node->Until([&] { return node->Lost() == told; })) << node->Lost() << " " << told;
}

TEST(LoggerFault, AFullDiskHoldsUpNobody) {
  if (geteuid() != 0) GTEST_SKIP() << "a file system of its own needs root";
  Folder folder;
  std::filesystem::create_directory(folder / "disk");
  const node::TinyTmpfs disk(folder / "disk", 256 * 1024);
  if (!disk.why().empty()) GTEST_SKIP() << disk.why();
  NodeSide node;
  const std::string path = folder / "disk/out";
  v1::LoggerAttach attach = node.MakeJointAttach("web", path);
  attach.set_max_size(0);
  node.logger().Attach(attach);
  node.logger().Attach(node.MakeAttach("quiet", "", ""));
  ExpectThatNothingIsHeldUp(&node, "No space left");
  ASSERT_EQ(mount(nullptr, (folder / "disk").c_str(), nullptr, MS_REMOUNT, "size=64m"), 0);
  ExpectThatAllIsAccountedFor(&node, path);
}

TEST(LoggerFault, WhatDiesWithALoggerIsCountedByTheNext) {
  if (geteuid() != 0) GTEST_SKIP() << "a file system of its own needs root";
  constexpr int kFew = 30'000;
  Folder folder;
  std::filesystem::create_directory(folder / "disk");
  const node::TinyTmpfs disk(folder / "disk", 256 * 1024);
  if (!disk.why().empty()) GTEST_SKIP() << disk.why();
  NodeSide node;
  const std::string path = folder / "disk/out";
  node.logger().Attach(node.MakeJointAttach("web", path));
  e2e::Child program = WriteLines(node.out("web"), 0, kFew);
  ASSERT_TRUE(node.Until([&] { return !program.Running() && node.Troubles(false) == 1; }));
  // All of it is read.
  ASSERT_TRUE(node.Until([&] {
    const std::string tail = node.Tail("web");
    return tail.size() >= kNumberedLine &&
           tail.substr(tail.size() - kNumberedLine) == NumberedLine(kFew - 1);
  }));
  EXPECT_EQ(node.Lost(), 0);
  ASSERT_EQ(kill(node.logger().pid(), SIGKILL), 0);
  ASSERT_TRUE(node.Until([&] { return !node.logger().running(); }));
  ASSERT_EQ(mount(nullptr, (folder / "disk").c_str(), nullptr, MS_REMOUNT, "size=64m"), 0);
  Say(node.out("web"), "after\n");
  ASSERT_TRUE(node.Has(path, "after\n"));
  const std::string text = e2e::ReadFile(path);
  const Lines lines = ParseLines(text);
  const int64_t told = LostIn(lines.others);
  const std::string line = "[procctl: " + std::to_string(told) + " bytes lost]\n";
  const size_t at = text.find(line);
  ASSERT_NE(at, std::string::npos);
  // To the byte, but for the newline that ends a line which was cut.
  const auto before = static_cast<int64_t>(at);
  EXPECT_GE(before + told, kFew * int64_t{kNumberedLine});
  EXPECT_LE(before + told, kFew * int64_t{kNumberedLine} + 1);
  EXPECT_EQ(text.substr(at + line.size()), "after\n");
  EXPECT_TRUE(node.Until([&] { return node.Lost() == told; }));
}

TEST(LoggerFault, AFrozenDiskHoldsUpNobody) {
  if (geteuid() != 0) GTEST_SKIP() << "freezing a file system needs root";
  Folder folder;
  e2e::FrozenDisk disk(folder / "");
  if (!disk.usable()) GTEST_SKIP() << disk.why();
  NodeSide node;
  const std::string path = disk.path() + "/out";
  v1::LoggerAttach attach = node.MakeJointAttach("web", path);
  node.logger().Attach(attach);
  node.logger().Attach(node.MakeAttach("quiet", "", ""));
  Say(node.out("web"), "before\n");
  ASSERT_TRUE(node.Has(path, "before\n"));
  disk.Freeze();
  ExpectThatNothingIsHeldUp(&node, "does not answer");
  disk.Thaw();
  ExpectThatAllIsAccountedFor(&node, path);
  EXPECT_TRUE(node.Has(path, "before\n"));
}

TEST(LoggerFault, AFrozenDiskDoesNotHoldUpOthersFilesForEver) {
  if (geteuid() != 0) GTEST_SKIP() << "freezing a file system needs root";
  Folder folder;
  e2e::FrozenDisk disk(folder / "");
  if (!disk.usable()) GTEST_SKIP() << disk.why();
  NodeSide node;
  node.logger().Attach(node.MakeJointAttach("web", disk.path() + "/out"));
  node.logger().Attach(node.MakeJointAttach("other", "other"));
  Say(node.out("web"), "before\n");
  ASSERT_TRUE(node.Has(disk.path() + "/out", "before\n"));
  disk.Freeze();
  Say(node.out("web"), "frozen\n");
  Say(node.out("other"), "waits\n");
  ASSERT_TRUE(node.Until([&] { return node.Troubles(false) == 1; }));
  disk.Thaw();
  EXPECT_TRUE(node.Has(folder / "disk/out", "frozen\n"));
  EXPECT_TRUE(node.Has(node.folder() / "other", "waits\n"));
  EXPECT_TRUE(node.Until([&] { return node.Troubles(true) == 1; }));
  EXPECT_EQ(node.Lost(), 0);
}

// Its other end, without the guardian's class.
class RawLink {
 public:
  RawLink() {
    auto pair = node::MakeSocketPair();
    if (!pair.ok()) throw e2e::HarnessError("socketpair");
    node::SpawnRequest request;
    request.path = LoggerPath();
    request.link_fd = pair->theirs.get();
    auto process = node::Spawn(request);
    if (!process.ok()) throw e2e::HarnessError(std::string(process.status().message()));
    child_ = e2e::Child::Adopt(process->identity().pid);
    link_ = std::move(pair->ours);
  }

  void Send(const std::string& bytes) {
    e2e::Await(kPatience, "sending", [&] { return node::Send(link_.get(), bytes).ok(); });
  }
  // Asks and waits for the answer to this very question, whatever else comes.
  bool Answers(int64_t request) {
    v1::LoggerDown down;
    down.mutable_tail()->set_request(request);
    Send(down.SerializeAsString());
    return e2e::Eventually(kPatience, [&] {
      for (;;) {
        const auto packet = node::Receive(link_.get(), 64 * 1024);
        if (!packet.ok()) return false;
        v1::LoggerUp up;
        if (!up.ParseFromString(packet->bytes)) return false;
        if (up.has_tail() && up.tail().request() == request) return true;
      }
    });
  }
  std::optional<int> Close() {
    link_.reset();
    return child_.WaitExit(kPatience);
  }

 private:
  e2e::Child child_;
  node::UniqueFd link_;
};

TEST(LoggerFault, WhatIsNoMessageIsDropped) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Folder folder;
  RawLink link;
  v1::LoggerDown attach;
  attach.mutable_attach()->set_label("web");
  attach.mutable_attach()->set_stdout_fifo(folder / "no-fifo");
  attach.mutable_attach()->set_stdout_path(folder / "out");
  v1::LoggerDown read;
  read.mutable_read()->set_request(1);
  read.mutable_read()->mutable_read()->set_program("web");
  read.mutable_read()->mutable_read()->set_cursor("1:2:3:4");
  read.mutable_read()->mutable_read()->set_max_bytes(-1);
  read.mutable_read()->mutable_read()->set_tail_lines(-1);
  read.mutable_read()->mutable_read()->mutable_wait()->set_seconds(-1);
  link.Send(attach.SerializeAsString());
  link.Send(read.SerializeAsString());
  link.Send(std::string(100 * 1024, 'x'));
  link.Send(v1::LoggerDown().SerializeAsString() + '\0');
  for (int i = 0; i < 500; ++i) {
    std::string bytes = (i % 2 == 0 ? attach : read).SerializeAsString();
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      // Not the path of a file: nothing but this folder may be written.
      bytes[random() % std::min<size_t>(bytes.size(), 8)] = static_cast<char>(random());
    }
    link.Send(bytes);
    if (i % 50 != 0) continue;
    ASSERT_TRUE(link.Answers(i + 10));
  }
  EXPECT_TRUE(link.Answers(5));
  const std::optional<int> status = link.Close();
#if defined(__SANITIZE_THREAD__)
  // It has logged, and the library that does it is not instrumented: its end looks like a race.
  EXPECT_TRUE(status);
#else
  EXPECT_EQ(status, 0);
#endif
}

TEST(LoggerFault, IsNotEndedByASignalToTheWholeService) {
  NodeSide node;
  node.logger().Attach(node.MakeJointAttach("web", "out"));
  ASSERT_EQ(node.Tail("web"), "");
  for (const int signal_number : {SIGTERM, SIGINT, SIGHUP}) {
    ASSERT_EQ(kill(node.logger().pid(), signal_number), 0);
  }
  Say(node.out("web"), "last words\n");
  EXPECT_TRUE(node.Has(node.folder() / "out", "last words\n"));
  EXPECT_TRUE(node.logger().running());
}

}  // namespace
}  // namespace procctl::logger

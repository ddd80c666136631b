// The sender against a journal in the test's hand: no other process.
#include "node/logger/journal_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "node/logger/journal_socket.h"
#include "node/os/clock.h"
#include "tests/node/logger/fake_journal.h"
#include "tests/node/logger/node_side.h"

namespace procctl::logger {
namespace {

using node::MonoTime;
using node::Nanos;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class JournalSinkTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_ / "journal"; }
  Piece Of(std::string bytes, int64_t lost = 0) { return {7, std::move(bytes), lost}; }

  Folder folder_;
  const MonoTime now_ = node::MonoNow();
  JournalSocket socket_{path()};
  std::shared_ptr<Outlet> outlet_ = std::make_shared<Outlet>(Outlet::Journal{"web"});
  JournalSink sink_{outlet_, &socket_};
};

TEST_F(JournalSinkTest, SendsLineByLine) {
  FakeJournal journal(path());
  Piece piece = Of("one\n\ntwo", 5);
  ASSERT_TRUE(sink_.Write(&piece, now_).ok());
  EXPECT_EQ(piece.bytes, "");
  EXPECT_EQ(piece.lost_before, 0);
  journal.Take();
  EXPECT_THAT(journal.MessagesOf("web"), ElementsAre("[procctl: 5 bytes lost]", "one", "", "two"));
  EXPECT_EQ(journal.entries[0].at("PRIORITY"), "4");
  EXPECT_EQ(journal.entries[0].count("PROCCTL_STREAM"), 0U);
  EXPECT_EQ(journal.entries[1].at("PROCCTL_STREAM"), "stdout");

  outlet_->SetStderrSource(7);
  piece = Of("bad\n");
  ASSERT_TRUE(sink_.Write(&piece, now_).ok());
  journal.Take();
  EXPECT_EQ(journal.entries.back().at("PROCCTL_STREAM"), "stderr");
  EXPECT_EQ(journal.entries.back().at("PRIORITY"), "4");
}

TEST_F(JournalSinkTest, ALineThatNoDatagramTakesGoesInASealedMemfd) {
  FakeJournal journal(path());
  const std::string line(size_t{16} << 20, 'x');
  Piece piece = Of("short\n" + line + "\nshort\n");
  ASSERT_TRUE(sink_.Write(&piece, now_).ok());
  journal.Take();
  EXPECT_EQ(journal.in_memory, 1);
  ASSERT_THAT(journal.entries, SizeIs(3));
  EXPECT_TRUE(journal.entries[1].at("MESSAGE") == line);
  EXPECT_EQ(journal.entries[1].at("PROCCTL_PROGRAM"), "web");
}

TEST_F(JournalSinkTest, AFullJournalIsBusyAtFirstAndThenInTrouble) {
  FakeJournal journal(path());
  std::string lines;
  for (int i = 0; i < 5'000; ++i) lines += NumberedLine(i);
  Piece piece = Of(lines);
  absl::Status status;
  while (status.ok() && !piece.bytes.empty()) status = sink_.Write(&piece, now_);
  ASSERT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(lines.substr(lines.size() - piece.bytes.size()), piece.bytes);
  EXPECT_EQ(piece.bytes.size() % kNumberedLine, 0U) << "only whole lines are sent";

  const std::string left = piece.bytes;
  EXPECT_TRUE(absl::IsResourceExhausted(sink_.Write(&piece, now_ + JournalSocket::kStall)));
  status = sink_.Write(&piece, now_ + JournalSocket::kStall + Nanos(1));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("takes nothing"));
  EXPECT_EQ(piece.bytes, left);

  // It goes on where it was, and one that took something is not stopped.
  journal.Take();
  const auto took = static_cast<int>(journal.entries.size());
  EXPECT_EQ(journal.entries.back().at("MESSAGE") + "\n", NumberedLine(took - 1));
  status = sink_.Write(&piece, now_ + std::chrono::hours(1));
  EXPECT_TRUE(status.ok() || absl::IsResourceExhausted(status)) << status;
  journal.Take();
  EXPECT_EQ(journal.entries[static_cast<size_t>(took)].at("MESSAGE") + "\n", NumberedLine(took));
}

// A test where the journal takes so many at once (net.unix.max_dgram_qlen); elsewhere it is full
// before.
TEST_F(JournalSinkTest, OthersHaveTheirTurn) {
  FakeJournal journal(path());
  std::string lines;
  for (int i = 0; i < 3 * JournalSink::kTurn; ++i) lines += "x\n";
  Piece piece = Of(lines);
  while (!piece.bytes.empty()) {
    const size_t before = piece.bytes.size();
    const absl::Status status = sink_.Write(&piece, now_);
    ASSERT_TRUE(status.ok() || absl::IsResourceExhausted(status)) << status;
    ASSERT_LT(piece.bytes.size(), before);
    ASSERT_LE(before - piece.bytes.size(), 2 * size_t{JournalSink::kTurn});
    journal.Take(std::chrono::milliseconds(0));
  }
  EXPECT_THAT(journal.entries, SizeIs(3 * JournalSink::kTurn));
}

TEST_F(JournalSinkTest, WithoutAJournalItSaysWhy) {
  Piece piece = Of("one\n", 3);
  absl::Status status = sink_.Write(&piece, now_);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(path()));
  EXPECT_EQ(piece.bytes, "one\n");
  EXPECT_EQ(piece.lost_before, 3);
  {
    FakeJournal journal(path());
    ASSERT_TRUE(sink_.Write(&piece, now_).ok());
    journal.Take();
    EXPECT_TRUE(journal.Has("one"));
  }
  // Nobody listens at its socket any more; and then another one does.
  piece = Of("two\n");
  EXPECT_TRUE(absl::IsUnavailable(sink_.Write(&piece, now_)));
  FakeJournal journal(path());
  ASSERT_TRUE(sink_.Write(&piece, now_).ok());
  journal.Take();
  EXPECT_TRUE(journal.Has("two"));
}

}  // namespace
}  // namespace procctl::logger

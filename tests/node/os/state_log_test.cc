#include "node/os/state_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "spdlog/fmt/fmt.h"
#include "tests/node/os/tiny_tmpfs.h"

namespace procctl::node {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr size_t kHead = 16;

class StateLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/procctl-log-XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    dir_ = pattern;
    path_ = dir_ + "/log";
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  // What it replayed is in records_.
  absl::StatusOr<StateLog> Open() {
    records_.clear();
    return StateLog::Open(
        path_, [this](std::string_view record) { records_.emplace_back(record); }, &damage_);
  }
  void Fill(const std::vector<std::string>& records) {
    auto log = Open();
    ASSERT_TRUE(log.ok()) << log.status();
    for (const std::string& record : records) ASSERT_TRUE(log->Append(record).ok());
  }
  std::string Bytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void Write(std::string_view bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }

  std::string dir_;
  std::string path_;
  std::vector<std::string> records_;
  StateLog::Damage damage_;
};

// Small, with an empty record, a NUL and the magic within.
const std::vector<std::string> kSmall = {"order 1", "", std::string("a\0b", 3), "PLOG", "last"};

TEST_F(StateLogTest, RecordsComeBackInOrder) {
  auto log = Open();
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ(log->bytes(), 0u);
  size_t bytes = 0;
  for (const std::string& record : kSmall) {
    EXPECT_TRUE(log->Append(record).ok());
    bytes += kHead + record.size();
    EXPECT_EQ(log->bytes(), bytes);
  }
  log = Open();
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ(records_, kSmall);
  EXPECT_EQ(log->bytes(), bytes);
  EXPECT_EQ(damage_.lost_bytes, 0u);
  struct stat s {};
  ASSERT_EQ(stat(path_.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777, 0600u);
}

TEST_F(StateLogTest, TheFormatIsTheOneThatEarlierGuardiansWrote) {
  const std::string file(
      "PLOG\x00\x00\x00\x00\xff\xff\xff\xff\xc7\x4b\x67\x48"
      "PLOG\x0b\x00\x00\x00\xf4\xff\xff\xff\x7c\x96\xca\x53hold slot 7",
      2 * kHead + 11);
  Fill({"", "hold slot 7"});
  EXPECT_EQ(Bytes(path_), file);
}

TEST_F(StateLogTest, EveryPrefixGivesTheWholeRecordsBeforeIt) {
  Fill(kSmall);
  const std::string whole = Bytes(path_);
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    std::vector<std::string> before;
    size_t end = 0;
    for (const std::string& record : kSmall) {
      if (end + kHead + record.size() > cut) break;
      end += kHead + record.size();
      before.push_back(record);
    }
    Write(whole.substr(0, cut));
    auto log = Open();
    ASSERT_TRUE(log.ok()) << cut << ": " << log.status();
    EXPECT_EQ(records_, before) << cut;
    EXPECT_EQ(log->bytes(), end) << cut;
    EXPECT_EQ(damage_.lost_bytes, 0u) << cut;
    EXPECT_EQ(std::filesystem::file_size(path_), end) << cut;
    // And it goes on from there.
    ASSERT_TRUE(log->Append("next").ok());
    before.emplace_back("next");
    ASSERT_TRUE(Open().ok());
    EXPECT_EQ(records_, before) << cut;
  }
  EXPECT_FALSE(std::filesystem::exists(path_ + ".damaged"));
}

TEST_F(StateLogTest, NoFlippedBitYieldsAWrongRecord) {
  Fill(kSmall);
  const std::string whole = Bytes(path_);
  size_t begin = 0;
  for (size_t which = 0; which < kSmall.size(); ++which) {
    const size_t end = begin + kHead + kSmall[which].size();
    const std::vector<std::string> before(kSmall.begin(),
                                          kSmall.begin() + static_cast<ptrdiff_t>(which));
    for (size_t bit = begin * 8; bit < end * 8; ++bit) {
      std::string bytes = whole;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      Write(bytes);
      auto log = Open();
      ASSERT_TRUE(log.ok()) << log.status();
      EXPECT_EQ(records_, before) << "bit " << bit;
      EXPECT_EQ(damage_.lost_bytes, whole.size() - begin) << "bit " << bit;
      ASSERT_EQ(damage_.kept_at, path_ + ".damaged") << "bit " << bit;
      EXPECT_EQ(Bytes(damage_.kept_at), bytes) << "bit " << bit;
      EXPECT_EQ(Bytes(path_), whole.substr(0, begin)) << "bit " << bit;
      ASSERT_TRUE(log->Append("next").ok());
      EXPECT_EQ(Bytes(damage_.kept_at), bytes) << "it is a copy by now";
    }
    begin = end;
  }
  Open().IgnoreError();
  EXPECT_EQ(damage_.lost_bytes, 0u) << "damage is told once";
}

TEST_F(StateLogTest, GarbageOfAnyKindIsOnlyDamage) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::string bytes(random() % 300, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    if (round % 2 == 0) bytes.insert(0, "PLOG");
    Write(bytes);
    auto log = Open();
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_THAT(records_, IsEmpty());
    EXPECT_EQ(log->bytes(), 0u);
    EXPECT_EQ(damage_.lost_bytes, bytes.size() < kHead ? 0 : bytes.size());
  }
  Write(std::string(100, '\0'));
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(damage_.lost_bytes, 100u);
}

TEST_F(StateLogTest, WhatWasAppendedBeforeAKillIsThere) {
  for (int round = 0; round < 10; ++round) {
    std::filesystem::remove(path_);
    int told[2];
    ASSERT_EQ(pipe2(told, O_CLOEXEC), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto log = Open();
      for (int i = 0; log.ok() && i < 1000000; ++i) {
        if (!log->Append(fmt::format("{} {}", i, std::string(i % 5000, 'x'))).ok()) break;
        if (write(told[1], &i, sizeof i) != sizeof i) break;
      }
      _exit(1);
    }
    close(told[1]);
    int last = -1;
    const int until = 20 + round * 13;
    while (last < until && read(told[0], &last, sizeof last) == sizeof last) continue;
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    while (read(told[0], &last, sizeof last) == sizeof last) continue;
    close(told[0]);
    ASSERT_GE(last, until) << "the child could not append";
    ASSERT_TRUE(Open().ok());
    EXPECT_EQ(damage_.lost_bytes, 0u);
    ASSERT_GE(records_.size(), static_cast<size_t>(last) + 1);
    for (size_t i = 0; i < records_.size(); ++i)
      EXPECT_EQ(records_[i], fmt::format("{} {}", i, std::string(i % 5000, 'x')));
  }
}

TEST_F(StateLogTest, TheLongestRecordFitsAndALongerOneIsRefused) {
  const std::string longest(StateLog::kMostRecordBytes, 'x');
  Fill({"a", longest, "b"});
  auto log = Open();
  EXPECT_EQ(records_, (std::vector<std::string>{"a", longest, "b"}));
  const size_t bytes = log->bytes();
  EXPECT_TRUE(absl::IsInvalidArgument(log->Append(longest + "x")));
  EXPECT_TRUE(absl::IsInvalidArgument(log->Rewrite({longest + "x"})));
  EXPECT_EQ(log->bytes(), bytes);
  EXPECT_EQ(std::filesystem::file_size(path_), bytes);
}

TEST_F(StateLogTest, RewriteTakesTheWholePlaceAndGoesOn) {
  Fill({"a", "b", "c"});
  {
    auto log = Open();
    ASSERT_TRUE(log->Rewrite({"abc"}).ok());
    EXPECT_EQ(log->bytes(), kHead + 3);
    ASSERT_TRUE(log->Append("d").ok());
  }
  auto log = Open();
  EXPECT_THAT(records_, ElementsAre("abc", "d"));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
  ASSERT_TRUE(log->Rewrite({}).ok());
  ASSERT_TRUE(log->Append("e").ok());
  ASSERT_TRUE(Open().ok());
  EXPECT_THAT(records_, ElementsAre("e"));
}

TEST_F(StateLogTest, ALargeRewriteKeepsEveryRecord) {
  std::vector<std::string> records;
  for (int i = 0; i < 3000; ++i) records.push_back(std::string(i % 700, 'y') + std::to_string(i));
  auto log = Open();
  ASSERT_TRUE(log->Rewrite(records).ok());
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(records_, records);
}

TEST_F(StateLogTest, ARewriteThatWasKilledChangedNothing) {
  Fill({"a"});
  std::ofstream(path_ + ".new") << Bytes(path_) << "half a rec";
  auto log = Open();
  ASSERT_TRUE(log.ok());
  EXPECT_THAT(records_, ElementsAre("a"));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(StateLogTest, OnlyAFileOfOursIsALog) {
  std::ofstream(dir_ + "/target") << "precious";
  std::filesystem::create_symlink(dir_ + "/target", path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(Open().status()));
  EXPECT_EQ(Bytes(dir_ + "/target"), "precious");
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(Open().status()));
  std::filesystem::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(Open().status()));
  std::filesystem::remove(path_);
  Fill({"a"});
  ASSERT_EQ(chmod(path_.c_str(), 0620), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(Open().status()));
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_EQ(chmod(path_.c_str(), 0600), 0);
  ASSERT_EQ(chown(path_.c_str(), 65534, 65534), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(Open().status()));
}

TEST_F(StateLogTest, AFullFileSystemLosesNothingAndItGoesOnWhenThereIsRoom) {
  const TinyTmpfs tmpfs(dir_, 256 * 1024);
  if (!tmpfs.why().empty()) GTEST_SKIP() << tmpfs.why();
  auto log = Open();
  ASSERT_TRUE(log.ok()) << log.status();
  const std::string big(40 * 1000, 'x');
  std::vector<std::string> kept;
  absl::Status status;
  while ((status = log->Append(big)).ok()) {
    kept.push_back(big);
    ASSERT_LT(kept.size(), 10u) << "it should be full by now";
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(std::filesystem::file_size(path_), log->bytes()) << "the torn record is cut off";
  EXPECT_TRUE(absl::IsResourceExhausted(log->Rewrite(kept))) << "twice the room is not there";
  // A smaller one may fit, and a rewrite makes room.
  ASSERT_TRUE(log->Append("small").ok());
  kept.emplace_back("small");
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(records_, kept);
  EXPECT_EQ(damage_.lost_bytes, 0u);
  log = Open();
  ASSERT_TRUE(log->Rewrite({"summary"}).ok());
  ASSERT_TRUE(log->Append(big).ok());
  ASSERT_TRUE(Open().ok());
  EXPECT_THAT(records_, ElementsAre("summary", big));
}

TEST_F(StateLogTest, DamageOnAFullFileSystemIsCutOffWithoutACopy) {
  const TinyTmpfs tmpfs(dir_, 256 * 1024);
  if (!tmpfs.why().empty()) GTEST_SKIP() << tmpfs.why();
  const std::string big(100 * 1000, 'x');
  Fill({big, "hurt", "lost"});
  std::string bytes = Bytes(path_);
  bytes[kHead + big.size() + kHead] = 'H';
  Write(bytes);
  std::ofstream fill(dir_ + "/fill", std::ios::binary);
  fill << std::string(256 * 1024, 'x') << std::flush;
  EXPECT_FALSE(fill.good()) << "the file system was to be full now";
  auto log = Open();
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_THAT(records_, ElementsAre(big));
  EXPECT_EQ(damage_.lost_bytes, 2 * (kHead + 4));
  EXPECT_EQ(damage_.kept_at, "");
  EXPECT_EQ(std::filesystem::file_size(path_), kHead + big.size());
}

TEST_F(StateLogTest, AHundredThousandRecordsAreReadInOneGo) {
  constexpr size_t kRecords = 100000;
  using Clock = std::chrono::steady_clock;
  const auto ms = [](Clock::duration d) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  };
  const std::string record(100, 'r');
  auto log = Open();
  const auto begin = Clock::now();
  for (size_t i = 0; i < kRecords; ++i) ASSERT_TRUE(log->Append(record).ok());
  const auto written = Clock::now();
  size_t whole = 0;
  log = StateLog::Open(
      path_, [&](std::string_view r) { whole += r == record ? 1 : 0; }, &damage_);
  const auto read = Clock::now();
  ASSERT_TRUE(log.ok());
  EXPECT_EQ(whole, kRecords);
  EXPECT_EQ(log->bytes(), kRecords * (kHead + 100));
  std::printf("%zu records: appended in %lld ms, replayed in %lld ms\n", kRecords,
              static_cast<long long>(ms(written - begin)),
              static_cast<long long>(ms(read - written)));
}

}  // namespace
}  // namespace procctl::node

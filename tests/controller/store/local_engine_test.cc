#include "controller/store/local_engine.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "controller/store/sqlite.h"
#include "tests/controller/store/engine_conformance.h"

namespace procctl::controller {
namespace {

absl::StatusOr<std::unique_ptr<Engine>> Open(const std::string& dir) {
  return OpenLocalEngine(dir, "test");
}

INSTANTIATE_TEST_SUITE_P(Local, EngineConformance, ::testing::Values(EngineKind{"Local", Open}),
                         [](const auto& kind) { return kind.param.name; });

class LocalEngineTest : public EngineConformance {};
INSTANTIATE_TEST_SUITE_P(Only, LocalEngineTest, ::testing::Values(EngineKind{"Local", Open}),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(LocalEngineTest, ASecondControllerInTheSameFolderIsRefusedByPid) {
  const auto second = Open(dir_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(second.status().message().find("pid " + std::to_string(getpid())),
            absl::string_view::npos)
      << second.status();
}

TEST_P(LocalEngineTest, TheFolderIsClosedToOthers) {
  struct stat facts = {};
  ASSERT_EQ(stat(dir_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700U);
}

TEST_P(LocalEngineTest, ADatabaseOfANewerVersionIsRefused) {
  engine_.reset();
  {
    auto database = Database::Open(dir_ + "/controller.db", Database::Access::kReadWrite);
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(database->Execute("UPDATE meta SET value = 99 WHERE key = 'schema_version'").ok());
  }
  const auto opened = Open(dir_);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(opened.status().message().find("schema version 99"), absl::string_view::npos);
}

// The child appends and reports each acknowledged number through a pipe until it is killed;
// whatever was acknowledged must be there, contiguous and once.
TEST_P(LocalEngineTest, WhatWasAcknowledgedSurvivesKill) {
  engine_.reset();
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto engine = Open(dir_);
    if (!engine.ok()) _exit(1);
    (*engine)->coordinator().Claim("a", 0, [](const auto&) {});
    for (std::int64_t seq = 1; seq <= 1'000'000; ++seq) {
      (*engine)->commit_log().Append(
          {"a", 1, {MakeEvent("a", 7, seq)}}, [&](const absl::StatusOr<Committed>& committed) {
            if (!committed.ok()) _exit(2);
            const std::int64_t acknowledged = committed->cursors[0].seq;
            (void)!write(pipe_fds[1], &acknowledged, sizeof(acknowledged));
          });
      if (seq % 64 == 0) usleep(100);  // keeps the queue, and so the test's memory, small
    }
    _exit(0);
  }
  close(pipe_fds[1]);
  std::int64_t acknowledged = 0;
  while (acknowledged < 1000 &&
         read(pipe_fds[0], &acknowledged, sizeof(acknowledged)) == sizeof(acknowledged)) {
  }
  ASSERT_EQ(kill(child, SIGKILL), 0);
  while (read(pipe_fds[0], &acknowledged, sizeof(acknowledged)) == sizeof(acknowledged)) {
  }
  close(pipe_fds[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;

  Reopen();
  ASSERT_GE(acknowledged, 1000);
  const std::vector<Cursor> cursors = Cursors("a");
  ASSERT_EQ(cursors.size(), 1U);
  EXPECT_GE(cursors[0].seq, acknowledged);
  const std::vector<std::string> events = Events();
  ASSERT_EQ(events.size(), static_cast<size_t>(cursors[0].seq));
  for (size_t i = 0; i < events.size(); ++i) {
    ASSERT_EQ(events[i], "a 7/" + std::to_string(i + 1));
  }
}

}  // namespace
}  // namespace procctl::controller

// A disk that is full or fails: nothing is acknowledged, reads go on, nothing is lost or doubled.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <future>

#include "proto/support/filter_schemas.h"
#include "proto/support/unique_fd.h"
#include "tests/controller/store/local_kind.h"
#include "tests/node/os/tiny_tmpfs.h"

namespace procctl::controller {
namespace {

std::vector<v1::Event> Batch(std::int64_t first, std::int64_t last) {
  std::vector<v1::Event> events;
  for (std::int64_t seq = first; seq <= last; ++seq) {
    events.push_back(MakeEvent("a", 7, seq));
    events.back().mutable_evidence()->set_note(std::string(20'000, 'x'));
  }
  return events;
}

class DiskTest : public EngineConformance {
 protected:
  using Acknowledged = std::future<absl::StatusOr<Committed>>;

  Acknowledged Begin(std::int64_t session, std::int64_t first, std::int64_t last) {
    auto result = std::make_shared<std::promise<absl::StatusOr<Committed>>>();
    engine_->commit_log().Append(
        {"a", session, Batch(first, last)},
        [result](absl::StatusOr<Committed> committed) { result->set_value(std::move(committed)); });
    return result->get_future();
  }
  void AwaitFailing() {
    for (int i = 0; i < 6000; ++i) {
      if (engine_->disk().kind == DiskState::Kind::kFailing) return;
      usleep(10'000);
    }
    FAIL() << "the disk never failed";
  }
  std::vector<v1::Event> Alarms() {
    EventQuery query;
    query.filter = *Filter::Parse("kind=controller_alarm", EventFilterSchema());
    const auto page = engine_->history().Query(query);
    EXPECT_TRUE(page.ok()) << page.status();
    std::vector<v1::Event> alarms;
    if (page.ok()) {
      for (const LoggedEvent& logged : page->events) alarms.push_back(logged.event);
    }
    return alarms;
  }

  // The whole course. `fail` and `mend` make the disk fail, and work again.
  void FailsAndWorksAgain(const std::function<void()>& fail, const std::function<void()>& mend) {
    const std::int64_t session = Claim("a");
    ASSERT_TRUE(Begin(session, 1, 5).get().ok());
    EXPECT_EQ(engine_->disk().kind, DiskState::Kind::kOk);
    fail();
    Acknowledged first = Begin(session, 6, 30);
    AwaitFailing();
    EXPECT_FALSE(engine_->disk().reason.empty());
    Acknowledged second = Begin(session, 31, 60);
    EXPECT_EQ(Events("node=a").size(), 5U) << "reads go on";
    EXPECT_EQ(engine_->history().FindRequest("r")->has_value(), false);

    // What nobody sends again is taken up to a bound, then refused at once.
    v1::Event own;
    own.set_kind(v1::EVENT_KIND_NODE_LOST);
    own.set_message(std::string(100'000, 'x'));
    int refused = 0;
    int recorded = 0;
    for (int i = 0; i < 400; ++i) {
      engine_->commit_log().AppendOwn({own}, [&](const absl::StatusOr<Committed>& committed) {
        committed.ok() ? ++recorded : ++refused;
        EXPECT_TRUE(committed.ok() || absl::IsUnavailable(committed.status()))
            << committed.status();
      });
    }
    EXPECT_GT(refused, 100);
    EXPECT_EQ(engine_->disk().refused, refused);
    EXPECT_LT(engine_->commit_log().WaitingBytes(), 20U << 20);
    EXPECT_EQ(first.wait_for(std::chrono::seconds(0)), std::future_status::timeout)
        << "nothing is acknowledged";

    mend();
    const auto committed = first.get();
    ASSERT_TRUE(committed.ok()) << committed.status();
    EXPECT_EQ(committed->cursors, (std::vector<Cursor>{{7, 30}}));
    EXPECT_EQ(committed->fresh.size(), 25U);
    ASSERT_TRUE(second.get().ok());
    own.set_message("small");
    ASSERT_TRUE(AppendOwn({own}).ok()) << "behind all others";
    EXPECT_EQ(engine_->disk().kind, DiskState::Kind::kOk);
    EXPECT_EQ(recorded + refused, 400);
    const std::vector<std::string> events = Events("node=a");
    EXPECT_EQ(Cursors("a"), (std::vector<Cursor>{{7, 60}}));
    ASSERT_EQ(events.size(), 60U) << "none lost, none doubled";
    for (std::size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events[i], "a 7/" + std::to_string(i + 1));
    }
    const std::vector<v1::Event> alarms = Alarms();
    ASSERT_EQ(alarms.size(), 1U);
    EXPECT_EQ(alarms[0].severity(), v1::SEVERITY_ALARM);
    EXPECT_NE(alarms[0].message().find("could not be written for"), std::string::npos)
        << alarms[0].message();
    EXPECT_NE(alarms[0].message().find(std::to_string(refused) + " requests and records"),
              std::string::npos)
        << alarms[0].message();
  }
};
PROCCTL_LOCAL_SUITE(DiskTest);

TEST_P(DiskTest, AFileThatCannotGrowHoldsAcknowledgementsBackAndLosesNothing) {
  signal(SIGXFSZ, SIG_IGN);  // the write fails instead
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  FailsAndWorksAgain(
      [&] {
        const auto log = std::filesystem::file_size(dir_ + "/controller.db-wal");
        const rlimit small = {log, before.rlim_max};
        ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
      },
      [&] { ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0); });
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
}

TEST_P(DiskTest, AFullDiskHoldsAcknowledgementsBackAndLosesNothing) {
  engine_.reset();
  const std::string folder = std::filesystem::path(dir_).parent_path().string() + "/small";
  ASSERT_EQ(mkdir(folder.c_str(), 0755), 0);
  const node::TinyTmpfs disk(folder, 64 << 20);
  if (!disk.why().empty()) GTEST_SKIP() << disk.why();
  const std::string old_dir = std::exchange(dir_, folder + "/state");
  Reopen();
  ASSERT_NE(engine_, nullptr);
  const std::string filler = folder + "/filler";
  FailsAndWorksAgain(
      [&] {
        const UniqueFd file(open(filler.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        const std::string block(4096, 'x');
        while (write(file.get(), block.data(), block.size()) == 4096) {
        }
        ASSERT_EQ(errno, ENOSPC);
      },
      [&] { ASSERT_EQ(unlink(filler.c_str()), 0); });
  engine_.reset();
  dir_ = old_dir;
}

TEST_P(DiskTest, AnEngineThatStopsWhileItsDiskFailsGivesUpWhatWaits) {
  signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const std::int64_t session = Claim("a");
  const auto log = std::filesystem::file_size(dir_ + "/controller.db-wal");
  const rlimit small = {log, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  Acknowledged waits = Begin(session, 1, 30);
  AwaitFailing();
  engine_->Stop();
  EXPECT_TRUE(absl::IsUnavailable(waits.get().status()));
  engine_.reset();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  Reopen();
  EXPECT_TRUE(Cursors("a").empty());
}

}  // namespace
}  // namespace procctl::controller

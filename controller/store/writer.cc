#include "controller/store/writer.h"

#include <utility>

#include "absl/time/time.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

// Bounds the time of one transaction; at the measured rates a group takes tens of milliseconds.
constexpr std::size_t kMostRowsPerGroup = 2000;
constexpr absl::Duration kRetryPause = absl::Seconds(1);

}  // namespace

Writer::Writer(Database database, Checkpointer* checkpointer)
    : database_(std::move(database)), tables_(&database_), checkpointer_(checkpointer) {
  sqlite3_wal_hook(
      database_.handle(),
      [](void* told, sqlite3*, const char*, int pages) {
        static_cast<Checkpointer*>(told)->LogHasPages(pages);
        return SQLITE_OK;
      },
      checkpointer_);
  thread_ = std::thread([this] { Loop(); });
}

Writer::~Writer() { Stop(); }

void Writer::Submit(std::unique_ptr<WriteJob> job) {
  {
    absl::MutexLock lock(&mutex_);
    if (!stopping_) {
      waiting_bytes_.fetch_add(job->Bytes(), std::memory_order_relaxed);
      jobs_.push_back(std::move(job));
      return;
    }
  }
  job->Abandoned(absl::UnavailableError("the controller is going down; try again"));
}

void Writer::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

bool Writer::TakeGroup(Group* group) {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](Writer* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(self->mutex_) {
        return self->stopping_ || !self->jobs_.empty();
      },
      this));
  std::size_t rows = 0;
  while (!jobs_.empty() && rows < kMostRowsPerGroup) {
    rows += jobs_.front()->Rows();
    group->push_back(std::move(jobs_.front()));
    jobs_.pop_front();
  }
  return !group->empty();
}

absl::Status Writer::CommitGroup(const Group& group) {
  absl::Status done = database_.Execute("BEGIN IMMEDIATE");
  for (size_t i = 0; done.ok() && i < group.size(); ++i) done = group[i]->Run(&tables_);
  if (done.ok()) done = database_.Execute("COMMIT");
  if (!done.ok()) {
    // Fails where the transaction never began or SQLite has rolled it back itself: just as good.
    (void)database_.Execute("ROLLBACK");
    tables_.Forget();
  }
  return done;
}

bool Writer::StopsWithin(absl::Duration pause) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&stopping_), pause);
}

void Writer::Loop() {
  for (Group group; TakeGroup(&group); group.clear()) {
    absl::Status done = CommitGroup(group);
    while (!done.ok() && !StopsWithin(kRetryPause)) {
      spdlog::error("events wait, the database failed: {}; trying again", done.ToString());
      done = CommitGroup(group);
    }
    if (!done.ok()) done = CommitGroup(group);  // the last try, while stopping
    for (const std::unique_ptr<WriteJob>& job : group) {
      waiting_bytes_.fetch_sub(job->Bytes(), std::memory_order_relaxed);
      if (done.ok()) {
        job->Committed();
      } else {
        job->Abandoned(absl::UnavailableError(done.message()));
      }
    }
  }
}

}  // namespace procctl::controller

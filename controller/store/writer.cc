#include "controller/store/writer.h"

#include <utility>

#include "absl/time/time.h"
#include "proto/support/duration_text.h"
#include "proto/support/size_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

// Bounds the time of one transaction; at the measured rates a group takes tens of milliseconds.
constexpr std::size_t kMostRowsPerGroup = 4000;
constexpr absl::Duration kRetryPause = absl::Seconds(1);
// A disk that takes so long for one commit is worth a line.
constexpr std::chrono::seconds kSlowCommit{1};
constexpr std::int64_t kPageBytes = 4096;

MonoTime Now() {
  return MonoTime(std::chrono::duration_cast<MonoTime::duration>(
      std::chrono::steady_clock::now().time_since_epoch()));
}

v1::Event ControllerAlarm(v1::Severity severity, const std::string& message) {
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_CONTROLLER_ALARM);
  event.set_severity(severity);
  *event.mutable_at() = ToProto(std::chrono::system_clock::now());
  event.set_message(message);
  return event;
}

}  // namespace

Writer::Writer(Database database, Checkpointer* checkpointer, RecordOwn record_own)
    : database_(std::move(database)),
      tables_(&database_),
      checkpointer_(checkpointer),
      record_own_(std::move(record_own)) {
  sqlite3_wal_hook(
      database_.handle(),
      [](void* told, sqlite3*, const char*, int pages) {
        auto* const writer = static_cast<Writer*>(told);
        writer->log_pages_ = pages;
        writer->checkpointer_->LogHasPages(pages);
        return SQLITE_OK;
      },
      this);
  thread_ = std::thread([this] { Loop(); });
}

Writer::~Writer() { Stop(); }

void Writer::Submit(std::unique_ptr<WriteJob> job) { Take(std::move(job), false); }

void Writer::SubmitBounded(std::unique_ptr<WriteJob> job) { Take(std::move(job), true); }

void Writer::Take(std::unique_ptr<WriteJob> job, bool bounded) {
  const std::size_t bytes = job->Bytes();
  absl::Status refused;
  {
    absl::MutexLock lock(&mutex_);
    // One fits always, or a large one would never be taken.
    if (stopping_) {
      refused = absl::UnavailableError("the controller is going down; try again");
    } else if (bounded && bounded_bytes_ > 0 && bounded_bytes_ + bytes > kMostBoundedBytes) {
      ++disk_.refused;
      refused = absl::UnavailableError(
          disk_.kind == DiskState::Kind::kFailing
              ? fmt::format("the controller cannot record it and too much waits already: its disk "
                            "fails: {}",
                            disk_.reason)
              : std::string("the controller cannot record it in time: its disk is too slow"));
    } else {
      waiting_bytes_.fetch_add(bytes, std::memory_order_relaxed);
      if (bounded) bounded_bytes_ += bytes;
      jobs_.push_back({std::move(job), bytes, bounded});
      return;
    }
  }
  job->Abandoned(refused);
}

void Writer::Record(v1::Event event) {
  auto job = record_own_(std::move(event));
  const std::size_t bytes = job->Bytes();
  absl::MutexLock lock(&mutex_);
  waiting_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  jobs_.push_back({std::move(job), bytes, false});
}

DiskState Writer::disk() const {
  absl::MutexLock lock(&mutex_);
  return disk_;
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
    rows += jobs_.front().job->Rows();
    group->push_back(std::move(jobs_.front()));
    jobs_.pop_front();
  }
  return !group->empty();
}

absl::Status Writer::RunGroup(const Group& group) {
  absl::Status done = database_.Execute("BEGIN IMMEDIATE");
  for (size_t i = 0; done.ok() && i < group.size(); ++i) done = group[i].job->Run(&tables_);
  if (done.ok()) done = database_.Execute("COMMIT");
  if (!done.ok()) {
    // Fails where the transaction never began or SQLite has rolled it back itself: just as good.
    (void)database_.Execute("ROLLBACK");
    tables_.Forget();
  }
  return done;
}

absl::Status Writer::CommitGroup(const Group& group) {
  const MonoTime start = Now();
  const absl::Status done = RunGroup(group);
  const std::chrono::nanoseconds took = Now() - start;
  if (took > kSlowCommit) {
    spdlog::warn("a commit of {} batches and requests took {}: the disk is slow, or shared",
                 group.size(), FormatDuration(took));
  }
  if (done.ok()) {
    Works();
    JudgeLog();
  } else {
    Fails(done);
  }
  return done;
}

void Writer::Fails(const absl::Status& why) {
  {
    absl::MutexLock lock(&mutex_);
    if (disk_.kind == DiskState::Kind::kOk) disk_.refused = 0;
    disk_.kind = DiskState::Kind::kFailing;
    disk_.reason = std::string(why.message());
  }
  if (!disk_alarm_.Raise(std::string(why.message()), Now())) return;
  spdlog::error(
      "the database cannot be written: {}. Nothing is acknowledged and {} wait; nodes keep their "
      "events, lists and the history can be read. Trying again every {}",
      std::string(why.message()), FormatSize(static_cast<std::int64_t>(WaitingBytes())),
      FormatDuration(absl::ToChronoNanoseconds(kRetryPause)));
}

void Writer::Works() {
  const auto over = disk_alarm_.Clear(Now());
  if (!over) return;
  std::int64_t refused = 0;
  {
    absl::MutexLock lock(&mutex_);
    refused = disk_.refused;
    disk_ = DiskState();
  }
  std::string message = fmt::format(
      "the database could not be written for {}: {}. It works again; nothing that was acknowledged "
      "is lost",
      FormatDuration(over->lasted), over->reason);
  if (refused > 0) {
    message += fmt::format(
        "; {} requests and records of the controller itself were not taken meanwhile", refused);
  }
  spdlog::warn("{}", message);
  Record(ControllerAlarm(v1::SEVERITY_ALARM, message));
}

void Writer::JudgeLog() {
  if (log_pages_ <= kLongLogPages) {
    if (const auto over = log_alarm_.Clear(Now())) {
      const std::string message =
          fmt::format("{}; after {} it is short again", over->reason, FormatDuration(over->lasted));
      spdlog::warn("{}", message);
      Record(ControllerAlarm(v1::SEVERITY_INFO, message));
    }
    return;
  }
  const bool begins = !log_alarm_.raised();
  const std::string reason = fmt::format(
      "the write-ahead log has grown to {}: a reader holds it (a backup?), or the disk is too slow "
      "for the rate of events",
      FormatSize(log_pages_ * kPageBytes));
  if (log_alarm_.Raise(reason, Now())) spdlog::error("{}", reason);
  if (begins) Record(ControllerAlarm(v1::SEVERITY_ALARM, reason));
}

bool Writer::StopsWithin(absl::Duration pause) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&stopping_), pause);
}

void Writer::Loop() {
  for (Group group; TakeGroup(&group); group.clear()) {
    absl::Status done = CommitGroup(group);
    while (!done.ok() && !StopsWithin(kRetryPause)) done = CommitGroup(group);
    if (!done.ok()) done = CommitGroup(group);  // the last try, while stopping
    std::size_t bounded = 0;
    for (const Waiting& waiting : group) {
      if (waiting.bounded) bounded += waiting.bytes;
    }
    if (bounded > 0) {
      absl::MutexLock lock(&mutex_);
      bounded_bytes_ -= bounded;
    }
    for (const Waiting& waiting : group) {
      waiting_bytes_.fetch_sub(waiting.bytes, std::memory_order_relaxed);
      if (done.ok()) {
        waiting.job->Committed();
      } else {
        waiting.job->Abandoned(absl::UnavailableError(done.message()));
      }
    }
  }
}

}  // namespace procctl::controller

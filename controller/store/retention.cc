#include "controller/store/retention.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "controller/store/commit_log.h"
#include "controller/store/schema.h"
#include "proto/support/duration_text.h"
#include "proto/support/size_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/chrono.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

constexpr absl::Duration kPeriod = absl::Seconds(10);
// What a piece may add to a commit.
constexpr std::chrono::milliseconds kPieceTime{4};
// Between pieces that are not urgent, so that they take a fraction of the writer's time.
constexpr absl::Duration kPause = absl::Milliseconds(10);
// Above the size, a fiftieth of it more than needed goes, so that it is not done for each event.
constexpr std::int64_t kSlack = 50;
// Free pages are used again; only when they are more than a twentieth of the file, and than 1 MiB,
// are they given back.
constexpr std::int64_t kFreeShare = 20;
constexpr std::int64_t kFewFreePages = 256;
// A request must be found again as long as anybody may repeat it, whatever the size.
constexpr std::chrono::hours kLeastRequestLife{24};
constexpr std::chrono::hours kSizeToldEvery{24};
constexpr std::chrono::hours kCursorsLookedEvery{1};

MonoTime Now() {
  return MonoTime(std::chrono::duration_cast<MonoTime::duration>(
      std::chrono::steady_clock::now().time_since_epoch()));
}

std::int64_t WallNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool Due(std::optional<MonoTime> last, std::chrono::hours every) {
  return !last || Now() - *last >= every;
}

class MaintenanceJob : public WriteJob {
 public:
  using Work = std::function<absl::Status(WriterTables* tables)>;
  MaintenanceJob(Work work, std::function<void(absl::Status)> done)
      : work_(std::move(work)), done_(std::move(done)) {}

  absl::Status Run(WriterTables* tables) override {
    result_ = work_(tables);
    // A damaged old page must not keep new events from being committed.
    return absl::IsDataLoss(result_) ? absl::OkStatus() : result_;
  }
  void Committed() override { done_(result_); }
  void Abandoned(const absl::Status& why) override { done_(why); }
  std::size_t Bytes() const override { return sizeof(*this); }
  std::size_t Rows() const override { return 1; }

 private:
  Work work_;
  std::function<void(absl::Status)> done_;
  absl::Status result_;
};

struct OldestEvent {
  std::int64_t position = 0;  // 0: there is none
  std::int64_t received_ns = 0;
};

absl::StatusOr<OldestEvent> FindOldest(Database* reader) {
  auto query =
      reader->Prepare("SELECT position, received_ns FROM events ORDER BY position LIMIT 1");
  if (!query.ok()) return query.status();
  auto row = query->Step();
  if (!row.ok()) return row.status();
  return *row ? OldestEvent{query->Integer(0), query->Integer(1)} : OldestEvent();
}

}  // namespace

Retention::Retention(std::string path, const HistoryLimits& limits, Writer* writer,
                     Writer::RecordOwn record_own)
    : path_(std::move(path)),
      limits_(limits),
      writer_(writer),
      record_own_(std::move(record_own)),
      thread_([this] { Loop(); }) {}

Retention::~Retention() {
  RequestStop();
  thread_.join();
}

void Retention::RequestStop() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

bool Retention::StopsWithin(absl::Duration pause) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&stopping_), pause);
}

void Retention::Loop() {
  do {
    auto reader = OpenForReading(path_);
    const absl::Status looked = reader.ok() ? Look(&*reader) : reader.status();
    if (!looked.ok() && !absl::IsUnavailable(looked)) {
      spdlog::warn("the history cannot be kept within its limits: {}; trying again in {}",
                   looked.ToString(), FormatDuration(absl::ToChronoNanoseconds(kPeriod)));
    }
  } while (!StopsWithin(kPeriod));
}

absl::Status Retention::Look(Database* reader) {
  if (limits_.keep.count() > 0) {
    events_ = requests_ = 0;
    if (absl::Status done = DropOld(WallNanos() - limits_.keep.count()); !done.ok()) return done;
    Tell("older than " + FormatDuration(limits_.keep), reader);
  }
  if (limits_.max_bytes > 0) {
    events_ = requests_ = 0;
    if (absl::Status done = DropAboveSize(reader); !done.ok()) return done;
  }
  if (Due(cursors_looked_, kCursorsLookedEvery)) {
    if (absl::Status done = DropCursors(reader); !done.ok()) return done;
    cursors_looked_ = Now();
  }
  return GiveBack(reader);
}

absl::Status Retention::DropOld(std::int64_t before_ns) {
  // Requests first: what answers them may go only then.
  TrimPass requests;
  absl::Status done = Run(
      [before_ns](TrimUntil until, WriterTables* tables, TrimPass* pass) {
        return TrimRequests(before_ns, until, tables->database(), pass);
      },
      true, &requests);
  requests_ += requests.dropped;
  if (!done.ok()) return done;
  TrimPass events;
  done = Run(
      [before_ns](TrimUntil until, WriterTables* tables, TrimPass* pass) {
        return TrimEvents({.before_ns = before_ns}, until, tables->database(), pass);
      },
      true, &events);
  events_ += events.dropped;
  return done;
}

absl::Status Retention::DropAboveSize(Database* reader) {
  const std::string limit = FormatSize(limits_.max_bytes);
  const std::int64_t enough_bytes = limits_.max_bytes - limits_.max_bytes / kSlack;
  const auto used = [reader]() -> std::int64_t {
    const auto size = MeasureDatabase(reader);
    return size.ok() ? size->UsedBytes() : 0;
  };
  if (used() <= limits_.max_bytes) return absl::OkStatus();
  const auto oldest = FindOldest(reader);
  if (!oldest.ok()) return oldest.status();
  TrimPass requests;
  const std::int64_t request_cutoff = std::min(
      oldest->received_ns, WallNanos() - std::chrono::nanoseconds(kLeastRequestLife).count());
  absl::Status done = Run(
      [request_cutoff](TrimUntil until, WriterTables* tables, TrimPass* pass) {
        return TrimRequests(request_cutoff, until, tables->database(), pass);
      },
      false, &requests);
  requests_ += requests.dropped;
  if (!done.ok()) return done;
  TrimPass events;
  done = Run(
      [enough_bytes](TrimUntil until, WriterTables* tables, TrimPass* pass) {
        return TrimEvents({.enough_bytes = enough_bytes}, until, tables->database(), pass);
      },
      false, &events);
  events_ += events.dropped;
  Tell("the database was above " + limit, reader);
  if (!done.ok()) return done;
  if (used() > limits_.max_bytes) {
    spdlog::warn(
        "the database holds {}, above max_size {}, and only what must be kept: cursors, and orders "
        "that run or are younger than a day",
        FormatSize(used()), limit);
  }
  if (events.dropped > 0 && Due(size_told_, kSizeToldEvery)) {
    size_told_ = Now();
    v1::Event event;
    event.set_kind(v1::EVENT_KIND_CONTROLLER_ALARM);
    event.set_severity(v1::SEVERITY_WARNING);
    *event.mutable_at() = ToProto(std::chrono::system_clock::now());
    event.set_message(fmt::format(
        "the history shrank: {} events were dropped before their age, as the database was above "
        "history.max_size {}; told once a day",
        events.dropped, limit));
    writer_->SubmitBounded(record_own_(std::move(event)));
  }
  return absl::OkStatus();
}

absl::Status Retention::DropCursors(Database* reader) {
  constexpr auto kKeep = static_cast<std::int64_t>(CommitLog::kMostCursors);
  std::vector<std::string> origins;
  {
    auto query = reader->Prepare("SELECT origin FROM cursors GROUP BY origin HAVING count(*) > ?");
    if (!query.ok()) return query.status();
    query->Bind(kKeep);
    for (;;) {
      auto row = query->Step();
      if (!row.ok()) return row.status();
      if (!*row) break;
      origins.emplace_back(query->Text(0));
    }
  }
  for (const std::string& origin : origins) {
    TrimPass cursors;
    const absl::Status done = Run(
        [&origin](TrimUntil until, WriterTables* tables, TrimPass* pass) {
          tables->Forget();  // what is dropped must not live on in memory
          return TrimCursors(origin, kKeep, until, tables->database(), pass);
        },
        true, &cursors);
    if (!done.ok()) return done;
    spdlog::info("{} had more than {} epochs: {} of the oldest cursors were dropped", origin, kKeep,
                 cursors.dropped);
  }
  return absl::OkStatus();
}

absl::Status Retention::GiveBack(Database* reader) {
  const auto size = MeasureDatabase(reader);
  if (!size.ok()) return size.status();
  const std::int64_t leave = std::max(kFewFreePages, size->pages / kFreeShare);
  if (size->free_pages <= leave) return absl::OkStatus();
  TrimPass given;
  const absl::Status done = Run(
      [leave](TrimUntil until, WriterTables* tables, TrimPass* pass) {
        return GivePagesBack(leave / 2, until, tables->database(), pass);
      },
      true, &given);
  if (given.dropped > 0) {
    spdlog::info("the database gave {} back to the file system",
                 FormatSize(given.dropped * size->page_bytes));
  }
  return done;
}

absl::Status Retention::Run(const Piece& piece, bool pause, TrimPass* pass) {
  while (!pass->done) {
    if (StopsWithin(pause && pass->dropped > 0 ? kPause : absl::ZeroDuration())) {
      return absl::UnavailableError("the controller is going down");
    }
    if (absl::Status done = RunPiece(piece, pass); !done.ok()) return done;
  }
  return absl::OkStatus();
}

absl::Status Retention::RunPiece(const Piece& piece, TrimPass* pass) {
  struct Outcome {
    absl::Mutex mutex;
    std::optional<absl::Status> told ABSL_GUARDED_BY(mutex);
    bool IsTold() const ABSL_SHARED_LOCKS_REQUIRED(mutex) { return told.has_value(); }
  };
  // Shared: the writer may still hold its lock when this thread goes on.
  const auto outcome = std::make_shared<Outcome>();
  TrimPass next;
  writer_->Submit(std::make_unique<MaintenanceJob>(
      [&](WriterTables* tables) {
        // From where the last committed piece ended, however often this one has to be tried.
        next = *pass;
        return piece(std::chrono::steady_clock::now() + kPieceTime, tables, &next);
      },
      [outcome](absl::Status done) {
        absl::MutexLock lock(&outcome->mutex);
        outcome->told = std::move(done);
      }));
  absl::MutexLock lock(&outcome->mutex);
  outcome->mutex.Await(absl::Condition(outcome.get(), &Outcome::IsTold));
  if (outcome->told->ok()) *pass = next;
  return *outcome->told;
}

void Retention::Tell(const std::string& why, Database* reader) {
  if (events_ == 0 && requests_ == 0) return;
  const auto oldest = FindOldest(reader);
  if (!oldest.ok()) return;
  const std::string kept =
      oldest->position == 0
          ? std::string("no event is left")
          : fmt::format("the oldest kept has position {} and was received {:%Y-%m-%dT%H:%M:%SZ}",
                        oldest->position, fmt::gmtime(oldest->received_ns / 1'000'000'000));
  spdlog::info("the history was trimmed, {}: {} events and {} requests were dropped; {}", why,
               events_, requests_, kept);
}

}  // namespace procctl::controller

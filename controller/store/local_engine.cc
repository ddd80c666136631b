#include "controller/store/local_engine.h"

#include <utility>

#include "controller/store/checkpointer.h"
#include "controller/store/integrity.h"
#include "controller/store/local_history.h"
#include "controller/store/retention.h"
#include "controller/store/schema.h"
#include "controller/store/state_dir.h"
#include "controller/store/write_jobs.h"
#include "controller/store/writer.h"
#include "proto/support/duration_text.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

class LocalCoordinator : public Coordinator {
 public:
  LocalCoordinator(std::string path, StoreIdentity identity, Writer* writer)
      : path_(std::move(path)), identity_(std::move(identity)), writer_(writer) {}

  const StoreIdentity& identity() const override { return identity_; }

  void Claim(const std::string& node, std::int64_t at_least, Claimed done) override {
    writer_->Submit(MakeClaimJob(node, at_least, std::move(done)));
  }

  void Forget(const std::string& node, Forgotten done) override {
    writer_->Submit(MakeForgetJob(node, std::move(done)));
  }

  absl::StatusOr<std::vector<std::string>> KnownNodes() override {
    return Nodes("SELECT node FROM nodes WHERE forgotten = 0 ORDER BY node");
  }
  absl::StatusOr<std::vector<std::string>> ForgottenNodes() override {
    return Nodes("SELECT node FROM nodes WHERE forgotten <> 0 ORDER BY node");
  }

 private:
  absl::StatusOr<std::vector<std::string>> Nodes(const char* sql) {
    auto reader = OpenForReading(path_);
    if (!reader.ok()) return reader.status();
    auto statement = reader->Prepare(sql);
    if (!statement.ok()) return statement.status();
    std::vector<std::string> nodes;
    for (;;) {
      auto row = statement->Step();
      if (!row.ok()) return row.status();
      if (!*row) return nodes;
      nodes.emplace_back(statement->Text(0));
    }
  }

  const std::string path_;
  const StoreIdentity identity_;
  Writer* const writer_;
};

class LocalCommitLog : public CommitLog {
 public:
  LocalCommitLog(const std::string& controller_id, std::int64_t own_epoch, Writer* writer)
      : origin_("@" + controller_id), own_epoch_(own_epoch), writer_(writer) {}

  void Append(NodeBatch batch, Appended done) override {
    writer_->Submit(MakeAppendJob(std::move(batch), Followed(std::move(done))));
  }
  void AppendOwn(std::vector<v1::Event> events, Appended done) override {
    writer_->SubmitBounded(
        MakeOwnEventsJob(origin_, own_epoch_, std::move(events), Followed(std::move(done))));
  }
  void Follow(Follower follower) override { follower_ = std::move(follower); }
  void LoadCursors(const std::string& node, Loaded done) override {
    writer_->Submit(MakeLoadCursorsJob(node, std::move(done)));
  }
  void AcceptGaps(const std::string& node, std::int64_t session_epoch, std::vector<HeldRange> held,
                  Loaded done) override {
    writer_->Submit(MakeAcceptGapsJob(origin_, own_epoch_, node, session_epoch, std::move(held),
                                      Followed([](const absl::StatusOr<Committed>&) {}),
                                      std::move(done)));
  }
  std::size_t WaitingBytes() const override { return writer_->WaitingBytes(); }

 private:
  Appended Followed(Appended done) const {
    if (follower_ == nullptr) return done;
    return [this, done = std::move(done)](absl::StatusOr<Committed> committed) {
      if (committed.ok() && !committed->fresh.empty()) follower_(*committed);
      done(std::move(committed));
    };
  }

  Follower follower_;
  const std::string origin_;
  const std::int64_t own_epoch_;
  Writer* const writer_;
};

class LocalEngine : public Engine {
 public:
  LocalEngine(StateDir dir, const std::string& path, const std::string& controller_id,
              const StoreIdentity& identity, const HistoryLimits& limits, Database writer,
              Database checkpointer)
      : dir_(std::move(dir)),
        checkpointer_(std::move(checkpointer)),
        record_own_([origin = "@" + controller_id, epoch = identity.generation](v1::Event event) {
          return MakeOwnEventsJob(origin, epoch, {std::move(event)}, [](const auto&) {});
        }),
        writer_(std::move(writer), &checkpointer_, record_own_),
        retention_(path, limits, &writer_, record_own_),
        coordinator_(path, identity, &writer_),
        commit_log_(controller_id, identity.generation, &writer_),
        history_(path, &writer_) {}
  ~LocalEngine() override { StopThreads(); }

  Coordinator& coordinator() override { return coordinator_; }
  CommitLog& commit_log() override { return commit_log_; }
  History& history() override { return history_; }
  DiskState disk() const override { return writer_.disk(); }
  void Stop() override { StopThreads(); }

 private:
  // The retention first: it must hand the writer no more, or the writer would do it all.
  void StopThreads() {
    retention_.RequestStop();
    writer_.Stop();
  }

  // In this order: the lock is held until all else is gone, the writer tells the checkpointer, and
  // the retention waits for the writer.
  StateDir dir_;
  Checkpointer checkpointer_;
  const Writer::RecordOwn record_own_;
  Writer writer_;
  Retention retention_;
  LocalCoordinator coordinator_;
  LocalCommitLog commit_log_;
  LocalHistory history_;
};

absl::StatusOr<Database> OpenSound(const std::string& path, std::chrono::nanoseconds check) {
  auto database = OpenForWriting(path);
  absl::Status sound = database.status();
  if (sound.ok() && check.count() > 0) {
    const auto checked = QuickCheck(&*database, check);
    sound = checked.status();
    if (sound.ok() && *checked == Checked::kInPart) {
      spdlog::info("{} was checked in part only, in {}", path, FormatDuration(check));
    }
  }
  if (absl::IsDataLoss(sound)) return DamagedDatabase(path, sound);
  if (!sound.ok()) return sound;
  return database;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> OpenLocalEngine(const std::string& state_dir,
                                                        const std::string& controller_id,
                                                        const HistoryLimits& limits) {
  auto dir = StateDir::Open(state_dir);
  if (!dir.ok()) return dir.status();
  const std::string path = dir->File(kDatabaseFile);
  auto writer = OpenSound(path, limits.check);
  if (!writer.ok()) return writer.status();
  auto identity = BeginGeneration(&*writer);
  if (!identity.ok()) return identity.status();
  auto checkpointer = Database::Open(path, Database::Access::kReadWrite);
  if (!checkpointer.ok()) return checkpointer.status();
  return std::make_unique<LocalEngine>(*std::move(dir), path, controller_id, *identity, limits,
                                       *std::move(writer), *std::move(checkpointer));
}

}  // namespace procctl::controller

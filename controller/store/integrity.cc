#include "controller/store/integrity.h"

#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

constexpr absl::Duration kInterruptAgain = absl::Milliseconds(100);

// Interrupts whatever runs on a database once the time is up. The progress handler is of no use
// here: SQLite does not call it while it walks a tree, but looks for an interrupt at each page.
class Interrupter {
 public:
  Interrupter(sqlite3* database, absl::Duration limit)
      : thread_([this, database, limit] {
          for (absl::Duration wait = limit; !EndsWithin(wait); wait = kInterruptAgain) {
            sqlite3_interrupt(database);
          }
        }) {}
  ~Interrupter() { (void)End(); }

  // True: the time was up before.
  bool End() {
    {
      absl::MutexLock lock(&mutex_);
      ended_ = true;
    }
    if (thread_.joinable()) thread_.join();
    absl::MutexLock lock(&mutex_);
    return late_;
  }

 private:
  bool EndsWithin(absl::Duration wait) {
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&ended_), wait)) return true;
    late_ = true;
    return false;
  }

  absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool late_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

absl::Status Check(const std::string& pragma, Database* database) {
  auto found = database->Ask(pragma);
  if (!found.ok()) return found.status();
  return *found == "ok" ? absl::OkStatus() : absl::DataLossError(*found);
}

}  // namespace

absl::StatusOr<Checked> QuickCheck(Database* database, std::chrono::nanoseconds limit) {
  Interrupter interrupter(database->handle(), absl::FromChrono(limit));
  const absl::Status checked = Check("PRAGMA quick_check(1)", database);
  // An interrupted walk reports the pages that it did not come to as never used.
  if (interrupter.End()) return Checked::kInPart;
  if (!checked.ok()) return checked;
  return Checked::kWhole;
}

absl::Status FullCheck(Database* database) { return Check("PRAGMA integrity_check(1)", database); }

absl::Status DamagedDatabase(const std::string& path, const absl::Status& why) {
  return absl::DataLossError(fmt::format(
      "the database {0} is damaged: {1}. With a backup: procctl-controller restore BACKUP --config "
      "FILE; it moves the damaged database aside. Without one: move {0}, {0}-wal and {0}-shm to "
      "another folder and start again; the fleet reports itself anew, and what nodes still hold "
      "comes again",
      path, std::string(why.message())));
}

}  // namespace procctl::controller

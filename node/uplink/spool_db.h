// The spool's database: one SQLite file with what must survive the uplink. Blocking; used by the
// spool's own thread only. One process at a time: the file stays locked while it is open.
//
//   events(epoch, seq, body)                         what no controller has acknowledged
//   orders(order_id, guardian_epoch, verdict_seen)   intents, written before a guardian gets the
//                                                    order
//   meta(key, value)                                 node id, fence, last spooled number, bytes
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/uplink/event_numbers.h"
#include "node/uplink/fence.h"
#include "node/uplink/order_journal.h"
#include "node/uplink/sqlite_handle.h"

namespace procctl::uplink {

struct SpooledEvent {
  EventPosition position;
  std::string body;
  // Of a VERDICT event that ends an order.
  std::string decided_order;
  // The first number it covers; 0: its own.
  std::int64_t first_seq = 0;
};

// What is kept of one epoch: the numbers from the first to the last, both included.
struct HeldSpan {
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool operator==(const HeldSpan&) const = default;
};
using HeldSpans = std::map<std::int64_t, HeldSpan>;

// Adds an event that is newer than all of its epoch.
void AddTo(const SpooledEvent& event, HeldSpans* spans);

// What one commit writes.
struct SpoolBatch {
  std::vector<SpooledEvent> events;
  // Up to this seq of the present guardian everything was taken in, also events that a controller
  // committed before the disk could: they are not in `events`. 0: no news.
  std::int64_t covered_seq = 0;
  // Orders whose VERDICT event is among those.
  std::vector<std::string> decided_orders;
  std::vector<EventPosition> acknowledged;
  std::vector<OrderRecord> intents;
  std::optional<Fence> fence;
};

// What a spool knows when it is opened.
struct SpoolContent {
  Fence fence;
  // Last seq of the present guardian that was ever spooled, acknowledged or not.
  std::int64_t spooled_seq = 0;
  // Newest event in the spool.
  EventPosition newest;
  std::vector<OrderRecord> orders;
};

struct SpoolOptions {
  std::string state_dir;
  RecordOrigin origin;
  std::int64_t guardian_epoch = 0;
  // At least 2. Beyond it the oldest events are folded.
  std::int64_t max_events = 1'000'000;
  // Of events; the file with its index is up to a third larger. 0: no bound.
  std::int64_t max_bytes = 0;
};

class SpoolDb {
 public:
  // Opens or makes <state_dir>/spool.db. DATA_LOSS if it is damaged or is not this node's: move it
  // aside (SetAside) and open again. Else as SqliteError says.
  static absl::StatusOr<std::unique_ptr<SpoolDb>> Open(const SpoolOptions& options,
                                                       SpoolContent* content);

  // Renames the database and its log to spool.db.corrupt-<time>; returns the new path. No SpoolDb
  // may have it open.
  static absl::StatusOr<std::string> SetAside(const SpoolOptions& options);

  // One transaction: all of it or nothing. On success with what had to be folded.
  absl::StatusOr<std::vector<v1::Event>> Apply(const SpoolBatch& batch);

  // Events after `after`, in order: at most `limit`, and none beyond the one that reaches
  // `limit_bytes`.
  absl::StatusOr<std::vector<v1::Event>> Read(EventPosition after, std::size_t limit,
                                              std::size_t limit_bytes);

  std::int64_t rows() const;
  // Of all events.
  std::int64_t bytes() const { return bytes_; }
  const HeldSpans& held() const { return held_; }

 private:
  explicit SpoolDb(SpoolOptions options) : options_(std::move(options)) {}

  static absl::StatusOr<v1::Event> ParseBody(EventPosition position, std::string_view body);
  // The first number that the oldest row of an epoch covers.
  absl::StatusOr<std::int64_t> FirstHeld(std::int64_t epoch);

  absl::Status MakeSchema();
  absl::Status Prepare();
  absl::Status Load(SpoolContent* content);
  absl::Status LoadEvents(SpoolContent* content);
  absl::Status LoadBytes();
  absl::StatusOr<Fence> LoadFence();
  absl::Status Write(const SpoolBatch& batch, std::vector<v1::Event>* folded);
  absl::Status WriteFence(const Fence& fence);
  absl::Status WriteBytes();
  absl::Status Delete(EventPosition upto);
  absl::Status Insert(const SpooledEvent& event);
  absl::Status FoldOldest(std::vector<v1::Event>* folded);
  // The oldest rows of the epoch that must become one record to free `excess` bytes; 0: that would
  // free nothing.
  absl::StatusOr<std::int64_t> RowsToFold(std::int64_t epoch, std::int64_t excess);
  absl::StatusOr<v1::Event> FoldOne(std::int64_t epoch, std::int64_t rows, std::string_view bound);
  absl::Status SetMeta(std::string_view key, std::int64_t value);
  absl::StatusOr<std::int64_t> GetMeta(std::string_view key);

  SpoolOptions options_;
  DatabasePtr db_;  // Before the statements: they must go first.
  std::map<std::int64_t, std::int64_t> rows_by_epoch_;
  HeldSpans held_;
  std::int64_t bytes_ = 0;
  bool full_sync_ = true;

  struct Statements {
    std::optional<Statement> insert_event, delete_events, read_events, nth_event, sizes;
    std::optional<Statement> insert_order, trim_orders, decide_order;
    std::optional<Statement> get_meta, set_meta, delete_meta;
  };
  std::unique_ptr<Statements> sql_;
};

}  // namespace procctl::uplink

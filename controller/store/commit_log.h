// Where events are committed, exactly once. Thread-safe; the callback rules are the Coordinator's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/core/mono_time.h"
#include "procctl/v1/event.pb.h"

namespace procctl::controller {

// Everything of `epoch` up to and including `seq` is committed.
struct Cursor {
  std::int64_t epoch = 0;
  std::int64_t seq = 0;
  bool operator==(const Cursor&) const = default;
};

// Events of one node, in its own order, under the session that brought them.
struct NodeBatch {
  std::string node;
  std::int64_t session_epoch = 0;
  std::vector<v1::Event> events;
  // How far the node's clock was ahead of ours when they came; empty: not known.
  std::optional<std::chrono::nanoseconds> skew = std::nullopt;
};

// Events of one epoch that a node still holds, both included.
struct HeldRange {
  std::int64_t epoch = 0;
  std::int64_t first = 0;
  std::int64_t last = 0;
};

struct Committed {
  // Where the epochs that the batch held stand now.
  std::vector<Cursor> cursors;
  // Those events that were not committed before, in order.
  std::vector<v1::Event> fresh;
  // Of each of those, where it stands in the log.
  std::vector<std::int64_t> positions;
  WallTime received_at;
  std::optional<std::chrono::nanoseconds> skew;  // as of the batch
};

class CommitLog {
 public:
  virtual ~CommitLog() = default;

  // Commits what is new of `batch` and then calls `done`, in the order of the calls. Duplicates are
  // not an error: they are left out, and acknowledged again. All or nothing; nothing is committed
  // with
  //   ABORTED           a gap in the numbers, or the node was claimed by a newer session
  //   INVALID_ARGUMENT  an event that cannot be the node's
  //   UNAVAILABLE       the engine is stopping
  // A failing disk is not among them: the engine keeps the batch and tries again until it stops.
  using Appended = std::function<void(absl::StatusOr<Committed>)>;
  virtual void Append(NodeBatch batch, Appended done) = 0;

  // From now on `follower` hears of every commit that holds something new, in commit order and
  // before the one who appended it does; on the engine's own thread, so it must be quick. Called
  // once, before anything is appended.
  using Follower = std::function<void(const Committed&)>;
  virtual void Follow(Follower follower) = 0;

  // Commits events of the controller itself: the log gives them their identity (origin
  // "@<controller id>", an epoch of this start, the next numbers).
  // UNAVAILABLE too, maybe on the calling thread, while too many of them wait for a disk that
  // fails: how many were refused is told in the CONTROLLER_ALARM that says that it works again.
  virtual void AppendOwn(std::vector<v1::Event> events, Appended done) = 0;

  // The cursors of a node, newest epochs first, at most kMostCursors; with everything appended
  // before this call taken into account. A node whose spool holds an older epoch sends it again,
  // which is safe.
  static constexpr std::size_t kMostCursors = 1000;
  using Loaded = std::function<void(absl::StatusOr<std::vector<Cursor>>)>;
  virtual void LoadCursors(const std::string& node, Loaded done) = 0;

  // Records what neither we nor the node has any more, and then answers as LoadCursors does: for
  // each range that begins beyond what is committed of its epoch, a GAP event of our own (see
  // MakeGap) and the cursor right before the range, in one transaction, in the order of the calls.
  // An epoch that the node holds nothing of is left as it is: nothing is known to be missing.
  //   ABORTED           the node was claimed by a newer session
  //   INVALID_ARGUMENT  ranges that cannot be a node's, or more than kMostCursors
  virtual void AcceptGaps(const std::string& node, std::int64_t session_epoch,
                          std::vector<HeldRange> held, Loaded done) = 0;

  // Bytes that wait for their commit. Sessions stop reading while it is high.
  virtual std::size_t WaitingBytes() const = 0;
};

}  // namespace procctl::controller

// The fleet in memory: nodes, their slots and programs, as far as this controller has been told.
// Soft state: the nodes are the authority, and rebuild it here after a restart.
//
// Pure data: no clock, no lock (the shell holds one around it), no gRPC. Ordered by node id, then
// label; lists are walked in pieces by key, so that a row that comes or goes meanwhile never shifts
// a page.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "controller/core/digest_watch.h"
#include "controller/core/liveness.h"
#include "controller/core/mono_time.h"
#include "controller/core/node_vitals.h"
#include "controller/core/program_table.h"
#include "procctl/v1/node_service.pb.h"
#include "procctl/v1/slot.pb.h"
#include "proto/support/filter.h"

namespace procctl::controller {

// One row, kept small: there may be a million. Durations of absent fields are zero.
struct SlotRow {
  std::string label;
  std::string name;                            // empty: the same as the label
  std::shared_ptr<const std::string> boot_id;  // one string for all rows of a node
  std::int64_t generation = 0;
  std::int64_t start_ticks = 0;
  std::int32_t pid = 0;
  std::int32_t uid = 0;
  v1::SlotState state = v1::SLOT_STATE_UNSPECIFIED;
  v1::Door door = v1::DOOR_UNSPECIFIED;
  std::uint64_t digest = 0;  // proto/support/row_digest.h
  std::chrono::nanoseconds timeout{0};
  std::chrono::nanoseconds silence{0};
  WallTime registered_at;
  MonoTime reported;
  // Most rows have none of these.
  struct Extras {
    std::string note;
    std::string hold_reason;
    std::string phase;
    std::optional<v1::Hold> hold;
    std::optional<std::chrono::nanoseconds> progress_limit;
    std::optional<std::chrono::nanoseconds> progress_silence;
    std::optional<std::chrono::nanoseconds> special_limit;
    bool observe = false;
  };
  std::unique_ptr<const Extras> extras;

  std::string_view ShownName() const { return name.empty() ? label : name; }
};

// What a node says about itself in its Hello.
struct NodeFacts {
  std::string software_version;
  std::string hostname;
  std::string kernel;
  std::string boot_id;
  std::string mode;
  std::int32_t guardian_uid = 0;
  std::string peer;
  // What it understands beyond the first release: HoldOrder, DetailRequest, ProgramOrder, Drain.
  bool holds = false;
  bool details = false;
  bool programs = false;
  bool drain = false;
};

struct NodeRow {
  std::string id;
  NodeState state = NodeState::kSuspect;
  NodeFacts facts;
  std::int64_t session_epoch = 0;  // 0: no session in this controller's life
  WallTime connected_at;
  MonoTime last_heard;
  std::optional<Observed> last_observed;  // empty: not heard in this controller's life
  std::int64_t events_waiting = 0;
  NodeVitals vitals;
  bool said_goodbye = false;  // last of all
  std::string goodbye;        // why, in its own words
  std::int32_t slots = 0;
  std::int32_t in_trouble = 0;
};

struct FleetSummary {
  std::int32_t connected = 0;
  std::int32_t suspect = 0;
  std::int32_t lost = 0;
  std::int32_t draining = 0;
  std::int32_t slots = 0;
  // Rows in any state but ALIVE, QUIET, STARTING and BUSY, of nodes that are not LOST.
  std::int32_t in_trouble = 0;
  // All rows of LOST nodes.
  std::int32_t stale = 0;
};

// How many nodes are CONNECTED, and how many of those have missed a heartbeat.
struct Hearing {
  int connected = 0;
  int missed_one = 0;
};

// Where a list of slots or programs goes on.
struct RowKeyset {
  std::string node;
  std::string label;
};

class FleetView {
 public:
  // More rows than any node may have (NodeConfig bounds them far below).
  static constexpr size_t kMostSlotsPerNode = 200'000;

  explicit FleetView(MonoTime start);
  FleetView(const FleetView&) = delete;
  FleetView& operator=(const FleetView&) = delete;
  ~FleetView();

  // A node that had a session in an earlier life of this controller.
  void AddKnown(std::string_view node);
  // One that is not expected back.
  void AddForgotten(std::string_view node);

  // A session begins. Returns the node's state before it; empty for a node never heard in this
  // controller's life. Rows of an earlier session stand until the new snapshot is complete.
  std::optional<NodeState> BeginSession(std::string_view node, std::int64_t session_epoch,
                                        NodeFacts facts, MonoTime now, Observed observed,
                                        WallTime wall);

  // Any message of that session. False: the session is not the node's current one.
  bool Heard(std::string_view node, std::int64_t session_epoch, MonoTime now, Observed observed);

  enum class Applied {
    kYes,
    kIgnored,  // not the current session, or a snapshot is awaited anyway
    kResync,   // the revisions do not meet: ask for a snapshot (said once until one begins)
    kTooMany,  // over kMostSlotsPerNode or ProgramTable::kMostRows: it breaks the protocol
  };
  // Pieces are staged; the last one replaces all rows of the node at once. Malformed rows (no
  // label, no generation, a label twice) are left out and counted; they never cost the others.
  Applied ApplySnapshot(std::string_view node, std::int64_t session_epoch,
                        const v1::SnapshotChunk& piece, MonoTime now);
  Applied ApplyDelta(std::string_view node, std::int64_t session_epoch, const v1::SlotDelta& delta,
                     MonoTime now);
  void SetEventsWaiting(std::string_view node, std::int64_t session_epoch, std::int64_t waiting);

  void SetVitals(std::string_view node, std::int64_t session_epoch, const NodeVitals& vitals);
  // What follows from the node's digest of its rows at `revision`; nothing where another revision
  // is held, or none.
  DigestWatch::Act CheckDigest(std::string_view node, std::int64_t session_epoch,
                               std::int64_t revision, std::uint64_t digest);

  // The session's last word: DRAINING. Returns the state before it; empty: nothing has changed.
  std::optional<NodeState> SayGoodbye(std::string_view node, std::int64_t session_epoch,
                                      std::string_view why);

  enum class Forgot { kYes, kAlready, kConnected, kUnknown };
  // Nobody waits for the node any more, and its rows are dropped. Not while it is CONNECTED. A
  // session that it may still have speaks for nobody from here on.
  Forgot Forget(std::string_view node);

  // Judges every node and returns those whose state changed.
  std::vector<StateChange> JudgeNodes(const Liveness& liveness);
  // As of the latest JudgeNodes.
  const Hearing& hearing() const { return hearing_; }

  // Null if the node was never heard of.
  const NodeRow* FindNode(std::string_view node) const;
  const FleetSummary& summary() const { return summary_; }
  std::int64_t malformed_rows() const { return malformed_rows_; }

  // Walks nodes after `after` (empty: from the first) that match. `visit` returns false to stop.
  void VisitNodes(const Filter& filter, std::string_view after,
                  const std::function<bool(const NodeRow&)>& visit) const;

  // Walks slots after `after` that match, looking at no more than `budget` rows and nodes. `visit`
  // returns false to stop after that row. Returns where to go on, or nothing at the end.
  std::optional<RowKeyset> VisitSlots(
      const Filter& filter, const RowKeyset& after, size_t budget,
      const std::function<bool(const NodeRow&, const SlotRow&)>& visit) const;
  // The same with programs.
  std::optional<RowKeyset> VisitPrograms(
      const Filter& filter, const RowKeyset& after, size_t budget,
      const std::function<bool(const NodeRow&, const ProgramRow&)>& visit) const;

 private:
  struct ByLabel {
    using is_transparent = void;
    static std::string_view Label(const SlotRow* row) { return row->label; }
    static std::string_view Label(std::string_view label) { return label; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Label(a) < Label(b);
    }
  };
  // Rows owned by generation (how the node removes them), ordered by label (how people list them).
  struct Table {
    absl::flat_hash_map<std::int64_t, std::unique_ptr<SlotRow>> rows;
    absl::btree_set<const SlotRow*, ByLabel> order;
    std::int32_t in_trouble = 0;
    std::uint64_t digest = 0;  // of all slots together
    ProgramTable programs;

    bool TooLarge() const {
      return rows.size() > kMostSlotsPerNode || programs.rows().size() > ProgramTable::kMostRows;
    }
  };
  struct Entry {
    NodeRow row;
    Table table;
    Table staged;
    std::int64_t staged_snapshot = 0;
    bool staging = false;
    std::int64_t revision = 0;
    // A snapshot is on its way (always so at the start of a session): deltas mean nothing before
    // it.
    bool awaits_snapshot = true;
    DigestWatch digests;
  };

  Entry* FindCurrent(std::string_view node, std::int64_t session_epoch);
  void Upsert(Table* table, const v1::Slot& slot, bool replace, MonoTime now);
  void Upsert(Table* table, const v1::Program& program, bool replace);
  static void Remove(Table* table, std::int64_t generation);
  // Takes the node out of the summary, or puts it in again: around every change of its rows or
  // state.
  void Uncount(const Entry& entry);
  void Count(Entry* entry);
  static void DropRows(Entry* entry);

  MonoTime start_;
  std::map<std::string, Entry, std::less<>> nodes_;
  FleetSummary summary_;
  Hearing hearing_;
  std::int64_t malformed_rows_ = 0;
};

// What a person is told: STALE for the rows of a LOST node.
v1::SlotState ShownState(const NodeRow& node, const SlotRow& slot);

}  // namespace procctl::controller

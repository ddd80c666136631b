// The fleet in memory: nodes, their slots and programs, as far as this controller has been told.
// Soft state: the nodes are the authority, and rebuild it here after a restart.
//
// Pure data: no clock, no lock (the shell holds one around it), no gRPC. Ordered by node id, then
// label; lists are walked in pieces by key, so that a row that comes or goes meanwhile never shifts
// a page.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/core/digest_watch.h"
#include "controller/core/liveness.h"
#include "controller/core/mono_time.h"
#include "controller/core/node_vitals.h"
#include "controller/core/program_table.h"
#include "controller/core/row_changes.h"
#include "controller/core/slot_row.h"
#include "controller/core/slot_table.h"
#include "procctl/v1/node_service.pb.h"
#include "procctl/v1/slot.pb.h"
#include "proto/support/filter.h"

namespace procctl::controller {

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
  // All rows of nodes that are not CONNECTED.
  std::int32_t stale = 0;
};

// How many nodes are CONNECTED, and how many of those have missed a heartbeat.
struct Hearing {
  int connected = 0;
  int missed_one = 0;
};

// What a row of a node is worth. Numbered like procctl.v1.Freshness.
enum class Freshness { kFresh = 1, kStale = 2, kUnknown = 3 };
Freshness FreshnessOf(NodeState state);

// Which slots, as seen when.
struct SlotQuery {
  const Filter* filter = nullptr;  // of SlotFilterSchema; outlives the query
  MonoTime now;
  WallTime wall_now;
  // With rows whose match hangs on their usage, which no view knows: they must be judged again.
  bool maybe = false;
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

  // Notes in `changes` which slots and nodes' states change from now on; null: nowhere. Not owned.
  void set_changes(RowChanges* changes) { changes_ = changes; }

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
  // Null if there is no such row.
  const SlotRow* FindSlot(std::string_view node, std::int64_t generation) const;
  const SlotRow* FindSlot(std::string_view node, std::string_view label) const;
  const ProgramRow* FindProgram(std::string_view node, std::string_view label) const;
  const FleetSummary& summary() const { return summary_; }
  std::int64_t malformed_rows() const { return malformed_rows_; }

  // Walks nodes after `after` (empty: from the first) that match. `visit` returns false to stop.
  void VisitNodes(const Filter& filter, std::string_view after,
                  const std::function<bool(const NodeRow&)>& visit) const;

  // Walks slots after `after` that match, looking at no more than `budget` rows and nodes. `visit`
  // returns false to stop after that row. Returns where to go on, or nothing at the end. Nodes of
  // which no row can match, by their id, states or names, are skipped as a whole.
  std::optional<RowKeyset> VisitSlots(
      const SlotQuery& query, const RowKeyset& after, size_t budget,
      const std::function<bool(const NodeRow&, const SlotRow&)>& visit) const;
  // The same for who only counts: a node all of whose rows match is handed to `visit_all` instead,
  // unless that is null.
  std::optional<RowKeyset> CountSlots(
      const SlotQuery& query, const RowKeyset& after, size_t budget,
      const std::function<void(const NodeRow&, const SlotTable&)>& visit_all,
      const std::function<void(const NodeRow&, const SlotRow&)>& visit) const;
  // As VisitSlots, with programs.
  std::optional<RowKeyset> VisitPrograms(
      const Filter& filter, const RowKeyset& after, size_t budget,
      const std::function<bool(const NodeRow&, const ProgramRow&)>& visit) const;

 private:
  struct Table {
    SlotTable slots;
    ProgramTable programs;

    bool TooLarge() const {
      return slots.size() > kMostSlotsPerNode || programs.rows().size() > ProgramTable::kMostRows;
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
    NodeState noted_state = NodeState::kSuspect;  // the last that Count has seen
  };

  Entry* FindCurrent(std::string_view node, std::int64_t session_epoch);
  void Upsert(Table* table, const v1::Slot& slot, bool replace, MonoTime now);
  void Upsert(Table* table, const v1::Program& program, bool replace);
  // Takes the node out of the summary, or puts it in again: around every change of its rows or
  // state.
  void Uncount(const Entry& entry);
  void Count(Entry* entry);
  void DropRows(Entry* entry);
  // What `delta` is about to change; before it does.
  void Note(const Entry& entry, const v1::SlotDelta& delta);
  // The staged rows are about to replace the others.
  void NoteReplaced(const Entry& entry);

  RowChanges* changes_ = nullptr;
  MonoTime start_;
  std::map<std::string, Entry, std::less<>> nodes_;
  FleetSummary summary_;
  Hearing hearing_;
  std::int64_t malformed_rows_ = 0;
};

// What a person is told: STALE for the rows of a node that cannot be heard.
v1::SlotState ShownState(const NodeRow& node, const SlotRow& slot);

// Whether a list of slots with this filter (by SlotFilterSchema(), without what changes by itself:
// age, silence) holds the row.
bool Matches(const Filter& filter, const NodeRow& node, const SlotRow& slot);
// False: it holds no row of this node, whatever its slots are.
bool MayMatch(const Filter& filter, const NodeRow& node);

}  // namespace procctl::controller

// Judges a controller's history against what the nodes say they handed over. Pure: lines of
// journals (journal.h) and stored events come in, faults go out.
//
// What must hold of each node and each of its epochs:
//   - every number from 1 to the greatest is an event, or in an EVENTS_LOST or GAP record;
//   - no number is stored twice, and positions rise with numbers;
//   - nothing is stored that was not handed over (nodes of the journals that are not hostile);
//   - everything that was acknowledged to the node is there, or in a record that says it is not;
//   - an order has one verdict.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "procctl/v1/event.pb.h"
#include "tests/fleetsim/number_set.h"

namespace procctl::fleetsim {

// A row of the history: the columns that give its identity, and what the body says.
struct StoredRow {
  std::int64_t position = 0;
  std::string origin;
  std::int64_t epoch = 0;
  std::int64_t seq = 0;
  v1::Event event;
};

class HistoryBook {
 public:
  // INVALID_ARGUMENT for a line that is none.
  absl::Status AddJournalLine(std::string_view line);
  // In the order of their positions.
  void AddStored(const StoredRow& row);

  // One line each, the same for the same history; empty if all is well. Where `others` is false a
  // node that no journal knows is a fault too.
  std::vector<std::string> Faults(bool others) const;

  std::int64_t stored() const { return stored_; }
  std::size_t origins() const { return stored_by_origin_.size(); }
  // Numbers that records stand for instead of events.
  std::int64_t lost() const;
  bool ended() const { return ended_; }

 private:
  struct Handed {
    NumberSet events;
    NumberSet lost;
    std::int64_t acked = 0;
  };
  struct Stored {
    NumberSet events;
    NumberSet lost;  // by the node's own records
    NumberSet gaps;  // by the controller's
    std::int64_t last_seq = 0;
  };
  using Key = std::pair<std::string, std::int64_t>;  // origin and epoch

  void Note(std::string fault) { noted_.push_back(std::move(fault)); }
  void JudgeHanded(const Key& key, const Handed& handed, std::vector<std::string>* faults) const;
  void JudgeStored(const Key& key, const Stored& stored, bool others,
                   std::vector<std::string>* faults) const;

  std::map<Key, Handed> handed_;
  std::set<std::string> known_;
  std::set<std::string> hostile_;
  std::map<Key, Stored> stored_by_origin_;
  std::map<std::string, int> verdicts_;
  std::vector<std::string> noted_;
  std::int64_t stored_ = 0;
  bool ended_ = false;
};

}  // namespace procctl::fleetsim

#include "controller/rpc/slot_feeder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "controller/rpc/clocks.h"
#include "controller/rpc/fleet_messages.h"

namespace procctl::controller {
namespace {

// Rows looked at per hold of the fleet's lock, for all feeds together: some milliseconds.
constexpr size_t kLooksPerHold = 20'000;

size_t RowsPerHold(size_t feeds) { return std::max<size_t>(1, kLooksPerHold / (feeds + 1)); }

void Publish(WatchFeed* feed, std::vector<WatchBytes> messages) {
  if (messages.empty()) return;
  feed->news = true;
  absl::MutexLock lock(&feed->mutex);
  for (WatchBytes& bytes : messages) feed->ring.Add(std::move(bytes), /*items=*/0, /*position=*/0);
}

// The message of a row, made when the first feed wants it.
class RowMessage {
 public:
  RowMessage(const NodeRow& node, const SlotRow& slot, MonoTime now)
      : node_(node), slot_(slot), now_(now) {}
  const v1::FleetSlot& Get() {
    if (!message_) ToMessage(node_, slot_, now_, &message_.emplace());
    return *message_;
  }

 private:
  const NodeRow& node_;
  const SlotRow& slot_;
  MonoTime now_;
  std::optional<v1::FleetSlot> message_;
};

}  // namespace

void SlotFeeder::Feed(const std::vector<std::shared_ptr<WatchFeed>>& feeds,
                      const RowChanges::Taken& changes) {
  if (changes.overflowed) {
    for (const std::shared_ptr<WatchFeed>& feed : feeds) {
      feed->known.Reset();
      feed->news = true;
      absl::MutexLock lock(&feed->mutex);
      feed->ring.Break(/*position=*/0);
    }
    return;
  }
  std::vector<Out> outs;
  outs.reserve(feeds.size());
  for (const std::shared_ptr<WatchFeed>& feed : feeds) outs.push_back({feed.get(), {}});
  std::vector<Key> keys;
  for (const auto& [node, of_node] : changes.nodes) {
    for (const std::int64_t generation : of_node.generations) keys.push_back({node, generation});
  }
  FeedRows(keys, &outs);
  for (const auto& [node, of_node] : changes.nodes) {
    if (of_node.state || of_node.all_rows) FeedNode(node, of_node, &outs);
  }
  for (Out& out : outs) Publish(out.feed, out.messages.Take());
}

void SlotFeeder::FeedRows(const std::vector<Key>& keys, std::vector<Out>* outs) {
  const size_t per_hold = RowsPerHold(outs->size());
  const MonoTime now = MonoNow();
  for (size_t begin = 0; begin < keys.size(); begin += per_hold) {
    const size_t end = std::min(keys.size(), begin + per_hold);
    fleet_->Read([&](const FleetView& view) {
      for (size_t i = begin; i < end; ++i) {
        const auto& [id, generation] = keys[i];
        const NodeRow* node = view.FindNode(id);
        const SlotRow* slot = view.FindSlot(id, generation);
        std::optional<RowMessage> message;
        if (slot != nullptr) message.emplace(*node, *slot, now);
        for (auto& [feed, messages] : *outs) {
          if (slot != nullptr && Matches(feed->filter, *node, *slot)) {
            feed->known.Add(id, generation);
            messages.Upsert(message->Get());
          } else if (feed->known.MayHold(id, generation)) {
            feed->known.Remove(id, generation);
            messages.Remove(id, generation);
          }
        }
      }
    });
    for (Out& out : *outs) Publish(out.feed, out.messages.TakeFull());
  }
}

void SlotFeeder::FeedNode(const std::string& node, const RowChanges::OfNode& changes,
                          std::vector<Out>* outs) {
  const MonoTime now = MonoNow();
  std::vector<Out*> concerned;
  fleet_->Read([&](const FleetView& view) {
    const NodeRow* row = view.FindNode(node);
    if (row == nullptr) return;
    v1::Node message;
    if (changes.state) ToMessage(*row, now, &message);
    for (Out& out : *outs) {
      if (!MayMatch(out.feed->filter, *row)) continue;
      if (changes.state) out.messages.Node(message);
      // Where everything matches, a node's state lets no row in or out.
      if (changes.all_rows || !out.feed->filter.MatchesEverything()) concerned.push_back(&out);
    }
  });
  if (concerned.empty()) return;

  const size_t per_hold = RowsPerHold(concerned.size());
  std::optional<RowKeyset> at = RowKeyset{node, ""};
  const Filter all_rows;
  bool behind = false;  // the node
  const auto visit = [&](const NodeRow& row, const SlotRow& slot) {
    behind = row.id != node;
    if (behind) return false;
    RowMessage message(row, slot, now);
    for (Out* out : concerned) {
      KnownRows& known = out->feed->known;
      if (Matches(out->feed->filter, row, slot)) {
        // By the node's state alone a row is no other than the one that was sent.
        const bool held = known.exact() && known.MayHold(row.id, slot.generation);
        if (held && !changes.all_rows) continue;
        known.Add(row.id, slot.generation);
        out->messages.Upsert(message.Get());
      } else if (known.MayHold(row.id, slot.generation)) {
        known.Remove(row.id, slot.generation);
        out->messages.Remove(row.id, slot.generation);
      }
    }
    return true;
  };
  while (at && !behind && at->node == node) {
    fleet_->Read([&](const FleetView& view) {
      at = view.VisitSlots({.filter = &all_rows}, *at, per_hold, visit);
    });
    for (Out* out : concerned) Publish(out->feed, out->messages.TakeFull());
  }
}

WatchPiece SlotFeeder::MakePiece(WatchFeed* feed, const WatchPlace& from) {
  v1::WatchResponse response;
  size_t bytes = 0;
  const MonoTime now = MonoNow();
  std::optional<RowKeyset> next;
  fleet_->Read([&](const FleetView& view) {
    next = view.VisitSlots({.filter = &feed->filter}, RowKeyset{from.node, from.label},
                           kLooksPerHold, [&](const NodeRow& node, const SlotRow& slot) {
                             v1::FleetSlot* row = response.mutable_snapshot()->add_upserts();
                             ToMessage(node, slot, now, row);
                             feed->known.Add(node.id, slot.generation);
                             bytes += row->ByteSizeLong() + kWatchFraming;
                             return bytes < kWatchMessageBytes;
                           });
  });
  WatchPiece piece;
  if (bytes > 0) piece.bytes = SnapshotMessage(response);
  piece.end = !next.has_value();
  if (next) piece.next = {std::move(next->node), std::move(next->label)};
  return piece;
}

}  // namespace procctl::controller

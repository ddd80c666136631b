#include "tests/fleetsim/event_book.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace procctl::fleetsim {
namespace {

bool MayBeFolded(const EventBook::Record& record) { return record.event.order == nullptr; }

bool EndsBefore(const EventBook::Record& record, std::int64_t seq) { return record.last < seq; }

}  // namespace

EventBook::EventBook(std::int64_t epoch, std::size_t most)
    : epoch_(epoch), most_(std::max<std::size_t>(most, 8)) {}

std::int64_t EventBook::Add(SimEvent event) {
  if (records_.size() >= most_) Fold();
  const std::int64_t seq = next_seq_++;
  records_.push_back({seq, seq, std::move(event)});
  return seq;
}

// The first run of records without an order becomes one, a quarter of the book at most. Where no
// two such stand side by side, the two oldest go, whatever they are: the bound holds always.
void EventBook::Fold() {
  const std::size_t quarter = std::max<std::size_t>(most_ / 4, 2);
  auto begin = records_.begin();
  auto end = begin;
  while (begin != records_.end()) {
    begin = std::find_if(begin, records_.end(), MayBeFolded);
    end = std::find_if_not(begin, records_.end(), MayBeFolded);
    if (end - begin >= 2) break;
    begin = end;
  }
  if (begin == records_.end()) {
    begin = records_.begin();
    end = begin + 2;
  }
  end = std::min(end, begin + static_cast<std::ptrdiff_t>(quarter));
  Record& kept = *begin;
  // Those that are in an older record of the kind are counted already.
  for (auto it = begin; it != end; ++it) {
    if (it->event.kind != v1::EVENT_KIND_EVENTS_LOST) ++lost_;
  }
  kept.last = std::prev(end)->last;
  SimEvent record;
  record.kind = v1::EVENT_KIND_EVENTS_LOST;
  record.wall_ns = kept.event.wall_ns;
  record.mono_ns = kept.event.mono_ns;
  kept.event = std::move(record);
  records_.erase(begin + 1, end);
}

bool EventBook::Begin(std::int64_t cursor) {
  if (cursor >= next_seq_) return false;
  bool invented = false;
  (void)Acknowledge(cursor, &invented);
  unsent_ = cursor + 1;
  return true;
}

std::vector<EventBook::Record> EventBook::Acknowledge(std::int64_t seq, bool* invented) {
  *invented = seq >= next_seq_;
  std::vector<Record> gone;
  if (*invented) return gone;
  while (!records_.empty() && records_.front().last <= seq) {
    gone.push_back(std::move(records_.front()));
    records_.pop_front();
  }
  return gone;
}

std::vector<const EventBook::Record*> EventBook::TakeUnsent(std::size_t most) {
  std::vector<const Record*> taken;
  auto it = std::lower_bound(records_.begin(), records_.end(), unsent_, EndsBefore);
  for (; it != records_.end() && taken.size() < most; ++it) taken.push_back(&*it);
  if (!taken.empty()) unsent_ = taken.back()->last + 1;
  return taken;
}

std::optional<v1::HeldEvents> EventBook::Held() const {
  if (records_.empty()) return std::nullopt;
  v1::HeldEvents held;
  held.set_epoch(epoch_);
  held.set_first(records_.front().first);
  held.set_last(records_.back().last);
  return held;
}

}  // namespace procctl::fleetsim

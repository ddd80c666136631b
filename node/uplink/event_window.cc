#include "node/uplink/event_window.h"

#include <algorithm>
#include <utility>

namespace procctl::uplink {

void EventWindow::Add(v1::Event event) {
  const EventPosition position = PositionOf(event);
  const bool contiguous = !beyond();
  newest_ = std::max(newest_, position);
  if (!contiguous || events_.size() >= capacity_ || bytes_ >= most_bytes_) return;
  end_ = position;
  bytes_ += event.ByteSizeLong();
  events_.push_back(std::move(event));
}

std::optional<EventWindow::Page> EventWindow::WantedPage() const {
  if (!beyond() || events_.size() > capacity_ / 2 || bytes_ > most_bytes_ / 2) return std::nullopt;
  return Page{end_, newest_, capacity_ - events_.size(), most_bytes_ - bytes_};
}

void EventWindow::Extend(EventPosition after, std::vector<v1::Event> events,
                         EventPosition scanned) {
  if (after != end_) return;
  for (v1::Event& event : events) {
    const EventPosition position = PositionOf(event);
    end_ = position;
    // Acknowledged between the request and the answer.
    if (position.seq <= acknowledged(position.epoch)) continue;
    bytes_ += event.ByteSizeLong();
    events_.push_back(std::move(event));
  }
  end_ = std::max(end_, scanned);
  newest_ = std::max(newest_, end_);
}

void EventWindow::Acknowledge(EventPosition upto) {
  std::int64_t& acknowledged = acknowledged_[upto.epoch];
  if (upto.seq <= acknowledged) return;
  acknowledged = upto.seq;
  // Epochs are acknowledged oldest first, save by a controller that knows only a newer one: then
  // the older epoch's events stand in front and what is acknowledged behind them is skipped by the
  // sender, and goes when its turn comes.
  while (!events_.empty()) {
    const EventPosition front = PositionOf(events_.front());
    const auto it = acknowledged_.find(front.epoch);
    if (it == acknowledged_.end() || front.seq > it->second) break;
    bytes_ -= events_.front().ByteSizeLong();
    events_.pop_front();
    ++begin_;
  }
}

std::int64_t EventWindow::acknowledged(std::int64_t epoch) const {
  const auto it = acknowledged_.find(epoch);
  return it == acknowledged_.end() ? 0 : it->second;
}

void EventWindow::Fold(v1::Event record) {
  const EventPosition upto = PositionOf(record);
  if (upto.seq <= acknowledged(upto.epoch)) return;
  const auto first = std::find_if(events_.begin(), events_.end(), [&](const v1::Event& event) {
    return event.id().epoch() == upto.epoch;
  });
  auto last = first;
  while (last != events_.end() && PositionOf(*last) <= upto) ++last;
  if (first == last) return;  // All of them lie beyond: the record itself will be paged in.
  // The record takes the place of the last one it stands for; events behind keep their index. Those
  // before (older epochs, few) move up.
  const auto place = std::prev(last);
  for (auto it = first; it != last; ++it) bytes_ -= it->ByteSizeLong();
  bytes_ += record.ByteSizeLong();
  *place = std::move(record);
  if (end_ < upto) end_ = upto;
  const auto gone = static_cast<std::uint64_t>(place - first);
  events_.erase(first, place);
  begin_ += gone;
}

void EventWindow::Reset(EventPosition newest) {
  begin_ += events_.size();
  events_.clear();
  bytes_ = 0;
  end_ = {};
  newest_ = std::max(newest_, newest);
}

}  // namespace procctl::uplink

#include "controller/core/watch_ring.h"

#include <utility>

namespace procctl::controller {

void WatchRing::Append(Batch batch) {
  batch.items_before = items_;
  batch.bytes_before = bytes_;
  batch.position_before = position_;
  items_ += batch.items;
  bytes_ += batch.bytes->size();
  batches_.push_back(std::move(batch));
  ++end_;
  while (bytes() > most_bytes_ && DropOldest() > 0) {
  }
}

void WatchRing::Add(WatchBytes bytes, std::int64_t items, std::int64_t position) {
  Batch batch;
  batch.bytes = std::move(bytes);
  batch.items = items;
  Append(std::move(batch));
  position_ = position;
}

void WatchRing::AddBookmark(WatchBytes bytes) {
  Batch batch;
  batch.bytes = std::move(bytes);
  batch.bookmark = true;
  Append(std::move(batch));
}

std::size_t WatchRing::DropOldest() {
  if (batches_.size() <= 1) return 0;
  const std::size_t freed = batches_.front().bytes->size();
  batches_.pop_front();
  return freed;
}

void WatchRing::Break(std::int64_t position) {
  batches_.clear();
  // Who stood at the end stands before the first now.
  ++end_;
  position_ = position;
}

const WatchRing::Batch* WatchRing::At(std::int64_t sequence) const {
  if (sequence < first() || sequence >= end_) return nullptr;
  return &batches_[static_cast<std::size_t>(sequence - first())];
}

std::uint64_t WatchRing::BytesFrom(std::int64_t sequence) const {
  const Batch* batch = At(sequence);
  return batch == nullptr ? 0 : bytes_ - batch->bytes_before;
}

std::int64_t WatchRing::ItemsBefore(std::int64_t sequence) const {
  const Batch* batch = At(sequence);
  return batch == nullptr ? items_ : batch->items_before;
}

std::int64_t WatchRing::PositionBefore(std::int64_t sequence) const {
  const Batch* batch = At(sequence);
  return batch == nullptr ? position_ : batch->position_before;
}

}  // namespace procctl::controller

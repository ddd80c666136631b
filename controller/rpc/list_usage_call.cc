#include "controller/rpc/list_usage_call.h"

#include <utility>

#include "absl/container/flat_hash_map.h"

namespace procctl::controller {

std::shared_ptr<ListUsageCall> ListUsageCall::TryMake(v1::ListSlotsResponse page,
                                                      v1::ListSlotsResponse* response,
                                                      std::atomic<int>* under_way) {
  if (under_way->fetch_add(1) >= kMost) {
    under_way->fetch_sub(1);
    *response = std::move(page);
    return nullptr;
  }
  std::shared_ptr<ListUsageCall> call(new ListUsageCall(std::move(page), response, under_way));
  Keep(call);
  return call;
}

ListUsageCall::ListUsageCall(v1::ListSlotsResponse page, v1::ListSlotsResponse* response,
                             std::atomic<int>* under_way)
    : UnaryCall(response), under_way_(under_way), page_(std::move(page)) {
  for (int i = 0; i < page_.slots_size(); ++i) {
    const v1::FleetSlot& row = page_.slots(i);
    // One that is suspect would most likely cost the whole wait.
    if (row.node_state() != v1::NODE_STATE_CONNECTED) continue;
    if (nodes_.empty() || page_.slots(nodes_.back().first).node() != row.node()) {
      NodeRows& rows = nodes_.emplace_back();
      rows.call = this;
      rows.first = i;
    }
    nodes_.back().end = i + 1;
  }
  waiting_ += nodes_.size();
}

void ListUsageCall::Ask(const std::shared_ptr<ListUsageCall>& call, DetailDesk* desk) {
  for (NodeRows& rows : call->nodes_) {
    std::string node;
    v1::DetailRequest question;
    {
      absl::MutexLock lock(&call->mutex_);
      node = call->page_.slots(rows.first).node();
      for (int i = rows.first; i < rows.end; ++i) {
        question.mutable_usage()->add_generations(
            call->page_.slots(i).slot().incarnation().generation());
      }
    }
    // Shares the call's life: the desk forgets it with the call.
    desk->Ask(node, std::move(question), std::shared_ptr<DetailListener>(call, &rows));
  }
  call->OneLess();
}

void ListUsageCall::Take(const NodeRows& rows, const v1::UsageAnswer& answer) {
  absl::flat_hash_map<std::int64_t, const v1::Usage*> by_generation;
  for (const v1::UsageAnswer::Row& row : answer.rows()) {
    if (row.has_usage()) by_generation[row.generation()] = &row.usage();
  }
  {
    absl::MutexLock lock(&mutex_);
    for (int i = rows.first; i < rows.end; ++i) {
      v1::FleetSlot* row = page_.mutable_slots(i);
      const auto it = by_generation.find(row->slot().incarnation().generation());
      if (it == by_generation.end()) continue;
      *row->mutable_usage() = *it->second;
      // Of any size, and of no use to anybody.
      row->mutable_usage()->DiscardUnknownFields();
    }
  }
  OneLess();
}

void ListUsageCall::CountOut() {
  if (counted_.exchange(false)) under_way_->fetch_sub(1);
}

void ListUsageCall::OneLess() {
  v1::ListSlotsResponse page;
  {
    absl::MutexLock lock(&mutex_);
    if (--waiting_ > 0) return;
    page = std::move(page_);
  }
  CountOut();  // before the caller knows, who may come again at once
  Succeed(std::move(page));
}

}  // namespace procctl::controller

#include "controller/rpc/list_usage_call.h"

#include <utility>

#include "absl/container/flat_hash_map.h"

namespace procctl::controller {
namespace {

auto* Rows(v1::ListSlotsResponse* page) { return page->mutable_slots(); }
auto* Rows(v1::ListProgramsResponse* page) { return page->mutable_programs(); }

// Number of the slot whose process is asked about; 0: there is none.
std::int64_t GenerationOf(const v1::FleetSlot& row) {
  return row.slot().incarnation().generation();
}
std::int64_t GenerationOf(const v1::FleetProgram& row) {
  return row.program().incarnation().generation();
}

}  // namespace

template <typename Page>
void ListUsageCall<Page>::FindNodes() {
  const auto& rows = *Rows(&page_);
  for (int i = 0; i < rows.size(); ++i) {
    // One that is suspect would most likely cost the whole wait.
    if (rows[i].node_state() != v1::NODE_STATE_CONNECTED || GenerationOf(rows[i]) == 0) continue;
    if (nodes_.empty() || rows[nodes_.back().first].node() != rows[i].node()) {
      NodeRows& node = nodes_.emplace_back();
      node.call = this;
      node.first = i;
    }
    nodes_.back().end = i + 1;
  }
  waiting_ += nodes_.size();
}

template <typename Page>
void ListUsageCall<Page>::Ask(const std::shared_ptr<ListUsageCall>& call, DetailDesk* desk) {
  for (NodeRows& node : call->nodes_) {
    std::string name;
    v1::DetailRequest question;
    {
      absl::MutexLock lock(&call->mutex_);
      const auto& rows = *Rows(&call->page_);
      name = rows[node.first].node();
      for (int i = node.first; i < node.end; ++i) {
        if (const std::int64_t generation = GenerationOf(rows[i]); generation != 0)
          question.mutable_usage()->add_generations(generation);
      }
    }
    // Shares the call's life: the desk forgets it with the call.
    desk->Ask(name, std::move(question), std::shared_ptr<DetailListener>(call, &node));
  }
  call->OneLess();
}

template <typename Page>
void ListUsageCall<Page>::Take(const NodeRows& node, const v1::UsageAnswer& answer) {
  absl::flat_hash_map<std::int64_t, const v1::Usage*> by_generation;
  for (const v1::UsageAnswer::Row& row : answer.rows()) {
    if (row.has_usage()) by_generation[row.generation()] = &row.usage();
  }
  {
    absl::MutexLock lock(&mutex_);
    auto& rows = *Rows(&page_);
    for (int i = node.first; i < node.end; ++i) {
      const auto it = by_generation.find(GenerationOf(rows[i]));
      if (it == by_generation.end()) continue;
      *rows[i].mutable_usage() = *it->second;
      // Of any size, and of no use to anybody.
      rows[i].mutable_usage()->DiscardUnknownFields();
    }
  }
  OneLess();
}

template <typename Page>
void ListUsageCall<Page>::CountOut() {
  if (counted_.exchange(false)) under_way_->fetch_sub(1);
}

template <typename Page>
void ListUsageCall<Page>::OneLess() {
  Page page;
  {
    absl::MutexLock lock(&mutex_);
    if (--waiting_ > 0) return;
    page = std::move(page_);
  }
  if (judge_) judge_(&page);
  CountOut();  // before the caller knows, who may come again at once
  UnaryCall<Page>::Succeed(std::move(page));
}

template class ListUsageCall<v1::ListSlotsResponse>;
template class ListUsageCall<v1::ListProgramsResponse>;

}  // namespace procctl::controller

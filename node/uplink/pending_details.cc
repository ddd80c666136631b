#include "node/uplink/pending_details.h"

#include <utility>

namespace procctl::uplink {

bool PendingDetails::Add(v1::DetailRequest request, BootTime now) {
  DropOverdue(now);
  if (waiting_.size() >= limit_) return false;
  waiting_[++last_number_] = {std::move(request), now};
  to_ask_.push_back(last_number_);
  return true;
}

std::optional<v1::DetailRequest> PendingDetails::Front(BootTime now) {
  DropOverdue(now);
  if (to_ask_.empty()) return std::nullopt;
  v1::DetailRequest request = waiting_.at(to_ask_.front()).request;
  request.set_request(to_ask_.front());
  return request;
}

void PendingDetails::Asked(const v1::DetailRequest& request) {
  if (!to_ask_.empty() && to_ask_.front() == request.request()) to_ask_.pop_front();
}

std::optional<v1::DetailReply> PendingDetails::Answer(v1::DetailReply reply, BootTime now) {
  DropOverdue(now);
  const auto it = waiting_.find(reply.request());
  if (it == waiting_.end()) return std::nullopt;
  reply.set_request(it->second.request.request());
  waiting_.erase(it);
  return reply;
}

void PendingDetails::Clear() {
  waiting_.clear();
  to_ask_.clear();
}

void PendingDetails::DropOverdue(BootTime now) {
  while (!waiting_.empty() && now - waiting_.begin()->second.asked > kDetailPatience) {
    waiting_.erase(waiting_.begin());
  }
  // Also those that were answered without having been asked, which only a broken guardian does.
  while (!to_ask_.empty() && waiting_.find(to_ask_.front()) == waiting_.end()) to_ask_.pop_front();
}

}  // namespace procctl::uplink

#include "controller/core/newcomer_book.h"

namespace procctl::controller {

std::variant<NewcomerBook::Id, NewcomerBook::Refusal> NewcomerBook::Add(const PeerKey& peer,
                                                                        MonoTime now) {
  const auto shunned = shunned_.find(peer.address);
  if (shunned != shunned_.end() && now < shunned->second) return Refusal::kShunned;
  const auto count = of_address_.find(peer.address);
  if (count != of_address_.end() && count->second >= limits_.per_address) return Refusal::kTooMany;
  ++of_address_[peer.address];
  const Id id = ++last_;
  entries_.emplace(id, Entry{peer, now});
  by_connection_.emplace(peer.connection, id);
  return id;
}

void NewcomerBook::Shun(const std::string& address, MonoTime now, MonoTime until) {
  absl::erase_if(shunned_, [&](const auto& entry) { return entry.second <= now; });
  shunned_[address] = until;
}

std::vector<NewcomerBook::Id> NewcomerBook::Settle(std::string_view connection) {
  std::vector<Id> settled;
  const std::string key(connection);
  for (auto it = by_connection_.lower_bound({key, 0});
       it != by_connection_.end() && it->first == key; ++it) {
    settled.push_back(it->second);
  }
  for (const Id id : settled) Remove(id);
  return settled;
}

bool NewcomerBook::Remove(Id id) {
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) return false;
  Erase(entry);
  return true;
}

std::vector<NewcomerBook::Id> NewcomerBook::TakeOverdue(MonoTime now) {
  std::vector<Id> overdue;
  while (!entries_.empty() && now - entries_.begin()->second.since > limits_.handshake_timeout) {
    overdue.push_back(entries_.begin()->first);
    Erase(entries_.begin());
  }
  return overdue;
}

std::optional<MonoTime> NewcomerBook::NextDeadline() const {
  if (entries_.empty()) return std::nullopt;
  return entries_.begin()->second.since + limits_.handshake_timeout;
}

std::vector<NewcomerBook::Id> NewcomerBook::NewestSince(MonoTime since, std::size_t most) const {
  std::vector<Id> newest;
  for (auto entry = entries_.rbegin();
       entry != entries_.rend() && newest.size() < most && entry->second.since > since; ++entry) {
    newest.push_back(entry->first);
  }
  return newest;
}

void NewcomerBook::Erase(absl::btree_map<Id, Entry>::iterator entry) {
  const PeerKey& peer = entry->second.peer;
  const auto count = of_address_.find(peer.address);
  if (--count->second == 0) of_address_.erase(count);
  by_connection_.erase({peer.connection, entry->first});
  entries_.erase(entry);
}

}  // namespace procctl::controller

// Connections that have not yet begun a call: nobody has shown who they are, or they have shown it
// and say nothing. So many of one address at a time, each for so long.
//
//   Add --> NEW --first call admitted (Settle)--> forgotten here, the connection goes on
//            |---peer or gRPC closed it (Remove)--> forgotten
//            '---timeout (TakeOverdue)--> forgotten; the caller closes it
//
// Pure, not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "controller/core/connection_limits.h"
#include "controller/core/mono_time.h"

namespace procctl::controller {

// Bytes, not text: what is equal counts as the same.
struct PeerKey {
  std::string address;     // what is counted together: an IPv4 address, an IPv6 /64
  std::string connection;  // the whole address and the port
};

class NewcomerBook {
 public:
  using Id = std::int64_t;

  explicit NewcomerBook(const ConnectionLimits& limits) : limits_(limits) {}

  // `now` never goes back.
  enum class Refusal { kTooMany, kShunned };
  std::variant<Id, Refusal> Add(const PeerKey& peer, MonoTime now);

  // Nobody of this address (PeerKey::address) is taken in before `until`.
  void Shun(const std::string& address, MonoTime now, MonoTime until);

  // The newcomers that this connection was: none, or one; two only where a peer uses one port
  // towards two of our addresses.
  std::vector<Id> Settle(std::string_view connection);

  // False: it is none of the newcomers any more.
  bool Remove(Id id);

  // Those that have been new for more than the timeout.
  std::vector<Id> TakeOverdue(MonoTime now);

  // Empty: nobody is new. Overdue is who is looked at after it.
  std::optional<MonoTime> NextDeadline() const;

  // Those that came after `since`, the newest first, at most `most`.
  std::vector<Id> NewestSince(MonoTime since, std::size_t most) const;

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    PeerKey peer;
    MonoTime since;
  };
  void Erase(absl::btree_map<Id, Entry>::iterator entry);

  const ConnectionLimits limits_;
  Id last_ = 0;
  // By id, and so by age.
  absl::btree_map<Id, Entry> entries_;
  absl::btree_set<std::pair<std::string, Id>> by_connection_;
  // Never 0.
  absl::flat_hash_map<std::string, int> of_address_;
  absl::flat_hash_map<std::string, MonoTime> shunned_;
};

}  // namespace procctl::controller

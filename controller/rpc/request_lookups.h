// Requests whose id may be an old one: who asked for each, while the store is asked about it.
// Events committed meanwhile would be missed by both the store's answer and a desk's book, so they
// are kept. Not thread-safe: each desk has them under its lock.
//
//   Begin -> Join, Keep (any number) -> Take, once the store has answered
#pragma once

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "controller/core/order_request.h"
#include "procctl/v1/event.pb.h"

namespace procctl::controller {

template <typename Listener>
class RequestLookups {
 public:
  struct Waiting {
    OrderRequest request;
    std::shared_ptr<Listener> listener;
    // What it is told should the id turn out to be new; OK: it begins.
    absl::Status if_new = absl::OkStatus();
    // Whatever the request of that id is.
    bool any_targets = false;
  };
  struct Lookup {
    std::vector<Waiting> waiting;
    std::vector<v1::Event> events;

    // Takes out those that ask for other targets under the same id.
    std::vector<Waiting> TakeOthers(const OrderRequest& request) {
      const auto others = std::stable_partition(
          waiting.begin(), waiting.end(),
          [&](const Waiting& one) { return one.any_targets || SameTargets(request, one.request); });
      std::vector<Waiting> taken(std::make_move_iterator(others),
                                 std::make_move_iterator(waiting.end()));
      waiting.erase(others, waiting.end());
      return taken;
    }
  };

  // The store is about to be asked.
  void Begin(Waiting waiting) {
    const std::string id = waiting.request.id;
    lookups_[id].waiting.push_back(std::move(waiting));
  }
  bool contains(const std::string& id) const { return lookups_.contains(id); }
  // One that is being looked up already.
  void Join(Waiting waiting) {
    lookups_.find(waiting.request.id)->second.waiting.push_back(std::move(waiting));
  }
  // Nothing if that id is not being looked up.
  void Keep(const std::string& id, const v1::Event& event) {
    const auto it = lookups_.find(id);
    if (it != lookups_.end()) it->second.events.push_back(event);
  }
  Lookup Take(const std::string& id) {
    const auto it = lookups_.find(id);
    if (it == lookups_.end()) return {};
    Lookup lookup = std::move(it->second);
    lookups_.erase(it);
    return lookup;
  }

 private:
  absl::flat_hash_map<std::string, Lookup> lookups_;
};

}  // namespace procctl::controller

// The messages of a watch, serialised: rows and events gathered into messages of bounded size, and
// the short ones between. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controller/core/mono_time.h"
#include "controller/core/watch_ring.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::controller {

// A message ends with what makes it larger; no order to a node waits behind one for long.
inline constexpr std::size_t kWatchMessageBytes = 64 << 10;
// What each row or event in it costs beside its own bytes.
inline constexpr std::size_t kWatchFraming = 6;

// Changes of slots and nodes.
class RowMessages {
 public:
  void Upsert(const v1::FleetSlot& row);
  void Remove(std::string_view node, std::int64_t generation);
  void Node(const v1::Node& node);
  // Those that are full, and all.
  std::vector<WatchBytes> TakeFull();
  std::vector<WatchBytes> Take();

 private:
  void Added(std::size_t bytes);
  void Close();

  v1::WatchResponse open_;
  std::size_t open_bytes_ = 0;
  std::vector<WatchBytes> closed_;
};

// Events, in order.
class EventMessages {
 public:
  struct Message {
    WatchBytes bytes;
    std::int64_t items = 0;
    std::int64_t last_position = 0;
  };
  void Add(const v1::StoredEvent& event);
  std::vector<Message> Take();

 private:
  void Close();

  v1::WatchResponse open_;
  std::size_t open_bytes_ = 0;
  std::vector<Message> closed_;
};

WatchBytes SnapshotMessage(const v1::WatchResponse& response);
WatchBytes SnapshotEndMessage();
WatchBytes BookmarkMessage(const std::string& token, WallTime as_of);
WatchBytes ResyncMessage(const std::string& reason, std::int64_t missed);

}  // namespace procctl::controller

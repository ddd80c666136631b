#include "controller/core/watch_messages.h"

#include <utility>

#include "proto/support/time_convert.h"

namespace procctl::controller {
namespace {

WatchBytes Serialise(const v1::WatchResponse& response) {
  return std::make_shared<const std::string>(response.SerializeAsString());
}

}  // namespace

void RowMessages::Upsert(const v1::FleetSlot& row) {
  *open_.mutable_changes()->add_upserts() = row;
  Added(row.ByteSizeLong());
}

void RowMessages::Remove(std::string_view node, std::int64_t generation) {
  v1::WatchRowKey* key = open_.mutable_changes()->add_removes();
  key->set_node(std::string(node));
  key->set_generation(generation);
  Added(key->ByteSizeLong());
}

void RowMessages::Node(const v1::Node& node) {
  *open_.mutable_changes()->add_nodes() = node;
  Added(node.ByteSizeLong());
}

void RowMessages::Added(std::size_t bytes) {
  open_bytes_ += bytes + kWatchFraming;
  if (open_bytes_ >= kWatchMessageBytes) Close();
}

void RowMessages::Close() {
  if (open_bytes_ == 0) return;
  closed_.push_back(Serialise(open_));
  open_.Clear();
  open_bytes_ = 0;
}

std::vector<WatchBytes> RowMessages::TakeFull() { return std::exchange(closed_, {}); }

std::vector<WatchBytes> RowMessages::Take() {
  Close();
  return TakeFull();
}

void EventMessages::Add(const v1::StoredEvent& event) {
  *open_.mutable_events()->add_events() = event;
  open_bytes_ += event.ByteSizeLong() + kWatchFraming;
  if (open_bytes_ >= kWatchMessageBytes) Close();
}

void EventMessages::Close() {
  if (open_bytes_ == 0) return;
  const auto& events = open_.events().events();
  closed_.push_back({Serialise(open_), events.size(), events.rbegin()->position()});
  open_.Clear();
  open_bytes_ = 0;
}

std::vector<EventMessages::Message> EventMessages::Take() {
  Close();
  return std::exchange(closed_, {});
}

WatchBytes SnapshotMessage(const v1::WatchResponse& response) { return Serialise(response); }

WatchBytes SnapshotEndMessage() {
  v1::WatchResponse response;
  response.mutable_snapshot_end();
  return Serialise(response);
}

WatchBytes BookmarkMessage(const std::string& token, WallTime as_of) {
  v1::WatchResponse response;
  response.mutable_bookmark()->set_resume_token(token);
  *response.mutable_bookmark()->mutable_as_of() = ToProto(as_of);
  return Serialise(response);
}

WatchBytes ResyncMessage(const std::string& reason, std::int64_t missed) {
  v1::WatchResponse response;
  response.mutable_resync()->set_reason(reason);
  response.mutable_resync()->set_missed(missed);
  return Serialise(response);
}

}  // namespace procctl::controller

// Where every event of the guardian begins: numbered, dated, logged, kept until the uplink has it.
#pragma once

#include <functional>
#include <string>

#include "node/core/event_ring.h"
#include "node/core/seams.h"

namespace procctl::node {

class EventLog : public EventSink {
 public:
  // Twice what a host-wide failure of the largest sensible table produces in one grace.
  static constexpr size_t kCapacity = 65536;

  EventLog(std::string node, std::string boot_id, int64_t epoch, Journal* journal)
      : node_(std::move(node)),
        boot_id_(std::move(boot_id)),
        journal_(journal),
        ring_(epoch, kCapacity) {}

  // Called after every new event; the uplink's link hangs here.
  void OnNew(std::function<void()> listener) { listener_ = std::move(listener); }

  // Called with every new event, complete, before OnNew's listener; never with those of an earlier
  // guardian.
  void Watch(std::function<void(const v1::Event&)> watcher) { watcher_ = std::move(watcher); }

  // Fills id, node, times and boot id.
  void Record(v1::Event event) override;

  // Of an earlier guardian whose table this one takes up, in order, before the first Record.
  void Restore(v1::Event event) { ring_.Restore(std::move(event)); }
  void NumberFrom(int64_t last_seq) { ring_.NumberFrom(last_seq); }

  void Spooled(int64_t epoch, int64_t seq);
  const EventRing& ring() const { return ring_; }
  const std::string& boot_id() const { return boot_id_; }
  const std::string& node() const { return node_; }

 private:
  std::string node_;
  std::string boot_id_;
  Journal* journal_;
  EventRing ring_;
  std::function<void(const v1::Event&)> watcher_;
  std::function<void()> listener_;
};

// An event of this kind with a message and nothing else.
v1::Event MakeEvent(v1::EventKind kind, v1::Severity severity, std::string message);

}  // namespace procctl::node

#include "node/guardian/event_log.h"

#include "node/os/clock.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::node {

void EventLog::Record(v1::Event event) {
  event.mutable_id()->set_origin(node_);
  event.set_node(node_);
  event.set_boot_id(boot_id_);
  *event.mutable_at() = ToProto(WallNow());
  *event.mutable_since_boot() = ToProto(SinceBoot());
  const v1::Event& kept = ring_.Add(std::move(event));
  v1::StateRecord record;
  *record.mutable_event() = kept;
  journal_->Put(std::move(record));
  const auto level = kept.severity() == v1::SEVERITY_ALARM     ? spdlog::level::err
                     : kept.severity() == v1::SEVERITY_WARNING ? spdlog::level::warn
                                                               : spdlog::level::info;
  spdlog::log(level, "{}: {}", v1::EventKind_Name(kept.kind()).substr(sizeof("EVENT_KIND_") - 1),
              kept.message());
  if (watcher_) watcher_(kept);
  if (listener_) listener_();
}

void EventLog::Spooled(int64_t epoch, int64_t seq) {
  ring_.Spooled(epoch, seq);
  if (epoch != ring_.epoch()) return;
  v1::StateRecord record;
  record.set_spooled(seq);
  journal_->Put(std::move(record));
}

v1::Event MakeEvent(v1::EventKind kind, v1::Severity severity, std::string message) {
  v1::Event event;
  event.set_kind(kind);
  event.set_severity(severity);
  event.set_message(std::move(message));
  return event;
}

}  // namespace procctl::node

#include "controller/rpc/own_event.h"

#include <utility>

#include "controller/rpc/clocks.h"
#include "proto/support/time_convert.h"

namespace procctl::controller {

v1::Event OwnEvent(v1::EventKind kind, v1::Severity severity, const std::string& node,
                   std::string message) {
  v1::Event event;
  event.set_kind(kind);
  event.set_severity(severity);
  event.set_node(node);
  *event.mutable_at() = ToProto(WallNow());
  event.set_message(std::move(message));
  return event;
}

void Record(CommitLog* log, v1::Event event) {
  // The log line beside it is what is left of a refused one.
  log->AppendOwn({std::move(event)}, [](const absl::StatusOr<Committed>&) {});
}

}  // namespace procctl::controller

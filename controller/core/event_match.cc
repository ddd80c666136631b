#include "controller/core/event_match.h"

#include <string_view>

#include "proto/support/filter_schemas.h"

namespace procctl::controller {
namespace {

struct EventSubject {
  const v1::Event& event;

  std::string_view Text(int key) const {
    switch (key) {
      case kEventKeyNode:
        return event.node();
      case kEventKeySlot:
        return event.slot();
      case kEventKeyName:
        return event.name();
      case kEventKeyOrder:
        return event.order_id();
      case kEventKeyProgram:
        return event.program();
      default:
        return event.run();
    }
  }
  std::int64_t Number(int key) const {
    return key == kEventKeyKill ? event.kill() : event.incarnation().pid();
  }
  int Choice(int key) const {
    switch (key) {
      case kEventKeyKind:
        return static_cast<int>(event.kind());
      case kEventKeyCause:
        return static_cast<int>(event.cause());
      default:
        return static_cast<int>(event.verdict());
    }
  }
};

}  // namespace

bool Matches(const Filter& filter, const v1::Event& event) {
  return filter.Matches(EventSubject{event});
}

}  // namespace procctl::controller

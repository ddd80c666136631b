// What a simulated node says, as messages. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "procctl/v1/detail.pb.h"
#include "procctl/v1/event.pb.h"
#include "procctl/v1/node_service.pb.h"
#include "tests/fleetsim/event_book.h"
#include "tests/fleetsim/slot_table.h"

namespace procctl::fleetsim {

struct NodeName {
  std::string id;
  std::string instance;  // of this run
};

v1::Hello MakeHello(const NodeName& name, const SlotTable& table, const EventBook& book,
                    std::int64_t max_session_epoch, std::int64_t wall_ns);

// The message of a record. `padding`: bytes that the text of an ordinary event is brought to.
v1::Event MakeEvent(const NodeName& name, const SlotTable& table, std::int64_t epoch,
                    const EventBook::Record& record, std::size_t padding);

// Whatever is asked gets a plausible answer.
v1::DetailReply MakeReply(const v1::DetailRequest& request, const SlotTable& table,
                          std::int64_t epoch);

// A boot id in the kernel's form, from the node's id.
std::string BootIdOf(const std::string& node);

}  // namespace procctl::fleetsim

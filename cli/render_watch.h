// One line for each thing that a watch tells. Pure.
#pragma once

#include <string>

#include "cli/slot_changes.h"
#include "google/protobuf/timestamp.pb.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

// `at`: when it was heard of. Text:
//   2026-11-22T12:03:04  web-01/encoder[4182]  alive -> hung
//   2026-11-22T12:03:49  web-01  suspect -> lost
std::string SlotChangeLine(const SlotChange& change, const google::protobuf::Timestamp& at,
                           bool colour);
// {"change":"slot","at":...,"node":...,"slot":...,"from":...,"to":...,"row":{...}}
std::string SlotChangeJson(const SlotChange& change, const google::protobuf::Timestamp& at);

//   2026-11-22T12:03:04  verdict  web-01/encoder[4182]  heartbeat, killed in 5.1s  web-01:17:3
std::string EventLine(const v1::StoredEvent& stored, bool colour);
// {"change":"event","event":{...}}
std::string EventJson(const v1::StoredEvent& stored);

std::string ResyncJson(const std::string& reason, std::int64_t missed);

}  // namespace procctl::cli

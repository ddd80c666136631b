// Words that the uplink's tests speak in.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "node/uplink/boot_clock.h"
#include "node/uplink/event_numbers.h"
#include "procctl/v1/event.pb.h"
#include "procctl/v1/link.pb.h"
#include "procctl/v1/node_service.pb.h"
#include "procctl/v1/program.pb.h"
#include "procctl/v1/slot.pb.h"

namespace procctl::uplink {

inline constexpr char kNode[] = "web-01";
inline constexpr char kBoot[] = "3b0c9a52-0000-4000-8000-000000000001";

inline v1::Event MakeEvent(std::int64_t epoch, std::int64_t seq) {
  v1::Event event;
  event.mutable_id()->set_origin(kNode);
  event.mutable_id()->set_epoch(epoch);
  event.mutable_id()->set_seq(seq);
  event.set_kind(v1::EVENT_KIND_SLOT_REGISTERED);
  event.set_severity(v1::SEVERITY_INFO);
  event.set_node(kNode);
  event.set_message("slot encoder was registered by pid 4242");
  return event;
}

inline v1::Event MakeVerdict(std::int64_t epoch, std::int64_t seq, const std::string& order_id) {
  v1::Event event = MakeEvent(epoch, seq);
  event.set_kind(v1::EVENT_KIND_VERDICT);
  event.set_verdict(v1::VERDICT_EXITED_ON_TERM);
  event.set_order_id(order_id);
  return event;
}

inline v1::Slot MakeSlot(std::int64_t generation, v1::SlotState state = v1::SLOT_STATE_ALIVE) {
  v1::Slot slot;
  slot.set_label("encoder." + std::to_string(generation));
  slot.set_name("encoder");
  slot.mutable_incarnation()->set_boot_id(kBoot);
  slot.mutable_incarnation()->set_pid(4242);
  slot.mutable_incarnation()->set_start_ticks(99);
  slot.mutable_incarnation()->set_generation(generation);
  slot.set_state(state);
  slot.set_door(v1::DOOR_NATIVE);
  slot.mutable_timeout()->set_seconds(5);
  return slot;
}

inline v1::Program MakeProgram(const std::string& label,
                               v1::ProgramState state = v1::PROGRAM_STATE_RUNNING) {
  v1::Program program;
  program.set_label(label);
  program.set_name(label.substr(0, label.find('@')));
  program.set_state(state);
  program.set_door(v1::DOOR_PROGRAM);
  return program;
}

inline v1::LinkSlots Snapshot(const std::vector<v1::Slot>& slots) {
  v1::LinkSlots message;
  message.set_snapshot(true);
  message.set_last(true);
  for (const v1::Slot& slot : slots) *message.add_upserts() = slot;
  return message;
}

inline v1::LinkSlots Change(const std::vector<v1::Slot>& upserts,
                            const std::vector<std::int64_t>& removes = {}) {
  v1::LinkSlots message;
  for (const v1::Slot& slot : upserts) *message.add_upserts() = slot;
  for (const std::int64_t generation : removes) message.add_removes(generation);
  return message;
}

inline v1::Welcome MakeWelcome(std::int64_t session_epoch,
                               const std::vector<EventPosition>& cursors = {}) {
  v1::Welcome welcome;
  welcome.set_session_epoch(session_epoch);
  welcome.set_protocol(1);
  welcome.set_controller_id("ctl-1");
  welcome.mutable_heartbeat_interval()->set_seconds(10);
  for (const EventPosition& at : cursors) {
    v1::EventCursor* cursor = welcome.add_cursors();
    cursor->set_epoch(at.epoch);
    cursor->set_seq(at.seq);
  }
  return welcome;
}

// Of a controller on a database with an identity.
inline v1::Welcome WelcomeOf(const std::string& history, std::int64_t generation,
                             const std::string& run, std::int64_t session_epoch = 1) {
  v1::Welcome welcome = MakeWelcome(session_epoch);
  welcome.set_history_id(history);
  welcome.set_generation(generation);
  welcome.set_run(run);
  return welcome;
}

// A moment of the tests' own clock.
inline BootTime At(std::chrono::nanoseconds since_start) {
  return BootTime(std::chrono::hours(1) + since_start);
}

}  // namespace procctl::uplink

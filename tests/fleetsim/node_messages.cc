#include "tests/fleetsim/node_messages.h"

#include <chrono>
#include <functional>
#include <utility>

#include "proto/support/time_convert.h"
#include "proto/support/version.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::fleetsim {
namespace {

using std::chrono::nanoseconds;

google::protobuf::Timestamp Wall(std::int64_t ns) {
  return ToProto(std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(nanoseconds(ns))));
}

v1::Severity SeverityOf(v1::EventKind kind) {
  switch (kind) {
    case v1::EVENT_KIND_EVENTS_LOST:
      return v1::SEVERITY_ALARM;
    case v1::EVENT_KIND_VERDICT:
    case v1::EVENT_KIND_TERM_SENT:
    case v1::EVENT_KIND_NEAR_MISS:
      return v1::SEVERITY_WARNING;
    default:
      return v1::SEVERITY_INFO;
  }
}

void FillOrder(const OrderFacts& facts, v1::Event* event) {
  event->set_order_id(facts.order_id);
  event->set_issuer(facts.issuer);
  event->set_reason(facts.reason);
  event->set_slot(facts.slot);
  event->set_program(facts.program);
  event->set_cause(v1::CAUSE_OPERATOR);
  event->set_verdict(facts.verdict);
  if (facts.verdict == v1::VERDICT_REFUSED) event->set_refusal(v1::REFUSAL_NOT_GUARDED);
  if (facts.incarnation.pid() != 0) *event->mutable_incarnation() = facts.incarnation;
  const bool stopped = facts.verdict == v1::VERDICT_EXITED_ON_TERM;
  event->set_term_sent(stopped || event->kind() == v1::EVENT_KIND_TERM_SENT);
  if (stopped) *event->mutable_took() = ToProto(nanoseconds(1'000'000));
  if (facts.hold_until_ns != 0) *event->mutable_hold_until() = Wall(facts.hold_until_ns);
}

}  // namespace

std::string BootIdOf(const std::string& node) {
  const auto a = std::hash<std::string>{}(node);
  const auto b = std::hash<std::string>{}(node + "/boot");
  return fmt::format("{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", a >> 32, (a >> 16) & 0xffff,
                     a & 0xfff, b & 0xfff, b >> 16);
}

v1::Hello MakeHello(const NodeName& name, const SlotTable& table, const EventBook& book,
                    std::int64_t max_session_epoch, std::int64_t wall_ns) {
  v1::Hello hello;
  hello.set_node_id(name.id);
  hello.set_protocol_min(1);
  hello.set_protocol_max(1);
  hello.set_software_version(kVersion);
  hello.set_boot_id(table.boot_id());
  hello.set_guardian_epoch(book.epoch());
  hello.set_max_session_epoch(max_session_epoch);
  hello.set_hostname(name.id + ".simulated");
  hello.set_kernel("6.1.0-simulated");
  hello.set_guardian_uid(0);
  hello.set_mode("enforce");
  *hello.mutable_clock() = Wall(wall_ns);
  for (const char* feature : {"holds", "details", "programs", "drain"}) {
    hello.add_features(feature);
  }
  hello.set_instance(name.instance);
  if (auto held = book.Held()) *hello.add_held() = *std::move(held);
  return hello;
}

v1::Event MakeEvent(const NodeName& name, const SlotTable& table, std::int64_t epoch,
                    const EventBook::Record& record, std::size_t padding) {
  v1::Event event;
  event.mutable_id()->set_origin(name.id);
  event.mutable_id()->set_epoch(epoch);
  event.mutable_id()->set_seq(record.last);
  const SimEvent& kept = record.event;
  event.set_kind(kept.kind);
  event.set_severity(SeverityOf(kept.kind));
  event.set_node(name.id);
  *event.mutable_at() = Wall(kept.wall_ns);
  *event.mutable_since_boot() = ToProto(nanoseconds(kept.mono_ns));
  event.set_boot_id(table.boot_id());
  if (kept.kind == v1::EVENT_KIND_EVENTS_LOST) {
    event.mutable_lost()->set_first_seq(record.first);
    event.mutable_lost()->set_last_seq(record.last);
    event.set_message(fmt::format("{} events could not be kept", record.last - record.first + 1));
    return event;
  }
  if (kept.order != nullptr) {
    FillOrder(*kept.order, &event);
    event.set_message(fmt::format("{}: simulated", event.slot()));
    return event;
  }
  event.set_slot(SlotTable::Label(kept.slot));
  event.set_program(table.ProgramLabel(kept.slot));
  v1::Incarnation* const incarnation = event.mutable_incarnation();
  table.FillIncarnation(kept.slot, incarnation);
  incarnation->set_generation(kept.generation);
  event.set_door(v1::DOOR_NATIVE);
  *event.mutable_silence() = ToProto(nanoseconds(std::chrono::milliseconds(4200)));
  *event.mutable_timeout() = ToProto(nanoseconds(std::chrono::seconds(5)));
  event.set_message(fmt::format("{} of {}: silent for 4.2s, limit 5s", event.slot(), name.id));
  const std::size_t bytes = event.ByteSizeLong();
  if (bytes < padding) event.mutable_message()->append(padding - bytes, '.');
  return event;
}

v1::DetailReply MakeReply(const v1::DetailRequest& request, const SlotTable& table,
                          std::int64_t epoch) {
  v1::DetailReply reply;
  reply.set_request(request.request());
  if (request.has_usage()) {
    reply.mutable_usage();
    for (const std::int64_t generation : request.usage().generations()) {
      const auto slot = table.FindGeneration(generation);
      if (!slot) continue;
      v1::UsageAnswer::Row* const row = reply.mutable_usage()->add_rows();
      row->set_generation(generation);
      *row->mutable_usage() = table.UsageOf(*slot);
    }
  } else if (request.has_output()) {
    reply.mutable_output()->set_data("simulated output of " + request.output().program() + "\n");
    reply.mutable_output()->set_cursor("end");
    // Whoever follows it reads to the end once.
    if (request.output().cursor() == "end") reply.mutable_output()->clear_data();
  } else if (request.generation() == 0) {
    v1::NodeDetail* const node = reply.mutable_node();
    node->set_software_version(kVersion);
    node->set_guardian_pid(4711);
    node->set_guardian_epoch(epoch);
    *node->mutable_scan_interval() = ToProto(nanoseconds(std::chrono::milliseconds(100)));
    node->set_slots(static_cast<std::int32_t>(table.size()));
    node->set_processes(static_cast<std::int32_t>(table.size()));
    node->set_resident(std::int64_t{8} << 20);
  } else if (const auto slot = table.FindGeneration(request.generation())) {
    table.FillSlot(*slot, reply.mutable_slot()->mutable_slot());
    *reply.mutable_slot()->mutable_usage() = table.UsageOf(*slot);
  }
  return reply;
}

}  // namespace procctl::fleetsim

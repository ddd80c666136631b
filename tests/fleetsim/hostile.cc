#include "tests/fleetsim/hostile.h"

#include <random>
#include <utility>

namespace procctl::fleetsim {
namespace {

constexpr std::size_t kOverTheLimit = std::size_t{5} << 20;
constexpr int kDeep = 20'000;
constexpr int kFloodTimes = 2'000;

std::string RandomBytes(std::mt19937_64* random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>((*random)() & 0xff);
  return bytes;
}

std::string Row(const std::string& label, std::int64_t generation, int state) {
  v1::SessionRequest request;
  v1::SnapshotChunk* const piece = request.mutable_snapshot_chunk();
  piece->set_snapshot(1);
  piece->set_revision(1);
  v1::Slot* const slot = piece->add_slots();
  slot->set_label(label);
  slot->set_name(std::string(60'000, 'n'));
  slot->mutable_incarnation()->set_generation(generation);
  slot->mutable_incarnation()->set_pid(-5);
  slot->set_state(static_cast<v1::SlotState>(state));
  return request.SerializeAsString();
}

std::string EventOf(const std::string& origin, std::int64_t epoch, std::int64_t seq) {
  v1::SessionRequest request;
  v1::Event* const event = request.mutable_events()->add_events();
  event->mutable_id()->set_origin(origin);
  event->mutable_id()->set_epoch(epoch);
  event->mutable_id()->set_seq(seq);
  event->set_kind(v1::EVENT_KIND_STALL);
  event->set_node(origin);
  event->set_message("hostile");
  return request.SerializeAsString();
}

std::string BadLost(const std::string& origin, std::int64_t epoch) {
  v1::SessionRequest request;
  v1::Event* const event = request.mutable_events()->add_events();
  event->mutable_id()->set_origin(origin);
  event->mutable_id()->set_epoch(epoch);
  event->mutable_id()->set_seq(1);
  event->set_kind(v1::EVENT_KIND_EVENTS_LOST);
  event->set_node(origin);
  event->mutable_lost()->set_first_seq(1'000'000'000'000);
  event->mutable_lost()->set_last_seq(-7);
  return request.SerializeAsString();
}

std::string Delta(std::int64_t from, std::int64_t to) {
  v1::SessionRequest request;
  request.mutable_delta()->set_from_revision(from);
  request.mutable_delta()->set_to_revision(to);
  request.mutable_delta()->add_removes(-1);
  return request.SerializeAsString();
}

std::string Heartbeat() {
  v1::SessionRequest request;
  request.mutable_heartbeat()->set_revision(-1);
  request.mutable_heartbeat()->set_events_waiting(-1);
  return request.SerializeAsString();
}

std::string HelloOf(const std::string& id) {
  v1::SessionRequest request;
  request.mutable_hello()->set_node_id(id);
  request.mutable_hello()->set_protocol_min(1);
  request.mutable_hello()->set_protocol_max(1);
  return request.SerializeAsString();
}

}  // namespace

std::string_view TrickName(Trick trick) {
  switch (trick) {
    case Trick::kRandomBytes:
      return "random bytes";
    case Trick::kNestedGroups:
      return "nested groups";
    case Trick::kBadRows:
      return "bad rows";
    case Trick::kWrongRevision:
      return "wrong revision";
    case Trick::kEventGap:
      return "event gap";
    case Trick::kForeignEvents:
      return "foreign events";
    case Trick::kBadLost:
      return "bad EVENTS_LOST";
    case Trick::kOversize:
      return "oversize";
    case Trick::kSecondHello:
      return "second Hello";
    case Trick::kForeignHello:
      return "foreign Hello";
    case Trick::kFlood:
      return "flood";
    case Trick::kReconnectLoop:
      return "reconnect loop";
    case Trick::kStall:
      return "stall";
    case Trick::kCount:
      break;
  }
  return "no trick";
}

HostilePlan MakePlan(Trick trick, const NodeName& name, std::int64_t epoch, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  HostilePlan plan;
  switch (trick) {
    case Trick::kRandomBytes:
      plan.messages = {RandomBytes(&random, 1 + random() % 30'000)};
      break;
    case Trick::kNestedGroups:
      // Start of group 100, again and again: a parser without a bound runs out of stack.
      for (int i = 0; i < kDeep; ++i) {
        if (plan.messages.empty()) plan.messages.emplace_back();
        plan.messages.front() += "\xa3\x06";
      }
      break;
    case Trick::kBadRows:
      plan.messages = {Row("", 1, 1), Row("same", 0, 1), Row("same", 5, 99), Row("same", 5, -3),
                       Row(std::string(60'000, 'x'), 6, 1)};
      break;
    case Trick::kWrongRevision:
      plan.messages = {Delta(99, 100), Delta(100, 99), Delta(-1, -1)};
      plan.times = 100;
      break;
    case Trick::kEventGap:
      plan.messages = {EventOf(name.id, epoch, 1'000'000)};
      break;
    case Trick::kForeignEvents:
      plan.messages = {EventOf("@ctl-1", 1, 1)};
      break;
    case Trick::kBadLost:
      plan.messages = {BadLost(name.id, epoch)};
      break;
    case Trick::kOversize:
      plan.messages = {std::string(kOverTheLimit, 'o')};
      break;
    case Trick::kSecondHello:
      plan.messages = {HelloOf(name.id)};
      break;
    case Trick::kForeignHello:
      plan.before_hello = true;
      plan.messages = {HelloOf("somebody-else")};
      break;
    case Trick::kFlood:
      plan.messages = {Heartbeat(), Row("flood", 1, 1)};
      plan.times = kFloodTimes;
      break;
    case Trick::kReconnectLoop:
    case Trick::kStall:
      plan.before_hello = trick == Trick::kStall;
      break;
    case Trick::kCount:
      break;
  }
  return plan;
}

}  // namespace procctl::fleetsim

// Messages from the uplink, which the guardian does not trust: whatever happens to that program, no
// process is stopped that an order does not name exactly.
#include <optional>
#include <string>

#include "google/protobuf/stubs/logging.h"
#include "google/protobuf/unknown_field_set.h"
#include "node/core/event_ring.h"
#include "node/core/order_check.h"
#include "node/uplink/order_text.h"
#include "proto/support/time_convert.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/text_oracle.h"

namespace procctl::fuzz {
namespace {

using node::Nanos;
using node::OrderEnd;

void CheckEnd(const OrderEnd& end) {
  PROCCTL_MUST(end.verdict != v1::VERDICT_UNSPECIFIED);
  PROCCTL_MUST((end.verdict == v1::VERDICT_REFUSED) == (end.refusal != v1::REFUSAL_UNSPECIFIED));
  PROCCTL_MUST(!end.message.empty() && IsPrintableAscii(end.message));
}

void CheckId(const v1::Order& order) {
  const std::string& id = order.order_id();
  const bool usable =
      !id.empty() && id.size() <= 128 && IsPrintableAscii(id) && id.find(' ') == std::string::npos;
  PROCCTL_MUST(node::HasOrderId(order) == usable);
  // Both ends of the link mean the same by an id.
  PROCCTL_MUST(uplink::IsOrderId(id) == usable);
}

void CheckRules(const v1::LinkOrder& link_order, Nanos since_boot) {
  const auto end = node::CheckShape(link_order, since_boot);
  if (end) {
    CheckEnd(*end);
    return;
  }
  const v1::Order& order = link_order.order();
  PROCCTL_MUST(!order.incarnation().boot_id().empty());
  PROCCTL_MUST(order.reason().size() <= 1000);
  const Nanos grace = node::GraceOf(order, std::chrono::seconds(5));
  PROCCTL_MUST(grace >= Nanos(0) && grace <= node::kMostGrace);
  const Nanos left = FromProto(order.time_to_live());
  PROCCTL_MUST(!order.has_time_to_live() || left > Nanos(0));
  PROCCTL_MUST(left <= node::kMostTimeToLive);
  PROCCTL_MUST(!link_order.has_expires_at() || since_boot < FromProto(link_order.expires_at()));
}

// What the table and /proc say of the process: each fact agrees with the order or does not.
node::OrderFacts MakeFacts(const v1::Order& order, uint8_t bits) {
  node::OrderFacts facts;
  facts.boot_id = order.incarnation().boot_id();
  if ((bits & 1) != 0) facts.boot_id += "x";
  facts.slot_matches = (bits & 2) != 0;
  facts.process_guarded = (bits & 4) != 0;
  if ((bits & 8) != 0) {
    facts.start_ticks = order.incarnation().start_ticks();
    if ((bits & 16) != 0) *facts.start_ticks ^= 1;
  }
  return facts;
}

void CheckVerdict(const v1::LinkOrder& order, const node::OrderFacts& facts) {
  const auto end = node::CheckTarget(order, facts);
  const bool same = facts.start_ticks == order.order().incarnation().start_ticks() &&
                    facts.boot_id == order.order().incarnation().boot_id();
  if (!end) {
    PROCCTL_MUST(same && facts.slot_matches && !order.from_earlier_guardian());
    return;
  }
  CheckEnd(*end);
  // A process that lives is not gone, and of one that is not the same nothing else is said.
  PROCCTL_MUST((end->verdict == v1::VERDICT_GONE_ALREADY) == !facts.start_ticks);
  PROCCTL_MUST(!facts.start_ticks || same || end->verdict == v1::VERDICT_IDENTITY_MISMATCH);
  PROCCTL_MUST(!same || !order.from_earlier_guardian() ||
               end->verdict == v1::VERDICT_UNKNOWN_AFTER_CRASH);
}

// Acknowledgements of events: whatever the numbers, none that is younger is forgotten.
void CheckSpooled(const v1::LinkSpooled& spooled) {
  constexpr int64_t kEpoch = 7;
  constexpr int64_t kEvents = 5;
  node::EventRing ring(kEpoch, 8);
  for (int i = 0; i < kEvents; ++i) ring.Add(v1::Event());
  ring.Spooled(spooled.epoch(), spooled.seq());
  const bool ours = spooled.epoch() == kEpoch && spooled.seq() >= 1 && spooled.seq() <= kEvents;
  const int64_t gone = ours ? spooled.seq() : 0;
  PROCCTL_MUST(static_cast<int64_t>(ring.events().size()) == kEvents - gone);
  PROCCTL_MUST(ring.events().empty() || ring.events().front().id().seq() == gone + 1);
  PROCCTL_MUST(ring.last_seq() == kEvents);
}

// What a controller sends, as the uplink makes it fit before it passes it on. `place`: where in a
// packet that is.
template <typename Message>
void CheckFit(Message sent, Message* (*place)(v1::LinkDown*)) {
  sent.GetReflection()->MutableUnknownFields(&sent)->AddLengthDelimited(
      1000, std::string(64 * 1024, 'x'));
  uplink::FitForLink(&sent);
  v1::LinkDown message;
  place(&message)->Swap(&sent);
  const std::string packet = message.SerializeAsString();
  PROCCTL_MUST(packet.size() < 60 * 1024);
  PROCCTL_MUST(v1::LinkDown().ParseFromString(packet));
}

}  // namespace
}  // namespace procctl::fuzz

// uint8 bits of MakeFacts, uint16 seconds since boot, then the packet. The packet is also read as
// what a controller sent with a field of 64 KiB in it that this version does not know.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace procctl::fuzz;
  // It prints a line for each string that is no UTF-8.
  static const google::protobuf::LogSilencer quiet;
  Input input(data, size);
  const auto bits = input.Take<uint8_t>();
  const Nanos since_boot = std::chrono::seconds(input.Take<uint16_t>());
  procctl::v1::LinkDown message;
  if (!message.ParseFromString(std::string(input.rest()))) return 0;
  if (message.has_spooled()) CheckSpooled(message.spooled());
  if (message.has_hold()) {
    CheckFit<procctl::v1::HoldOrder>(message.hold().order(), [](procctl::v1::LinkDown* down) {
      return down->mutable_hold()->mutable_order();
    });
  }
  if (message.has_program()) {
    CheckFit<procctl::v1::ProgramOrder>(message.program().order(), [](procctl::v1::LinkDown* down) {
      return down->mutable_program()->mutable_order();
    });
  }
  if (message.has_detail()) {
    CheckFit<procctl::v1::DetailRequest>(
        message.detail(), [](procctl::v1::LinkDown* down) { return down->mutable_detail(); });
  }
  if (!message.has_order()) return 0;

  const procctl::v1::LinkOrder& order = message.order();
  CheckId(order.order());
  CheckRules(order, since_boot);
  CheckVerdict(order, MakeFacts(order.order(), bits));
  CheckFit<procctl::v1::Order>(order.order(), [](procctl::v1::LinkDown* down) {
    return down->mutable_order()->mutable_order();
  });
  return 0;
}

#include "controller/rpc/slot_wire.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "procctl/v1/fleet_service.pb.h"
#include "proto/support/time_convert.h"

namespace procctl::controller {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;

constexpr int kMostVarintBytes = 10;

void AppendVarint(std::uint64_t value, std::string* out) {
  std::array<std::uint8_t, kMostVarintBytes> bytes;
  const std::uint8_t* end = CodedOutputStream::WriteVarint64ToArray(value, bytes.data());
  out->append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(end - bytes.data()));
}

void AppendTag(int field, WireFormatLite::WireType type, std::string* out) {
  AppendVarint(WireFormatLite::MakeTag(field, type), out);
}

void AppendMessageHead(int field, size_t size, std::string* out) {
  AppendTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED, out);
  AppendVarint(size, out);
}

// SlotState STALE behind a packed v1::Slot: the last word on a field counts.
const std::string& StaleSuffix() {
  static const auto* suffix = [] {
    auto* text = new std::string();
    AppendTag(v1::Slot::kStateFieldNumber, WireFormatLite::WIRETYPE_VARINT, text);
    AppendVarint(v1::SLOT_STATE_STALE, text);
    return text;
  }();
  return *suffix;
}

}  // namespace

void SlotWire::TurnTo(const NodeRow& node) {
  if (node_ == &node) return;
  node_ = &node;
  const Freshness freshness = FreshnessOf(node.state);
  fresh_ = freshness == Freshness::kFresh;
  v1::FleetSlot head;
  head.set_node(node.id);
  head_ = head.SerializeAsString();
  const auto age = std::max(now_ - node.last_heard, MonoClock::duration(0));
  v1::FleetSlot tail;
  tail.set_node_state(static_cast<v1::NodeState>(node.state));
  *tail.mutable_age() = ToProto(age);
  tail.set_freshness(static_cast<v1::Freshness>(freshness));
  *tail.mutable_known_at() = ToProto(wall_now_ - age);
  tail_ = tail.SerializeAsString();
}

const std::string& SlotWire::OwnPart(const SlotRow& slot) {
  own_.clear();
  const size_t suffix = fresh_ ? 0 : StaleSuffix().size();
  AppendMessageHead(v1::FleetSlot::kSlotFieldNumber, slot.packed.size() + suffix, &own_);
  own_ += slot.packed;
  if (!fresh_) own_ += StaleSuffix();
  const auto reported = std::max(now_ - slot.reported, MonoClock::duration(0));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(reported);
  std::string duration;
  AppendTag(google::protobuf::Duration::kSecondsFieldNumber, WireFormatLite::WIRETYPE_VARINT,
            &duration);
  AppendVarint(static_cast<std::uint64_t>(seconds.count()), &duration);
  AppendTag(google::protobuf::Duration::kNanosFieldNumber, WireFormatLite::WIRETYPE_VARINT,
            &duration);
  AppendVarint(static_cast<std::uint64_t>((reported - seconds).count()), &duration);
  AppendMessageHead(v1::FleetSlot::kReportedFieldNumber, duration.size(), &own_);
  own_ += duration;
  return own_;
}

void SlotWire::Append(const NodeRow& node, const SlotRow& slot, std::string* out) {
  TurnTo(node);
  *out += head_;
  *out += OwnPart(slot);
  *out += tail_;
}

void SlotWire::AppendField(int field, const NodeRow& node, const SlotRow& slot, std::string* out) {
  TurnTo(node);
  const std::string& own = OwnPart(slot);
  AppendMessageHead(field, head_.size() + own.size() + tail_.size(), out);
  *out += head_;
  *out += own;
  *out += tail_;
}

}  // namespace procctl::controller

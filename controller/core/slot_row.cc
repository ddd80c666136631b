#include "controller/core/slot_row.h"

#include <algorithm>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "proto/support/row_digest.h"
#include "proto/support/slot_silence.h"
#include "proto/support/time_convert.h"

namespace procctl::controller {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr size_t kMostLabelBytes = 1024;
constexpr std::int64_t kMostSeconds = 100LL * 366 * 86400;

// Far within what JSON, and a clock in nanoseconds, can say.
bool IsSound(const google::protobuf::Duration& time) {
  return time.seconds() >= 0 && time.seconds() <= kMostSeconds && time.nanos() >= 0 &&
         time.nanos() < 1'000'000'000;
}
bool IsSound(const google::protobuf::Timestamp& time) {
  return time.seconds() >= 0 && time.seconds() <= 2 * kMostSeconds && time.nanos() >= 0 &&
         time.nanos() < 1'000'000'000;
}

template <typename Message>
bool HasUnknown(const Message& message) {
  return !message.GetReflection()->GetUnknownFields(message).empty();
}

// Absent where nobody need beat; zero means that too.
bool HasSoundTimeout(const v1::Slot& slot) {
  return !slot.has_timeout() ||
         (IsSound(slot.timeout()) && (slot.timeout().seconds() > 0 || slot.timeout().nanos() > 0));
}

bool IsPlain(const v1::Slot& slot) {
  return !slot.name().empty() && !HasUnknown(slot) && !HasUnknown(slot.incarnation()) &&
         !HasUnknown(slot.hold()) && HasSoundTimeout(slot) && IsSound(slot.silence()) &&
         IsSound(slot.registered_at()) && IsSound(slot.hold().until()) &&
         IsSound(slot.progress_limit()) && IsSound(slot.progress_silence()) &&
         IsSound(slot.special_limit());
}

template <typename Time>
void Mend(bool has, Time* (v1::Slot::*field)(), void (v1::Slot::*clear)(), v1::Slot* slot) {
  if (has && !IsSound(*(slot->*field)())) (slot->*clear)();
}

std::string Pack(const v1::Slot& slot) {
  if (IsPlain(slot)) return slot.SerializeAsString();
  v1::Slot copy = slot;
  copy.DiscardUnknownFields();
  if (copy.name().empty()) copy.set_name(copy.label());
  if (!HasSoundTimeout(copy)) copy.clear_timeout();
  Mend(copy.has_silence(), &v1::Slot::mutable_silence, &v1::Slot::clear_silence, &copy);
  Mend(copy.has_registered_at(), &v1::Slot::mutable_registered_at, &v1::Slot::clear_registered_at,
       &copy);
  Mend(copy.has_progress_limit(), &v1::Slot::mutable_progress_limit,
       &v1::Slot::clear_progress_limit, &copy);
  Mend(copy.has_progress_silence(), &v1::Slot::mutable_progress_silence,
       &v1::Slot::clear_progress_silence, &copy);
  Mend(copy.has_special_limit(), &v1::Slot::mutable_special_limit, &v1::Slot::clear_special_limit,
       &copy);
  if (copy.has_hold() && !IsSound(copy.hold().until())) copy.mutable_hold()->clear_until();
  return copy.SerializeAsString();
}

// A text of a packed slot, where it lies. Empty if it is not there.
std::string_view Find(std::string_view packed, int number) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(packed.data());
  google::protobuf::io::CodedInputStream in(bytes, static_cast<int>(packed.size()));
  while (const std::uint32_t tag = in.ReadTag()) {
    if (WireFormatLite::GetTagFieldNumber(tag) != number) {
      if (!WireFormatLite::SkipField(&in, tag)) return "";
      continue;
    }
    std::uint32_t size = 0;
    if (!in.ReadVarint32(&size)) return "";
    return packed.substr(static_cast<size_t>(in.CurrentPosition()), size);
  }
  return "";
}

std::chrono::nanoseconds Positive(const google::protobuf::Duration& time) {
  return IsSound(time) ? FromProto(time) : std::chrono::nanoseconds(0);
}

}  // namespace

bool SlotRow::IsWellFormed(const v1::Slot& slot) {
  const std::string& label = slot.label();
  return !label.empty() && label.size() <= kMostLabelBytes &&
         std::none_of(label.begin(), label.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; }) &&
         slot.incarnation().generation() > 0 && slot.ByteSizeLong() <= kMostBytes;
}

SlotRow::SlotRow(const v1::Slot& slot, MonoTime now)
    : packed(Pack(slot)),
      label(Find(packed, v1::Slot::kLabelFieldNumber)),
      name(Find(packed, v1::Slot::kNameFieldNumber)),
      program(slot.program().empty() ? "" : Find(packed, v1::Slot::kProgramFieldNumber)),
      generation(slot.incarnation().generation()),
      pid(slot.incarnation().pid()),
      uid(slot.uid()),
      state(slot.state()),
      door(slot.door()),
      held(slot.has_hold() || !slot.hold_reason().empty()),
      observe(slot.observe()),
      reported(now),
      digest(RowDigest(slot)),
      has_registered_at_(slot.has_registered_at() && IsSound(slot.registered_at())),
      registered_at_(has_registered_at_ ? FromProto(slot.registered_at()) : WallTime()),
      timeout_(Positive(slot.timeout())),
      silence_(Positive(slot.silence())) {}

v1::Slot SlotRow::Unpack() const {
  v1::Slot slot;
  // It was packed here: it can be read.
  (void)slot.ParseFromString(packed);
  return slot;
}

NumberRange SlotRow::Age(WallTime now) const {
  if (!has_registered_at_) return {};
  return std::chrono::nanoseconds(now - registered_at_).count();
}

NumberRange SlotRow::Silence(MonoTime now) const {
  return KnownSilence(state, timeout_, silence_, now - reported);
}

}  // namespace procctl::controller

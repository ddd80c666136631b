#include "proto/support/filter_schemas.h"

#include <cctype>

#include "google/protobuf/descriptor.h"
#include "procctl/v1/event.pb.h"
#include "procctl/v1/program.pb.h"
#include "procctl/v1/slot.pb.h"

namespace procctl {
namespace {

// "EVENT_KIND_TERM_SENT" is "term_sent". Numbers without a name, and zero (which is never stored),
// get an empty choice that no value can match.
std::vector<std::string> ChoicesOf(const google::protobuf::EnumDescriptor* type,
                                   std::string_view prefix) {
  std::vector<std::string> choices;
  for (int i = 0; i < type->value_count(); ++i) {
    const google::protobuf::EnumValueDescriptor* value = type->value(i);
    if (value->number() <= 0) continue;
    const size_t index = static_cast<size_t>(value->number());
    if (choices.size() <= index) choices.resize(index + 1);
    std::string name = value->name().substr(prefix.size());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    choices[index] = std::move(name);
  }
  return choices;
}

constexpr auto kText = FilterKey::Kind::kText;
constexpr auto kTexts = FilterKey::Kind::kTexts;
constexpr auto kNumber = FilterKey::Kind::kNumber;
constexpr auto kDuration = FilterKey::Kind::kDuration;
constexpr auto kSize = FilterKey::Kind::kSize;
constexpr auto kChoice = FilterKey::Kind::kChoice;

// Process 1 is nobody's row.
constexpr std::int64_t kLeastPid = 2;

}  // namespace

const FilterSchema& NodeFilterSchema() {
  // By number of NodeState, whose descriptor is in a service's file, which the core does not link.
  static const auto* schema = new FilterSchema{
      {"node", kText},
      {"state", kChoice, {"", "connected", "suspect", "lost", "draining", "forgotten"}},
      {"version", kText},
      {"hostname", kText},
      {"mode", kText},
  };
  return *schema;
}

const FilterSchema& SlotFilterSchema() {
  static const auto* schema = new FilterSchema{
      {"node", kText},
      {"name", kText},
      {"slot", kText},
      {"state", kChoice, ChoicesOf(v1::SlotState_descriptor(), "SLOT_STATE_")},
      {"pid", kNumber, {}, kLeastPid},
      {"door", kChoice, ChoicesOf(v1::Door_descriptor(), "DOOR_")},
      {"program", kText},
      {"uid", kNumber},
      {"age", kDuration},
      {"silence", kDuration},
      {"cpu", kNumber},
      {"memory", kSize},
  };
  return *schema;
}

const FilterSchema& ProgramFilterSchema() {
  static const auto* schema = new FilterSchema{
      {"node", kText},
      {"program", kText},
      {"name", kText},
      {"state", kChoice, ChoicesOf(v1::ProgramState_descriptor(), "PROGRAM_STATE_")},
      {"label", kTexts},
  };
  return *schema;
}

const FilterSchema& EventFilterSchema() {
  static const auto* schema = new FilterSchema{
      {"node", kText},
      {"slot", kText},
      {"name", kText},
      {"kind", kChoice, ChoicesOf(v1::EventKind_descriptor(), "EVENT_KIND_")},
      {"cause", kChoice, ChoicesOf(v1::Cause_descriptor(), "CAUSE_")},
      {"verdict", kChoice, ChoicesOf(v1::Verdict_descriptor(), "VERDICT_")},
      {"order", kText},
      {"pid", kNumber},
      {"kill", kNumber},
      {"program", kText},
      {"run", kText},
  };
  return *schema;
}

}  // namespace procctl

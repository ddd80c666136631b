#include "cli/json.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

using google::protobuf::Duration;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Timestamp;

// From the comments in protobuf's own duration.proto and timestamp.proto.
constexpr int64_t kMostDuration = 315'576'000'000;
constexpr int64_t kFirstTimestamp = -62'135'596'800;
constexpr int64_t kLastTimestamp = 253'402'300'799;
constexpr int32_t kMostNanos = 999'999'999;

void Clamp(Duration* duration) {
  const int64_t seconds = std::clamp(duration->seconds(), -kMostDuration, kMostDuration);
  int32_t nanos = std::clamp(duration->nanos(), -kMostNanos, kMostNanos);
  if ((seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0)) nanos = 0;
  duration->set_seconds(seconds);
  duration->set_nanos(nanos);
}

void Clamp(Timestamp* time) {
  time->set_seconds(std::clamp(time->seconds(), kFirstTimestamp, kLastTimestamp));
  time->set_nanos(std::clamp(time->nanos(), 0, kMostNanos));
}

void ClampAll(Message* message) {
  if (auto* duration = dynamic_cast<Duration*>(message); duration != nullptr) {
    return Clamp(duration);
  }
  if (auto* time = dynamic_cast<Timestamp*>(message); time != nullptr) return Clamp(time);
  const auto* reflection = message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      ClampAll(reflection->MutableMessage(message, field));
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
      ClampAll(reflection->MutableRepeatedMessage(message, field, i));
    }
  }
}

bool TryJson(const Message& message, std::string* out) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;  // a reader need not know the defaults
  out->clear();
  return google::protobuf::util::MessageToJsonString(message, out, options).ok();
}

}  // namespace

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (;;) {
    const size_t end = text.find('\n');
    for (const char c : Printable(text.substr(0, end))) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    if (end == std::string_view::npos) return out + "\"";
    out += "\\n";
    text.remove_prefix(end + 1);
  }
}

std::string JsonObject(const Message& message, std::string_view id) {
  std::string json;
  if (!TryJson(message, &json)) {
    const std::unique_ptr<Message> copy(message.New());
    copy->CopyFrom(message);
    ClampAll(copy.get());
    if (!TryJson(*copy, &json)) json = R"({"error":"this row cannot be shown as JSON"})";
  }
  if (id.empty()) return json;
  const std::string rest = json.substr(1);
  return fmt::format("{{\"id\":{}{}{}", JsonString(id), rest == "}" ? "" : ",", rest);
}

std::string JsonTime(const Timestamp& time) {
  Timestamp copy = time;
  Clamp(&copy);
  std::string json;
  return TryJson(copy, &json) ? json : "null";
}

}  // namespace procctl::cli

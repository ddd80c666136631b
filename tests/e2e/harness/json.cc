#include "tests/e2e/harness/json.h"

#include <google/protobuf/util/json_util.h>

#include "tests/e2e/harness/wait.h"

namespace procctl::e2e {

google::protobuf::Struct ParseJson(const std::string& text) {
  google::protobuf::Struct document;
  const auto status = google::protobuf::util::JsonStringToMessage(text, &document);
  if (!status.ok()) throw HarnessError("not JSON: " + status.ToString() + "\n" + text);
  return document;
}

void ReadJson(const google::protobuf::Value& value, google::protobuf::Message* message) {
  std::string text;
  google::protobuf::util::JsonParseOptions lenient;
  lenient.ignore_unknown_fields = true;
  auto status = google::protobuf::util::MessageToJsonString(value, &text);
  if (status.ok()) {
    status = google::protobuf::util::JsonStringToMessage(text, message, lenient);
  }
  if (!status.ok()) throw HarnessError("unexpected JSON: " + status.ToString() + "\n" + text);
}

}  // namespace procctl::e2e

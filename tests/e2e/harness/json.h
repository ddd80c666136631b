// Reads what `procctl-cli -o json` prints: as any JSON at all, and as the protobuf messages it is
// made of.
#pragma once

#include <string>
#include <vector>

#include "google/protobuf/message.h"
#include "google/protobuf/struct.pb.h"

namespace procctl::e2e {

// Throws HarnessError with the text if it is not one JSON object.
google::protobuf::Struct ParseJson(const std::string& text);

// The objects in the array `key` of the document, each read into a T; unknown fields are ignored.
template <typename T>
std::vector<T> ParseList(const std::string& text, const std::string& key);

// How ParseList reads one object.
void ReadJson(const google::protobuf::Value& value, google::protobuf::Message* message);

template <typename T>
std::vector<T> ParseList(const std::string& text, const std::string& key) {
  const google::protobuf::Struct document = ParseJson(text);
  std::vector<T> list;
  const auto array = document.fields().find(key);
  if (array == document.fields().end()) return list;
  for (const google::protobuf::Value& value : array->second.list_value().values()) {
    ReadJson(value, &list.emplace_back());
  }
  return list;
}

}  // namespace procctl::e2e

#include "proto/support/config_keys.h"

#include <vector>

#include "proto/support/nearest_name.h"
#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

std::vector<std::string> KeysOf(const google::protobuf::Descriptor& section) {
  std::vector<std::string> keys;
  for (int i = 0; i < section.field_count(); ++i) keys.push_back(section.field(i)->name());
  return keys;
}

}  // namespace

std::string NearestKey(const google::protobuf::Descriptor& section, std::string_view wanted) {
  return NearestName(KeysOf(section), wanted);
}

std::string KeyHint(const google::protobuf::Descriptor& section, std::string_view prefix,
                    std::string_view wanted) {
  const std::string meant = NearestKey(section, wanted);
  if (!meant.empty()) return fmt::format("did you mean \"{}{}\"?", prefix, meant);
  return fmt::format("known keys here: {}", fmt::join(KeysOf(section), ", "));
}

}  // namespace procctl

#include "node/guardian/section_checker.h"

#include "absl/strings/str_cat.h"
#include "proto/support/duration_text.h"
#include "proto/support/size_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {

std::string SectionChecker::Path(std::string_view key) const {
  return absl::StrCat(section_, ".", absl::string_view(key.data(), key.size()));
}

int SectionChecker::Line(std::string_view key) const {
  const auto line = lines_.find(Path(key));
  return line == lines_.end() ? 0 : line->second;
}

Nanos SectionChecker::Between(std::string_view key, const google::protobuf::Duration& given,
                              bool present, Nanos standard, Nanos least, Nanos most) {
  if (!present) return standard;
  const Nanos value = FromProto(given);
  if (value >= least && value <= most) return value;
  Refuse(key, fmt::format("{} is not between {} and {}", FormatDuration(value),
                          FormatDuration(least), FormatDuration(most)));
  return standard;
}

int SectionChecker::Between(std::string_view key, int given, int standard, int least, int most) {
  return MaybeBetween(key, given, least, most).value_or(standard);
}

std::optional<int> SectionChecker::MaybeBetween(std::string_view key, int given, int least,
                                                int most) {
  if (!Given(key)) return std::nullopt;
  if (given >= least && given <= most) return given;
  Refuse(key, fmt::format("{} is not between {} and {}", given, least, most));
  return std::nullopt;
}

std::optional<int64_t> SectionChecker::MaybeSize(std::string_view key, const std::string& text,
                                                 int64_t least, int64_t most) {
  if (text.empty()) return std::nullopt;
  const absl::StatusOr<int64_t> size = ParseSize(text);
  if (!size.ok()) {
    Refuse(key, size.status());
    return std::nullopt;
  }
  if (*size >= least && *size <= most) return *size;
  Refuse(key,
         fmt::format("{} is not between {} and {}", text, FormatSize(least), FormatSize(most)));
  return std::nullopt;
}

}  // namespace procctl::node

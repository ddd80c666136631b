#include "proto/support/config_help.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>
#include <vector>

#include "google/protobuf/descriptor.pb.h"
#include "proto/support/config_keys.h"
#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr unsigned char kSchema[] = {
#include "proto/support/config_schema.inc"
};

constexpr size_t kWidth = 80;

// Comments by where they stand: {4, message} or {4, message, 2, field}, by number of place.
using Comments = std::map<std::vector<int>, std::string>;

std::string Joined(const std::string& comment) {
  std::istringstream words(comment);
  std::string text;
  for (std::string word; words >> word;) text += (text.empty() ? "" : " ") + word;
  return text;
}

const Comments& AllComments() {
  static const Comments comments = [] {
    Comments found;
    google::protobuf::FileDescriptorSet set;
    if (!set.ParseFromArray(kSchema, sizeof kSchema) || set.file_size() != 1) return found;
    for (const auto& location : set.file(0).source_code_info().location()) {
      if (location.leading_comments().empty()) continue;
      found[{location.path().begin(), location.path().end()}] = Joined(location.leading_comments());
    }
    return found;
  }();
  return comments;
}

std::string CommentAt(const std::vector<int>& path) {
  const auto found = AllComments().find(path);
  return found == AllComments().end() ? "" : found->second;
}

bool IsDuration(const FieldDescriptor& field) {
  return field.message_type() != nullptr &&
         field.message_type()->full_name() == "google.protobuf.Duration";
}

bool IsSection(const FieldDescriptor& field) {
  return field.message_type() != nullptr && !IsDuration(field);
}

// Its own; else that of the group it stands in, which is at the first of the group; a section that
// stands in none has that of its message.
std::string CommentOf(const FieldDescriptor& field) {
  const int message = field.containing_type()->index();
  if (std::string own = CommentAt({4, message, 2, field.index()}); !own.empty()) return own;
  if (IsSection(field)) return CommentAt({4, field.message_type()->index()});
  for (int i = field.index() - 1; i >= 0; --i) {
    if (IsSection(*field.containing_type()->field(i))) break;
    if (std::string group = CommentAt({4, message, 2, i}); !group.empty()) return group;
  }
  return "";
}

std::string TypeOf(const FieldDescriptor& field) {
  std::string type;
  if (IsDuration(field)) {
    type = "duration";
  } else if (IsSection(field)) {
    type = "section";
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
    type = "true or false";
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    type = "text";
  } else {
    type = "number";
  }
  return field.is_repeated() ? "list of " + type + "s" : type;
}

// Words in lines of at most kWidth, each after `indent`; the first line goes on after `begun`.
std::string Wrapped(const std::string& text, size_t begun, size_t indent) {
  std::istringstream words(text);
  std::string out;
  size_t column = begun;
  bool first = true;
  for (std::string word; words >> word;) {
    if (!first && column + 1 + word.size() > kWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
      first = true;
    }
    out += (first ? "" : " ") + word;
    column += word.size() + (first ? 0 : 1);
    first = false;
  }
  return out + "\n";
}

// Up to a full stop before a capital letter: "e.g. 0x5095" goes on.
std::string FirstSentence(const std::string& text) {
  for (size_t stop = text.find(". "); stop != std::string::npos; stop = text.find(". ", stop + 1)) {
    if (stop + 2 < text.size() && text[stop + 2] >= 'A' && text[stop + 2] <= 'Z') {
      return text.substr(0, stop + 1);
    }
  }
  return text;
}

// "0" in "rules.0.mode".
bool IsIndex(std::string_view name) {
  return !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string KeysOf(const Descriptor& schema) {
  constexpr size_t kNameColumn = 2;
  constexpr size_t kTextColumn = 6;
  std::string out;
  for (int i = 0; i < schema.field_count(); ++i) {
    const FieldDescriptor& field = *schema.field(i);
    out += fmt::format("{}{}: {}\n{}{}", std::string(kNameColumn, ' '), field.name(), TypeOf(field),
                       std::string(kTextColumn, ' '),
                       Wrapped(FirstSentence(CommentOf(field)), kTextColumn, kTextColumn));
  }
  return out;
}

}  // namespace

absl::StatusOr<std::string> ExplainConfig(const Descriptor& schema, std::string_view path) {
  if (path.empty()) {
    return Wrapped(
               "The keys of the file. A duration is 100ms, 5s, 2m or 1h. "
               "Ask for one key to see what is in it.",
               0, 0) +
           "\n" + KeysOf(schema);
  }
  const Descriptor* section = &schema;
  const FieldDescriptor* field = nullptr;
  bool item_may_follow = false;
  for (std::string_view left = path; !left.empty();) {
    const std::string_view name = left.substr(0, left.find('.'));
    left.remove_prefix(std::min(name.size() + 1, left.size()));
    const std::string_view before(path.data(), static_cast<size_t>(name.data() - path.data()));
    // Refusals number the items of a list; all of them have the same keys.
    if (std::exchange(item_may_follow, false) && IsIndex(name)) continue;
    if (section == nullptr) {
      return absl::NotFoundError(fmt::format("there is nothing below {}, it is a {}",
                                             before.substr(0, before.size() - 1), TypeOf(*field)));
    }
    field = section->FindFieldByName(std::string(name));
    if (field == nullptr) {
      return absl::NotFoundError(fmt::format("there is no key \"{}{}\"; {}", before, name,
                                             KeyHint(*section, before, name)));
    }
    section = IsSection(*field) ? field->message_type() : nullptr;
    item_may_follow = field->is_repeated();
  }
  if (field == nullptr) return absl::NotFoundError("write keys with dots between, as in log.level");
  std::string out =
      fmt::format("{}: {}\n\n{}", path, TypeOf(*field), Wrapped(CommentOf(*field), 0, 0));
  if (section != nullptr) out += "\n" + KeysOf(*section);
  return out;
}

}  // namespace procctl

#include "proto/support/yaml_config.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

#include "proto/support/config_keys.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::streamoff kMostBytes = 1 << 20;
// Deeper than any schema of ours; keeps a hostile file from exhausting the stack.
constexpr int kMostDepth = 16;

class Reader {
 public:
  Reader(ConfigLines* lines, ConfigFaults* faults) : lines_(lines), faults_(faults) {}

  void Fill(const YAML::Node& node, const std::string& path, int depth, Message* out) {
    if (depth > kMostDepth)
      return Refuse(node, path, "nested too deeply; no key of ours is so deep");
    if (node.IsNull()) return;
    if (!node.IsMap()) return Refuse(node, path, "expected keys and values here (key: value)");
    std::set<std::string> seen;
    std::set<std::string> meant;  // by a misspelt key
    for (const auto& entry : node) {
      if (faults_->full()) return;
      if (!entry.first.IsScalar()) {
        Refuse(entry.first, "", "a key must be a plain word");
        continue;
      }
      const std::string key = entry.first.Scalar();
      const FieldDescriptor* field = out->GetDescriptor()->FindFieldByName(key);
      if (field == nullptr) {
        const Descriptor& schema = *out->GetDescriptor();
        Refuse(entry.first, "",
               fmt::format("unknown key \"{}\"; {}", key, KeyHint(schema, "", key)));
        meant.insert(NearestKey(schema, key));
        continue;
      }
      // yaml-cpp keeps the first of two equal keys and says nothing; the reader of the file sees
      // the last.
      if (!seen.insert(key).second) {
        Refuse(entry.first, "", fmt::format("\"{}\" is given twice; keep one", key));
        continue;
      }
      Set(entry.second, Joined(path, key), depth, *field, out);
    }
    // It is not missing as well. Where it is there beside the misspelt one, it is judged.
    for (const std::string& key : meant) {
      if (!key.empty() && seen.count(key) == 0) faults_->Taint(Joined(path, key));
    }
  }

 private:
  static std::string Joined(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + "." + key;
  }

  // `path`: what stays unset because of it; empty: nothing.
  void Refuse(const YAML::Node& node, const std::string& path, std::string_view what) {
    // What it quotes may hold anything; who reads it sits at a terminal.
    faults_->AddAt(node.Mark().line + 1, Printable(what));
    if (!path.empty()) faults_->Taint(path);
  }

  void Set(const YAML::Node& node, const std::string& path, int depth, const FieldDescriptor& field,
           Message* out) {
    (*lines_)[path] = node.Mark().line + 1;
    if (!field.is_repeated()) return SetOne(node, path, depth, field, out);
    if (!node.IsSequence()) {
      return Refuse(node, path, fmt::format("\"{}\" must be a list: [a, b]", field.name()));
    }
    int index = 0;
    for (const auto& item : node) {
      if (faults_->full()) return;
      const std::string item_path = fmt::format("{}.{}", path, index++);
      (*lines_)[item_path] = item.Mark().line + 1;
      SetOne(item, item_path, depth, field, out);
    }
  }

  // Of the types that the schema has lists of; sections are added where they are filled.
  static void AddEmptyItem(const FieldDescriptor& field, Message* out) {
    if (!field.is_repeated()) return;
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      out->GetReflection()->AddString(out, &field, "");
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_INT32) {
      out->GetReflection()->AddInt32(out, &field, 0);
    }
  }

  void SetOne(const YAML::Node& node, const std::string& path, int depth,
              const FieldDescriptor& field, Message* out) {
    const auto* reflection = out->GetReflection();
    const bool duration = field.type() == FieldDescriptor::TYPE_MESSAGE &&
                          field.message_type()->full_name() == "google.protobuf.Duration";
    if (field.type() == FieldDescriptor::TYPE_MESSAGE && !duration) {
      Message* inner = field.is_repeated() ? reflection->AddMessage(out, &field)
                                           : reflection->MutableMessage(out, &field);
      return Fill(node, path, depth + 1, inner);
    }
    // Also where it is refused: an item keeps its place in the list.
    AddEmptyItem(field, out);
    if (!node.IsScalar()) {
      return Refuse(node, path, fmt::format("\"{}\" must be a single value", field.name()));
    }
    const std::string& text = node.Scalar();
    if (duration) {
      const auto value = ParseDuration(text);
      if (!value.ok()) {
        return Refuse(node, path,
                      fmt::format("{}: {}", field.name(), std::string(value.status().message())));
      }
      *static_cast<google::protobuf::Duration*>(reflection->MutableMessage(out, &field)) =
          ToProto(*value);
      return;
    }
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        // A NUL would cut a path short, and a message with a string that is no UTF-8 is dropped
        // whole by whoever receives it.
        if (Printable(text) != text) {
          return Refuse(node, path,
                        fmt::format("{}: \"{}\" holds what cannot be printed; use plain text",
                                    field.name(), text));
        }
        if (field.is_repeated()) {
          reflection->SetRepeatedString(out, &field, reflection->FieldSize(*out, &field) - 1, text);
        } else {
          reflection->SetString(out, &field, text);
        }
        return;
      case FieldDescriptor::CPPTYPE_BOOL: {
        bool value = false;
        if (!YAML::convert<bool>::decode(node, value)) {
          return Refuse(node, path,
                        fmt::format("{}: \"{}\" is neither true nor false", field.name(), text));
        }
        reflection->SetBool(out, &field, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_INT32:
      case FieldDescriptor::CPPTYPE_INT64: {
        int64_t value = 0;
        const bool small = field.cpp_type() == FieldDescriptor::CPPTYPE_INT32;
        if (!YAML::convert<int64_t>::decode(node, value) ||
            (small && (value > INT32_MAX || value < INT32_MIN))) {
          return Refuse(node, path,
                        fmt::format("{}: \"{}\" is not a whole number", field.name(), text));
        }
        if (small && field.is_repeated()) {
          reflection->SetRepeatedInt32(out, &field, reflection->FieldSize(*out, &field) - 1,
                                       static_cast<int32_t>(value));
        } else if (small) {
          reflection->SetInt32(out, &field, static_cast<int32_t>(value));
        } else {
          reflection->SetInt64(out, &field, value);
        }
        return;
      }
      default:
        return Refuse(node, path, fmt::format("schema field {} has a type YAML cannot fill", path));
    }
  }

  ConfigLines* lines_;
  ConfigFaults* faults_;
};

// Where documents begin; deaf to what is in them.
class DocumentStarts : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { lines_.push_back(mark.line + 1); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  const std::vector<int>& lines() const { return lines_; }

 private:
  std::vector<int> lines_;
};

// Lines of the first two documents. Not YAML::LoadAll: at a stray "]" or "," it makes empty
// documents until no memory is left.
std::vector<int> FirstDocuments(const std::string& text) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  DocumentStarts starts;
  while (starts.lines().size() < 2 && parser.HandleNextDocument(starts)) {
  }
  return starts.lines();
}

}  // namespace

absl::Status ParseYamlConfig(std::string_view file, std::string_view text, Message* config,
                             ConfigLines* lines, ConfigFaults* faults) {
  try {
    const std::string whole(text);
    const std::vector<int> starts = FirstDocuments(whole);
    if (starts.size() > 1) {
      return absl::InvalidArgumentError(fmt::format(
          "{}:{}: a second YAML document, or a stray ',', ']' or '}}'; keep one document", file,
          starts[1]));
    }
    const YAML::Node root = YAML::Load(whole);
    if (!root.IsMap() && !root.IsNull()) {
      return absl::InvalidArgumentError(fmt::format(
          "{}:{}: expected keys and values here (key: value)", file, root.Mark().line + 1));
    }
    Reader(lines, faults).Fill(root, "", 0, config);
    return absl::OkStatus();
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(
        fmt::format("{}:{}: not YAML: {}", file, e.mark.line + 1, Printable(e.msg)));
  }
}

absl::StatusOr<std::string> ReadConfigText(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    const int error = errno;
    const std::string what = fmt::format("cannot read {}: {}", file, std::strerror(error));
    return error == EACCES ? absl::PermissionDeniedError(what) : absl::NotFoundError(what);
  }
  std::string text(static_cast<size_t>(kMostBytes) + 1, '\0');
  in.read(text.data(), kMostBytes + 1);
  if (in.gcount() > kMostBytes) {
    return absl::InvalidArgumentError(
        fmt::format("{}: over 1 MiB; this is no configuration", file));
  }
  if (in.bad()) {
    return absl::InvalidArgumentError(fmt::format("cannot read {}: is it a file?", file));
  }
  text.resize(static_cast<size_t>(in.gcount()));
  return text;
}

absl::Status ReadYamlConfig(const std::string& file, Message* config, ConfigLines* lines,
                            ConfigFaults* faults) {
  const absl::StatusOr<std::string> text = ReadConfigText(file);
  return text.ok() ? ParseYamlConfig(file, *text, config, lines, faults) : text.status();
}

}  // namespace procctl

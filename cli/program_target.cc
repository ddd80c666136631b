#include "cli/program_target.h"

#include <algorithm>
#include <set>

#include "proto/support/escape.h"
#include "proto/support/peer_identity.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// What a controller takes (fleet_service.proto).
constexpr size_t kMostFilterBytes = 4096;
constexpr size_t kMostFilterValues = 64;

absl::Status Refuse(std::string_view text, std::string_view wanted, std::string_view why) {
  return absl::InvalidArgumentError(
      fmt::format("\"{}\" is not {}: {}; `procctl-cli programs` shows what there is",
                  Printable(text), wanted, why));
}

// A configured name (config.proto), or one and the number of an instance.
bool IsProgramLabel(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == '@';
  });
}

absl::StatusOr<ProgramName> Parse(std::string_view text, std::string_view wanted) {
  const size_t slash = text.find('/');
  ProgramName name;
  name.node = std::string(text.substr(0, slash));
  if (!IsValidNodeId(name.node)) {
    return Refuse(text, wanted, "the node is not 1 to 63 of [a-z0-9.-]");
  }
  if (slash == std::string_view::npos) return name;
  name.program = std::string(text.substr(slash + 1));
  if (name.program.empty()) return Refuse(text, wanted, "the program is missing");
  if (!IsProgramLabel(name.program)) {
    return Refuse(text, wanted, "the program is not of [A-Za-z0-9._-], with or without @NUMBER");
  }
  return name;
}

}  // namespace

std::string ProgramName::ToString() const {
  return program.empty() ? node : fmt::format("{}/{}", node, program);
}

absl::StatusOr<ProgramName> ParseProgram(std::string_view text) {
  constexpr std::string_view kWanted = "NODE/PROGRAM";
  if (text.find('/') == std::string_view::npos) {
    return Refuse(text, kWanted, "a node and a program are needed");
  }
  return Parse(text, kWanted);
}

absl::StatusOr<ProgramName> ParseProgramOrNode(std::string_view text) {
  return Parse(text, "NODE or NODE/PROGRAM");
}

bool IsOf(const ProgramName& name, std::string_view node, std::string_view label) {
  if (node != name.node) return false;
  return name.program.empty() || label == name.program ||
         label.substr(0, label.find('@')) == name.program;
}

bool IsOf(const ProgramName& name, const v1::FleetProgram& row) {
  return IsOf(name, row.node(), row.program().label());
}

std::vector<ProgramName> NamesOf(const std::vector<v1::FleetProgram>& rows) {
  std::vector<ProgramName> names;
  names.reserve(rows.size());
  for (const v1::FleetProgram& row : rows) names.push_back({row.node(), row.program().label()});
  return names;
}

std::string FilterFor(const std::vector<ProgramName>& names) {
  std::set<std::string> nodes;
  std::set<std::string> programs;
  bool whole_nodes = false;
  for (const ProgramName& name : names) {
    nodes.insert(name.node);
    whole_nodes = whole_nodes || name.program.empty();
    programs.insert(name.program);
    // The name of several instances; the label of one has its number already.
    if (name.program.find('@') == std::string::npos) programs.insert(name.program + "@*");
  }
  if (names.empty()) return "";
  std::string filter = fmt::format("node={}", fmt::join(nodes, ","));
  if (!whole_nodes) filter += fmt::format(" program={}", fmt::join(programs, ","));
  const size_t values = nodes.size() + (whole_nodes ? 0 : programs.size());
  return filter.size() <= kMostFilterBytes && values <= kMostFilterValues ? filter : "";
}

}  // namespace procctl::cli

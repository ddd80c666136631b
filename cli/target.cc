#include "cli/target.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <set>

#include "cli/cell.h"
#include "proto/support/escape.h"
#include "proto/support/peer_identity.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// What a controller takes (fleet_service.proto); beyond it Match() alone cuts the answer down.
constexpr size_t kMostFilterBytes = 4096;
constexpr size_t kMostFilterValues = 64;

template <typename Number>
bool ParseNumber(std::string_view text, Number* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

absl::Status Refuse(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      fmt::format("\"{}\" is not NODE/SLOT or NODE:PID: {}; `procctl-cli list` shows what there is",
                  Printable(text), why));
}

// Everything that the filter's grammar might take for its own becomes "*", and so does a blank as a
// table shows it: \xNN.
std::string Pattern(std::string_view label) {
  constexpr size_t kShownBytes = 4;
  std::string out;
  while (!label.empty()) {
    const char c = label.front();
    label.remove_prefix(std::min(label.size(), c == '\\' ? kShownBytes : 1));
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_' || c == '/' || c == ':';
    if (plain) {
      out += c;
    } else if (out.empty() || out.back() != '*') {
      out += '*';
    }
  }
  return out;
}

}  // namespace

std::string TargetName::ToString() const {
  return pid ? fmt::format("{}:{}", node, *pid) : fmt::format("{}/{}", node, slot);
}

absl::StatusOr<TargetName> ParseTarget(std::string_view text) {
  TargetName name;
  const size_t slash = text.find('/');
  const size_t colon = text.rfind(':');
  if (slash != std::string_view::npos) {
    name.node = std::string(text.substr(0, slash));
    name.slot = std::string(text.substr(slash + 1));
    if (name.slot.empty()) return Refuse(text, "the slot is missing");
  } else if (colon != std::string_view::npos) {
    name.node = std::string(text.substr(0, colon));
    int pid = 0;
    if (!ParseNumber(text.substr(colon + 1), &pid) || pid <= 1) {
      return Refuse(text, "the pid is not a whole number greater than 1");
    }
    name.pid = pid;
  } else {
    return Refuse(text, "it names no slot and no pid");
  }
  if (!IsValidNodeId(name.node)) return Refuse(text, "the node is not 1 to 63 of [a-z0-9.-]");
  return name;
}

std::string IncarnationText(const v1::Incarnation& incarnation) {
  return fmt::format("{}:{}:{}:{}", incarnation.boot_id(), incarnation.pid(),
                     incarnation.start_ticks(), incarnation.generation());
}

absl::StatusOr<v1::Incarnation> ParseIncarnation(std::string_view text) {
  const auto refuse = [&] {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is not an incarnation (BOOT:PID:START:GENERATION); copy \"id\" from "
                    "`procctl-cli list -o json`",
                    Printable(text)));
  };
  std::string_view parts[4];
  std::string_view rest = text;
  for (int i = 0; i < 3; ++i) {
    const size_t colon = rest.find(':');
    if (colon == std::string_view::npos) return refuse();
    parts[i] = rest.substr(0, colon);
    rest.remove_prefix(colon + 1);
  }
  parts[3] = rest;
  int32_t pid = 0;
  int64_t start = 0;
  int64_t generation = 0;
  if (parts[0].empty() || !ParseNumber(parts[1], &pid) || !ParseNumber(parts[2], &start) ||
      !ParseNumber(parts[3], &generation) || pid <= 1 || start < 0 || generation <= 0) {
    return refuse();
  }
  v1::Incarnation incarnation;
  incarnation.set_boot_id(std::string(parts[0]));
  incarnation.set_pid(pid);
  incarnation.set_start_ticks(start);
  incarnation.set_generation(generation);
  return incarnation;
}

std::string FilterFor(const std::vector<TargetName>& names) {
  std::set<std::string> nodes;
  std::set<std::string> slots;
  std::set<std::string> pids;
  for (const TargetName& name : names) {
    nodes.insert(name.node);
    if (name.pid) {
      pids.insert(std::to_string(*name.pid));
    } else {
      slots.insert(Pattern(name.slot));
    }
  }
  std::string filter = fmt::format("node={}", fmt::join(nodes, ","));
  // Terms add up as AND: names of both kinds cannot be narrowed further.
  if (pids.empty()) filter += fmt::format(" slot={}", fmt::join(slots, ","));
  if (slots.empty()) filter += fmt::format(" pid={}", fmt::join(pids, ","));
  const size_t values =
      nodes.size() + (pids.empty() || slots.empty() ? pids.size() + slots.size() : 0);
  return filter.size() <= kMostFilterBytes && values <= kMostFilterValues ? filter : "";
}

bool IsLabel(const TargetName& name, std::string_view label) {
  return label == name.slot || Cell(label) == name.slot;
}

std::string ShellName(std::string_view node, std::string_view label) {
  const std::string name = fmt::format("{}/{}", Cell(node), Cell(label));
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == '/' || c == ':' || c == '@';
  });
  if (plain) return name;
  std::string quoted = "'";
  for (const char c : name) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

const v1::FleetSlot* Match(const TargetName& name, const std::vector<v1::FleetSlot>& rows) {
  for (const v1::FleetSlot& row : rows) {
    if (row.node() != name.node) continue;
    if (name.pid ? row.slot().incarnation().pid() == *name.pid
                 : IsLabel(name, row.slot().label())) {
      return &row;
    }
  }
  return nullptr;
}

}  // namespace procctl::cli

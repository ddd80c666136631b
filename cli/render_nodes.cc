#include "cli/cell.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/render.h"
#include "cli/table.h"
#include "cli/time_text.h"
#include "proto/support/duration_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

Colour ColourOf(v1::NodeState state) {
  switch (state) {
    case v1::NODE_STATE_CONNECTED:
      return Colour::kGreen;
    case v1::NODE_STATE_SUSPECT:
      return Colour::kYellow;
    case v1::NODE_STATE_LOST:
      return Colour::kRed;
    default:
      return Colour::kYellow;
  }
}

constexpr std::chrono::seconds kShownSkew{1};

std::string LoadText(const v1::Node& node) {
  return node.has_load_per_mille() ? fmt::format("{:.2f}", node.load_per_mille() / 1000.0) : "-";
}

// What is not as usual.
TableCell NoteCell(const v1::Node& node) {
  std::vector<std::string> notes;
  if (!node.goodbye().empty()) notes.push_back(Cell(node.goodbye()));
  const std::chrono::nanoseconds skew = FromProto(node.skew());
  const bool off = skew > kShownSkew || skew < -kShownSkew;
  if (off) {
    notes.push_back(fmt::format("clock {} {}", FormatDuration(std::chrono::abs(skew)),
                                skew.count() > 0 ? "ahead" : "behind"));
  }
  return {notes.empty() ? "-" : fmt::format("{}", fmt::join(notes, "; ")),
          off ? Colour::kYellow : Colour::kNone};
}

}  // namespace

std::string RenderNodes(const NodeList& list, bool colour) {
  Table table({"NODE", "STATE", "AGE", "SLOTS", "TROUBLE", "WAITING", "LOAD", "MODE", "VERSION",
               "HOST", "PEER", "SINCE", "NOTE"});
  int connected = 0;
  int suspect = 0;
  int lost = 0;
  int draining = 0;
  int forgotten = 0;
  for (const v1::Node& node : list.nodes) {
    connected += node.state() == v1::NODE_STATE_CONNECTED ? 1 : 0;
    suspect += node.state() == v1::NODE_STATE_SUSPECT ? 1 : 0;
    lost += node.state() == v1::NODE_STATE_LOST ? 1 : 0;
    draining += node.state() == v1::NODE_STATE_DRAINING ? 1 : 0;
    forgotten += node.state() == v1::NODE_STATE_FORGOTTEN ? 1 : 0;
    const int trouble = node.slots_in_trouble();
    table.Add({{Cell(node.id())},
               {Word(node.state()), ColourOf(node.state())},
               {FormatDuration(FromProto(node.age()))},
               {std::to_string(node.slots())},
               {std::to_string(trouble), trouble > 0 ? Colour::kRed : Colour::kNone},
               {std::to_string(node.events_waiting())},
               {LoadText(node)},
               {Cell(node.mode())},
               {Cell(node.software_version())},
               {Cell(node.hostname())},
               {Cell(node.peer())},
               {node.has_connected_at() ? DateText(node.connected_at()) : "-"},
               NoteCell(node)});
  }
  const std::string rows = table.Render(colour);
  std::string states = fmt::format("{} connected, {} suspect, {} lost", connected, suspect, lost);
  if (draining > 0) states += fmt::format(", {} draining", draining);
  if (forgotten > 0) states += fmt::format(", {} forgotten", forgotten);
  return fmt::format("{}{}{} node{}: {}. As of {}\n", rows, rows.empty() ? "" : "\n",
                     list.nodes.size(), list.nodes.size() == 1 ? "" : "s", states,
                     ClockText(list.as_of));
}

std::string NodesJson(const NodeList& list) {
  std::string out = fmt::format("{{\"apiVersion\":\"{}\",\"asOf\":{},\"nodes\":[", kApiVersion,
                                JsonTime(list.as_of));
  for (size_t i = 0; i < list.nodes.size(); ++i) {
    out += i == 0 ? "\n" : ",\n";
    out += JsonObject(list.nodes[i]);
  }
  return out + "]}\n";
}

}  // namespace procctl::cli

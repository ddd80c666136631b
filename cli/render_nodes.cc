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

}  // namespace

std::string RenderNodes(const NodeList& list, bool colour) {
  Table table({"NODE", "STATE", "AGE", "SLOTS", "TROUBLE", "WAITING", "MODE", "VERSION", "HOST",
               "PEER", "SINCE"});
  int connected = 0;
  int suspect = 0;
  int lost = 0;
  for (const v1::Node& node : list.nodes) {
    connected += node.state() == v1::NODE_STATE_CONNECTED ? 1 : 0;
    suspect += node.state() == v1::NODE_STATE_SUSPECT ? 1 : 0;
    lost += node.state() == v1::NODE_STATE_LOST ? 1 : 0;
    const int trouble = node.slots_in_trouble();
    table.Add({{Cell(node.id())},
               {Word(node.state()), ColourOf(node.state())},
               {FormatDuration(FromProto(node.age()))},
               {std::to_string(node.slots())},
               {std::to_string(trouble), trouble > 0 ? Colour::kRed : Colour::kNone},
               {std::to_string(node.events_waiting())},
               {Cell(node.mode())},
               {Cell(node.software_version())},
               {Cell(node.hostname())},
               {Cell(node.peer())},
               {node.has_connected_at() ? DateText(node.connected_at()) : "-"}});
  }
  const std::string rows = table.Render(colour);
  return fmt::format("{}{}{} node{}: {} connected, {} suspect, {} lost. As of {}\n", rows,
                     rows.empty() ? "" : "\n", list.nodes.size(), list.nodes.size() == 1 ? "" : "s",
                     connected, suspect, lost, ClockText(list.as_of));
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

#include <map>
#include <utility>

#include "cli/cell.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/render.h"
#include "cli/story_words.h"
#include "cli/table.h"
#include "cli/time_text.h"
#include "cli/usage_cells.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

bool IsFresh(const v1::FleetSlot& row) {
  return (row.node_state() == v1::NODE_STATE_CONNECTED ||
          row.node_state() == v1::NODE_STATE_UNSPECIFIED) &&
         row.freshness() != v1::FRESHNESS_STALE && row.freshness() != v1::FRESHNESS_UNKNOWN;
}

// What a row may claim: nothing of a node that cannot be heard is shown as if it were news,
// whatever the row itself says.
v1::SlotState Believable(const v1::FleetSlot& row) {
  return IsFresh(row) ? row.slot().state() : v1::SLOT_STATE_STALE;
}

Colour ColourOf(v1::SlotState state) {
  switch (state) {
    case v1::SLOT_STATE_ALIVE:
      return Colour::kGreen;
    case v1::SLOT_STATE_QUIET:
      return Colour::kNone;
    case v1::SLOT_STATE_STARTING:
    case v1::SLOT_STATE_BUSY:
      return Colour::kNone;
    case v1::SLOT_STATE_HUNG:
    case v1::SLOT_STATE_NO_PROGRESS:
    case v1::SLOT_STATE_GAVE_UP:
    case v1::SLOT_STATE_TERM_SENT:
    case v1::SLOT_STATE_KILL_SENT:
      return Colour::kRed;
    case v1::SLOT_STATE_UNKILLABLE:
      return Colour::kLoud;
    case v1::SLOT_STATE_HELD:
      return Colour::kYellow;
    case v1::SLOT_STATE_STALE:
      return Colour::kDim;
    default:
      return Colour::kYellow;
  }
}

// Silence as far as it is known. An ALIVE row is not reported again while it beats, so all that is
// known is a bound; of a node that is not heard nothing is known.
std::string BeatText(const v1::FleetSlot& row) {
  if (row.node_state() != v1::NODE_STATE_CONNECTED) return "-";
  if (Believable(row) == v1::SLOT_STATE_STALE) return "-";
  if (!row.slot().has_timeout()) return "-";  // it need not beat
  if (row.slot().state() == v1::SLOT_STATE_ALIVE) {
    return "<" + FormatDuration(FromProto(row.slot().timeout()) / 2);
  }
  // These may beat without a report: the silence that was reported says nothing of the present one.
  switch (row.slot().state()) {
    case v1::SLOT_STATE_STARTING:
    case v1::SLOT_STATE_BUSY:
    case v1::SLOT_STATE_NO_PROGRESS:
    case v1::SLOT_STATE_GAVE_UP:
      return "-";
    default:
      return FormatDuration(SafeSum(row.slot().silence(), row.reported()));
  }
}

// Who holds it how long and why, why a due kill is withheld,
// then the process's own words.
std::string StatusText(const v1::FleetSlot& row, const google::protobuf::Timestamp& as_of) {
  const v1::Slot& slot = row.slot();
  std::vector<std::string> parts;
  if (slot.has_hold()) {
    const v1::Hold& hold = slot.hold();
    std::string text = fmt::format("hold: {}", Cell(hold.owner()));
    if (hold.has_until()) {
      text += fmt::format(", {} left", FormatDuration(Between(as_of, hold.until())));
    }
    if (!hold.reason().empty()) text += ", " + Quote(hold.reason());
    parts.push_back(std::move(text));
  }
  if (!slot.hold_reason().empty()) {
    parts.push_back(fmt::format("held: {}", Printable(slot.hold_reason())));
  }
  if (slot.observe()) parts.emplace_back("only observed");
  if (!slot.phase().empty()) parts.push_back(fmt::format("[{}]", Printable(slot.phase())));
  if (!slot.note().empty()) parts.push_back(Quote(slot.note()));
  return parts.empty() ? "-" : fmt::format("{}", fmt::join(parts, "; "));
}

Colour StatusColour(const v1::FleetSlot& row) {
  if (!IsFresh(row)) return Colour::kDim;
  return row.slot().has_hold() || !row.slot().hold_reason().empty() ? Colour::kYellow
                                                                    : Colour::kNone;
}

// The limit that is in force besides the timeout, and what of it is used.
std::string ProgressText(const v1::Slot& slot) {
  if (!slot.has_progress_limit()) return "-";
  const std::string limit = FormatDuration(FromProto(slot.progress_limit()));
  return slot.has_progress_silence()
             ? fmt::format("{}/{}", FormatDuration(FromProto(slot.progress_silence())), limit)
             : "?/" + limit;
}

// Columns that only a wide table has, before STATUS.
std::vector<TableCell> WideCells(const v1::FleetSlot& row) {
  const v1::Slot& slot = row.slot();
  std::vector<TableCell> cells = UsageCells(row.has_usage() ? &row.usage() : nullptr);
  for (std::string& text : std::vector<std::string>{
           Cell(slot.name()), slot.door() == v1::DOOR_UNSPECIFIED ? "-" : Word(slot.door()),
           std::to_string(slot.uid()), std::to_string(slot.incarnation().generation()),
           slot.has_special_limit() ? FormatDuration(FromProto(slot.special_limit())) : "-",
           ProgressText(slot), slot.has_hold() ? Cell(slot.hold().owner()) : "-",
           slot.has_hold() && slot.hold().has_until() ? DateText(slot.hold().until()) : "-"}) {
    cells.push_back({std::move(text)});
  }
  return cells;
}

std::vector<TableCell> RowOf(const v1::FleetSlot& row, const google::protobuf::Timestamp& as_of,
                             Columns columns) {
  const v1::Slot& slot = row.slot();
  const v1::SlotState state = Believable(row);
  std::vector<TableCell> cells = {
      {Cell(row.node())},
      {Cell(slot.label())},
      {Word(state), ColourOf(state)},
      {std::to_string(slot.incarnation().pid())},
      {BeatText(row)},
      {slot.has_timeout() ? FormatDuration(FromProto(slot.timeout())) : "-"},
      {slot.has_registered_at() ? FormatDuration(Between(slot.registered_at(), as_of)) : "-"},
      {FormatDuration(FromProto(row.age()))}};
  if (columns == Columns::kWide) {
    for (TableCell& cell : WideCells(row)) cells.push_back(std::move(cell));
  }
  cells.push_back({StatusText(row, as_of), StatusColour(row)});
  return cells;
}

std::string Count(int64_t n, std::string_view one) {
  return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s");
}

std::string NodesText(const v1::FleetSummary& summary) {
  std::vector<std::string> parts;
  const auto add = [&](int n, std::string_view what) {
    if (n > 0) parts.push_back(fmt::format("{} {}", n, what));
  };
  add(summary.nodes_connected(), "connected");
  add(summary.nodes_suspect(), "suspect");
  add(summary.nodes_lost(), "lost");
  add(summary.nodes_draining(), "draining");
  const int64_t all = int64_t{summary.nodes_connected()} + summary.nodes_suspect() +
                      summary.nodes_lost() + summary.nodes_draining();
  return Count(all, "node") + (parts.empty() ? "" : fmt::format(" ({})", fmt::join(parts, ", ")));
}

std::string SummaryLine(const SlotList& list, bool filtered) {
  std::map<v1::SlotState, int> by_state;
  for (const v1::FleetSlot& row : list.slots) ++by_state[Believable(row)];
  std::vector<std::string> parts;
  for (const auto& [state, n] : by_state) parts.push_back(fmt::format("{} {}", n, Word(state)));
  std::string slots = Count(static_cast<int64_t>(list.slots.size()), "slot");
  if (filtered) {
    slots = fmt::format("{} of {} matched", list.slots.size(), Count(list.summary.slots(), "slot"));
  }
  return fmt::format("{}, {}{}{}. As of {}\n", NodesText(list.summary), slots,
                     parts.empty() ? "" : ": ", fmt::join(parts, ", "), ClockText(list.as_of));
}

Table SlotTable(Columns columns) {
  std::vector<std::string> headers = {"NODE", "SLOT",    "STATE", "PID",
                                      "BEAT", "TIMEOUT", "UP",    "AGE"};
  if (columns == Columns::kWide) {
    for (std::string& header : UsageHeaders()) headers.push_back(std::move(header));
    for (const char* header :
         {"NAME", "DOOR", "UID", "GENERATION", "LIMIT", "PROGRESS", "HOLDER", "UNTIL"}) {
      headers.emplace_back(header);
    }
  }
  headers.emplace_back("STATUS");
  return Table(std::move(headers));
}

}  // namespace

std::string RenderSlots(const SlotList& list, bool filtered, bool colour, Columns columns) {
  Table table = SlotTable(columns);
  for (const v1::FleetSlot& row : list.slots) table.Add(RowOf(row, list.as_of, columns));
  const std::string rows = table.Render(colour);
  return rows + (rows.empty() ? "" : "\n") + SummaryLine(list, filtered);
}

std::string RenderTargets(const std::vector<v1::FleetSlot>& rows,
                          const google::protobuf::Timestamp& as_of, bool colour) {
  Table table = SlotTable(Columns::kUsual);
  for (const v1::FleetSlot& row : rows) table.Add(RowOf(row, as_of, Columns::kUsual));
  return table.Render(colour);
}

std::string SlotsJson(const SlotList& list) {
  std::string out = fmt::format("{{\"apiVersion\":\"{}\",\"asOf\":{},\"summary\":{},\"slots\":[",
                                kApiVersion, JsonTime(list.as_of), JsonObject(list.summary));
  for (size_t i = 0; i < list.slots.size(); ++i) {
    out += i == 0 ? "\n" : ",\n";
    out += JsonObject(list.slots[i], IncarnationText(list.slots[i].slot().incarnation()));
  }
  return out + "]}\n";
}

}  // namespace procctl::cli

#include "cli/render_watch.h"

#include <optional>

#include "cli/cell.h"
#include "cli/event_name.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/time_text.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr char kNew[] = "new";
constexpr char kGone[] = "gone";

std::string Where(const std::string& node, const std::string& label, int pid) {
  std::string where = Cell(node);
  if (!label.empty()) where += "/" + Cell(label);
  if (pid > 0) where += fmt::format("[{}]", pid);
  return where;
}

std::string Coloured(std::string_view code, const std::string& text, bool colour) {
  return colour && !code.empty() ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

std::string_view CodeOf(v1::SlotState state) {
  switch (state) {
    case v1::SLOT_STATE_ALIVE:
    case v1::SLOT_STATE_QUIET:
    case v1::SLOT_STATE_STARTING:
    case v1::SLOT_STATE_BUSY:
      return "";
    case v1::SLOT_STATE_UNKILLABLE:
    case v1::SLOT_STATE_HUNG:
    case v1::SLOT_STATE_TERM_SENT:
    case v1::SLOT_STATE_KILL_SENT:
      return "31";
    default:
      return "33";
  }
}

std::string_view CodeOf(v1::Severity severity) {
  switch (severity) {
    case v1::SEVERITY_WARNING:
      return "33";
    case v1::SEVERITY_ALARM:
      return "31";
    default:
      return "";
  }
}

std::string WordOrNull(std::optional<v1::SlotState> state) {
  return state ? JsonString(Word(*state)) : "null";
}

}  // namespace

std::string SlotChangeLine(const SlotChange& change, const google::protobuf::Timestamp& at,
                           bool colour) {
  const std::string time = DateText(at);
  switch (change.what) {
    case SlotChange::What::kSlot: {
      const std::string to =
          change.to ? Coloured(CodeOf(*change.to), Word(*change.to), colour) : kGone;
      return fmt::format("{}  {}  {} -> {}\n", time, Where(change.node, change.label, change.pid),
                         change.from ? Word(*change.from) : kNew, to);
    }
    case SlotChange::What::kNode: {
      const bool known = change.node_from != v1::NODE_STATE_UNSPECIFIED;
      const bool well = change.node_to == v1::NODE_STATE_CONNECTED;
      return fmt::format("{}  {}  {} -> {}\n", time, Cell(change.node),
                         known ? Word(change.node_from) : kNew,
                         Coloured(well ? "" : "33", Word(change.node_to), colour));
    }
    case SlotChange::What::kResync:
      return "";
  }
  return "";
}

std::string SlotChangeJson(const SlotChange& change, const google::protobuf::Timestamp& at) {
  switch (change.what) {
    case SlotChange::What::kSlot:
      return fmt::format(
          "{{\"change\":\"slot\",\"at\":{},\"node\":{},\"slot\":{},\"from\":{},\"to\":{}{}{}}}\n",
          JsonTime(at), JsonString(change.node), JsonString(change.label), WordOrNull(change.from),
          WordOrNull(change.to), change.initial ? ",\"initial\":true" : "",
          change.row != nullptr ? ",\"row\":" + JsonObject(*change.row) : "");
    case SlotChange::What::kNode: {
      const bool known = change.node_from != v1::NODE_STATE_UNSPECIFIED;
      return fmt::format(
          "{{\"change\":\"node\",\"at\":{},\"node\":{},\"from\":{},\"to\":{},\"row\":{}}}\n",
          JsonTime(at), JsonString(change.node),
          known ? JsonString(Word(change.node_from)) : "null", JsonString(Word(change.node_to)),
          JsonObject(*change.node_row));
    }
    case SlotChange::What::kResync:
      return ResyncJson(change.reason, 0);
  }
  return "";
}

std::string EventLine(const v1::StoredEvent& stored, bool colour) {
  const v1::Event& event = stored.event();
  std::string what;
  const auto add = [&](const std::string& part) {
    if (!what.empty()) what += ", ";
    what += part;
  };
  if (event.cause() != v1::CAUSE_UNSPECIFIED) add(Word(event.cause()));
  if (event.verdict() != v1::VERDICT_UNSPECIFIED) {
    add(Word(event.verdict()) +
        (event.has_took() ? " in " + FormatDuration(FromProto(event.took())) : ""));
  }
  if (!event.issuer().empty()) add("by " + Printable(event.issuer()));
  if (!event.message().empty()) add(Printable(event.message()));
  const std::string& label = event.slot().empty() ? event.program() : event.slot();
  return fmt::format("{}  {}  {}  {}{}{}\n", DateText(event.at()),
                     Coloured(CodeOf(event.severity()), Word(event.kind()), colour),
                     Where(event.node(), label, event.incarnation().pid()), what,
                     what.empty() ? "" : "  ", EventIdText(event.id()));
}

std::string EventJson(const v1::StoredEvent& stored) {
  return fmt::format("{{\"change\":\"event\",\"event\":{}}}\n",
                     JsonObject(stored, EventIdText(stored.event().id())));
}

std::string ResyncJson(const std::string& reason, std::int64_t missed) {
  return fmt::format("{{\"change\":\"resync\",\"reason\":{},\"missed\":{}}}\n", JsonString(reason),
                     missed);
}

}  // namespace procctl::cli

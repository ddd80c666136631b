#include "cli/cell.h"
#include "cli/event_name.h"
#include "cli/names.h"
#include "cli/render.h"
#include "cli/table.h"
#include "cli/target.h"
#include "cli/time_text.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"

namespace procctl::cli {
namespace {

Colour ColourOf(v1::Severity severity) {
  switch (severity) {
    case v1::SEVERITY_WARNING:
      return Colour::kYellow;
    case v1::SEVERITY_ALARM:
      return Colour::kRed;
    default:
      return Colour::kNone;
  }
}

// A word for a value that is set, else "-".
template <typename Enum>
std::string Known(Enum value) {
  return static_cast<int>(value) == 0 ? "-" : Word(value);
}

}  // namespace

std::string RenderEvents(const std::vector<v1::StoredEvent>& events, bool colour) {
  // The number of the kill is for scripts (-o json): a person asks `why` by the event's id or the
  // slot.
  Table table(
      {"TIME", "NODE", "KIND", "SLOT", "PID", "CAUSE", "VERDICT", "TOOK", "BY", "ID", "MESSAGE"});
  for (const v1::StoredEvent& stored : events) {
    const v1::Event& event = stored.event();
    const int pid = event.incarnation().pid();
    table.Add({{DateText(event.at())},
               {Cell(event.node())},
               {Word(event.kind()), ColourOf(event.severity())},
               {Cell(event.slot().empty() ? event.program() : event.slot())},
               {pid > 0 ? std::to_string(pid) : "-"},
               {Known(event.cause())},
               {Known(event.verdict())},
               {event.has_took() ? FormatDuration(FromProto(event.took())) : "-"},
               {Cell(event.issuer())},
               {EventIdText(event.id())},
               {Printable(event.message())}});
  }
  return table.Render(colour);
}

std::string NextAfter(const std::vector<v1::StoredEvent>& events) {
  for (auto stored = events.rbegin(); stored != events.rend(); ++stored) {
    const v1::Event& event = stored->event();
    if (event.kind() != v1::EVENT_KIND_VERDICT || event.kill() == 0) continue;
    if (event.node().empty() || event.slot().empty()) continue;
    return "procctl-cli why " + ShellName(event.node(), event.slot());
  }
  return "";
}

}  // namespace procctl::cli

#include <set>

#include "cli/cell.h"
#include "cli/death_words.h"
#include "cli/render_programs.h"
#include "cli/table.h"
#include "cli/time_text.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"

namespace procctl::cli {
namespace {

constexpr std::string_view kIndent = "    ";

std::vector<TableCell> RowOf(const v1::Event& event, bool with_program) {
  const v1::Death& death = event.death();
  std::vector<TableCell> cells = {{DateText(event.at())}};
  if (with_program) cells.push_back({Cell(event.program())});
  if (event.kind() == v1::EVENT_KIND_PROGRAM_PARKED) {
    cells.insert(cells.end(),
                 {{"-"},
                  {"parked", Colour::kRed},
                  {event.message().empty() ? "ended too often" : Printable(event.message())},
                  {"-"}});
    return cells;
  }
  std::string cause = CauseText(event);
  if (death.cause() == v1::CAUSE_START_FAILED && !event.message().empty()) {
    cause += ": " + Printable(event.message());
  }
  const bool failed = event.kind() == v1::EVENT_KIND_PROGRAM_START_FAILED;
  cells.insert(cells.end(),
               {{death.has_ran() ? FormatDuration(FromProto(death.ran())) : "-"},
                {failed ? "not started" : HowText(death)},
                {failed && death.cause() == v1::CAUSE_UNSPECIFIED ? "could not be started" : cause},
                {death.has_next_start() ? DateText(death.next_start()) : "-"}});
  return cells;
}

// Line ends are the tail's own; nothing else of it acts on a terminal.
std::string TailText(std::string_view tail) {
  std::string out;
  while (!tail.empty()) {
    const size_t end = tail.find('\n');
    out += kIndent;
    out += Printable(tail.substr(0, end));
    out += '\n';
    tail.remove_prefix(end == std::string_view::npos ? tail.size() : end + 1);
  }
  return out;
}

}  // namespace

std::string RenderHistory(const std::vector<v1::StoredEvent>& events, bool colour,
                          bool with_stderr) {
  std::set<std::string> programs;
  for (const v1::StoredEvent& stored : events) programs.insert(stored.event().program());
  const bool with_program = programs.size() > 1;
  std::vector<std::string> headers = {"TIME"};
  if (with_program) headers.emplace_back("PROGRAM");
  for (const char* header : {"RAN", "HOW", "CAUSE", "NEXT START"}) headers.emplace_back(header);
  Table table(std::move(headers));
  for (const v1::StoredEvent& stored : events) table.Add(RowOf(stored.event(), with_program));
  const std::string text = table.Render(colour);
  if (!with_stderr) return text;
  // The first line is the headers'; then one for each event.
  std::string out;
  size_t at = 0;
  for (size_t line = 0; at < text.size(); ++line) {
    const size_t end = text.find('\n', at);
    out += text.substr(at, end - at + 1);
    at = end + 1;
    if (line > 0) out += TailText(events[line - 1].event().death().stderr_tail());
  }
  return out;
}

}  // namespace procctl::cli

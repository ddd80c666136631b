#include <algorithm>
#include <vector>

#include "cli/commands.h"
#include "cli/event_name.h"
#include "cli/json.h"
#include "cli/last_words.h"
#include "cli/program_target.h"
#include "cli/render_programs.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// Most that the controller gives at once.
constexpr int kMostEvents = 5000;

std::string HistoryJson(const std::vector<v1::StoredEvent>& events, bool with_stderr) {
  std::string out = fmt::format("{{\"apiVersion\":\"{}\",\"deaths\":[", kApiVersion);
  for (size_t i = 0; i < events.size(); ++i) {
    v1::StoredEvent stored = events[i];
    if (!with_stderr && stored.event().has_death()) {
      stored.mutable_event()->mutable_death()->clear_stderr_tail();
    }
    out += i == 0 ? "\n" : ",\n";
    out += JsonObject(stored, EventIdText(stored.event().id()));
  }
  return out + "]}\n";
}

// That nothing is recorded of a program that is there is good news.
ExitCode NothingRecorded(const ProgramName& name, const Options& options, const Screen& screen,
                         Client* client) {
  const auto list =
      client->ListPrograms(FilterFor({name}), AnswerTime(options), /*with_usage=*/false);
  if (!list.ok()) return screen.Fail(ExitCodeFor(list.status()), list.status());
  const bool there = std::any_of(list->programs.begin(), list->programs.end(),
                                 [&](const v1::FleetProgram& row) { return IsOf(name, row); });
  if (there) {
    if (screen.json()) screen.Print(HistoryJson({}, /*with_stderr=*/false));
    screen.Note(fmt::format("no end of {} is recorded", name.ToString()));
    return ExitCode::kOk;
  }
  return screen.Fail(ExitCode::kNothingMatched,
                     absl::NotFoundError(fmt::format(
                         "there is no program {}, and no end of it is recorded; `procctl-cli "
                         "programs` shows what there is",
                         name.ToString())));
}

}  // namespace

ExitCode HistoryCommand(const Options& options, const Screen& screen, Client* client) {
  const auto name = ParseProgram(options.targets.at(0));
  if (!name.ok()) return screen.Fail(ExitCode::kUsage, name.status());
  v1::ListEventsRequest request;
  request.set_filter(FilterFor({*name}) +
                     " kind=program_ended,program_start_failed,program_parked" +
                     (options.of_stderr ? ",program_last_words" : ""));
  // Last words are no end: there may be as many of them.
  request.set_newest(options.of_stderr ? std::min(2 * *options.newest, kMostEvents)
                                       : *options.newest);
  auto events = client->CollectEvents(std::move(request), AnswerTime(options));
  if (!events.ok()) return screen.Fail(ExitCodeFor(events.status()), events.status());
  std::erase_if(*events, [&](const v1::StoredEvent& stored) {
    return !IsOf(*name, stored.event().node(), stored.event().program());
  });
  JoinLastWords(&*events);
  if (events->size() > static_cast<size_t>(*options.newest))
    events->erase(events->begin(), events->end() - *options.newest);
  if (events->empty()) return NothingRecorded(*name, options, screen, client);
  screen.Print(screen.json() ? HistoryJson(*events, options.of_stderr)
                             : RenderHistory(*events, screen.colour(), options.of_stderr));
  return ExitCode::kOk;
}

}  // namespace procctl::cli

#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/event_name.h"
#include "cli/follow_events.h"
#include "cli/json.h"
#include "cli/render.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr int kNewestInTable = 50;

// Row by row as the pages come, and closed properly whatever happens.
absl::Status PrintJson(const v1::ListEventsRequest& request, const Options& options,
                       const Screen& screen, Client* client) {
  bool begun = false;
  bool first = true;
  const auto begin = [&] {
    if (!std::exchange(begun, true)) {
      screen.Print(fmt::format("{{\"apiVersion\":\"{}\",\"events\":[", kApiVersion));
    }
  };
  const absl::Status status =
      client->ListEvents(request, AnswerTime(options), [&](const v1::ListEventsResponse& page) {
        begin();
        std::string text;
        for (const v1::StoredEvent& event : page.events()) {
          text += std::exchange(first, false) ? "\n" : ",\n";
          text += JsonObject(event, EventIdText(event.event().id()));
        }
        screen.Print(text);
      });
  if (begun) screen.Print(fmt::format("],\"complete\":{}}}\n", status.ok()));
  return status;
}

absl::Status PrintTable(const v1::ListEventsRequest& request, const Options& options,
                        const Screen& screen, Client* client) {
  std::vector<v1::StoredEvent> events;
  const absl::Status status =
      client->ListEvents(request, AnswerTime(options), [&](const v1::ListEventsResponse& page) {
        events.insert(events.end(), page.events().begin(), page.events().end());
      });
  if (!status.ok()) return status;
  if (events.empty()) screen.Note("no events match");
  screen.Print(RenderEvents(events, screen.colour()));
  if (const std::string next = NextAfter(events); !next.empty()) screen.Note("Next: " + next);
  return status;
}

}  // namespace

ExitCode EventsCommand(const Options& options, const Screen& screen, Client* client,
                       const WatchInterrupt& watch_interrupt) {
  v1::ListEventsRequest request;
  request.set_filter(options.filter);
  if (options.newest) request.set_newest(*options.newest);
  if (!options.newest && !screen.json()) request.set_newest(kNewestInTable);
  if (options.since) {
    // By the controller's clock: this host's may be wrong.
    const auto fleet = client->GetFleet(AnswerTime(options));
    if (!fleet.ok()) return screen.Fail(ExitCodeFor(fleet.status()), fleet.status());
    const auto since =
        FromProto(fleet->clock()) -
        std::chrono::duration_cast<std::chrono::system_clock::duration>(*options.since);
    *request.mutable_since() = ToProto(since);
  }
  if (options.follow) {
    return FollowEvents(std::move(request), options, screen, client, watch_interrupt());
  }
  const absl::Status status = screen.json() ? PrintJson(request, options, screen, client)
                                            : PrintTable(request, options, screen, client);
  return status.ok() ? ExitCode::kOk : screen.Fail(ExitCodeFor(status), status);
}

}  // namespace procctl::cli

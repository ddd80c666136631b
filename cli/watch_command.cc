#include <chrono>

#include "cli/commands.h"
#include "cli/render_watch.h"
#include "cli/slot_changes.h"
#include "cli/watch_loop.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {

ExitCode WatchCommand(const Options& options, const Screen& screen, Client* client,
                      const WatchInterrupt& watch_interrupt) {
  v1::WatchRequest request;
  request.set_slots(options.filter);
  SlotChanges seen;
  size_t rows = 0;
  bool begun = false;
  const auto show = [&](const v1::WatchResponse& message) {
    const auto at = ToProto(std::chrono::system_clock::now());
    std::string text;
    for (const SlotChange& change : seen.Take(message)) {
      if (change.initial) ++rows;
      if (screen.json()) {
        text += SlotChangeJson(change, at);
      } else if (change.what == SlotChange::What::kResync) {
        screen.Note(fmt::format("{}; what differs now follows", change.reason));
      } else if (!change.initial && change.ChangesState()) {
        text += SlotChangeLine(change, at, screen.colour());
      }
    }
    if (!text.empty()) screen.Print(text);
    if (message.has_snapshot_end() && !begun) {
      begun = true;
      screen.Note(fmt::format("watching {} slots; Ctrl-C ends", rows));
    }
    return true;
  };
  return WatchUntilStopped(std::move(request), screen, client, watch_interrupt(), show);
}

}  // namespace procctl::cli

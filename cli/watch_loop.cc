#include "cli/watch_loop.h"

#include <algorithm>
#include <utility>

#include "cli/interrupt.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr std::chrono::milliseconds kFirstPause{250};
constexpr std::chrono::milliseconds kLongestPause{5000};

}  // namespace

ExitCode WatchUntilStopped(v1::WatchRequest request, const Screen& screen, Client* client,
                           const std::stop_token& stop,
                           const std::function<bool(const v1::WatchResponse&)>& on_message) {
  bool heard = false;
  bool broken = false;
  std::chrono::milliseconds pause = kFirstPause;
  for (;;) {
    bool ended = false;
    const absl::Status status = client->Watch(request, stop, [&](const v1::WatchResponse& message) {
      heard = true;
      pause = kFirstPause;
      if (std::exchange(broken, false)) screen.Note("heard again");
      ended = screen.Closed() || !on_message(message);
      if (message.has_bookmark()) {
        request.set_resume_token(message.bookmark().resume_token());
        request.clear_newest();
      }
      return !ended;
    });
    if (ended || stop.stop_requested() || screen.Closed()) return ExitCode::kOk;
    const ExitCode code = ExitCodeFor(status);
    if (!heard || code != ExitCode::kUnreachable) return screen.Fail(code, status);
    if (!std::exchange(broken, true)) {
      screen.Note(fmt::format("{}; watching again until Ctrl-C", std::string(status.message())));
    }
    if (!Pause(pause, stop)) return ExitCode::kOk;
    pause = std::min(pause * 2, kLongestPause);
    if (!request.resume_token().empty()) continue;
    // It broke before the first bookmark: what was heard is no beginning that can be gone on from.
    v1::WatchResponse anew;
    anew.mutable_resync()->set_reason("the watch begins anew");
    if (!on_message(anew)) return ExitCode::kOk;
  }
}

}  // namespace procctl::cli

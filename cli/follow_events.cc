#include "cli/follow_events.h"

#include <algorithm>
#include <utility>

#include "cli/commands.h"
#include "cli/render_watch.h"
#include "cli/watch_loop.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// The list first, however long it is; then a watch, and a second, short list of what came between.
// Positions tell what was shown already.
class Follower {
 public:
  Follower(v1::ListEventsRequest request, const Options& options, const Screen& screen,
           Client* client)
      : request_(std::move(request)), options_(options), screen_(screen), client_(client) {}

  absl::Status List() {
    return client_->ListEvents(request_, AnswerTime(options_),
                               [&](const v1::ListEventsResponse& page) { Show(page.events()); });
  }

  bool Take(const v1::WatchResponse& message) {
    // The watch's first word: from here on nothing is missed.
    if (!std::exchange(joined_, true)) failure_ = CatchUp();
    if (!failure_.ok()) return false;
    if (message.has_events()) Show(message.events().events());
    if (message.has_resync()) {
      const v1::WatchResync& resync = message.resync();
      if (screen_.json()) {
        screen_.Print(ResyncJson(resync.reason(), resync.missed()));
      } else {
        screen_.Note(resync.missed() > 0
                         ? fmt::format("{} events left out: {}", resync.missed(), resync.reason())
                         : fmt::format("events left out: {}", resync.reason()));
      }
      // An older history counts from where it is.
      if (resync.missed() == 0) shown_ = 0;
    }
    return true;
  }

  const absl::Status& failure() const { return failure_; }

 private:
  absl::Status CatchUp() {
    if (last_.has_received_at()) {
      *request_.mutable_since() = last_.received_at();
      request_.clear_newest();
    }
    return List();
  }

  template <typename Events>
  void Show(const Events& events) {
    std::string text;
    for (const v1::StoredEvent& stored : events) {
      if (stored.position() <= shown_) continue;
      shown_ = stored.position();
      last_ = stored;
      text += screen_.json() ? EventJson(stored) : EventLine(stored, screen_.colour());
    }
    if (!text.empty()) screen_.Print(text);
  }

  v1::ListEventsRequest request_;
  const Options& options_;
  const Screen& screen_;
  Client* client_;
  bool joined_ = false;
  absl::Status failure_;
  std::int64_t shown_ = 0;
  v1::StoredEvent last_;
};

}  // namespace

ExitCode FollowEvents(v1::ListEventsRequest request, const Options& options, const Screen& screen,
                      Client* client, const std::stop_token& stop) {
  v1::WatchRequest watch;
  watch.set_events(request.filter());
  Follower follower(std::move(request), options, screen, client);
  if (const absl::Status listed = follower.List(); !listed.ok()) {
    return screen.Fail(ExitCodeFor(listed), listed);
  }
  const ExitCode code =
      WatchUntilStopped(std::move(watch), screen, client, stop,
                        [&](const v1::WatchResponse& message) { return follower.Take(message); });
  const absl::Status& failure = follower.failure();
  return failure.ok() ? code : screen.Fail(ExitCodeFor(failure), failure);
}

}  // namespace procctl::cli

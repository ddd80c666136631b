#include "controller/rpc/order_ways.h"

#include <utility>

#include "controller/rpc/clocks.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {

v1::Refusal RefusalOf(Fleet::Sent sent) {
  switch (sent) {
    case Fleet::Sent::kNoSuchNode:
      return v1::REFUSAL_NO_SUCH_NODE;
    case Fleet::Sent::kNotConnected:
      return v1::REFUSAL_NODE_UNREACHABLE;
    case Fleet::Sent::kTooOld:
    case Fleet::Sent::kYes:
      break;
  }
  return v1::REFUSAL_UNSPECIFIED;
}

void OrderWays::LookUp(const std::string& id, Found done) const {
  const bool submitted =
      readers_->Submit([engine = engine_, id, done] { done(engine->history().FindRequest(id)); });
  if (!submitted) {
    done(absl::UnavailableError("the controller is overloaded; repeat with the same request id"));
  }
}

void OrderWays::Record(const OrderRequest& request, std::function<void()> done) const {
  engine_->history().RecordRequest(
      request, WallNow(), [id = request.id, done = std::move(done)](const absl::Status& recorded) {
        if (!recorded.ok() && !absl::IsAlreadyExists(recorded)) {
          spdlog::error("request {} is not recorded: {}", id, recorded.ToString());
          return;
        }
        done();
      });
}

void OrderWays::CommitRefused(std::vector<v1::Event> refused,
                              std::function<void(const std::vector<v1::Event>&)> done) const {
  if (refused.empty()) return;
  engine_->commit_log().AppendOwn(
      std::move(refused), [done = std::move(done)](const absl::StatusOr<Committed>& committed) {
        if (committed.ok()) done(committed->fresh);
      });
}

}  // namespace procctl::controller

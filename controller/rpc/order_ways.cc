#include "controller/rpc/order_ways.h"

#include <algorithm>
#include <utility>

#include "controller/rpc/clocks.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

// Rows looked at per hold of the fleet's lock: well below a millisecond.
constexpr size_t kLooksPerHold = 1000;

}  // namespace

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

void OrderWays::RecordSent(const std::string& id, std::vector<size_t> targets, bool sent,
                           Recorded done) const {
  engine_->history().RecordSent(id, std::move(targets), sent, std::move(done));
}

void OrderWays::RecordState(const OrderStanding& standing, Recorded done) const {
  engine_->history().RecordState(standing.request_id, standing.state, standing.message,
                                 std::move(done));
}

void OrderWays::RecordStep(v1::Event step) const {
  // Refused only while the controller goes down; the log line is what is left then.
  engine_->commit_log().AppendOwn({std::move(step)}, [](const absl::StatusOr<Committed>&) {});
}

std::vector<AwaitedTarget> OrderWays::WhoIsBack(const std::vector<AwaitedTarget>& awaited) const {
  std::vector<AwaitedTarget> back;
  for (size_t begin = 0; begin < awaited.size(); begin += kLooksPerHold) {
    const size_t end = std::min(begin + kLooksPerHold, awaited.size());
    fleet_->Read([&](const FleetView& view) {
      for (size_t i = begin; i < end; ++i) {
        if (IsBack(view, awaited[i])) back.push_back(awaited[i]);
      }
    });
  }
  return back;
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

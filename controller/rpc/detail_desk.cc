#include "controller/rpc/detail_desk.h"

#include <utility>

#include "controller/rpc/clocks.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

absl::Status CannotBeHeard(const std::string& node) {
  return absl::FailedPreconditionError(fmt::format(
      "node {} cannot be heard; what is known of it is in ListSlots and ListEvents", node));
}

absl::Status SessionEnded(const std::string& node) {
  return absl::UnavailableError(
      fmt::format("the session of node {} ended before it answered; try again", node));
}

absl::Status NotHere(const std::string& node, const v1::DetailRequest& request) {
  if (request.has_output()) {
    return absl::NotFoundError(
        fmt::format("node {} keeps no program {}; ListPrograms says which there are", node,
                    Printable(request.output().program())));
  }
  if (request.has_usage()) {
    return absl::FailedPreconditionError(
        fmt::format("node {} is of a version that tells no usage; update procctl there", node));
  }
  if (request.generation() == 0) {
    return absl::UnavailableError(
        fmt::format("the guardian of node {} cannot be asked at present; try again", node));
  }
  return absl::NotFoundError(fmt::format(
      "node {} holds no slot of generation {} any more; ListEvents says what became of it", node,
      request.generation()));
}

bool IsAnswered(const v1::DetailRequest& request, const v1::DetailReply& reply) {
  if (request.has_usage()) return reply.has_usage();
  if (request.has_output()) return reply.has_output();
  return request.generation() == 0 ? reply.has_node() : reply.has_slot();
}

std::chrono::nanoseconds PatienceFor(const v1::DetailRequest& request) {
  if (request.has_usage()) return DetailDesk::kUsagePatience;
  return DetailDesk::kPatience;
}

}  // namespace

DetailDesk::Kind DetailDesk::KindOf(const v1::DetailRequest& request) {
  if (request.has_usage()) return Kind::kUsage;
  return request.has_output() ? Kind::kOutput : Kind::kDetails;
}

void DetailDesk::Ask(const std::string& node, v1::DetailRequest request,
                     const std::shared_ptr<DetailListener>& listener) {
  Fleet::Line line = fleet_->LineTo(node);
  if (!line.known) {
    return listener->Refused(absl::NotFoundError(fmt::format("no node {} was ever seen", node)));
  }
  if (line.session == nullptr) return listener->Refused(CannotBeHeard(node));
  if (request.has_output() ? !line.programs : !line.details) {
    return listener->Refused(absl::FailedPreconditionError(
        fmt::format("node {} is of a version that gives no {}; update procctl there", node,
                    request.has_output() ? "output of programs" : "details")));
  }
  const auto number =
      Register({node, request, line.session_epoch, MonoNow() + PatienceFor(request), listener});
  if (!number.ok()) return listener->Refused(number.status());
  request.set_request(*number);
  // Registered first: the answer, or the session's end, may come at once.
  if (!line.session->AskDetail(request)) Refuse(*number, CannotBeHeard(node));
}

absl::StatusOr<std::int64_t> DetailDesk::Register(Asked asked) {
  absl::MutexLock lock(&mutex_);
  const Kind kind = KindOf(asked.request);
  size_t& of_kind = of_kind_[kind];
  size_t& of_node = of_node_[{asked.node, kind}];
  if (of_kind >= (kind == Kind::kUsage ? kMostUsage : kMost) || of_node >= kMostOfNode) {
    const absl::Status too_many = absl::UnavailableError(
        fmt::format("{} such questions wait for node {} and {} for all; try again in some seconds",
                    of_node, asked.node, of_kind));
    if (of_node == 0) of_node_.erase({asked.node, kind});
    return too_many;
  }
  ++of_kind;
  ++of_node;
  asked_.emplace(++last_number_, std::move(asked));
  return last_number_;
}

DetailDesk::Asked DetailDesk::TakeLocked(Questions::iterator it) {
  Asked asked = std::move(it->second);
  asked_.erase(it);
  const Kind kind = KindOf(asked.request);
  --of_kind_[kind];
  const auto of_node = of_node_.find({asked.node, kind});
  if (--of_node->second == 0) of_node_.erase(of_node);
  return asked;
}

void DetailDesk::Refuse(std::int64_t number, const absl::Status& why) {
  std::shared_ptr<DetailListener> listener;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = asked_.find(number);
    if (it == asked_.end()) return;
    listener = TakeLocked(it).listener.lock();
  }
  if (listener != nullptr) listener->Refused(why);
}

void DetailDesk::OnReply(const std::string& node, v1::DetailReply reply) {
  std::shared_ptr<DetailListener> listener;
  v1::DetailRequest request;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = asked_.find(reply.request());
    // Too late, or a node that answers for another.
    if (it == asked_.end() || it->second.node != node) return;
    Asked asked = TakeLocked(it);
    listener = asked.listener.lock();
    request = std::move(asked.request);
  }
  if (listener == nullptr) return;
  if (IsAnswered(request, reply)) return listener->Answered(std::move(reply));
  listener->Refused(NotHere(node, request));
}

void DetailDesk::OnSessionOver(const std::string& node, std::int64_t session_epoch) {
  std::vector<std::int64_t> numbers;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [number, asked] : asked_) {
      if (asked.node == node && asked.session_epoch <= session_epoch) numbers.push_back(number);
    }
  }
  for (const std::int64_t number : numbers) Refuse(number, SessionEnded(node));
}

void DetailDesk::Tick() {
  const MonoTime now = MonoNow();
  std::vector<std::pair<std::int64_t, absl::Status>> overdue;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [number, asked] : asked_) {
      // Of those whose caller has gone, nobody waits for the end.
      if (now <= asked.overdue && !asked.listener.expired()) continue;
      overdue.emplace_back(number, absl::DeadlineExceededError(fmt::format(
                                       "node {} is connected, but gave no answer within {}",
                                       asked.node, FormatDuration(PatienceFor(asked.request)))));
    }
  }
  for (const auto& [number, why] : overdue) Refuse(number, why);
}

}  // namespace procctl::controller

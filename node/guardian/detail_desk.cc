#include "node/guardian/detail_desk.h"

#include <set>
#include <utility>
#include <vector>

#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

v1::DetailReply ReplyTo(int64_t request) {
  v1::DetailReply reply;
  reply.set_request(request);
  return reply;
}

}  // namespace

std::optional<v1::DetailReply> DetailDesk::Take(const v1::DetailRequest& request, MonoTime now,
                                                Later later) {
  if (request.has_usage()) return TakeUsage(request, now, std::move(later));
  if (request.has_output()) return sources_.output(request);
  if (request.generation() != 0) return TakeSlot(request, now, std::move(later));
  v1::DetailReply reply = ReplyTo(request.request());
  *reply.mutable_node() = sources_.node();
  return reply;
}

std::optional<v1::DetailReply> DetailDesk::TakeUsage(const v1::DetailRequest& request, MonoTime now,
                                                     Later later) {
  v1::DetailReply reply = ReplyTo(request.request());
  const auto& asked = request.usage().generations();
  if (asked.size() > kMostGenerations) {
    spdlog::error("a question for the usage of over {} slots; not answered", kMostGenerations);
    return reply;
  }
  std::vector<UsageDesk::Subject> subjects;
  for (const int64_t generation : std::set<int64_t>(asked.begin(), asked.end())) {
    if (const auto process = sources_.process(generation))
      subjects.push_back({generation, *process});
  }
  const bool taken =
      !subjects.empty() &&
      usage_->Ask(subjects, now, [reply, later = std::move(later)](v1::UsageAnswer answer) mutable {
        *reply.mutable_usage() = std::move(answer);
        later(std::move(reply));
      });
  if (taken) return std::nullopt;
  (void)reply.mutable_usage();  // none of them runs, or too many ask
  return reply;
}

std::optional<v1::DetailReply> DetailDesk::TakeSlot(const v1::DetailRequest& request, MonoTime now,
                                                    Later later) {
  const int64_t generation = request.generation();
  // All else is of the moment of the answer, as its usage is.
  const auto answer = [this, generation, number = request.request()](const v1::UsageAnswer& usage) {
    v1::DetailReply reply = ReplyTo(number);
    if (auto slot = sources_.slot(generation)) {
      *reply.mutable_slot() = *std::move(slot);
      if (usage.rows_size() > 0) *reply.mutable_slot()->mutable_usage() = usage.rows(0).usage();
    }
    return reply;
  };
  const auto process = sources_.process(generation);
  const bool taken =
      process && usage_->Ask({{generation, *process}}, now,
                             [answer, later = std::move(later)](const v1::UsageAnswer& usage) {
                               later(answer(usage));
                             });
  if (taken) return std::nullopt;
  return answer({});
}

}  // namespace procctl::node

// One call of ListSlots or ListPrograms that wants to know what the rows use: a page of them, and
// the nodes on it that are asked.
//
//   Ask --> each connected node of the page --> its answer, or none in time --> the page, once the
//                                                                              last has been told
//
// No thread waits meanwhile. Thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "controller/rpc/detail_desk.h"
#include "controller/rpc/unary_call.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::controller {

// Page: ListSlotsResponse or ListProgramsResponse.
template <typename Page>
class ListUsageCall final : public UnaryCall<Page> {
 public:
  // Such calls at a time; each holds a page.
  static constexpr int kMost = 16;

  // The last word on a page, with the usage in it: takes out the rows that do not match.
  using Judge = std::function<void(Page*)>;

  // `page` has at most DetailDesk::kMostSlotsOfQuestion rows; it stays as it is if there is no
  // call. Null if `under_way` are kMost already; it counts them and outlives the call. `response`
  // (gRPC's) is a Page, or a grpc::ByteBuffer for a raw method. `judge` may be empty.
  template <typename Response>
  static std::shared_ptr<ListUsageCall> TryMake(Page* page, Response* response,
                                                std::atomic<int>* under_way, Judge judge) {
    if (under_way->fetch_add(1) >= kMost) {
      under_way->fetch_sub(1);
      return nullptr;
    }
    std::shared_ptr<ListUsageCall> call(
        new ListUsageCall(std::move(*page), response, under_way, std::move(judge)));
    UnaryCall<Page>::Keep(call);
    return call;
  }
  ~ListUsageCall() override { CountOut(); }

  // Once. The call may have ended when it returns.
  static void Ask(const std::shared_ptr<ListUsageCall>& call, DetailDesk* desk);

 private:
  // The rows of one node, which lie side by side.
  struct NodeRows final : DetailListener {
    void Answered(v1::DetailReply reply) override { call->Take(*this, reply.usage()); }
    void Refused(const absl::Status&) override { call->OneLess(); }

    ListUsageCall* call = nullptr;  // owns this
    int first = 0;
    int end = 0;
  };

  template <typename Response>
  ListUsageCall(Page page, Response* response, std::atomic<int>* under_way, Judge judge)
      : UnaryCall<Page>(response),
        under_way_(under_way),
        judge_(std::move(judge)),
        page_(std::move(page)) {
    FindNodes();
  }
  // Which nodes are asked; from the constructor, before anybody else knows the call.
  void FindNodes() ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void Take(const NodeRows& rows, const v1::UsageAnswer& answer);
  void OneLess();
  // It holds a page no more; once.
  void CountOut();

  std::atomic<int>* const under_way_;
  const Judge judge_;
  std::atomic<bool> counted_{true};
  std::vector<NodeRows> nodes_;  // as they are from the start
  absl::Mutex mutex_;
  Page page_ ABSL_GUARDED_BY(mutex_);
  // Nodes that have not been told of, and one more until all are asked.
  size_t waiting_ ABSL_GUARDED_BY(mutex_) = 1;
};

extern template class ListUsageCall<v1::ListSlotsResponse>;
extern template class ListUsageCall<v1::ListProgramsResponse>;

}  // namespace procctl::controller

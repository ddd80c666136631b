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
#include <memory>
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

  // `page` has at most DetailDesk::kMostSlotsOfQuestion rows. Null, with the page in `response`
  // (gRPC's), if `under_way` are kMost already; it counts them and outlives the call.
  static std::shared_ptr<ListUsageCall> TryMake(Page page, Page* response,
                                                std::atomic<int>* under_way);
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

  ListUsageCall(Page page, Page* response, std::atomic<int>* under_way);
  void Take(const NodeRows& rows, const v1::UsageAnswer& answer);
  void OneLess();
  // It holds a page no more; once.
  void CountOut();

  std::atomic<int>* const under_way_;
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

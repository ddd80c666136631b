// History of the local engine: reads on connections of their own, as many as there are readers at a
// time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "controller/store/history.h"
#include "controller/store/sqlite.h"
#include "controller/store/writer.h"

namespace procctl::controller {

class LocalHistory : public History {
 public:
  LocalHistory(std::string path, Writer* writer) : path_(std::move(path)), writer_(writer) {}

  absl::StatusOr<EventPage> Query(const EventQuery& query) override;
  void RecordRequest(OrderRequest request, WallTime at, Recorded done) override;
  absl::StatusOr<std::optional<RecordedRequest>> FindRequest(const std::string& id) override;
  absl::StatusOr<std::vector<std::string>> RequestIds(int most) override;
  void RecordSent(const std::string& request_id, std::vector<size_t> targets, bool sent,
                  Recorded done) override;
  void RecordState(const std::string& request_id, v1::OrderState state, const std::string& message,
                   Recorded done) override;
  absl::StatusOr<std::vector<RecordedRequest>> OpenOrders() override;
  absl::StatusOr<OrderPage> ListOrders(const OrderQuery& query) override;

 private:
  // Calls `use` with a connection that nobody else has meanwhile.
  template <typename Result, typename Use>
  Result WithReader(Use use);

  const std::string path_;
  Writer* const writer_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Database>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller

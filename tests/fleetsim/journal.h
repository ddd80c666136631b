// What a simulated fleet handed over, was told, and received: one line each, for history_check.
//
//   run EPOCH                            a run begins; its events carry this epoch
//   hostile NODE                         what it sent is not in the journal
//   sent NODE EPOCH FIRST LAST           about to be handed over
//   lost NODE EPOCH FIRST LAST           about to be handed over as one EVENTS_LOST record
//   acked NODE EPOCH SEQ                 everything up to SEQ is said to be committed
//   order NODE ORDER_ID MONO_NS          an order arrived, by CLOCK_MONOTONIC
//   end                                  the run ended in good order
//
// A line is in the file before what it tells of leaves this process, so that a simulator killed at
// any moment has invented nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "proto/support/unique_fd.h"

namespace procctl::fleetsim {

class Journal {
 public:
  // Appends to `path`.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(const std::string& path);

  // Any thread; one write(2) each, which O_APPEND keeps whole.
  void Run(std::int64_t epoch) const;
  void Hostile(std::string_view node) const;
  void Sent(std::string_view node, std::int64_t epoch, std::int64_t first, std::int64_t last) const;
  void Lost(std::string_view node, std::int64_t epoch, std::int64_t first, std::int64_t last) const;
  void Acked(std::string_view node, std::int64_t epoch, std::int64_t seq) const;
  void Order(std::string_view node, std::string_view order_id, std::int64_t mono_ns) const;
  void End() const;

 private:
  explicit Journal(UniqueFd file) : file_(std::move(file)) {}
  void Write(std::string_view line) const;

  UniqueFd file_;
};

}  // namespace procctl::fleetsim

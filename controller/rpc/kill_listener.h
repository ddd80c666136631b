// One caller of one order to stop.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "controller/core/order_book.h"
#include "controller/core/order_standing.h"

namespace procctl::controller {

// Accepted comes once; what is told may come before it, twice, or late, and the listener keeps only
// what is news. Calls are thread-safe and do not block.
class KillListener {
 public:
  virtual ~KillListener() = default;
  virtual void Accepted(bool repeated, size_t targets) = 0;
  virtual void Told(const Progress& progress) = 0;
  // The order as a whole, when that has changed.
  virtual void Stands(const OrderStanding& standing) = 0;
  // Instead of Accepted: the request was not taken.
  virtual void Refused(const absl::Status& why) = 0;
};

}  // namespace procctl::controller

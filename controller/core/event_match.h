// Whether an event fits a filter by EventFilterSchema(): what the store asks SQLite (event_sql.h),
// asked of an event in memory. Pure.
#pragma once

#include "procctl/v1/event.pb.h"
#include "proto/support/filter.h"

namespace procctl::controller {

bool Matches(const Filter& filter, const v1::Event& event);

}  // namespace procctl::controller

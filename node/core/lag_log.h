// How late the guardian's own scans were: what makes "it was the process, not the guard" a fact.
#pragma once

#include "node/core/mono_time.h"

namespace procctl::node {

class LagLog {
 public:
  // `lag`: by how much a scan came later than one interval after the one before; never below 0.
  void Note(Nanos lag, MonoTime now);

  Nanos last() const { return last_; }
  // Of the last one to two minutes: the present minute and the one before it.
  Nanos worst_of_minute() const {
    return this_minute_ > last_minute_ ? this_minute_ : last_minute_;
  }
  Nanos worst() const { return worst_; }

 private:
  Nanos last_{0};
  Nanos this_minute_{0};
  Nanos last_minute_{0};
  Nanos worst_{0};
  MonoTime minute_began_;
};

}  // namespace procctl::node

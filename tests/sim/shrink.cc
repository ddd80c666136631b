#include "tests/sim/shrink.h"

#include <algorithm>

namespace procctl::sim {

Plan Shrink(Plan plan, const std::function<bool(const Plan&)>& fails) {
  // Delta debugging: ever smaller pieces are left out.
  for (size_t piece = std::max<size_t>(plan.steps.size() / 2, 1);;) {
    bool smaller = false;
    for (size_t begin = 0; begin < plan.steps.size();) {
      const size_t end = std::min(begin + piece, plan.steps.size());
      Plan without = plan;
      without.steps.erase(without.steps.begin() + static_cast<std::ptrdiff_t>(begin),
                          without.steps.begin() + static_cast<std::ptrdiff_t>(end));
      if (fails(without)) {
        plan = std::move(without);
        smaller = true;
      } else {
        begin = end;
      }
    }
    if (piece == 1 && !smaller) return plan;
    piece = std::max<size_t>(piece / 2, 1);
  }
}

}  // namespace procctl::sim

#include "controller/core/alarm.h"

#include <utility>

namespace procctl::controller {

bool Alarm::Raise(std::string reason, MonoTime now) {
  reason_ = std::move(reason);
  if (raised_ && now - told_ < kAgainAfter) return false;
  if (!raised_) since_ = now;
  raised_ = true;
  told_ = now;
  return true;
}

std::optional<Alarm::Over> Alarm::Clear(MonoTime now) {
  if (!raised_) return std::nullopt;
  raised_ = false;
  return Over{now - since_, std::exchange(reason_, {})};
}

}  // namespace procctl::controller

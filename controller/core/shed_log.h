// What is said about connections that were closed unserved: one line per reason and second at most,
// with how many and the last of their addresses. A flood must not fill the log. Pure, not
// thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/core/mono_time.h"

namespace procctl::controller {

enum class ShedReason { kDescriptors, kAddress, kHandshake, kShunned };
inline constexpr std::array kShedReasons = {ShedReason::kDescriptors, ShedReason::kAddress,
                                            ShedReason::kHandshake, ShedReason::kShunned};

class ShedLog {
 public:
  static constexpr std::chrono::seconds kEvery{1};

  // `address`: empty where it is not known.
  void Note(ShedReason reason, std::int64_t count, std::string_view address);

  struct Line {
    ShedReason reason = ShedReason::kDescriptors;
    std::int64_t count = 0;
    std::string last_address;
  };
  // What is due.
  std::vector<Line> Take(MonoTime now);

  // Something was noted and not taken.
  bool pending() const;

 private:
  struct Entry {
    std::int64_t count = 0;
    std::string last_address;
    MonoTime told;
    bool ever_told = false;
  };
  Entry& Of(ShedReason reason) { return entries_[static_cast<std::size_t>(reason)]; }

  std::array<Entry, kShedReasons.size()> entries_;
};

}  // namespace procctl::controller

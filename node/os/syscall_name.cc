#include "node/os/syscall_name.h"

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace procctl::node {
namespace {

using Entry = std::pair<int64_t, std::string_view>;

// Sorted by number. The compiler resolves the macros: on some architectures one stands for another.
constexpr auto kNames = [] {
  std::array names{
#define PROCCTL_SYSCALL(name) Entry{__NR_##name, #name},
#include "node/os/syscall_names.inc"
#undef PROCCTL_SYSCALL
  };
  std::sort(names.begin(), names.end());
  return names;
}();

}  // namespace

std::string SyscallName(int64_t number) {
  const auto* const found = std::lower_bound(kNames.begin(), kNames.end(), Entry{number, {}});
  if (found == kNames.end() || found->first != number) return std::to_string(number);
  return std::string(found->second);
}

}  // namespace procctl::node

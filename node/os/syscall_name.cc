#include "node/os/syscall_name.h"

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>

namespace procctl::node {
namespace {

using Entry = std::pair<int64_t, std::string_view>;

// The compiler resolves the macros: on some architectures one stands for another.
constexpr Entry kListed[] = {
#define PROCCTL_SYSCALL(name) {__NR_##name, #name},
#include "node/os/syscall_names.inc"
#undef PROCCTL_SYSCALL
};

constexpr auto kByNumber = [] {
  std::array<Entry, std::size(kListed)> sorted;
  std::copy(std::begin(kListed), std::end(kListed), sorted.begin());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}();

}  // namespace

std::string SyscallName(int64_t number) {
  const auto* const found = std::lower_bound(kByNumber.begin(), kByNumber.end(), Entry{number, {}});
  if (found == kByNumber.end() || found->first != number) return std::to_string(number);
  return std::string(found->second);
}

}  // namespace procctl::node

#include "node/logger/last_words.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "node/os/unique_fd.h"

namespace procctl::logger {
namespace {

// What a FIFO holds.
constexpr size_t kFifo = 64 * 1024;

}  // namespace

void LastWords::Add(std::string_view bytes) {
  const size_t known = std::min(ahead_, bytes.size());
  ahead_ -= known;
  ring_.Add(bytes.substr(known));
}

void LastWords::Peek(int fifo) {
  int left = 0;
  if (ioctl(fifo, FIONREAD, &left) != 0 || left <= 0) return;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
    const node::UniqueFd out(ends[0]);
    const node::UniqueFd in(ends[1]);
    std::string bytes(kFifo, '\0');
    ssize_t n = tee(fifo, in.get(), bytes.size(), SPLICE_F_NONBLOCK);
    if (n > 0) n = read(out.get(), bytes.data(), bytes.size());
    if (n > 0) {
      // First come those that were seen before.
      Add(std::string_view(bytes).substr(0, static_cast<size_t>(n)));
      left = static_cast<int>(n);
    }
  }
  // Without a look at them they are told to nobody, which is better than as another life's.
  ahead_ = static_cast<size_t>(left);
}

}  // namespace procctl::logger

#include "node/os/reserve_fd.h"

#include <fcntl.h>
#include <sys/socket.h>

namespace procctl::node {
namespace {

int OpenSpare() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

ReserveFd::ReserveFd() : spare_(OpenSpare()) {}

void ReserveFd::ShedOne(int listener) {
  spare_.reset();
  UniqueFd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)).reset();
  spare_ = UniqueFd(OpenSpare());
}

}  // namespace procctl::node

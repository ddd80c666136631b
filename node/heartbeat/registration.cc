// SPDX-License-Identifier: Apache-2.0
#include "node/heartbeat/registration.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

namespace procctl::heartbeat {
namespace {

constexpr char kSystemSocket[] = "/run/procctl/heartbeat.sock";
constexpr char kUserSocketInRuntimeDir[] = "/procctl/heartbeat.sock";

int64_t MonotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

int64_t LeftNs(int64_t deadline_ns) {
  const int64_t left = deadline_ns - MonotonicNs();
  return left > 0 ? left : 0;
}

// A program that closed its standard streams would otherwise get the socket or the page as its
// stdout and print into it. Takes `fd`; -1 with errno where no other number is free.
int AboveStdio(int fd) {
  if (fd < 0 || fd > STDERR_FILENO) return fd;
  const int higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int error = errno;
  close(fd);
  errno = error;
  return higher;
}

// Connects a new socket to `path`: its descriptor, or a negative errno value. The socket blocks
// and has a send timeout, because that is the only wait for a place in a full backlog that the
// kernel offers: a non-blocking connect fails at once and poll has nothing to wait for.
int ConnectTo(const char* path, int64_t deadline_ns) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const size_t length = strlen(path);
  if (length >= sizeof(address.sun_path)) return -ENAMETOOLONG;
  memcpy(address.sun_path, path, length + 1);

  const int fd = AboveStdio(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (fd < 0) return -errno;
  int error = 0;
  do {
    const int64_t left_us = LeftNs(deadline_ns) / 1000;
    if (left_us == 0) {  // A timeout of zero would mean to wait for ever.
      error = ETIMEDOUT;
      break;
    }
    timeval timeout = {};
    timeout.tv_sec = static_cast<time_t>(left_us / 1'000'000);
    timeout.tv_usec = static_cast<suseconds_t>(left_us % 1'000'000);
    error = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 ||
        connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      error = errno;
    }
  } while (error == EINTR);
  if (error == 0) return fd;
  close(fd);
  return error == EAGAIN ? -ETIMEDOUT : -error;
}

// Connects to the guardian of this host. The system's guardian comes before the user's own; one
// that is absent or not for this user is passed over.
int ConnectToGuardian(int64_t deadline_ns) {
  // Not from the environment of a set-user-id program: its caller must not choose its guardian.
  if (const char* chosen = secure_getenv("PROCCTL_HEARTBEAT_SOCKET"); chosen != nullptr) {
    return chosen[0] == '\0' ? -ENOENT : ConnectTo(chosen, deadline_ns);
  }
  const int fd = ConnectTo(kSystemSocket, deadline_ns);
  if (fd != -ENOENT && fd != -ECONNREFUSED && fd != -EACCES && fd != -ENOTDIR) return fd;

  const char* runtime_dir = secure_getenv("XDG_RUNTIME_DIR");
  if (runtime_dir == nullptr || runtime_dir[0] != '/') return fd;
  char path[sizeof(sockaddr_un::sun_path)];
  const int length = snprintf(path, sizeof(path), "%s%s", runtime_dir, kUserSocketInRuntimeDir);
  if (length >= static_cast<int>(sizeof(path))) return fd;
  const int own_fd = ConnectTo(path, deadline_ns);
  // Of two absent guardians the more telling one: "refused" rather than "no such file".
  return own_fd == -ENOENT ? fd : own_fd;
}

// Takes the answer that waits at `socket`, never blocking. 1: taken, *page_fd is its descriptor or
// -1. 0: none there yet. Else a negative errno value and no descriptor is held.
int TakeAnswer(int socket, procctl_register_answer* answer, int* page_fd) {
  // Room for more than the one descriptor that belongs there: a peer that sends two is caught.
  alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
  iovec bytes = {answer, sizeof(*answer)};
  msghdr message = {};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);

  ssize_t received;
  bool was_reset = false;
  do {
    received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    // A guardian that refused without reading the request resets the connection. That error comes
    // up once, ahead of the answer.
    if (received < 0 && errno == ECONNRESET && !was_reset) {
      was_reset = true;
      errno = EINTR;
    }
  } while (received < 0 && errno == EINTR);
  if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
  if (received < 0) return errno == ECONNRESET ? -ECONNREFUSED : -errno;

  int descriptors = 0;
  *page_fd = -1;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
      if (++descriptors == 1) {
        *page_fd = fd;
      } else {
        close(fd);
      }
    }
  }
  const bool cut = (message.msg_flags & MSG_CTRUNC) != 0;
  const bool whole = received == sizeof(*answer) && (message.msg_flags & MSG_TRUNC) == 0 &&
                     answer->magic == PROCCTL_FRAME_MAGIC;
  if (whole && !cut && descriptors <= 1) return 1;

  if (*page_fd >= 0) close(*page_fd);
  *page_fd = -1;
  if (received == 0) return -ECONNREFUSED;  // The guardian hung up on us.
  // No place for the descriptor here: this process is at its limit.
  return whole && cut && descriptors == 0 ? -EMFILE : -EPROTO;
}

// Sends the request and waits for the answer. 0, or a negative errno value.
int Ask(int socket, const procctl_register_request& request, int64_t deadline_ns,
        procctl_register_answer* answer, int* page_fd) {
  ssize_t sent;
  do {
    sent = send(socket, &request, sizeof(request), MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  // A guardian that hung up may have said why before it did: read on.
  if (sent < 0 && errno != EPIPE && errno != ECONNRESET) return -errno;

  for (;;) {
    const int64_t left_ns = LeftNs(deadline_ns);
    pollfd readable = {socket, POLLIN, 0};
    // Rounded up: a poll of 0 ms before the deadline would spin.
    const int ready = poll(&readable, 1, static_cast<int>((left_ns + 999'999) / 1'000'000));
    if (ready < 0 && errno != EINTR) return -errno;
    if (ready == 0 && LeftNs(deadline_ns) == 0) break;
    const int taken = TakeAnswer(socket, answer, page_fd);
    if (taken != 0) return taken < 0 ? taken : 0;
    if (left_ns == 0) break;
  }
  // Give up, but not while an answer may be on its way: a guardian that believes it handed out the
  // page would take our silence for a hang. After the shutdown none can be sent; one that was sent
  // before it can be read now.
  shutdown(socket, SHUT_RDWR);
  const int taken = TakeAnswer(socket, answer, page_fd);
  if (taken == 1) return 0;
  return -ETIMEDOUT;
}

// Maps the page that came with the answer and starts its beat. nullptr with *error set otherwise;
// the descriptor stays the caller's either way.
procctl_page* MapPage(int fd, int* error) {
  struct stat status;
  *error = -EPROTO;
  if (fstat(fd, &status) != 0 || status.st_size != PROCCTL_PAGE_BYTES) return nullptr;
  // What is not sealed against shrinking can be cut under us, and the next beat would be a SIGBUS.
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) return nullptr;

  void* memory = mmap(nullptr, PROCCTL_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    *error = -errno;
    // The guardian holds a slot for us. Hand it back, or it would judge a page that cannot beat.
    const uint32_t closed = PROCCTL_PAGE_CLOSED;
    (void)!pwrite(fd, &closed, sizeof(closed), offsetof(procctl_page, flags));
    return nullptr;
  }
  procctl_page* page = static_cast<procctl_page*>(memory);
  if (page->magic != PROCCTL_PAGE_MAGIC || page->version != PROCCTL_PAGE_VERSION) {
    munmap(memory, PROCCTL_PAGE_BYTES);
    return nullptr;
  }
  // From here on only this mapping can write. Best effort: kernels before 5.1 know no such seal.
  (void)fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
  __atomic_store_n(&page->beats, __atomic_load_n(&page->beats, __ATOMIC_RELAXED) + 1,
                   __ATOMIC_RELAXED);
  return page;
}

void CopyPrintable(const char (&from)[PROCCTL_FRAME_TEXT_BYTES],
                   char (&to)[PROCCTL_FRAME_TEXT_BYTES]) {
  size_t i = 0;
  for (; i + 1 < sizeof(to) && from[i] != '\0'; ++i) {
    to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
  }
  to[i] = '\0';
}

}  // namespace

int Register(const procctl_register_request& request, OpenHeart* entry, uint64_t* slot,
             char (&said)[PROCCTL_FRAME_TEXT_BYTES]) {
  said[0] = '\0';
  const int64_t deadline_ns = MonotonicNs() + kAnswerTimeoutNs;
  const int socket = ConnectToGuardian(deadline_ns);
  if (socket < 0) return socket;
  entry->socket.store(socket);

  procctl_register_answer answer = {};
  int received_fd = -1;
  int error = Ask(socket, request, deadline_ns, &answer, &received_fd);
  entry->socket.store(-1);
  close(socket);
  if (error != 0) return error;

  if (answer.error != 0) {
    if (received_fd >= 0) close(received_fd);
    CopyPrintable(answer.text, said);
    const bool is_errno = answer.error > 0 && answer.error < 4096;
    return is_errno ? -answer.error : -EPROTO;
  }
  if (received_fd < 0) return -EPROTO;
  const int page_fd = AboveStdio(received_fd);
  if (page_fd < 0) return -errno;
  entry->page_fd.store(page_fd);
  procctl_page* page = MapPage(page_fd, &error);
  if (page == nullptr) {
    entry->page_fd.store(-1);
    close(page_fd);
    return error;
  }
  entry->page.store(page);
  *slot = answer.slot;
  return 0;
}

}  // namespace procctl::heartbeat

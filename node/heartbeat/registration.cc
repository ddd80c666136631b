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

#include "node/heartbeat/heart_state.h"

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

// Reads which file is at `path`. False: none that can be seen.
bool ReadDoor(const char* path, Door* door) {
  struct stat status;
  if (stat(path, &status) != 0) return false;
  door->device = status.st_dev;
  door->inode = status.st_ino;
  door->changed_s = status.st_ctim.tv_sec;
  door->changed_ns = status.st_ctim.tv_nsec;
  return true;
}

// ConnectTo that fills in *door where it succeeds. The file is looked at before it is used: should
// it be exchanged in between, the next look finds another one and asks once more, which is
// harmless; the other way round a new guardian would be missed.
int ConnectThrough(const char* path, int64_t deadline_ns, Door* door) {
  Door seen;
  const bool visible = ReadDoor(path, &seen);
  const int fd = ConnectTo(path, deadline_ns);
  if (fd >= 0 && visible) {
    strncpy(seen.path, path, sizeof(seen.path) - 1);
    *door = seen;
  }
  return fd;
}

// Connects to the guardian of this host. The system's guardian comes before the user's own; one
// that is absent or not for this user is passed over.
int ConnectToGuardian(int64_t deadline_ns, Door* door) {
  // Not from the environment of a set-user-id program: its caller must not choose its guardian.
  if (const char* chosen = secure_getenv("PROCCTL_HEARTBEAT_SOCKET"); chosen != nullptr) {
    return chosen[0] == '\0' ? -ENOENT : ConnectThrough(chosen, deadline_ns, door);
  }
  const int fd = ConnectThrough(kSystemSocket, deadline_ns, door);
  if (fd != -ENOENT && fd != -ECONNREFUSED && fd != -EACCES && fd != -ENOTDIR) return fd;

  const char* runtime_dir = secure_getenv("XDG_RUNTIME_DIR");
  if (runtime_dir == nullptr || runtime_dir[0] != '/') return fd;
  char path[sizeof(sockaddr_un::sun_path)];
  const int length = snprintf(path, sizeof(path), "%s%s", runtime_dir, kUserSocketInRuntimeDir);
  if (length >= static_cast<int>(sizeof(path))) return fd;
  const int own_fd = ConnectThrough(path, deadline_ns, door);
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
int Ask(int socket, const Wish& wish, int64_t deadline_ns, procctl_register_answer* answer,
        int* page_fd) {
  procctl_register_request_more request = {};
  request.head.magic = PROCCTL_FRAME_MAGIC;
  request.head.page_version = PROCCTL_PAGE_VERSION;
  request.head.timeout_ms = wish.options.timeout_ms;
  memcpy(request.head.name, wish.name, sizeof(request.head.name));
  request.progress_timeout_ms = wish.options.progress_timeout_ms;
  request.start_grace_ms = wish.options.start_grace_ms;
  const bool asks_more = request.progress_timeout_ms != 0 || request.start_grace_ms != 0;
  ssize_t sent;
  do {
    sent = send(socket, &request, asks_more ? sizeof(request) : sizeof(request.head),
                MSG_NOSIGNAL | MSG_DONTWAIT);
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

// Gives back the slot whose page is `page`, which nobody will beat on.
void MarkClosed(procctl_page* page) {
  __atomic_fetch_or(&page->flags, PROCCTL_PAGE_CLOSED, __ATOMIC_RELEASE);
}

// Maps the page that came with the answer. nullptr with *error set otherwise; the descriptor stays
// the caller's either way.
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
  return page;
}

void CopyNumber(const uint64_t& from, uint64_t* to) {
  __atomic_store_n(to, __atomic_load_n(&from, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

template <size_t size>
void CopyText(const char (&from)[size], char (&to)[size]) {
  for (size_t i = 0; i < size; ++i) {
    __atomic_store_n(&to[i], __atomic_load_n(&from[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
  }
}

// Makes the first beat on `to` and lets it go on where `entry`'s page is. Other threads may write
// there meanwhile: what they count in this moment may be lost, as between colliding beats; what
// WriteState keeps is not.
void CarryOver(const OpenHeart& entry, procctl_page* to) {
  const procctl_page* from = entry.page.load();
  CopyNumber(from->progress, &to->progress);
  CopyNumber(from->busy_count, &to->busy_count);
  CopyText(from->note, to->note);
  CopyText(from->phase, to->phase);
  WriteState(entry, to);
  __atomic_store_n(&to->beats, __atomic_load_n(&from->beats, __ATOMIC_RELAXED) + 1,
                   __ATOMIC_RELAXED);
}

// Puts the new page in the place of the entry's, under the feet of whoever beats there: the kernel
// exchanges the mappings in one step, and a beat meanwhile waits for it. 0, or a negative errno
// value: then the entry's page is private.
int PutInPlace(OpenHeart* entry, procctl_page* coming) {
  procctl_page* place = entry->page.load();
  // A guardian that still reads the old page must not take our moving out for a hang.
  if (entry->page_fd.load() >= 0) MarkClosed(place);
  if (mremap(coming, PROCCTL_PAGE_BYTES, PROCCTL_PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED,
             place) != MAP_FAILED) {
    return 0;
  }
  const int error = -errno;
  MarkClosed(coming);
  munmap(coming, PROCCTL_PAGE_BYTES);
  // The kernel may have taken the old one away before it gave up.
  (void)MakePrivate(place);
  return error;
}

// Makes the page in `fd` the entry's. Takes the descriptor. 0, or a negative errno value.
int MoveIn(OpenHeart* entry, int fd) {
  entry->coming_fd.store(fd);
  int error = 0;
  procctl_page* coming = MapPage(fd, &error);
  if (coming != nullptr) {
    entry->coming_page.store(coming);
    CarryOver(*entry, coming);
    error = PutInPlace(entry, coming);
    entry->coming_page.store(nullptr);
    const int old_fd = entry->page_fd.exchange(error == 0 ? fd : -1);
    if (old_fd >= 0) close(old_fd);
  }
  entry->coming_fd.store(-1);
  if (error != 0) {
    close(fd);
    return error;
  }
  WriteState(*entry, entry->page.load());
  // From here on only this mapping can write. Best effort: kernels before 5.1 know no such seal.
  (void)fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
  return 0;
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

int Register(OpenHeart* entry, int64_t timeout_ns, uint64_t* slot, bool* refused,
             char (&said)[PROCCTL_FRAME_TEXT_BYTES]) {
  said[0] = '\0';
  *refused = false;
  const int64_t deadline_ns = MonotonicNs() + timeout_ns;
  const int socket = ConnectToGuardian(deadline_ns, &entry->door);
  if (socket < 0) return socket;
  entry->socket.store(socket);

  procctl_register_answer answer = {};
  int received_fd = -1;
  const int error = Ask(socket, entry->wish, deadline_ns, &answer, &received_fd);
  entry->socket.store(-1);
  close(socket);
  if (error != 0) return error;

  if (answer.error != 0) {
    if (received_fd >= 0) close(received_fd);
    CopyPrintable(answer.text, said);
    *refused = true;
    const bool is_errno = answer.error > 0 && answer.error < 4096;
    return is_errno ? -answer.error : -EPROTO;
  }
  if (received_fd < 0) return -EPROTO;
  const int page_fd = AboveStdio(received_fd);
  if (page_fd < 0) return -errno;
  *slot = answer.slot;
  return MoveIn(entry, page_fd);
}

bool IsAnotherDoor(const Door& door) {
  Door now;
  if (door.path[0] == '\0' || !ReadDoor(door.path, &now)) return false;
  return now.device != door.device || now.inode != door.inode || now.changed_s != door.changed_s ||
         now.changed_ns != door.changed_ns;
}

}  // namespace procctl::heartbeat

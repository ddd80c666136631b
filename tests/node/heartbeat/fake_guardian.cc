#include "tests/node/heartbeat/fake_guardian.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace procctl::heartbeat {
namespace {

// A test's own set-up must not fail; nothing after it would mean anything.
int Must(int result, const char* what) {
  if (result < 0) {
    std::perror(what);
    std::abort();
  }
  return result;
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  return address;
}

int OpenDescriptors() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    (void)entry;
    ++count;
  }
  return count;
}

}  // namespace

int MakePageFd(const PageMaking& making) {
  const int fd = Must(memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create");
  procctl_page page = {};
  page.magic = making.magic;
  page.version = making.version;
  Must(static_cast<int>(pwrite(fd, &page, sizeof(page), 0)), "pwrite");
  Must(ftruncate(fd, making.bytes), "ftruncate");
  if (making.sealed) Must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), "F_ADD_SEALS");
  return fd;
}

int SendAnswer(int connection, const void* bytes, size_t size, const std::vector<int>& fds) {
  alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = {};
  iovec data = {const_cast<void*>(bytes), size};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(part), fds.data(), fds.size() * sizeof(int));
  }
  return sendmsg(connection, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}

procctl_register_answer AcceptedAnswer(uint64_t slot) {
  procctl_register_answer answer = {};
  answer.magic = PROCCTL_FRAME_MAGIC;
  answer.slot = slot;
  return answer;
}

procctl_register_answer RefusedAnswer(int32_t error, const std::string& text) {
  procctl_register_answer answer = {};
  answer.magic = PROCCTL_FRAME_MAGIC;
  answer.error = error;
  text.copy(answer.text, sizeof(answer.text));  // A long one is not NUL-terminated, on purpose.
  return answer;
}

Listener::Listener(int backlog) {
  char directory[] = "/tmp/procctl-heartbeat-XXXXXX";
  if (mkdtemp(directory) == nullptr) Must(-1, "mkdtemp");
  directory_ = directory;
  path_ = directory_ + "/heartbeat.sock";
  fd_ = Must(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket");
  const sockaddr_un address = AddressOf(path_);
  Must(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), "bind");
  Must(listen(fd_, backlog), "listen");
  setenv("PROCCTL_HEARTBEAT_SOCKET", path_.c_str(), 1);
}

Listener::~Listener() {
  StopListening();
  unsetenv("PROCCTL_HEARTBEAT_SOCKET");
  std::filesystem::remove_all(directory_);
}

void Listener::StopListening() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

int Listener::TryConnect() const {
  const int fd = Must(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
  const sockaddr_un address = AddressOf(path_);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  const int error = errno;
  close(fd);
  return -error;
}

FakeGuardian::FakeGuardian(Answerer answerer) : answerer_(std::move(answerer)) {
  Must(pipe2(stop_, O_CLOEXEC), "pipe2");
  // Signals are the business of the test's own thread.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  thread_ = std::thread([this] { Serve(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

FakeGuardian::~FakeGuardian() {
  close(stop_[1]);
  thread_.join();
  close(stop_[0]);
  for (const Slot& slot : slots_) {
    munmap(const_cast<procctl_page*>(slot.page), PROCCTL_PAGE_BYTES);
  }
}

void FakeGuardian::Serve() {
  for (;;) {
    pollfd waits[] = {{listener_.fd(), POLLIN, 0}, {stop_[0], POLLIN, 0}};
    if (poll(waits, 2, -1) < 0) continue;
    if (waits[1].revents != 0) return;
    const int connection = accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    Request request;
    const ssize_t got = recv(connection, &request.frame, sizeof(request.frame), MSG_TRUNC);
    if (got == sizeof(request.frame.head) || got == sizeof(request.frame)) {
      request.bytes = static_cast<size_t>(got);
      if (answerer_) {
        answerer_(connection, request.frame.head);
      } else {
        Accept(connection, request);
      }
    }
    close(connection);
  }
}

void FakeGuardian::Accept(int connection, const Request& request) {
  const int fd = MakePageFd();
  void* page = mmap(nullptr, PROCCTL_PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) Must(-1, "mmap");
  size_t slot = 0;
  {
    // Before the answer: a client that has it may look at once.
    const std::lock_guard lock(mutex_);
    slots_.push_back({request, static_cast<const procctl_page*>(page)});
    slot = slots_.size();
  }
  const procctl_register_answer answer = AcceptedAnswer(slot);
  SendAnswer(connection, &answer, sizeof(answer), {fd});
  close(fd);
}

const procctl_page& FakeGuardian::page(size_t slot) const {
  const std::lock_guard lock(mutex_);
  return *slots_.at(slot - 1).page;
}

size_t FakeGuardian::slots() const {
  const std::lock_guard lock(mutex_);
  return slots_.size();
}

procctl_register_request_more FakeGuardian::long_request(size_t slot) const {
  const std::lock_guard lock(mutex_);
  return slots_.at(slot - 1).request.frame;
}

size_t FakeGuardian::request_bytes(size_t slot) const {
  const std::lock_guard lock(mutex_);
  return slots_.at(slot - 1).request.bytes;
}

DescriptorCount::DescriptorCount() : before_(OpenDescriptors()) {}

bool DescriptorCount::IsBack() const {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (OpenDescriptors() != before_) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

int ExitStatusOfChild(const std::function<int()>& body) {
  const pid_t child = Must(fork(), "fork");
  if (child == 0) _exit(body());
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace procctl::heartbeat

// The guardian's end of register_frame.h, in the hand of a test: it can answer well, badly or not
// at all.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "node/heartbeat/register_frame.h"
#include "procctl/heartbeat.h"

namespace procctl::heartbeat {

// A memfd as the guardian makes it, except for what the test asks otherwise.
struct PageMaking {
  uint64_t magic = PROCCTL_PAGE_MAGIC;
  uint32_t version = PROCCTL_PAGE_VERSION;
  long bytes = PROCCTL_PAGE_BYTES;
  bool sealed = true;
};
int MakePageFd(const PageMaking& making = {});

// Sends `bytes` and the descriptors, which stay the caller's. The errno of the send, 0 if sent.
int SendAnswer(int connection, const void* bytes, size_t size, const std::vector<int>& fds);

procctl_register_answer AcceptedAnswer(uint64_t slot);
procctl_register_answer RefusedAnswer(int32_t error, const std::string& text);

// A socket bound in a directory of its own, which $PROCCTL_HEARTBEAT_SOCKET names while this lives.
// Nobody serves it.
class Listener {
 public:
  explicit Listener(int backlog);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  // The file stays, the listener goes: what a killed guardian leaves behind.
  void StopListening();
  // A connection to it, without waiting: its descriptor, or a negative errno value.
  int TryConnect() const;

 private:
  std::string directory_;
  std::string path_;
  int fd_ = -1;
};

// Listens; its thread answers one client after the other. Use from the test's thread; the answerer
// runs in the guardian's.
class FakeGuardian {
 public:
  // Gets each connection with the request read from it; the connection is closed afterwards.
  using Answerer = std::function<void(int connection, const procctl_register_request&)>;

  // Without an answerer it accepts everybody and gives slots 1, 2, 3...
  explicit FakeGuardian(Answerer answerer = nullptr);
  ~FakeGuardian();
  FakeGuardian(const FakeGuardian&) = delete;
  FakeGuardian& operator=(const FakeGuardian&) = delete;

  const std::string& socket_path() const { return listener_.path(); }

  // The page of the slot that was given n-th (from 1), mapped read-only; it lives as long as the
  // guardian. Throws if there is none.
  const procctl_page& page(size_t slot) const;
  size_t slots() const;
  // The request that got the slot, and its size as it came: that of the short or of the long one.
  procctl_register_request request(size_t slot) const { return long_request(slot).head; }
  procctl_register_request_more long_request(size_t slot) const;
  size_t request_bytes(size_t slot) const;

 private:
  struct Request {
    procctl_register_request_more frame = {};  // What a short one does not have is zero.
    size_t bytes = 0;
  };
  struct Slot {
    Request request;
    const procctl_page* page;
  };

  void Serve();
  void Accept(int connection, const Request& request);

  Listener listener_{64};
  int stop_[2] = {-1, -1};
  Answerer answerer_;
  mutable std::mutex mutex_;
  std::vector<Slot> slots_;  // guarded by mutex_
  std::thread thread_;
};

// What the counter holds now, read as the guardian reads it.
inline uint64_t BeatsOf(const procctl_page& page) {
  return __atomic_load_n(&page.beats, __ATOMIC_RELAXED);
}
inline uint32_t FlagsOf(const procctl_page& page) {
  return __atomic_load_n(&page.flags, __ATOMIC_ACQUIRE);
}

// How many descriptors the process had open when this was made.
class DescriptorCount {
 public:
  DescriptorCount();
  // Whether it has as many again. Waits up to 2 s for that: a guardian's thread in the same process
  // may be about to close its end of a connection.
  bool IsBack() const;

 private:
  int before_;
};

// Forks, runs `body` in the child and returns the child's exit status, or -signal.
int ExitStatusOfChild(const std::function<int()>& body);

}  // namespace procctl::heartbeat

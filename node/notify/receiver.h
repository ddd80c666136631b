// The socket of one program that speaks the sd_notify(3) protocol.
//
// Each program has a socket of its own: the kernel queues only some ten datagrams on one, so a
// program that floods a shared socket would silence all others.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <optional>
#include <string>

#include "proto/support/unique_fd.h"

namespace procctl::notify {

struct Datagram {
  // From the kernel. pid 0: a process that this pid namespace does not show.
  ucred sender{};
  // Empty where it was longer than kMostBytes.
  std::string bytes;
};

// One thread. Goes with its socket file and folder.
class Receiver {
 public:
  Receiver() = default;
  Receiver(Receiver&& other) noexcept;
  Receiver& operator=(Receiver&& other) noexcept;
  ~Receiver() { Close(); }

  // Makes a socket in a new folder below `base`. Its name cannot be guessed by other users, and
  // they may write to it: programs change their user. Who is heard is decided by the sender that
  // the kernel names. Not ok(): `*error` is the errno of what failed (ENAMETOOLONG: give a shorter
  // base).
  static Receiver Open(const std::string& base, int* error);

  // At the path of an earlier one whose owner was killed: programs go on sending to it. Where that
  // fails it may be tried again.
  static Receiver OpenAgain(const std::string& path, int* error);

  bool ok() const { return socket_.ok(); }
  // Readable when there is something to receive; -1 when it is not open.
  int fd() const { return socket_.get(); }
  // For $NOTIFY_SOCKET.
  const std::string& path() const { return path_; }

  // The next one that waits; nullopt: none does. Descriptors that come along are closed before this
  // returns, which is also what a sender of BARRIER=1 waits for: what it sent before was received
  // before.
  std::optional<Datagram> Receive();
  void Close();
  // The files stay, for OpenAgain.
  void Leave();

 private:
  void Bind(const sockaddr_un& address, int* error);

  UniqueFd socket_;
  std::string folder_;
  std::string path_;
};

}  // namespace procctl::notify

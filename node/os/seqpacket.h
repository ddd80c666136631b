// AF_UNIX SOCK_SEQPACKET: the heartbeat socket and the link to the uplink. All non-blocking and
// close-on-exec.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "node/os/unique_fd.h"

namespace procctl::node {

// Replaces a socket left behind at `path` (the caller holds the folder's lock, so nobody listens
// there).
absl::StatusOr<UniqueFd> ListenAt(const std::string& path, mode_t mode);

struct Peer {
  int32_t pid = 0;
  int64_t uid = -1;
  // The process that connected; invalid where the kernel has no SO_PEERPIDFD (before 6.5).
  UniqueFd pidfd;
};

// Who connected, by the kernel's word.
absl::StatusOr<Peer> PeerOf(int connection);

struct Packet {
  std::string bytes;
  // Longer than the buffer; bytes are useless.
  bool truncated = false;
  // Who sent this very packet (SCM_CREDENTIALS); 0 if the kernel did not say.
  int32_t sender = 0;
};

// Any descriptors that came along are closed. UNAVAILABLE: nothing there now. NOT_FOUND: the peer
// is gone.
absl::StatusOr<Packet> Receive(int connection, size_t most);

// `fd` < 0: none. UNAVAILABLE: would block. NOT_FOUND: the peer is gone. INVALID_ARGUMENT: too long
// for the socket.
absl::Status Send(int connection, std::string_view bytes, int fd = -1);

struct SocketPair {
  UniqueFd ours;
  UniqueFd theirs;
};
absl::StatusOr<SocketPair> MakeSocketPair();

}  // namespace procctl::node

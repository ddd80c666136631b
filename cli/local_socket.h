// The connection to the guardian of this host: packets of local.proto, out and in, with a deadline.
#pragma once

#include <chrono>
#include <deque>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "procctl/v1/local.pb.h"
#include "proto/support/unique_fd.h"

namespace procctl::cli {

// Errors of every method: UNAVAILABLE: nobody serves it, or not any more; PERMISSION_DENIED: not
// this user; DEADLINE_EXCEEDED; CANCELLED: `stop` was requested. After any of them but the last two
// the connection is of no use. Not thread-safe.
class LocalSocket {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  static absl::StatusOr<LocalSocket> Connect(const std::string& path);

  absl::Status Send(const v1::LocalRequest& request, Deadline deadline,
                    const std::stop_token& stop);
  // The next reply, whatever it answers.
  absl::StatusOr<v1::LocalReply> Receive(Deadline deadline, const std::stop_token& stop);

 private:
  LocalSocket(std::string path, UniqueFd fd, UniqueFd wake)
      : path_(std::move(path)), fd_(std::move(fd)), wake_(std::move(wake)) {}

  // Waits until the socket is ready for any of `events`; says for which.
  absl::StatusOr<short> Await(short events, Deadline deadline, const std::stop_token& stop);
  // One reply that is there already; UNAVAILABLE says that the guardian is gone.
  absl::StatusOr<v1::LocalReply> Read();
  absl::Status Gone(int error) const;

  std::string path_;
  UniqueFd fd_;
  UniqueFd wake_;  // readable once a stop was requested
  // What came while a request waited for room.
  std::deque<v1::LocalReply> early_;
};

}  // namespace procctl::cli

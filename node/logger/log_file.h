// One file that lines are added to, and its older ones. The writer's thread only: everything here
// may wait for a disk.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "node/core/mono_time.h"
#include "node/logger/outlet.h"
#include "node/logger/sink.h"
#include "node/os/unique_fd.h"

namespace procctl::logger {

class LogFile : public Sink {
 public:
  explicit LogFile(std::shared_ptr<Outlet> outlet) : outlet_(std::move(outlet)) {}

  // A line that came to the file in part goes on with the next try.
  absl::Status Write(Piece* piece, node::MonoTime now) override;

 private:
  absl::Status Ready(node::MonoTime now);
  absl::Status Open();
  absl::Status Rotate();
  // Adds all of it, or says how much.
  absl::Status Append(std::string_view bytes, size_t* written);
  absl::Status Failed(const char* call) const;

  std::shared_ptr<Outlet> outlet_;
  node::UniqueFd fd_;
  node::MonoTime checked_at_;
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
  int64_t size_ = 0;
  // The file ends within a line of this stream; 0: of whom is unknown.
  bool mid_line_ = false;
  int64_t source_ = 0;
};

}  // namespace procctl::logger

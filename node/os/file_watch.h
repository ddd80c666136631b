// Tells when one file may have changed: written in place, or another one put at its path.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "node/os/unique_fd.h"

namespace procctl::node {

// By inotify, on the folder (what is renamed over the file is seen there) and on the file itself
// (what is written by way of another name is seen there). What another host writes to a network
// file system is not seen, nor is a link among the parent folders that is set anew.
//
// Threads: Add may block for as long as the disk does, and may be called on any thread while the
// object lives. All else is for the loop.
class FileWatch {
 public:
  // RESOURCE_EXHAUSTED: the kernel has no more instances (fs.inotify.max_user_instances).
  static absl::StatusOr<FileWatch> Open(std::string path);

  struct Added {
    // The watch of the file; -1: there is none.
    int file = -1;
    // Neither of the two is missing.
    bool complete = false;
  };
  // Changes count from here on. Again after each change: another file may be there.
  Added Add() const;
  // What Add made: the file that was there before is watched no more.
  void Use(const Added& added);

  // Readable when Changed has something to say.
  int fd() const { return fd_.get(); }
  // Since the last call. Rather once too often than not at all.
  bool Changed();

 private:
  FileWatch(std::string path, UniqueFd fd);

  std::string path_;
  std::string folder_;
  std::string name_;
  UniqueFd fd_;
  int file_ = -1;
};

}  // namespace procctl::node

// SPDX-License-Identifier: Apache-2.0
//
// What a heart asks a guardian for, and where it asked: plain data.
#ifndef PROCCTL_NODE_HEARTBEAT_ASKING_H_
#define PROCCTL_NODE_HEARTBEAT_ASKING_H_

#include <stdint.h>
#include <sys/un.h>

#include "node/heartbeat/register_frame.h"
#include "procctl/heartbeat.h"

namespace procctl::heartbeat {

// Kept while the heart lives, to be asked once more.
struct Wish {
  char name[PROCCTL_FRAME_NAME_BYTES] = {};
  procctl_options options = {};
};

// A guardian's socket file. Another guardian at the same path has made another file; the time of
// its last change tells them apart where the file system gave the same number again.
struct Door {
  char path[sizeof(sockaddr_un::sun_path)] = {};  // empty: no guardian was reached
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t changed_s = 0;
  int64_t changed_ns = 0;
};

}  // namespace procctl::heartbeat

#endif  // PROCCTL_NODE_HEARTBEAT_ASKING_H_

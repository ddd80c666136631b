// Whoever belongs to a program where no cgroup holds it together: processes that were proven to,
// and everybody of their sessions.
//
// Each is known by pid and start time, so another guardian finds exactly them again, or nobody.
// Whoever leaves the session of all the others is lost, unless it was known by then.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "node/core/mono_time.h"
#include "node/core/process_identity.h"
#include "node/os/program_tree.h"

namespace procctl::node {

// A session's number cannot pass to anybody else while somebody of it is there. So the session of
// one who is known and was not reaped is known, and so is everybody in it. Where the last of those
// has gone since, its number is believed for a moment more: numbers are given out in turn, and it
// takes longer than that to come round. One thread.
class KnownTree {
 public:
  // It was proven to belong. Its session follows with the next Look.
  void Add(const ProcessIdentity& process);
  // All of the session that `leader` began. Only while that number is known to be its own: the
  // leader was not reaped yet, or its process group has members.
  void AddSession(const ProcessIdentity& leader);
  void Clear();

  // Looks at all processes of the host: forgets who has ended, learns who came. Not OK: that could
  // not be done, as without descriptors, and it knows whom it knew.
  absl::Status Look();
  // Knows nobody, as of the last Look or what was added since.
  bool empty() const { return known_.empty() && sessions_.empty(); }
  // Cheaper than a Look: somebody whom it knows still lives, or that cannot be told.
  bool AnyLeft() const;

  // As of the last Look, the oldest first.
  std::vector<TreeMember> members() const;
  std::vector<ProcessIdentity> identities() const;
  bool Knows(int32_t pid) const;

  // Each by its own pidfd; the process group of that number is passed over. Returns how many.
  int Signal(int signal, int32_t but_group = 0) const;

 private:
  struct Facts {
    std::string comm;
    int32_t group = 0;
  };
  std::map<ProcessIdentity, Facts> known_;
  // In which somebody known was there at the last Look, or that were added since; and when.
  std::map<int32_t, MonoTime> sessions_;
};

}  // namespace procctl::node

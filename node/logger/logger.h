// The logger: a reader (the calling thread: FIFOs and the link to the guardian), a writer of files
// and to the journal,
// and a reader of files for whoever follows them.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "node/os/unique_fd.h"

namespace procctl::logger {

// FAILED_PRECONDITION unless it is a SOCK_SEQPACKET socket.
absl::Status CheckLinkSocket(int fd);

// `journal_socket`: where the system's journal takes entries; there may be none.
// Until the guardian closes the link; then what is there is written for a second at most. Returns
// the exit code, or leaves the process itself where a thread waits for a disk.
int RunLogger(node::UniqueFd link, const std::string& journal_socket);

}  // namespace procctl::logger

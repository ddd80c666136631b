// Where the system's journal takes entries.
#pragma once

namespace procctl::node {

// Of systemd-journald, as its native protocol documents it.
inline constexpr char kJournalSocket[] = "/run/systemd/journal/socket";
// Names another one in the environment of a guardian: that of a journal namespace, or a test's.
inline constexpr char kJournalSocketVariable[] = "PROCCTL_JOURNAL_SOCKET";

}  // namespace procctl::node

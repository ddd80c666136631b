#include "tests/e2e/harness/program_rows.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

#include "procctl/v1/fleet_service.pb.h"
#include "tests/e2e/harness/json.h"

namespace procctl::e2e {
namespace {

// From /proc/<pid>/stat: "pid (comm) state ppid ...", where comm may hold anything.
pid_t ParentOf(pid_t pid) {
  const std::string stat = ReadFile("/proc/" + std::to_string(pid) + "/stat");
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return -1;
  std::istringstream rest(stat.substr(name_end + 1));
  char state = 0;
  pid_t parent = -1;
  rest >> state >> parent;
  return parent;
}

}  // namespace

v1::Program AwaitProgram(Fleet& fleet, const std::string& node, const std::string& label,
                         const std::string& what,
                         const std::function<bool(const v1::Program&)>& matches,
                         std::chrono::milliseconds limit) {
  v1::Program last;
  Await(
      limit, node + "/" + label + " " + what,
      [&] {
        for (v1::FleetProgram& row : fleet.Programs()) {
          if (row.node() != node || row.program().label() != label) continue;
          last = std::move(*row.mutable_program());
          return matches(last);
        }
        return false;
      },
      [&] {
        return last.ShortDebugString() + "\n" + node + " logged:\n" + fleet.node(node).Log();
      });
  return last;
}

v1::Program AwaitProgram(Fleet& fleet, const std::string& node, const std::string& label,
                         v1::ProgramState state, std::chrono::milliseconds limit) {
  return AwaitProgram(
      fleet, node, label, "in " + v1::ProgramState_Name(state),
      [state](const v1::Program& row) { return row.state() == state; }, limit);
}

std::map<std::string, pid_t> AwaitPids(Fleet& fleet, const std::string& node, size_t programs) {
  std::map<std::string, pid_t> pids;
  Await(
      30s, std::to_string(programs) + " running programs of " + node,
      [&] {
        pids.clear();
        for (const v1::FleetProgram& row : fleet.Programs()) {
          if (row.node() != node || row.program().state() != v1::PROGRAM_STATE_RUNNING) continue;
          pids[row.program().label()] = row.program().incarnation().pid();
        }
        return pids.size() == programs;
      },
      [&] { return fleet.node(node).Log(); });
  return pids;
}

std::vector<v1::Event> History(Fleet& fleet, const std::string& program) {
  const Finished history = fleet.Cli({"history", program, "--all", "-o", "json"});
  if (history.exit_code != 0) {
    throw HarnessError("procctl-cli history " + program + " exits with " +
                       std::to_string(history.exit_code) + ": " + history.err);
  }
  std::vector<v1::Event> events;
  for (v1::StoredEvent& stored : ParseList<v1::StoredEvent>(history.out, "deaths")) {
    events.push_back(std::move(*stored.mutable_event()));
  }
  return events;
}

FleetProcess::FleetProcess(pid_t pid)
    : pid_(pid), pidfd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {
  if (!pidfd_.ok()) {
    throw HarnessError("no process " + std::to_string(pid) + ": " + strerror(errno));
  }
}

bool FleetProcess::Gone() const {
  pollfd end = {pidfd_.get(), POLLIN, 0};
  return poll(&end, 1, 0) == 1;
}

void FleetProcess::SignalChildOf(pid_t parent, int signal) const {
  // The pidfd is older than this look: as long as that process is not gone, the pid is its own.
  const pid_t found = ParentOf(pid_);
  if (found != parent || Gone()) {
    throw HarnessError("pid " + std::to_string(pid_) + " is no child of " + std::to_string(parent) +
                       " but of " + std::to_string(found));
  }
  if (syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0) != 0) {
    throw HarnessError("pid " + std::to_string(pid_) + ": " + strerror(errno));
  }
}

}  // namespace procctl::e2e

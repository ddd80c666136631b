#include "node/os/output_fifo.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {

absl::Status MakeOutputFifo(const std::string& path) {
  if (mkfifo(path.c_str(), 0600) == 0) return absl::OkStatus();
  if (errno != EEXIST)
    return absl::UnavailableError(fmt::format("mkfifo {}: {}", path, std::strerror(errno)));
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0)
    return absl::UnavailableError(fmt::format("stat {}: {}", path, std::strerror(errno)));
  if (!S_ISFIFO(facts.st_mode))
    return absl::FailedPreconditionError(fmt::format("{} is there and is no FIFO", path));
  if (facts.st_uid != geteuid())
    return absl::FailedPreconditionError(fmt::format("{} belongs to user {}", path, facts.st_uid));
  return absl::OkStatus();
}

}  // namespace procctl::node

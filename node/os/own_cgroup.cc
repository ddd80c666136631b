#include "node/os/own_cgroup.h"

#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "node/os/proc_file.h"
#include "node/os/proc_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr size_t kMostMounts = size_t{4} << 20;

// Blanks and the like are written as \ooo.
std::string Unescape(std::string_view text) {
  std::string plain;
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) &&
        octal(text[i + 3])) {
      plain += static_cast<char>(((text[i + 1] - '0') << 6) | ((text[i + 2] - '0') << 3) |
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

struct Mount {
  // Of the hierarchy, what is mounted; and where.
  std::string root;
  std::string where;
};

// "36 35 98:0 /root /where options tags... - cgroup2 device options".
bool FindMount(std::string_view mountinfo, Mount* mount) {
  while (!mountinfo.empty()) {
    const size_t end = std::min(mountinfo.find('\n'), mountinfo.size());
    const std::string_view line = mountinfo.substr(0, end);
    mountinfo.remove_prefix(std::min(end + 1, mountinfo.size()));
    const size_t dash = line.find(" - ");
    if (dash == std::string_view::npos || Word(line.substr(dash + 3)) != "cgroup2") continue;
    *mount = {Unescape(Word(line, 3)), Unescape(Word(line, 4))};
    if (mount->root.substr(0, 1) == "/" && mount->where.substr(0, 1) == "/") return true;
  }
  return false;
}

bool IsBelow(std::string_view path, std::string_view top) {
  return top == "/" || path == top ||
         (path.substr(0, top.size()) == top && path.size() > top.size() && path[top.size()] == '/');
}

// systemd says so in an attribute of the folder.
bool HasDelegateMark(const std::string& folder) {
  for (const char* name : {"trusted.delegate", "user.delegate"}) {
    char value = 0;
    if (getxattr(folder.c_str(), name, &value, 1) == 1 && value == '1') return true;
  }
  return false;
}

bool IsDelegated(const std::string& folder) {
  const std::string control = folder + "/cgroup.subtree_control";
  const std::string procs = folder + "/cgroup.procs";
  if (access(control.c_str(), W_OK) != 0 || access(procs.c_str(), W_OK) != 0) return false;
  // To root everything is writable, whoever it belongs to; elsewhere somebody made it so for us.
  return geteuid() != 0 || HasDelegateMark(folder) || access("/run/systemd/system", F_OK) != 0;
}

}  // namespace

absl::StatusOr<std::string> OwnCgroupFolder(std::string_view mountinfo, std::string_view cgroups) {
  Mount mount;
  if (!FindMount(mountinfo, &mount))
    return absl::NotFoundError("no cgroup v2 hierarchy is mounted on this host");
  std::string path = ParseCgroupV2Path(cgroups);
  if (path.empty()) return absl::NotFoundError("this kernel has no cgroup v2");
  if (path.find("/..") != std::string::npos || !IsBelow(path, mount.root)) {
    return absl::NotFoundError(fmt::format(
        "procctl-node is in the cgroup {}, which is outside of what is mounted at {} ({})", path,
        mount.where, mount.root));
  }
  if (mount.root != "/") path.erase(0, mount.root.size());
  const std::string own_end = "/" + std::string(kGuardianGroup);
  if (path.size() >= own_end.size() &&
      path.compare(path.size() - own_end.size(), own_end.size(), own_end) == 0) {
    path.erase(path.size() - own_end.size());
  }
  return path == "/" ? mount.where : mount.where + path;
}

OwnCgroup FindOwnCgroup() {
  const auto mounts = ReadSmallFile("/proc/self/mountinfo", kMostMounts);
  const auto cgroups = ReadSmallFile("/proc/self/cgroup");
  if (!mounts || !cgroups) return {"", "/proc does not tell the cgroup of procctl-node", false};
  auto folder = OwnCgroupFolder(*mounts, *cgroups);
  if (!folder.ok()) return {"", std::string(folder.status().message()), false};
  const bool delegated = IsDelegated(*folder);
  return {*std::move(folder), "", delegated};
}

}  // namespace procctl::node

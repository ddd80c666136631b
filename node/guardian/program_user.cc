#include "node/guardian/program_user.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/status/statusor.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

// Groups with thousands of members need much room.
constexpr size_t kMostRoom = 1 << 22;

// `look` is getpwnam_r and the like with its key bound; it fills `entry`.
template <typename Entry, typename Look>
absl::StatusOr<bool> LookUp(Look look, Entry* entry, std::vector<char>* room) {
  room->resize(1024);
  for (;;) {
    Entry* found = nullptr;
    const int error = look(entry, room->data(), room->size(), &found);
    if (error == ERANGE && room->size() < kMostRoom) {
      room->resize(room->size() * 2);
      continue;
    }
    if (found != nullptr) return true;
    // What the name services say of a name that does not exist.
    if (error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM) {
      return false;
    }
    return absl::UnavailableError(std::strerror(error));
  }
}

template <typename Look>
std::optional<ProgramUser> ReadUser(Look look, const std::string& shown, const char* key,
                                    const RefuseUser& refuse) {
  passwd entry{};
  std::vector<char> room;
  const absl::StatusOr<bool> found = LookUp(look, &entry, &room);
  if (!found.ok()) {
    refuse(key, fmt::format("cannot look up user \"{}\": {}", shown,
                            std::string(found.status().message())));
    return std::nullopt;
  }
  if (!*found) {
    refuse(key, fmt::format("there is no user \"{0}\" on this host; run: useradd --system "
                            "--no-create-home {0}",
                            shown));
    return std::nullopt;
  }
  return ProgramUser{entry.pw_name, entry.pw_uid, entry.pw_gid, {}, entry.pw_dir, entry.pw_shell};
}

std::optional<gid_t> ReadGroup(const std::string& name, const std::string& key,
                               const RefuseUser& refuse) {
  group entry{};
  std::vector<char> room;
  const absl::StatusOr<bool> found =
      LookUp([&name](group* out, char* data, size_t size,
                     group** result) { return getgrnam_r(name.c_str(), out, data, size, result); },
             &entry, &room);
  if (!found.ok()) {
    refuse(key, fmt::format("cannot look up group \"{}\": {}", name,
                            std::string(found.status().message())));
    return std::nullopt;
  }
  if (!*found) {
    refuse(key,
           fmt::format("there is no group \"{0}\" on this host; run: groupadd --system {0}", name));
    return std::nullopt;
  }
  return entry.gr_gid;
}

std::vector<gid_t> GroupsOf(const ProgramUser& user) {
  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  while (getgrouplist(user.name.c_str(), user.gid, groups.data(), &count) < 0) {
    groups.resize(std::max(static_cast<size_t>(count), groups.size() * 2));
    count = static_cast<int>(groups.size());
  }
  groups.resize(static_cast<size_t>(count));
  return groups;
}

}  // namespace

std::string OwnUserName() {
  const uid_t own = geteuid();
  if (own == 0) return "root";
  passwd entry{};
  std::vector<char> room;
  const absl::StatusOr<bool> found =
      LookUp([own](passwd* out, char* data, size_t size,
                   passwd** result) { return getpwuid_r(own, out, data, size, result); },
             &entry, &room);
  return found.ok() && *found ? entry.pw_name : "";
}

std::optional<ProgramUser> FindProgramUser(const std::string& user, const std::string& group,
                                           const std::vector<std::string>& groups, bool root,
                                           const RefuseUser& refuse) {
  if (user.empty() && group.empty() && groups.empty()) return std::nullopt;
  bool refused = false;
  const RefuseUser note = [&](const std::string& key, const std::string& text) {
    refused = true;
    refuse(key, text);
  };
  std::optional<ProgramUser> out;
  if (!user.empty()) {
    out = ReadUser(
        [&user](passwd* entry, char* data, size_t size, passwd** result) {
          return getpwnam_r(user.c_str(), entry, data, size, result);
        },
        user, "user", note);
  } else if (root) {
    const uid_t own = geteuid();
    out = ReadUser([own](passwd* entry, char* data, size_t size,
                         passwd** result) { return getpwuid_r(own, entry, data, size, result); },
                   fmt::format("{}", own), "user", note);
  }
  if (out && !root && out->uid != geteuid()) {
    note("user", fmt::format("\"{}\" is not the guardian's own user, and only a guardian of root "
                             "can start programs as somebody else",
                             user));
  }
  if (!group.empty()) {
    const auto gid = ReadGroup(group, "group", note);
    if (gid && !root && *gid != getegid()) {
      note("group", fmt::format("\"{}\" is not the guardian's own group, and only a guardian of "
                                "root can choose another",
                                group));
    }
    if (gid && out) out->gid = *gid;
  }
  std::vector<gid_t> further;
  for (size_t i = 0; i < groups.size(); ++i) {
    const std::string key = fmt::format("groups.{}", i);
    const auto gid = ReadGroup(groups[i], key, note);
    if (!gid) continue;
    if (!root) {
      note(key, "only a guardian of root can choose groups; leave them out");
      continue;
    }
    further.push_back(*gid);
  }
  if (refused || !root || !out) return std::nullopt;
  out->groups = groups.empty() ? GroupsOf(*out) : std::move(further);
  out->groups.push_back(out->gid);
  std::sort(out->groups.begin(), out->groups.end());
  out->groups.erase(std::unique(out->groups.begin(), out->groups.end()), out->groups.end());
  return out;
}

}  // namespace procctl::node

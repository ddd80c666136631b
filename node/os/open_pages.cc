#include "node/os/open_pages.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr int kMostEntries = 65536;

absl::Status Failed(std::string_view what, const std::string& path, int error) {
  const std::string text = fmt::format("{} {}: {}", what, path, std::strerror(error));
  switch (error) {
    case ENOENT:
    case ESRCH:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::InternalError(text);
  }
}

bool NamesAPage(int folder, const char* entry) {
  static const std::string text = fmt::format("/memfd:{} (deleted)", kBeatPageName);
  std::array<char, 64> link{};
  const ssize_t n = readlinkat(folder, entry, link.data(), link.size());
  return n > 0 && std::string_view(link.data(), static_cast<size_t>(n)) == text;
}

// DONT_SYNC: should it be a file of some file system that never answers, that one is not asked.
std::optional<PageId> IdOf(int fd) {
  struct statx s {};
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &s) != 0) return std::nullopt;
  return PageId{makedev(s.stx_dev_major, s.stx_dev_minor), s.stx_ino};
}

// Moves what is found in the folder of links from `wanted` to `found`.
absl::Status Search(const std::string& path, std::set<PageId>* wanted,
                    std::map<PageId, UniqueFd>* found) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(path.c_str()), closedir);
  if (dir == nullptr) return Failed("open", path, errno);
  const int folder = dirfd(dir.get());
  absl::Status status;
  for (int i = 0; !wanted->empty(); ++i) {
    errno = 0;
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) return errno == 0 ? status : Failed("read", path, errno);
    if (i == kMostEntries) {
      return absl::OutOfRangeError(
          fmt::format("{} has over {} entries; the rest was not looked at", path, kMostEntries));
    }
    if (!NamesAPage(folder, entry->d_name)) continue;
    // The process may put another file in its place any moment. So it is only pointed at first,
    // which has no side effect, and opened once it is known to be the page.
    const UniqueFd pointer(openat(folder, entry->d_name, O_PATH | O_CLOEXEC));
    if (!pointer) {
      if (errno != ENOENT)
        status = Failed("open", fmt::format("{}/{}", path, entry->d_name), errno);
      continue;
    }
    const auto id = IdOf(pointer.get());
    if (!id || !wanted->contains(*id)) continue;
    const std::string itself = fmt::format("/proc/self/fd/{}", pointer.get());
    UniqueFd fd(open(itself.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
      status = Failed("open the page behind", fmt::format("{}/{}", path, entry->d_name), errno);
      continue;
    }
    wanted->erase(*id);
    found->emplace(*id, std::move(fd));
  }
  return absl::OkStatus();
}

}  // namespace

std::map<PageId, UniqueFd> FindPages(int32_t pid, std::set<PageId> wanted, PageSearch where,
                                     absl::Status* incomplete) {
  std::map<PageId, UniqueFd> found;
  absl::Status status = Search(fmt::format("/proc/{}/fd", pid), &wanted, &found);
  if (where == PageSearch::kDescriptorsAndMaps && !wanted.empty() && !absl::IsNotFound(status))
    status.Update(Search(fmt::format("/proc/{}/map_files", pid), &wanted, &found));
  if (incomplete != nullptr) *incomplete = wanted.empty() ? absl::OkStatus() : status;
  return found;
}

absl::StatusOr<UniqueFd> FindPage(int32_t pid, PageId id, PageSearch where) {
  absl::Status incomplete;
  auto found = FindPages(pid, {id}, where, &incomplete);
  if (!found.empty()) return std::move(found.begin()->second);
  if (!incomplete.ok()) return incomplete;
  return absl::NotFoundError(
      fmt::format("process {} has no heartbeat page {}:{}", pid, id.dev, id.ino));
}

}  // namespace procctl::node

#include "node/logger/output_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "node/logger/cursor.h"
#include "node/logger/rotation_plan.h"
#include "node/os/unique_fd.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::logger {
namespace {

constexpr size_t kBlock = 64 * 1024;
// A rotation takes microseconds, unless its disk is frozen.
constexpr int kTries = 100;

int64_t LimitOf(const v1::ReadOutput& read) {
  return read.max_bytes() <= 0 ? kMostChunk : std::min(read.max_bytes(), kMostChunk);
}

// Of what there is room for, what is given: whole lines, so that nothing is lost in the middle of
// one when rotation overtakes a slow reader. All of a line that has no end in there.
size_t WholeLines(std::string_view data, int64_t limit) {
  const size_t newline = data.rfind('\n');
  if (static_cast<int64_t>(data.size()) < limit || newline == std::string_view::npos)
    return data.size();
  return newline + 1;
}

struct OpenFile {
  node::UniqueFd fd;
  PresentFile present;
};

// Of an open file or, with a `path`, of what is at this path. False with errno.
bool Identify(int fd, const char* path, PresentFile* file) {
  struct statx facts {};
  const int flags = path[0] == '\0' ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW;
  if (statx(fd, path, flags, STATX_BASIC_STATS | STATX_BTIME, &facts) != 0) return false;
  if (!S_ISREG(facts.stx_mode)) {
    errno = EINVAL;
    return false;
  }
  file->identity = {makedev(facts.stx_dev_major, facts.stx_dev_minor), facts.stx_ino, 0};
  if ((facts.stx_mask & STATX_BTIME) != 0) {
    file->identity.born = int64_t{facts.stx_btime.tv_sec} * 1'000'000'000 + facts.stx_btime.tv_nsec;
  }
  file->size = static_cast<int64_t>(facts.stx_size);
  return true;
}

// Another user may not lead us through a link, nor keep us waiting at a FIFO. Nothing: it is not
// there, or not the one that `file` says.
std::optional<node::UniqueFd> OpenSame(const std::string& path, const PresentFile& file) {
  node::UniqueFd fd(open(FileName(path, file.index).c_str(),
                         O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  PresentFile now;
  if (!fd || !Identify(fd.get(), "", &now) || now.identity != file.identity) return std::nullopt;
  return fd;
}

// The youngest first. UNAVAILABLE: they are being renamed.
absl::StatusOr<std::vector<PresentFile>> ListFiles(const Outlet& outlet) {
  for (int i = 0; i < kTries; ++i) {
    const uint64_t before = outlet.rotation();
    if (before % 2 == 0) {
      std::vector<PresentFile> files;
      for (int index = 0; index <= outlet.keep(); ++index) {
        PresentFile file;
        file.index = index;
        if (Identify(AT_FDCWD, FileName(outlet.path(), index).c_str(), &file)) {
          files.push_back(file);
        } else if (errno != ENOENT) {
          return absl::FailedPreconditionError(
              fmt::format("{}: {}", FileName(outlet.path(), index),
                          errno == EINVAL ? "not a regular file" : std::strerror(errno)));
        }
      }
      if (outlet.rotation() == before) return files;
    }
    std::this_thread::yield();
  }
  return absl::UnavailableError("the files are being renamed");
}

// Where the last lines begin. Bounded, and then at the beginning of a line.
FileCursor FindTail(const std::string& path, const std::vector<PresentFile>& files, int64_t lines) {
  TailFinder finder(lines);
  int64_t back = 0;
  FileCursor start{files.front().identity, files.front().size};
  std::string block;
  for (const PresentFile& file : files) {
    const auto fd = OpenSame(path, file);
    if (!fd) return start;
    int64_t end = file.size;
    while (end > 0 || file.size == 0) {
      const int64_t begin = std::max<int64_t>(0, end - static_cast<int64_t>(kBlock));
      block.resize(static_cast<size_t>(end - begin));
      const ssize_t n = pread(fd->get(), block.data(), block.size(), begin);
      if (n != static_cast<ssize_t>(block.size())) return start;
      if (const auto found = finder.Feed(block)) {
        return {file.identity, begin + static_cast<int64_t>(*found)};
      }
      back += n;
      start = {file.identity, begin};
      end = begin;
      if (back >= kMostBack) {
        const size_t newline = block.find('\n');
        if (begin > 0 && newline != std::string::npos)
          start.offset += static_cast<int64_t>(newline) + 1;
        return start;
      }
      if (end == 0) break;
    }
  }
  return start;
}

v1::OutputChunk ReadMemory(const Outlet& outlet, const v1::ReadOutput& read) {
  v1::OutputChunk chunk;
  const Outlet::Kept kept = outlet.Recall();
  int64_t from = kept.begin;
  if (read.cursor().empty()) {
    TailFinder finder(read.tail_lines());
    const auto found = finder.Feed(kept.bytes);
    if (found) from = kept.begin + static_cast<int64_t>(*found);
  } else {
    const auto cursor = ParseMemoryCursor(read.cursor());
    if (cursor && cursor->keeper == outlet.keeper() && cursor->offset >= kept.begin &&
        cursor->offset <= kept.end) {
      from = cursor->offset;
    } else {
      chunk.set_lost(true);
    }
  }
  const std::string_view data =
      std::string_view(kept.bytes)
          .substr(static_cast<size_t>(from - kept.begin), static_cast<size_t>(LimitOf(read)));
  chunk.set_data(std::string(data.substr(0, WholeLines(data, LimitOf(read)))));
  chunk.set_cursor(FormatCursor(
      MemoryCursor{outlet.keeper(), from + static_cast<int64_t>(chunk.data().size())}));
  return chunk;
}

// Reads on through younger files until there is enough.
void Fill(const std::string& path, const std::vector<PresentFile>& files, ReadStart start,
          int64_t limit, v1::OutputChunk* chunk) {
  std::string data(static_cast<size_t>(limit), '\0');
  size_t have = 0;
  // Where in `data` the file begins that the cursor is in.
  size_t file_begin = 0;
  FileCursor cursor{files[static_cast<size_t>(start.at)].identity, start.offset};
  for (int at = start.at; at >= 0 && have < data.size(); --at) {
    const PresentFile& file = files[static_cast<size_t>(at)];
    const auto fd = OpenSame(path, file);
    if (!fd) break;  // renamed since: found again with the next request
    if (at != start.at) cursor = {file.identity, 0};
    file_begin = have;
    while (have < data.size()) {
      const ssize_t n = pread(fd->get(), data.data() + have, data.size() - have, cursor.offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        chunk->set_error(
            fmt::format("read {}: {}", FileName(path, file.index), std::strerror(errno)));
        return;
      }
      if (n == 0) break;
      have += static_cast<size_t>(n);
      cursor.offset += n;
    }
  }
  data.resize(have);
  // A file begins with a line: what is cut off is of the one that was read last.
  const size_t whole = std::max(WholeLines(data, limit), file_begin);
  cursor.offset -= static_cast<int64_t>(have - whole);
  data.resize(whole);
  chunk->set_data(std::move(data));
  chunk->set_cursor(FormatCursor(cursor));
}

}  // namespace

v1::OutputChunk ReadOutlet(const Outlet& outlet, const v1::ReadOutput& read) {
  v1::OutputChunk chunk;
  if (outlet.is_journal()) {
    // Reading it is the journal's own business, and for those it lets.
    chunk.set_error(fmt::format(
        "its output goes to the journal: on its host, run: journalctl -t {}", outlet.label()));
    chunk.set_cursor(read.cursor());
    return chunk;
  }
  if (!outlet.is_file()) return ReadMemory(outlet, read);
  const auto files = ListFiles(outlet);
  if (absl::IsUnavailable(files.status())) {
    chunk.set_cursor(read.cursor());
    return chunk;
  }
  if (!files.ok()) {
    chunk.set_error(std::string(files.status().message()));
    return chunk;
  }
  if (files->empty()) {
    chunk.set_cursor(std::string(kBeginCursor));
    chunk.set_lost(!read.cursor().empty() && read.cursor() != kBeginCursor);
    return chunk;
  }
  ReadStart start;
  if (read.cursor().empty()) {
    start = FindStart(*files, FindTail(outlet.path(), *files, read.tail_lines()));
  } else if (read.cursor() == kBeginCursor) {
    start = OldestStart(*files);
  } else if (const auto cursor = ParseFileCursor(read.cursor())) {
    start = FindStart(*files, *cursor);
  } else {
    // It was written elsewhere until now.
    start = OldestStart(*files);
    start.lost = true;
  }
  chunk.set_lost(start.lost);
  Fill(outlet.path(), *files, start, LimitOf(read), &chunk);
  return chunk;
}

}  // namespace procctl::logger

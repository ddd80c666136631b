#include "node/os/state_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr std::array<char, 4> kMagic = {'P', 'L', 'O', 'G'};
constexpr size_t kHeadBytes = 16;
// Read and written at a time.
constexpr size_t kChunk = 256 * 1024;

// CRC-32C (Castagnoli), reflected, a byte at a time.
constexpr std::array<uint32_t, 256> kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0);
    table[byte] = crc;
  }
  return table;
}();

uint32_t Crc(uint32_t length, std::string_view payload) {
  uint32_t crc = ~0U;
  const auto add = [&crc](char c) {
    crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  };
  std::array<char, sizeof length> bytes{};
  std::memcpy(bytes.data(), &length, sizeof length);
  for (const char c : bytes) add(c);
  for (const char c : payload) add(c);
  return ~crc;
}

void AddFrame(std::string_view record, std::string* out) {
  const auto length = static_cast<uint32_t>(record.size());
  const std::array<uint32_t, 3> numbers = {length, ~length, Crc(length, record)};
  out->append(kMagic.data(), kMagic.size());
  out->append(reinterpret_cast<const char*>(numbers.data()), sizeof numbers);
  out->append(record);
}

absl::Status Failed(std::string_view what, const std::string& path, int error) {
  const std::string text = fmt::format("{} {}: {}", what, path, std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(text);
    case ELOOP:
    case EISDIR:
      return absl::FailedPreconditionError(text);
    case ENOENT:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    default:
      return absl::InternalError(text);
  }
}

// 0, or an errno value.
int WriteAt(int fd, std::string_view bytes, size_t at) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return ENOSPC;
    bytes.remove_prefix(static_cast<size_t>(n));
    at += static_cast<size_t>(n);
  }
  return 0;
}

// The bytes of a file, front to back, never more than one record and one chunk of them at a time.
class Reader {
 public:
  explicit Reader(int fd) : fd_(fd) {}

  size_t offset() const { return offset_; }
  // The next `most` bytes, fewer only where the file ends. Nullopt: it cannot be read.
  std::optional<std::string_view> Peek(size_t most) {
    while (buffer_.size() - used_ < most) {
      buffer_.erase(0, std::exchange(used_, 0));
      const size_t have = buffer_.size();
      buffer_.resize(have + kChunk);
      const ssize_t n =
          pread(fd_, buffer_.data() + have, kChunk, static_cast<off_t>(offset_ + have));
      const int error = errno;
      buffer_.resize(have + static_cast<size_t>(std::max<ssize_t>(n, 0)));
      if (n < 0 && error == EINTR) continue;
      errno = error;
      if (n < 0) return std::nullopt;
      if (n == 0) break;
    }
    return std::string_view(buffer_).substr(used_, most);
  }
  void Skip(size_t bytes) {
    used_ += bytes;
    offset_ += bytes;
  }

 private:
  int fd_;
  std::string buffer_;
  size_t used_ = 0;
  size_t offset_ = 0;
};

struct End {
  size_t at = 0;
  bool damaged = false;
};

// Where the whole records end, and why. Nullopt: the file cannot be read (errno).
std::optional<End> Replay(int fd, const std::function<void(std::string_view)>& replay) {
  Reader reader(fd);
  for (;;) {
    const End end{reader.offset(), false};
    const auto head = reader.Peek(kHeadBytes);
    if (!head) return std::nullopt;
    if (head->size() < kHeadBytes) return end;
    std::array<uint32_t, 3> numbers{};
    std::memcpy(numbers.data(), head->data() + kMagic.size(), sizeof numbers);
    const auto [length, complement, crc] = numbers;
    if (!head->starts_with(std::string_view(kMagic.data(), kMagic.size())) ||
        complement != ~length || length > StateLog::kMostRecordBytes) {
      return End{end.at, true};
    }
    const auto frame = reader.Peek(kHeadBytes + length);
    if (!frame) return std::nullopt;
    if (frame->size() < kHeadBytes + length) return end;
    const std::string_view payload = frame->substr(kHeadBytes);
    if (Crc(length, payload) != crc) return End{end.at, true};
    replay(payload);
    reader.Skip(frame->size());
  }
}

// Makes `path` anew, under another name at first.
absl::StatusOr<UniqueFd> MakeFresh(const std::string& path) {
  (void)unlink(path.c_str());  // left by one killed right here; anything else shows below
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return Failed("create", path, errno);
  // Whatever the umask is: the next guardian must be able to open it.
  if (fchmod(fd.get(), 0600) != 0) return Failed("chmod", path, errno);
  return fd;
}

// Puts the first `bytes` of `fd` in the place of `path`, which stays as path.damaged. The name
// always leads to one of the two. Returns false, with nothing changed, where there is no room.
bool SetAside(const std::string& path, size_t bytes, UniqueFd* fd) {
  const std::string fresh_path = path + ".new";
  const std::string aside = path + ".damaged";
  auto fresh = MakeFresh(fresh_path);
  if (!fresh.ok()) return false;
  bool copied = true;
  std::string chunk(kChunk, '\0');
  for (size_t at = 0; copied && at < bytes;) {
    const ssize_t n =
        pread(fd->get(), chunk.data(), std::min(kChunk, bytes - at), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    copied = n > 0 && WriteAt(fresh->get(), {chunk.data(), static_cast<size_t>(n)}, at) == 0;
    at += static_cast<size_t>(std::max<ssize_t>(n, 0));
  }
  (void)unlink(aside.c_str());  // an earlier one; the latest is the one to look at
  if (!copied || link(path.c_str(), aside.c_str()) != 0 ||
      rename(fresh_path.c_str(), path.c_str()) != 0) {
    (void)unlink(fresh_path.c_str());
    return false;
  }
  *fd = *std::move(fresh);
  return true;
}

}  // namespace

absl::StatusOr<StateLog> StateLog::Open(const std::string& path,
                                        const std::function<void(std::string_view record)>& replay,
                                        Damage* damage) {
  *damage = Damage();
  (void)unlink((path + ".new").c_str());  // of a Rewrite that was killed: not the log, only weight
  // O_NONBLOCK: a FIFO of that name must not hold up the start.
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!fd) return Failed("open", path, errno);
  struct stat s {};
  if (fstat(fd.get(), &s) != 0) return Failed("stat", path, errno);
  if (!S_ISREG(s.st_mode) || s.st_uid != geteuid() || (s.st_mode & 022) != 0) {
    return absl::FailedPreconditionError(
        fmt::format("{} is not a file that only user {} may write (owner {}, mode {:o}); remove it",
                    path, geteuid(), s.st_uid, s.st_mode));
  }
  if (fchmod(fd.get(), 0600) != 0) return Failed("chmod", path, errno);
  const auto end = Replay(fd.get(), replay);
  if (!end) return Failed("read", path, errno);
  const auto size = static_cast<size_t>(s.st_size);
  if (end->damaged) {
    damage->lost_bytes = size - end->at;
    if (SetAside(path, end->at, &fd)) {
      damage->kept_at = path + ".damaged";
      return StateLog(path, std::move(fd), end->at);
    }
  }
  if (size > end->at && ftruncate(fd.get(), static_cast<off_t>(end->at)) != 0)
    return Failed("truncate", path, errno);
  return StateLog(path, std::move(fd), end->at);
}

absl::Status StateLog::Append(std::string_view record) {
  if (record.size() > kMostRecordBytes) {
    return absl::InvalidArgumentError(
        fmt::format("a record of {} bytes; at most {}", record.size(), kMostRecordBytes));
  }
  const auto cut = [this] { return ftruncate(fd_.get(), static_cast<off_t>(bytes_)) == 0; };
  // Written over the rest of a longer one, a record would be followed by what is none.
  if (torn_ && !cut()) return Failed("truncate", path_, errno);
  torn_ = false;
  std::string frame;
  frame.reserve(kHeadBytes + record.size());
  AddFrame(record, &frame);
  if (const int error = WriteAt(fd_.get(), frame, bytes_); error != 0) {
    torn_ = !cut();
    return Failed("append to", path_, error);
  }
  bytes_ += frame.size();
  return absl::OkStatus();
}

absl::Status StateLog::Rewrite(const std::vector<std::string>& records) {
  for (const std::string& record : records) {
    if (record.size() > kMostRecordBytes) {
      return absl::InvalidArgumentError(
          fmt::format("a record of {} bytes; at most {}", record.size(), kMostRecordBytes));
    }
  }
  const std::string fresh_path = path_ + ".new";
  auto fresh = MakeFresh(fresh_path);
  if (!fresh.ok()) return fresh.status();
  size_t at = 0;
  std::string chunk;
  int error = 0;
  for (size_t i = 0; error == 0 && i < records.size(); ++i) {
    AddFrame(records[i], &chunk);
    if (chunk.size() < kChunk && i + 1 < records.size()) continue;
    error = WriteAt(fresh->get(), chunk, at);
    at += chunk.size();
    chunk.clear();
  }
  if (error == 0 && rename(fresh_path.c_str(), path_.c_str()) != 0) error = errno;
  if (error != 0) {
    (void)unlink(fresh_path.c_str());  // the error that counts is the one told
    return Failed("rewrite", path_, error);
  }
  fd_ = *std::move(fresh);
  bytes_ = at;
  torn_ = false;
  return absl::OkStatus();
}

}  // namespace procctl::node

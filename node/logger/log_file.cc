#include "node/logger/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/logger/rotation_plan.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::logger {
namespace {

// Whether somebody else moved, removed or truncated the file is looked at so often.
constexpr node::Nanos kCheckEvery = std::chrono::seconds(1);
constexpr mode_t kMode = 0640;

bool Exists(const std::string& path) {
  struct stat facts {};
  return lstat(path.c_str(), &facts) == 0;
}

}  // namespace

absl::Status LogFile::Failed(const char* call) const {
  return absl::UnavailableError(
      fmt::format("{} {}: {}", call, outlet_->path(), std::strerror(errno)));
}

absl::Status LogFile::Open() {
  // Not blocking: a FIFO in its place would wait for a reader.
  node::UniqueFd fd(
      open(outlet_->path().c_str(),
           O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, kMode));
  if (!fd && errno == ELOOP) {
    return absl::FailedPreconditionError(
        fmt::format("{} is a symbolic link: not written", outlet_->path()));
  }
  if (!fd) return Failed("open");
  struct stat facts {};
  if (fstat(fd.get(), &facts) != 0) return Failed("stat");
  if (!S_ISREG(facts.st_mode)) {
    return absl::FailedPreconditionError(
        fmt::format("{} is not a regular file: not written", outlet_->path()));
  }
  const bool same = facts.st_dev == device_ && facts.st_ino == inode_ && facts.st_size == size_;
  if (!same) {
    char last = '\n';
    if (facts.st_size > 0 && pread(fd.get(), &last, 1, facts.st_size - 1) < 0)
      return Failed("read");
    mid_line_ = last != '\n';
    source_ = 0;
  }
  device_ = facts.st_dev;
  inode_ = facts.st_ino;
  size_ = facts.st_size;
  fd_ = std::move(fd);
  return absl::OkStatus();
}

absl::Status LogFile::Ready(node::MonoTime now) {
  if (fd_ && now - checked_at_ > kCheckEvery) {
    checked_at_ = now;
    struct stat facts {};
    if (lstat(outlet_->path().c_str(), &facts) != 0 || facts.st_dev != device_ ||
        facts.st_ino != inode_ || facts.st_size != size_) {
      fd_.reset();
    }
  }
  if (fd_) return absl::OkStatus();
  checked_at_ = now;
  return Open();
}

absl::Status LogFile::Rotate() {
  fd_.reset();
  const std::string& path = outlet_->path();
  const int keep = outlet_->keep();
  std::vector<bool> exists;
  for (int i = 1; i <= keep; ++i) exists.push_back(Exists(FileName(path, i)));
  absl::Status status;
  outlet_->RotationBegins();
  const std::vector<Rename> steps = PlanRotation(exists);
  for (const Rename& step : steps) {
    if (rename(FileName(path, step.from).c_str(), FileName(path, step.to).c_str()) != 0 &&
        errno != ENOENT) {
      status = Failed("rename");
      break;
    }
  }
  if (steps.empty() && unlink(path.c_str()) != 0 && errno != ENOENT) status = Failed("remove");
  // From a time when more were to be kept.
  for (int i = keep + 1; status.ok() && unlink(FileName(path, i).c_str()) == 0; ++i) {
  }
  if (status.ok()) status = Open();
  outlet_->RotationEnds();
  return status;
}

absl::Status LogFile::Append(std::string_view bytes, size_t* written) {
  *written = 0;
  while (*written < bytes.size()) {
    const ssize_t n = write(fd_.get(), bytes.data() + *written, bytes.size() - *written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("write");
    *written += static_cast<size_t>(n);
    size_ += n;
    if (n > 0) mid_line_ = bytes[*written - 1] != '\n';
  }
  return absl::OkStatus();
}

absl::Status LogFile::Write(Piece* piece, node::MonoTime now) {
  absl::Status status = Ready(now);
  size_t written = 0;
  if (status.ok() && mid_line_ && (piece->lost_before > 0 || piece->source != source_)) {
    status = Append("\n", &written);
  }
  if (status.ok() && piece->lost_before > 0) {
    status = Append(fmt::format("[procctl: {} bytes lost]\n", piece->lost_before), &written);
    if (status.ok()) {
      piece->lost_before = 0;
    } else {
      source_ = 0;  // what there is of it is a line of nobody
    }
  }
  std::string_view rest = piece->bytes;
  while (status.ok() && !rest.empty()) {
    const WritePlan plan = PlanWrite({size_, mid_line_, outlet_->max_size()}, rest);
    if (plan.rotate) {
      status = Rotate();
      continue;
    }
    status = Append(rest.substr(0, plan.bytes), &written);
    if (written > 0) source_ = piece->source;
    rest.remove_prefix(written);
  }
  piece->bytes.erase(0, piece->bytes.size() - rest.size());
  // Closed until the next try: a disk that is to be mended may have to be unmounted.
  if (!status.ok()) fd_.reset();
  return status;
}

}  // namespace procctl::logger

#include "tests/e2e/harness/frozen_disk.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "tests/e2e/harness/wait.h"

namespace procctl::e2e {
namespace {

// Left to itself: neither a child to wait for nor one that dies with the test.
int StartThawGuard(int frozen_fd) {
  int alive[2];
  if (pipe2(alive, O_CLOEXEC) != 0) return -1;
  const pid_t middle = fork();
  if (middle == 0) {
    if (fork() != 0) _exit(0);
    close(alive[1]);
    setsid();
    signal(SIGTERM, SIG_IGN);
    char byte;
    while (read(alive[0], &byte, 1) < 0 && errno == EINTR) {
    }
    (void)ioctl(frozen_fd, FITHAW, 0);
    _exit(0);
  }
  close(alive[0]);
  waitpid(middle, nullptr, 0);
  return alive[1];
}

std::string Tool(const std::string& name) {
  for (const std::string folder : {"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"}) {
    if (access((folder + name).c_str(), X_OK) == 0) return folder + name;
  }
  return "/nonexistent/" + name;
}

}  // namespace

FrozenDisk::FrozenDisk(const std::string& folder) : mount_(folder + "/disk") {
  const std::string image = folder + "/disk.img";
  std::filesystem::create_directory(mount_);
  WriteFile(image, "");
  if (truncate(image.c_str(), 16 << 20) != 0) throw HarnessError("truncate: " + image);
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    why_ = "cannot make a mount namespace";
    return;
  }
  if (const Finished made = RunToEnd({.argv = {Tool("mkfs.ext4"), "-q", "-F", image}}, 30s);
      made.exit_code != 0) {
    why_ = "mkfs.ext4: " + made.err;
    return;
  }
  if (const Finished done = RunToEnd({.argv = {Tool("mount"), "-o", "loop", image, mount_}}, 30s);
      done.exit_code != 0) {
    why_ = "mount -o loop: " + done.err;
    return;
  }
  chmod(mount_.c_str(), 0777);
  fd_ = open(mount_.c_str(), O_RDONLY | O_CLOEXEC);
  guard_pipe_ = StartThawGuard(fd_);
}

FrozenDisk::~FrozenDisk() {
  Thaw();
  if (guard_pipe_ >= 0) close(guard_pipe_);
  if (fd_ >= 0) close(fd_);
  umount2(mount_.c_str(), MNT_DETACH);
}

void FrozenDisk::Freeze() {
  if (ioctl(fd_, FIFREEZE, 0) != 0) throw HarnessError("freeze: " + std::string(strerror(errno)));
}

void FrozenDisk::Thaw() {
  if (fd_ >= 0) (void)ioctl(fd_, FITHAW, 0);
}

}  // namespace procctl::e2e

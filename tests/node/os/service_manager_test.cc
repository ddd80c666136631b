#include "node/os/service_manager.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

using ::testing::IsEmpty;
using namespace std::chrono_literals;

constexpr const char* kVariables[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                                      "LISTEN_PID",    "LISTEN_FDS",    "LISTEN_FDNAMES",
                                      "LISTEN_PIDFDID"};

// The manager's end of the socket.
class FakeManager {
 public:
  // `name` as in $NOTIFY_SOCKET.
  explicit FakeManager(const std::string& name)
      : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const size_t bytes = offsetof(sockaddr_un, sun_path) + name.size() + (name[0] == '@' ? 0 : 1);
    EXPECT_EQ(
        bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(bytes)),
        0)
        << std::strerror(errno);
    const int on = 1;
    EXPECT_EQ(setsockopt(socket_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
  }

  struct Message {
    std::string text;  // empty: none there
    pid_t sender = 0;
    std::vector<UniqueFd> fds;
  };
  // A datagram is there once sendmsg has returned: no waiting.
  Message Next() {
    Message message;
    char text[4096];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8) + CMSG_SPACE(sizeof(ucred))];
    iovec io{text, sizeof text};
    msghdr header{};
    header.msg_iov = &io;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t n = recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n <= 0) return message;
    message.text.assign(text, static_cast<size_t>(n));
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_type == SCM_CREDENTIALS) {
        ucred credentials{};
        std::memcpy(&credentials, CMSG_DATA(c), sizeof credentials);
        message.sender = credentials.pid;
      } else if (c->cmsg_type == SCM_RIGHTS) {
        for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
          int fd = -1;
          std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
          message.fds.emplace_back(fd);
        }
      }
    }
    return message;
  }

 private:
  UniqueFd socket_;
};

class ServiceManagerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : kVariables) unsetenv(name);
    char pattern[] = "/tmp/procctl-notify-XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    dir_ = pattern;
  }
  void TearDown() override {
    for (const char* name : kVariables) unsetenv(name);
    std::filesystem::remove_all(dir_);
  }
  static void Set(const char* name, const std::string& value) { setenv(name, value.c_str(), 1); }
  static ServiceManager Started() {
    ServiceManager manager = ServiceManager::FromEnvironment();
    for (const char* name : kVariables)
      EXPECT_EQ(getenv(name), nullptr) << name << " would reach the guardian's children";
    return manager;
  }

  std::string dir_;
};

TEST_F(ServiceManagerTest, WithoutAManagerEverythingIsSilentlyFine) {
  ServiceManager manager = Started();
  EXPECT_TRUE(manager.Ready("up").ok());
  EXPECT_TRUE(manager.Watchdog().ok());
  EXPECT_TRUE(manager.StoreFd(0, "page").ok());
  EXPECT_TRUE(manager.RemoveFd("page").ok());
  EXPECT_TRUE(manager.Stopping().ok());
  EXPECT_FALSE(manager.watchdog_interval());
  EXPECT_THAT(manager.TakeStoredFds(), IsEmpty());
}

TEST_F(ServiceManagerTest, SpeaksToAPathAndToAnAbstractName) {
  for (const std::string& name :
       {dir_ + "/notify", fmt::format("@procctl-notify-test-{}", dir_.substr(dir_.rfind('-')))}) {
    FakeManager fake(name);
    Set("NOTIFY_SOCKET", name);
    ServiceManager manager = Started();
    EXPECT_TRUE(manager.Ready("3 slots").ok());
    const auto message = fake.Next();
    EXPECT_EQ(message.text, "READY=1\nSTATUS=3 slots") << name;
    EXPECT_EQ(message.sender, getpid()) << "NotifyAccess=main lets only the main process speak";
    EXPECT_TRUE(manager.Watchdog().ok());
    EXPECT_EQ(fake.Next().text, "WATCHDOG=1");
    EXPECT_TRUE(manager.Status("4 slots").ok());
    EXPECT_EQ(fake.Next().text, "STATUS=4 slots");
    EXPECT_TRUE(manager.Stopping().ok());
    EXPECT_EQ(fake.Next().text, "STOPPING=1");
    EXPECT_EQ(fake.Next().text, "");
  }
}

TEST_F(ServiceManagerTest, AStatusIsOneLineAndSmugglesNothing) {
  FakeManager fake(dir_ + "/notify");
  Set("NOTIFY_SOCKET", dir_ + "/notify");
  ServiceManager manager = Started();
  EXPECT_TRUE(manager.Status("a\nMAINPID=1\r\x1b[31m\x7f\xc3\xbc").ok());
  EXPECT_EQ(fake.Next().text, "STATUS=a MAINPID=1  [31m \xc3\xbc");
  EXPECT_TRUE(manager.Status(std::string(5000, 's')).ok());
  EXPECT_EQ(fake.Next().text, "STATUS=" + std::string(1024, 's'));
}

TEST_F(ServiceManagerTest, StoresAndRemovesDescriptors) {
  FakeManager fake(dir_ + "/notify");
  Set("NOTIFY_SOCKET", dir_ + "/notify");
  ServiceManager manager = Started();
  const UniqueFd memory(memfd_create("stored", MFD_CLOEXEC));
  EXPECT_TRUE(manager.StoreFd(memory.get(), "heart-7").ok());
  const auto message = fake.Next();
  EXPECT_EQ(message.text, "FDSTORE=1\nFDNAME=heart-7");
  ASSERT_EQ(message.fds.size(), 1u);
  struct stat ours {
  }, theirs{};
  ASSERT_EQ(fstat(memory.get(), &ours), 0);
  ASSERT_EQ(fstat(message.fds[0].get(), &theirs), 0);
  EXPECT_EQ(ours.st_ino, theirs.st_ino);
  EXPECT_TRUE(manager.RemoveFd("heart-7").ok());
  EXPECT_EQ(fake.Next().text, "FDSTOREREMOVE=1\nFDNAME=heart-7");
  EXPECT_TRUE(absl::IsInvalidArgument(manager.StoreFd(-1, "heart-8")));
  for (const std::string& bad : {std::string(), std::string("a:b"), std::string("a\nb"),
                                 std::string("\xc3\xbc"), std::string(256, 'x')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(manager.StoreFd(memory.get(), bad))) << bad;
    EXPECT_TRUE(absl::IsInvalidArgument(manager.RemoveFd(bad))) << bad;
  }
  EXPECT_EQ(fake.Next().text, "");
  EXPECT_TRUE(manager.StoreFd(memory.get(), std::string(255, 'x')).ok());
}

TEST_F(ServiceManagerTest, AFullSocketIsADroppedMessageNotAWait) {
  FakeManager fake(dir_ + "/notify");
  Set("NOTIFY_SOCKET", dir_ + "/notify");
  ServiceManager manager = Started();
  absl::Status status;
  int sent = 0;
  while ((status = manager.Watchdog()).ok() && sent < 100000) ++sent;
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  const UniqueFd memory(memfd_create("stored", MFD_CLOEXEC));
  EXPECT_TRUE(absl::IsUnavailable(manager.StoreFd(memory.get(), "page")));
  for (int i = 0; i < sent; ++i) EXPECT_EQ(fake.Next().text, "WATCHDOG=1");
  EXPECT_EQ(fake.Next().text, "");
  EXPECT_TRUE(manager.Watchdog().ok()) << "once there is room again";
}

TEST_F(ServiceManagerTest, AManagerThatComesAndGoes) {
  Set("NOTIFY_SOCKET", dir_ + "/notify");
  ServiceManager manager = Started();
  EXPECT_TRUE(absl::IsNotFound(manager.Ready("up")));
  {
    FakeManager fake(dir_ + "/notify");
    EXPECT_TRUE(manager.Ready("up").ok());
  }
  EXPECT_TRUE(absl::IsNotFound(manager.Watchdog()));
  std::filesystem::remove(dir_ + "/notify");
  FakeManager fake(dir_ + "/notify");
  EXPECT_TRUE(manager.Watchdog().ok());
  EXPECT_EQ(fake.Next().text, "WATCHDOG=1");
}

TEST_F(ServiceManagerTest, WhatIsNoAddressIsSaidToBeNone) {
  for (const std::string& bad : {std::string("relative"), std::string("@"), std::string("/"),
                                 "/" + std::string(200, 'x'), std::string("vsock:2:1")}) {
    Set("NOTIFY_SOCKET", bad);
    EXPECT_TRUE(absl::IsInvalidArgument(Started().Ready("up"))) << bad;
  }
  Set("NOTIFY_SOCKET", "");
  EXPECT_TRUE(Started().Ready("up").ok());
}

TEST_F(ServiceManagerTest, TheWatchdogWantsABeatInHalfItsTime) {
  Set("WATCHDOG_USEC", "10000000");
  EXPECT_EQ(Started().watchdog_interval(), Nanos(5s)) << "without a pid it is for everybody";
  Set("WATCHDOG_USEC", "10000000");
  Set("WATCHDOG_PID", std::to_string(getpid()));
  EXPECT_EQ(Started().watchdog_interval(), Nanos(5s));
  Set("WATCHDOG_USEC", "10000000");
  Set("WATCHDOG_PID", std::to_string(getppid()));
  EXPECT_EQ(Started().watchdog_interval(), std::nullopt) << "it watches somebody else";
  Set("WATCHDOG_USEC", "10000000");
  Set("WATCHDOG_PID", "me");
  EXPECT_EQ(Started().watchdog_interval(), std::nullopt);
  for (const char* bad : {"", "0", "-1", "10s", "18446744073709551615", "99999999999999999999"}) {
    Set("WATCHDOG_USEC", bad);
    EXPECT_EQ(Started().watchdog_interval(), std::nullopt) << bad;
  }
}

// Runs `inside` in a child that has exactly these descriptors from 3 on, as the manager starts one.
// It is to return 0.
int InAProcessWith(const std::vector<int>& fds, const std::function<int()>& inside) {
  const pid_t child = fork();
  if (child == 0) {
    std::vector<int> high;
    for (const int fd : fds) high.push_back(fcntl(fd, F_DUPFD, 500));
    for (int fd = 3; fd < 500; ++fd) close(fd);
    for (size_t i = 0; i < high.size(); ++i) {
      dup2(high[i], 3 + static_cast<int>(i));
      close(high[i]);
    }
    _exit(inside());
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

ino_t InodeOf(int fd) {
  struct stat s {};
  return fstat(fd, &s) == 0 ? s.st_ino : 0;
}

TEST_F(ServiceManagerTest, TakesWhatWasStored) {
  const UniqueFd a(memfd_create("a", 0));
  const UniqueFd b(memfd_create("b", 0));
  EXPECT_EQ(InAProcessWith({a.get(), b.get(), a.get()},
                           [a_inode = InodeOf(a.get()), b_inode = InodeOf(b.get())] {
                             Set("LISTEN_PID", std::to_string(getpid()));
                             Set("LISTEN_FDS", "3");
                             Set("LISTEN_FDNAMES", "heart-1:heart-2");
                             ServiceManager manager = ServiceManager::FromEnvironment();
                             if (getenv("LISTEN_FDS") != nullptr) return 1;
                             const auto stored = manager.TakeStoredFds();
                             if (stored.size() != 3) return 2;
                             if (stored[0].name != "heart-1" || stored[1].name != "heart-2")
                               return 3;
                             if (stored[2].name != "") return 4;
                             if (InodeOf(stored[0].fd.get()) != a_inode) return 5;
                             if (InodeOf(stored[1].fd.get()) != b_inode) return 6;
                             for (const auto& one : stored)
                               if (fcntl(one.fd.get(), F_GETFD) != FD_CLOEXEC) return 7;
                             return manager.TakeStoredFds().empty() ? 0 : 8;
                           }),
            0);
}

TEST_F(ServiceManagerTest, TakesNoMoreThanThereIs) {
  const UniqueFd a(memfd_create("a", 0));
  EXPECT_EQ(InAProcessWith({a.get()},
                           [] {
                             Set("LISTEN_PID", std::to_string(getpid()));
                             Set("LISTEN_FDS", "18446744073709551615");
                             Set("LISTEN_FDNAMES", ":::");
                             ServiceManager manager = ServiceManager::FromEnvironment();
                             return manager.TakeStoredFds().size() == 1 ? 0 : 1;
                           }),
            0);
}

TEST_F(ServiceManagerTest, LeavesDescriptorsAloneThatAreNotForIt) {
  const UniqueFd a(memfd_create("a", 0));
  for (const std::string& pid : {std::to_string(getpid()), std::string("x"), std::string("none")}) {
    EXPECT_EQ(InAProcessWith({a.get()},
                             [&pid] {
                               if (pid != "none") Set("LISTEN_PID", pid);  // the parent's
                               Set("LISTEN_FDS", "1");
                               {
                                 ServiceManager manager = ServiceManager::FromEnvironment();
                                 if (!manager.TakeStoredFds().empty()) return 1;
                                 if (getenv("LISTEN_FDS") != nullptr) return 2;
                               }
                               return fcntl(3, F_GETFD) == 0 ? 0 : 3;
                             }),
              0)
        << pid;
  }
}

}  // namespace
}  // namespace procctl::node

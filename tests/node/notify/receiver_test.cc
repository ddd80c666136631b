// The socket: who is named as the sender, what is dropped, what becomes of descriptors.
#include "node/notify/receiver.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "node/notify/message.h"

namespace procctl::notify {
namespace {

class Base {
 public:
  Base() {
    char path[] = "/tmp/receiver_test.XXXXXX";
    path_ = mkdtemp(path);
  }
  ~Base() { EXPECT_EQ(rmdir(path_.c_str()), 0) << "something was left in " << path_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Sender {
 public:
  explicit Sender(const std::string& path)
      : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    EXPECT_EQ(connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
  }
  // With `fds` attached.
  void Send(const std::string& bytes, const std::vector<int>& fds = {}) {
    iovec vector{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    std::vector<unsigned char> control(CMSG_SPACE(fds.size() * sizeof(int)));
    if (!fds.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    EXPECT_EQ(sendmsg(socket_.get(), &message, 0), static_cast<ssize_t>(bytes.size()));
  }

 private:
  UniqueFd socket_;
};

Receiver Opened(const std::string& base) {
  int error = 0;
  Receiver receiver = Receiver::Open(base, &error);
  EXPECT_TRUE(receiver.ok()) << std::strerror(error);
  return receiver;
}

TEST(Receiver, TheKernelNamesTheSenderAndNothingIsLeftBehind) {
  const Base base;
  Receiver receiver = Opened(base.path());
  EXPECT_FALSE(receiver.Receive().has_value());
  Sender(receiver.path()).Send("READY=1");
  const auto datagram = receiver.Receive();
  ASSERT_TRUE(datagram.has_value());
  EXPECT_EQ(datagram->bytes, "READY=1");
  EXPECT_EQ(datagram->sender.pid, getpid());
  EXPECT_EQ(datagram->sender.uid, geteuid());
  EXPECT_FALSE(receiver.Receive().has_value());
}

TEST(Receiver, OtherUsersCanWriteToItButNotFindIt) {
  const Base base;
  const Receiver receiver = Opened(base.path());
  struct stat info {};
  ASSERT_EQ(stat(receiver.path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0666U);
  const std::string folder = receiver.path().substr(0, receiver.path().rfind('/'));
  ASSERT_EQ(stat(folder.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0711U);
}

TEST(Receiver, ALongerOneIsDroppedAsAWhole) {
  const Base base;
  Receiver receiver = Opened(base.path());
  Sender sender(receiver.path());
  sender.Send(std::string(kMostBytes, 'x'));
  sender.Send(std::string(kMostBytes + 1, 'x'));
  sender.Send(std::string(3 * kMostBytes, 'x'));
  sender.Send("WATCHDOG=1");
  EXPECT_EQ(receiver.Receive()->bytes.size(), kMostBytes);
  EXPECT_EQ(receiver.Receive()->bytes, "");
  EXPECT_EQ(receiver.Receive()->bytes, "");
  EXPECT_EQ(receiver.Receive()->bytes, "WATCHDOG=1");
}

TEST(Receiver, DescriptorsAreClosedAtOnce) {
  const Base base;
  Receiver receiver = Opened(base.path());
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  // As many as one message carries, and the barrier's one.
  Sender sender(receiver.path());
  sender.Send("FDSTORE=1", std::vector<int>(253, writer.get()));
  sender.Send("BARRIER=1", {writer.get()});
  writer.Reset();
  ASSERT_TRUE(receiver.Receive().has_value());
  ASSERT_TRUE(receiver.Receive().has_value());
  // The end of the file: nobody has the other end any more.
  char byte = 0;
  EXPECT_EQ(read(reader.get(), &byte, 1), 0);
}

TEST(Receiver, AFolderThatIsNotThereOrTooLongIsSaid) {
  int error = 0;
  EXPECT_FALSE(Receiver::Open("/nonexistent/folder", &error).ok());
  EXPECT_EQ(error, ENOENT);
  EXPECT_FALSE(Receiver::Open("/tmp/" + std::string(100, 'x'), &error).ok());
  EXPECT_EQ(error, ENAMETOOLONG);
}

}  // namespace
}  // namespace procctl::notify

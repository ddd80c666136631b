// A guardian that answers just when its client gives up. Whatever it managed to send, the client
// must have taken: else it would guard a page that nobody beats on, and kill a healthy process.
//
// The moments are a microsecond wide, so the test makes them: the library's shutdown and recvmsg
// pass through here, and the guardian acts in between.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "procctl/heartbeat.h"
#include "tests/node/heartbeat/fake_guardian.h"

namespace {

std::function<void()> before_shutdown;
std::function<void()> after_vain_receive;

}  // namespace

extern "C" int __real_shutdown(int socket, int how);
extern "C" int __wrap_shutdown(int socket, int how) {
  if (before_shutdown) before_shutdown();
  return __real_shutdown(socket, how);
}

extern "C" ssize_t __real_recvmsg(int socket, msghdr* message, int flags);
extern "C" ssize_t __wrap_recvmsg(int socket, msghdr* message, int flags) {
  const ssize_t received = __real_recvmsg(socket, message, flags);
  const int error = errno;
  if (received <= 0 && after_vain_receive) after_vain_receive();
  errno = error;
  return received;
}

namespace procctl::heartbeat {
namespace {

class LastMoment : public testing::Test {
 protected:
  ~LastMoment() override {
    procctl_close(&heart_);
    before_shutdown = nullptr;
    after_vain_receive = nullptr;
  }

  // The guardian takes the waiting client and accepts it: 0, or the errno of the send.
  int AcceptClient() {
    const int connection = accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    const procctl_register_answer answer = AcceptedAnswer(1);
    const int page = MakePageFd();
    const int error = SendAnswer(connection, &answer, sizeof(answer), {page});
    close(page);
    close(connection);
    return error;
  }

  const Listener listener_{1};
  procctl_heart heart_ = PROCCTL_HEART_INIT;
};

TEST_F(LastMoment, AnswerSentWhenTheWaitIsOverIsTaken) {
  int send_error = -1;
  before_shutdown = [&] { send_error = AcceptClient(); };
  EXPECT_EQ(procctl_open(&heart_, "encoder", 5000), 0);
  EXPECT_EQ(send_error, 0);
  EXPECT_TRUE(procctl_is_guarded(&heart_));
}

TEST_F(LastMoment, AnswerAfterTheLastLookCannotBeSent) {
  int send_error = -1;
  after_vain_receive = [&] { send_error = AcceptClient(); };
  EXPECT_EQ(procctl_open(&heart_, "encoder", 5000), -ETIMEDOUT);
  EXPECT_EQ(send_error, EPIPE);
}

}  // namespace
}  // namespace procctl::heartbeat

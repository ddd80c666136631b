#include "tests/cli/fake_guardian.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <utility>

namespace procctl::cli::testing {
namespace {

constexpr size_t kMostBytes = 64 * 1024;

}  // namespace

v1::LocalReply FakeGuardian::Hello() {
  v1::LocalReply reply;
  reply.set_last(true);
  reply.mutable_hello()->set_node_id("web-01");
  reply.mutable_hello()->set_mode("enforce");
  return reply;
}

FakeGuardian::FakeGuardian(Answer answer, std::optional<v1::LocalReply> greeting)
    : answer_(std::move(answer)),
      greeting_(std::move(greeting)),
      folder_(::testing::TempDir() + "procctl-guardian-XXXXXX"),
      listener_(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)),
      end_(eventfd(0, EFD_CLOEXEC)) {
  EXPECT_NE(mkdtemp(folder_.data()), nullptr) << std::strerror(errno);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = folder_ + "/control.sock";
  std::memcpy(address.sun_path, path.data(), path.size());
  EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0)
      << std::strerror(errno);
  EXPECT_EQ(listen(listener_.get(), 8), 0);
  thread_ = std::thread([this] { Serve(); });
}

FakeGuardian::~FakeGuardian() {
  (void)eventfd_write(end_.get(), 1);
  thread_.join();
  (void)unlink((folder_ + "/control.sock").c_str());
  (void)rmdir(folder_.c_str());
}

bool FakeGuardian::Await(int fd) {
  pollfd ready[] = {{fd, POLLIN, 0}, {end_.get(), POLLIN, 0}};
  while (poll(ready, 2, -1) < 0) {
  }
  return ready[1].revents == 0;
}

void FakeGuardian::Serve() {
  while (Await(listener_.get())) {
    const UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ++connections_;
    const Say say = [&](const v1::LocalReply& reply) {
      const std::string bytes = reply.SerializeAsString();
      (void)send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    };
    if (greeting_) say(*greeting_);
    std::string bytes(kMostBytes, '\0');
    for (;;) {
      if (!Await(connection.get())) return;
      const ssize_t size = recv(connection.get(), bytes.data(), bytes.size(), 0);
      if (size <= 0) break;
      v1::LocalRequest request;
      EXPECT_TRUE(request.ParseFromArray(bytes.data(), static_cast<int>(size)));
      if (!answer_(request, say)) break;
    }
  }
}

}  // namespace procctl::cli::testing

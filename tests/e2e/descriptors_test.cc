// A controller that has run out of descriptors hears again once there are some (gRPC's own accept
// loop does not: one EMFILE and it is deaf for ever).
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "tests/e2e/harness/fleet.h"

namespace procctl::e2e {
namespace {

class Connections {
 public:
  Connections(const std::string& address, int count) {
    const size_t colon = address.rfind(':');
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    for (int i = 0; i < count; ++i) {
      const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      if (fd < 0) throw HarnessError("socket: too few descriptors for this test itself");
      // Whatever becomes of it: accepted, left in the backlog, or refused.
      (void)connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to);
      fds_.push_back(fd);
    }
  }
  ~Connections() {
    for (const int fd : fds_) close(fd);
  }
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

 private:
  std::vector<int> fds_;
};

TEST(Descriptors, ControllerHearsAgainAfterAFloodOfConnections) {
  rlimit own{};
  getrlimit(RLIMIT_NOFILE, &own);
  own.rlim_cur = own.rlim_max;
  setrlimit(RLIMIT_NOFILE, &own);
  Fleet fleet({"n1", "n2", "n3"});
  // Descriptors are what this is about, not whose connections they are.
  fleet.StartController(/*descriptors=*/256, "limits: {connections_per_address: 1000}\n");
  for (const char* id : {"n1", "n2", "n3"}) fleet.StartNode(id);
  fleet.AwaitConnected(3);
  {
    const Connections flood(fleet.address(), 600);
    // Held long enough for the controller to have accepted all it can.
    EXPECT_TRUE(Throughout(3s, [&] { return fleet.controller().Running(); }));
  }
  EXPECT_TRUE(Eventually(10s, [&] { return fleet.Cli({"list"}).exit_code == 0; }));
  fleet.AwaitConnected(3, 10s);
  fleet.StartNode("n1");  // and new sessions are welcome
  fleet.AwaitConnected(3, 10s);
}

}  // namespace
}  // namespace procctl::e2e

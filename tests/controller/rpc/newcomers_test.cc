// Newcomers on real sockets, without gRPC: this test holds the server's side itself.
#include "controller/rpc/newcomers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "controller/rpc/clocks.h"
#include "controller/rpc/listener_probe.h"
#include "controller/rpc/peer_key.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;

class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in any = {};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)), 0);
    EXPECT_EQ(listen(fd_.get(), 16), 0);
    socklen_t size = sizeof(bound_);
    EXPECT_EQ(getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&bound_), &size), 0);
  }
  UniqueFd Connect() const {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&bound_), sizeof(sockaddr_in)),
              0);
    return fd;
  }
  UniqueFd Accept() {
    socklen_t size = sizeof(peer_);
    peer_ = {};
    UniqueFd fd(accept4(fd_.get(), reinterpret_cast<sockaddr*>(&peer_), &size, SOCK_CLOEXEC));
    EXPECT_TRUE(fd.ok());
    return fd;
  }
  void Close() { fd_.Reset(); }
  // Of the one accepted last.
  const sockaddr_storage& peer() const { return peer_; }
  const sockaddr_storage& bound() const { return bound_; }
  // As ServerContext::peer() has it.
  std::string uri() const {
    return "ipv4:127.0.0.1:" +
           std::to_string(ntohs(reinterpret_cast<const sockaddr_in&>(peer_).sin_port));
  }

 private:
  UniqueFd fd_;
  sockaddr_storage bound_ = {};
  sockaddr_storage peer_ = {};
};

bool IsReadable(int fd, int ms) {
  pollfd wait = {fd, POLLIN, 0};
  return poll(&wait, 1, ms) == 1;
}

bool IsAtItsEnd(const UniqueFd& fd, int ms) {
  char byte = 0;
  return IsReadable(fd.get(), ms) && recv(fd.get(), &byte, 1, MSG_DONTWAIT) <= 0;
}

size_t Descriptors() {
  size_t open = 0;
  for (int fd = 0; fd < 256; ++fd) open += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return open;
}

class NewcomersTest : public ::testing::Test {
 protected:
  NewcomersTest()
      : newcomers_(*Newcomers::Make({.per_address = 2, .handshake_timeout = seconds(10)})) {}
  Newcomers::Answer Admit(const UniqueFd& connection) {
    return newcomers_->Admit(connection.get(), listener_.peer(), now_);
  }

  MonoTime now_ = MonoNow();
  Listener listener_;
  std::unique_ptr<Newcomers> newcomers_;
};

TEST_F(NewcomersTest, WhoseTimeIsOverIsShutDownThoughAnotherHoldsTheConnection) {
  const UniqueFd client = listener_.Connect();
  const UniqueFd server = listener_.Accept();
  ASSERT_EQ(Admit(server), Newcomers::Answer::kWelcome);
  EXPECT_EQ(newcomers_->NextDeadline(), now_ + seconds(10));
  EXPECT_EQ(newcomers_->Tend(now_ + seconds(10)), 0);
  EXPECT_FALSE(IsAtItsEnd(client, 0));
  EXPECT_EQ(newcomers_->Tend(now_ + seconds(11)), 1);
  EXPECT_TRUE(IsAtItsEnd(client, 5000));
  EXPECT_TRUE(IsAtItsEnd(server, 5000)) << "and who holds it knows";
  EXPECT_FALSE(newcomers_->any());
}

TEST_F(NewcomersTest, WhoHasBegunACallIsLeftAloneAndCostsNoSecondDescriptor) {
  const UniqueFd client = listener_.Connect();
  const UniqueFd server = listener_.Accept();
  const size_t before = Descriptors();
  ASSERT_EQ(Admit(server), Newcomers::Answer::kWelcome);
  EXPECT_EQ(Descriptors(), before + 1);
  EXPECT_TRUE(newcomers_->any());
  newcomers_->Settle(listener_.uri());
  EXPECT_FALSE(newcomers_->any());
  EXPECT_EQ(Descriptors(), before);
  EXPECT_EQ(newcomers_->Tend(now_ + seconds(11)), 0);
  EXPECT_FALSE(IsAtItsEnd(client, 0));
  // Its later end wakes nobody: it is not in the set any more.
  EXPECT_EQ(shutdown(client.get(), SHUT_RDWR), 0);
  EXPECT_TRUE(IsAtItsEnd(server, 5000));
  EXPECT_FALSE(IsReadable(newcomers_->wake_fd(), 0));
}

TEST(NewcomersCrowd, ThoseWhoseBytesNobodyReadsAreACrowdAndThoseWhoSayNothingAreNone) {
  const auto newcomers = *Newcomers::Make({.per_address = 1000, .handshake_timeout = seconds(10)});
  const MonoTime now = MonoNow();
  Listener listener;
  std::vector<UniqueFd> clients;
  std::vector<UniqueFd> servers;
  for (size_t i = 0; i < Newcomers::kMostWaiting; ++i) {
    clients.push_back(listener.Connect());
    servers.push_back(listener.Accept());
    ASSERT_EQ(newcomers->Admit(servers.back().get(), listener.peer(), now),
              Newcomers::Answer::kWelcome);
  }
  EXPECT_FALSE(newcomers->Crowded(now)) << "nobody waits for us";
  for (size_t i = 0; i < clients.size(); ++i) {
    EXPECT_FALSE(newcomers->Crowded(now)) << i;
    ASSERT_EQ(send(clients[i].get(), "hello", 5, MSG_NOSIGNAL), 5);
    ASSERT_TRUE(IsReadable(servers[i].get(), 5000));
  }
  EXPECT_TRUE(newcomers->Crowded(now));
  EXPECT_FALSE(newcomers->Crowded(now + Newcomers::kPatience)) << "not for ever";
  char bytes[5];
  ASSERT_EQ(recv(servers[7].get(), bytes, sizeof(bytes), 0), 5);
  EXPECT_FALSE(newcomers->Crowded(now)) << "one of them was served";
}

TEST_F(NewcomersTest, APlaceIsFreeAgainWhenEitherSideEndsTheConnection) {
  UniqueFd client_a = listener_.Connect();
  UniqueFd server_a = listener_.Accept();
  ASSERT_EQ(Admit(server_a), Newcomers::Answer::kWelcome);
  const UniqueFd client_b = listener_.Connect();
  UniqueFd server_b = listener_.Accept();
  ASSERT_EQ(Admit(server_b), Newcomers::Answer::kWelcome);
  const UniqueFd client_c = listener_.Connect();
  const UniqueFd server_c = listener_.Accept();
  ASSERT_EQ(Admit(server_c), Newcomers::Answer::kTooManyOfAddress);

  client_a.Reset();
  ASSERT_TRUE(IsReadable(newcomers_->wake_fd(), 5000));
  EXPECT_EQ(newcomers_->Tend(now_), 0);
  EXPECT_EQ(Admit(server_c), Newcomers::Answer::kWelcome);

  // As gRPC does it: shut down, then closed.
  EXPECT_EQ(shutdown(server_b.get(), SHUT_RDWR), 0);
  server_b.Reset();
  ASSERT_TRUE(IsReadable(newcomers_->wake_fd(), 5000));
  EXPECT_EQ(newcomers_->Tend(now_), 0);
  EXPECT_TRUE(IsAtItsEnd(client_b, 5000)) << "no descriptor of ours keeps it open";
  EXPECT_TRUE(newcomers_->any()) << "c is still new";
}

TEST(PeerKey, TheSocketAndGrpcNameTheSamePeer) {
  const auto of_v6 = [](const char* text, int port) {
    sockaddr_storage storage = {};
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<uint16_t>(port));
    EXPECT_EQ(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return *PeerKeyOf(storage);
  };
  EXPECT_EQ(of_v6("::1", 4242).connection, PeerKeyOf("ipv6:%5B::1%5D:4242")->connection);
  EXPECT_EQ(of_v6("::1", 4242).connection, PeerKeyOf("ipv6:[::1]:4242")->connection);
  EXPECT_EQ(of_v6("::ffff:10.0.0.1", 7).connection, PeerKeyOf("ipv4:10.0.0.1:7")->connection)
      << "IPv4 through an IPv6 listener";
  EXPECT_EQ(of_v6("fe80::1", 7).connection, PeerKeyOf("ipv6:%5Bfe80::1%25eth0%5D:7")->connection);
  EXPECT_NE(of_v6("::1", 4242).connection, PeerKeyOf("ipv6:%5B::1%5D:4243")->connection);
  EXPECT_EQ(of_v6("2001:db8::1", 1).address, of_v6("2001:db8::ffff:2", 9).address) << "one /64";
  EXPECT_NE(of_v6("2001:db8::1", 1).address, of_v6("2001:db8:0:1::1", 1).address);
  EXPECT_NE(PeerKeyOf("ipv4:10.0.0.1:7")->address, PeerKeyOf("ipv4:10.0.0.2:7")->address);
  for (const char* other : {"", "unix:/x", "ipv4:", "ipv4:1.2.3.4", "ipv4:1.2.3.4:99999", "ipv6::1",
                            "ipv6:%5B%5D:1", "ipv6:[:1", "inproc"}) {
    EXPECT_FALSE(PeerKeyOf(other).has_value()) << other;
  }
}

TEST(ListenerProbe, WhoNeverAcceptsIsDeafUntilHeAcceptsAgain) {
  Listener listener;
  ListenerProbe probe(listener.bound());
  MonoTime now = MonoNow();
  probe.Tick(now);
  EXPECT_FALSE(probe.deaf());
  // Who accepts in time hears; another connection is not the probe.
  const UniqueFd other = listener.Connect();
  const UniqueFd first = listener.Accept();
  EXPECT_TRUE(probe.Recognize(listener.peer()));
  const UniqueFd second = listener.Accept();
  EXPECT_FALSE(probe.Recognize(listener.peer()));
  now += ListenerProbe::kEvery;
  probe.Tick(now);  // the second probe, which nobody accepts
  probe.Tick(now + ListenerProbe::kWithin);
  EXPECT_FALSE(probe.deaf());
  probe.Tick(now + ListenerProbe::kWithin + std::chrono::nanoseconds(1));
  EXPECT_TRUE(probe.deaf()) << "though the kernel took the connection";
  const UniqueFd late = listener.Accept();
  EXPECT_FALSE(probe.Recognize(listener.peer())) << "too late, the probe is over";
  now += ListenerProbe::kEvery;
  probe.Tick(now);
  const UniqueFd third = listener.Accept();
  EXPECT_TRUE(probe.Recognize(listener.peer()));
  EXPECT_FALSE(probe.deaf());
}

TEST(ListenerProbe, AListenerThatIsGoneIsDeaf) {
  Listener listener;
  ListenerProbe probe(listener.bound());
  listener.Close();
  const MonoTime now = MonoNow();
  probe.Tick(now);
  // On loopback the refusal comes at once, or the time passes.
  probe.Tick(now + ListenerProbe::kWithin + std::chrono::nanoseconds(1));
  EXPECT_TRUE(probe.deaf());
}

}  // namespace
}  // namespace procctl::controller

#include "proto/support/tls_probe.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "procctl/v1/fleet_service.grpc.pb.h"
#include "proto/support/server_arguments.h"
#include "proto/support/unique_fd.h"
#include "tests/proto/test_fleet.h"

namespace procctl {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Read;
using testing::TestFleet;

constexpr milliseconds kAmple{5000};

// A TCP listener that treats each connection in its own way.
class RawServer {
 public:
  // `reply` is sent as soon as a connection stands; then it is closed, unless `hold`.
  RawServer(std::string reply, bool hold)
      : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    EXPECT_EQ(listen(listener_.get(), 8), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, reply = std::move(reply), hold] {
      for (;;) {
        UniqueFd peer(accept(listener_.get(), nullptr, nullptr));
        if (!peer.ok()) return;
        if (!reply.empty()) {
          char hello[4096];
          (void)recv(peer.get(), hello, sizeof(hello), 0);  // what it says does not matter
          (void)send(peer.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
        }
        if (hold) held_.push_back(std::move(peer));
      }
    });
  }
  ~RawServer() {
    shutdown(listener_.get(), SHUT_RDWR);  // ends accept()
    thread_.join();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  UniqueFd listener_;
  int port_ = 0;
  std::vector<UniqueFd> held_;
  std::thread thread_;
};

class TlsProbeTest : public ::testing::Test {
 protected:
  std::string Start(const TlsFiles& files) { return StartWith(MakeServerCredentials(Read(files))); }

  std::string StartWith(std::shared_ptr<grpc::ServerCredentials> credentials) {
    grpc::ServerBuilder builder;
    ApplyServerArguments(&builder);
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", std::move(credentials), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    EXPECT_NE(port, 0);
    return "127.0.0.1:" + std::to_string(port);
  }

  TlsPem Alice() { return Read(fleet_.Issue(Role::kOperator, "alice")); }

  static std::string Says(const absl::Status& status) { return std::string(status.message()); }

  TestFleet fleet_;
  // Every method answers UNIMPLEMENTED: only the connection matters here.
  v1::FleetService::CallbackService service_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(TlsProbeTest, AServerThatAcceptsUsIsOk) {
  const std::string address = Start(fleet_.Controller());
  const absl::Status status = ProbeTls(address, "", Alice(), kAmple);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(ProbeTls(address, "localhost", Alice(), kAmple).ok());
}

TEST_F(TlsProbeTest, NobodyListens) {
  std::string address;
  {
    const RawServer gone("", false);
    address = gone.address();
  }
  const absl::Status status = ProbeTls(address, "", Alice(), kAmple);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Says(status), AllOf(HasSubstr("connection refused"), HasSubstr(address),
                                  HasSubstr("is procctl-controller running")));
}

TEST_F(TlsProbeTest, AHostThatDoesNotResolve) {
  // No label may have more than 63 bytes, so no resolver is asked.
  const std::string host(70, 'x');
  const absl::Status status = ProbeTls(host + ":7443", "", Alice(), kAmple);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Says(status), AllOf(HasSubstr("does not resolve"), HasSubstr(host)));
}

TEST_F(TlsProbeTest, APlaintextGrpcPort) {
  const std::string address = StartWith(grpc::InsecureServerCredentials());
  const absl::Status status = ProbeTls(address, "", Alice(), kAmple);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Says(status), HasSubstr("does not speak TLS"));
}

TEST_F(TlsProbeTest, APlaintextHttpPort) {
  const RawServer http("HTTP/1.1 400 Bad Request\r\n\r\n", false);
  EXPECT_THAT(Says(ProbeTls(http.address(), "", Alice(), kAmple)), HasSubstr("does not speak TLS"));
}

TEST_F(TlsProbeTest, AServerThatClosesAtOnce) {
  const RawServer overloaded("", false);
  const absl::Status status = ProbeTls(overloaded.address(), "", Alice(), kAmple);
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Says(status), AllOf(HasSubstr("overloaded"), HasSubstr("try again")));
}

TEST_F(TlsProbeTest, AServerThatSaysNothingEndsAtTheTimeout) {
  const RawServer silent("", true);
  const absl::Status status = ProbeTls(silent.address(), "", Alice(), milliseconds(100));
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(Says(status), HasSubstr("answered no TLS handshake in time"));
}

TEST_F(TlsProbeTest, NoCertificateOfOurs) {
  TlsPem nobody = Alice();
  nobody.cert.clear();
  nobody.key.clear();
  const absl::Status status = ProbeTls(Start(fleet_.Controller()), "", nobody, kAmple);
  EXPECT_TRUE(absl::IsUnauthenticated(status));
  EXPECT_THAT(Says(status), AllOf(HasSubstr("none was presented"), HasSubstr("--cert")));
}

TEST_F(TlsProbeTest, OurCertificateIsFromAnotherCa) {
  TestFleet other("other");
  TlsPem stranger = Read(other.Issue(Role::kOperator, "alice"));
  stranger.ca = Alice().ca;
  const absl::Status status = ProbeTls(Start(fleet_.Controller()), "", stranger, kAmple);
  EXPECT_TRUE(absl::IsUnauthenticated(status));
  EXPECT_THAT(Says(status), AllOf(HasSubstr("does not accept your certificate"),
                                  HasSubstr("procctl CA of other")));
}

TEST_F(TlsProbeTest, TheControllerIsFromAnotherCa) {
  TestFleet other("other");
  const absl::Status status = ProbeTls(Start(other.Controller()), "", Alice(), kAmple);
  EXPECT_TRUE(absl::IsUnauthenticated(status));
  EXPECT_THAT(Says(status), AllOf(HasSubstr("signed by another CA"),
                                  HasSubstr("procctl CA of other"), HasSubstr("ca.crt")));
}

// A CA made anew under the same name has another key.
TEST_F(TlsProbeTest, TheControllersCaHasOurCasNameButAnotherKey) {
  TestFleet twin("test");
  EXPECT_THAT(Says(ProbeTls(Start(twin.Controller()), "", Alice(), kAmple)),
              HasSubstr("signed by another CA"));
}

TEST_F(TlsProbeTest, OurCertificateHasExpired) {
  const TlsPem late = Read(fleet_.Expired(Role::kOperator, "alice"));
  const absl::Status status = ProbeTls(Start(fleet_.Controller()), "", late, kAmple);
  EXPECT_TRUE(absl::IsUnauthenticated(status));
  EXPECT_THAT(Says(status),
              AllOf(HasSubstr("your certificate (operator/alice) expired on"), HasSubstr("ago")));
}

TEST_F(TlsProbeTest, OurCertificateIsNotValidYet) {
  const TlsPem early = Read(fleet_.NotYetValid(Role::kOperator, "alice"));
  EXPECT_THAT(Says(ProbeTls(Start(fleet_.Controller()), "", early, kAmple)),
              AllOf(HasSubstr("is not valid before"), HasSubstr("clocks")));
}

TEST_F(TlsProbeTest, TheControllersCertificateHasExpired) {
  const absl::Status status =
      ProbeTls(Start(fleet_.Expired(Role::kController, "ctl-1")), "localhost", Alice(), kAmple);
  EXPECT_TRUE(absl::IsUnauthenticated(status));
  EXPECT_THAT(Says(status), AllOf(HasSubstr("controller"), HasSubstr("has expired")));
}

TEST_F(TlsProbeTest, TheControllersCertificateIsForOtherNames) {
  const std::string address = Start(fleet_.Controller({"ctl.example", "10.9.8.7"}));
  const absl::Status status = ProbeTls(address, "", Alice(), kAmple);
  EXPECT_TRUE(absl::IsUnauthenticated(status));
  EXPECT_THAT(Says(status),
              AllOf(HasSubstr("ctl.example, 10.9.8.7"), HasSubstr("not for \"127.0.0.1\"")));
  EXPECT_THAT(Says(ProbeTls(address, "other.example", Alice(), kAmple)),
              HasSubstr("not for \"other.example\""));
  EXPECT_TRUE(ProbeTls(address, "ctl.example", Alice(), kAmple).ok());
}

TEST(SplitAddress, ReadsNamesAndBothKindsOfIpAddresses) {
  std::string host;
  std::string port;
  ASSERT_TRUE(SplitAddress("ctl.example:7443", &host, &port).ok());
  EXPECT_EQ(host + " " + port, "ctl.example 7443");
  ASSERT_TRUE(SplitAddress("[::1]:80", &host, &port).ok());
  EXPECT_EQ(host + " " + port, "::1 80");
  ASSERT_TRUE(SplitAddress("10.0.0.1:65535", &host, &port).ok());
  EXPECT_EQ(host + " " + port, "10.0.0.1 65535");
}

TEST(SplitAddress, SaysWhatIsWrong) {
  std::string host = "kept";
  std::string port = "kept";
  const std::pair<const char*, const char*> cases[] = {{"ctl.example", "port is missing"},
                                                       {"", "port is missing"},
                                                       {":7443", "host is missing"},
                                                       {"ctl:", "1 to 65535"},
                                                       {"ctl:0", "1 to 65535"},
                                                       {"ctl:65536", "1 to 65535"},
                                                       {"ctl:74x", "1 to 65535"},
                                                       {"::1:80", "brackets"},
                                                       {"[ctl]:80", "no IPv6"},
                                                       {"[::1]80:80", "bracket"},
                                                       {"http://ctl:80", "bracket"},
                                                       {"a b:80", "character"},
                                                       {"ctl:-1", "1 to 65535"}};
  for (const auto& [address, why] : cases) {
    const absl::Status status = SplitAddress(address, &host, &port);
    ASSERT_TRUE(absl::IsInvalidArgument(status)) << address;
    EXPECT_THAT(std::string(status.message()), HasSubstr(why)) << address;
  }
  EXPECT_EQ(host + port, "keptkept");
}

}  // namespace
}  // namespace procctl

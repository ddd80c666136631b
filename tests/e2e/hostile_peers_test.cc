// Peers that mean harm, with a certificate of the fleet and without one. Whatever they do, the
// controller's memory stays bounded, the node that is connected keeps its session, and an
// operator's list comes within seconds. Figures are printed: they are what the README tells.
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <random>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/guarded_child.h"
#include "tests/e2e/harness/raw_peer.h"

namespace procctl::e2e {
namespace {

constexpr char kHostile[] = "127.0.0.9";
constexpr char kListSlots[] = "/procctl.v1.FleetService/ListSlots";
constexpr char kSession[] = "/procctl.v1.NodeService/Session";
// Whatever else the machine does: far below what a person would call an outage.
constexpr auto kListTime = 20s;

#ifdef PROCCTL_SANITIZED
// What is freed is kept for a while, and every allocation is larger.
constexpr long kMemoryFactor = 8;
#else
constexpr long kMemoryFactor = 1;
#endif

class HostilePeers : public ::testing::Test {
 protected:
  HostilePeers() : fleet_({"n1"}) {
    // OpenSSL writes to connections that the other side has closed.
    signal(SIGPIPE, SIG_IGN);
    fleet_.StartController(/*descriptors=*/4096, "limits: {handshake_timeout: 4s}\n");
    fleet_.StartNode("n1");
    fleet_.AwaitConnected(1, 30s);
    tls_ = Tls();
    before_ = ResidentMiB();
  }

  TlsPem Tls() const {
    const std::string folder = fleet_.ViewerTls();
    return *ReadTls({folder + "/ca.crt", folder + "/cert.pem", folder + "/key.pem"});
  }

  long ResidentMiB() {
    std::istringstream statm(
        ReadFile("/proc/" + std::to_string(fleet_.controller().pid()) + "/statm"));
    long total = 0;
    long resident = 0;
    statm >> total >> resident;
    return resident * 4096 >> 20;
  }

  size_t Descriptors() {
    std::error_code error;
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(
             "/proc/" + std::to_string(fleet_.controller().pid()) + "/fd", error)) {
      count += entry.path().empty() ? 0 : 1;
    }
    return count;
  }

  void ExpectListComes() {
    const auto began = std::chrono::steady_clock::now();
    const Finished list = fleet_.Cli({"list"});
    EXPECT_EQ(list.exit_code, 0) << list.err;
    const auto took = std::chrono::steady_clock::now() - began;
    EXPECT_LT(took, kListTime);
    slowest_ms_ = std::max<long>(
        slowest_ms_, std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  }

  // The node has had one session from its start to now.
  void ExpectUnharmed(long most_mib) {
    ExpectListComes();
    const long grown = ResidentMiB() - before_;
    std::printf("resident memory: %ld MiB before, %+ld MiB now; slowest list %ld ms\n", before_,
                grown, slowest_ms_);
    EXPECT_LE(grown, most_mib * kMemoryFactor);
    ASSERT_TRUE(fleet_.controller().Running());
    const std::vector<v1::Node> nodes = fleet_.Nodes();
    ASSERT_EQ(nodes.size(), 1U);
    EXPECT_EQ(nodes[0].state(), v1::NODE_STATE_CONNECTED);
    EXPECT_EQ(fleet_.ControllerLog().find("of node n1 ends"), std::string::npos)
        << fleet_.ControllerLog();
  }

  Fleet fleet_;
  TlsPem tls_;
  long before_ = 0;
  long slowest_ms_ = 0;
};

TEST_F(HostilePeers, RandomBytesBeforeAndBehindTheCertificate) {
  const unsigned int seed = 20261126;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto noise = [&random](size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
  };
  int spoken = 0;
  for (int i = 0; i < 100; ++i) {
    RawPeer peer(fleet_.address(), kHostile);
    spoken += peer.Write(noise(1 + random() % 4096)) ? 1 : 0;
  }
  EXPECT_GT(spoken, 50) << "most were heard";
  int shaken = 0;
  for (int i = 0; i < 40; ++i) {
    RawPeer peer(fleet_.address(), kHostile);
    if (!peer.ShakeHands(tls_)) continue;
    ++shaken;
    // Every other one gets past the preface first.
    if (i % 2 == 0) (void)peer.Write(h2::Preface());
    (void)peer.Write(noise(1 + random() % 65536));
    EXPECT_TRUE(peer.AwaitEnd(20s)) << "noise is no HTTP/2";
  }
  EXPECT_GT(shaken, 20);
  ExpectUnharmed(64);
}

TEST_F(HostilePeers, HandshakesThatStallAreClosedInTime) {
  std::vector<RawPeer> peers;
  for (int i = 0; i < 20; ++i) peers.emplace_back(fleet_.address(), kHostile);
  for (int i = 0; i < 20; ++i) {
    peers.emplace_back(fleet_.address(), kHostile);
    EXPECT_TRUE(peers.back().Write(std::string("\x16\x03\x01\x02\x00", 5))) << "half a greeting";
  }
  for (int i = 0; i < 12; ++i) {
    peers.emplace_back(fleet_.address(), kHostile);
    EXPECT_TRUE(peers.back().ShakeHands(tls_));
    if (i % 2 == 0) {
      EXPECT_TRUE(peers.back().Write(h2::Preface()));
    }
  }
  ExpectListComes();
  for (RawPeer& peer : peers) EXPECT_TRUE(peer.AwaitEnd(30s));
  ExpectUnharmed(64);
}

TEST_F(HostilePeers, ThousandsOfHalfOpenConnectionsOfOneAddressTakeNobodysPlace) {
  const size_t before = Descriptors();
  std::vector<RawPeer> flood;
  for (int i = 0; i < 2500; ++i) {
    flood.emplace_back(fleet_.address(), kHostile);
    // The test's own descriptors are not what this is about.
    if (flood.size() >= 500) flood.erase(flood.begin(), flood.begin() + 250);
    if (i % 500 == 250) {
      EXPECT_LE(Descriptors(), before + 300);
      ExpectListComes();
    }
  }
  EXPECT_NE(fleet_.ControllerLog().find("limits.connections_per_address"), std::string::npos);
  flood.clear();
  EXPECT_TRUE(Eventually(30s, [&] { return Descriptors() <= before + 8; }))
      << Descriptors() << " descriptors, " << before << " before";
  ExpectUnharmed(64);
}

TEST_F(HostilePeers, OversizedAndDeeplyNestedMessagesAreRefused) {
  RawPeer peer(fleet_.address(), kHostile);
  ASSERT_TRUE(peer.ShakeHands(tls_));
  ASSERT_TRUE(peer.Write(h2::Preface()));
  // A message that says it has 3 GiB; then one of nothing but opened groups, 16 KiB deep.
  EXPECT_TRUE(peer.Write(h2::Headers(1, kListSlots) +
                         h2::Data(1, h2::MessagePrefix(3U << 30) + "x", /*end=*/false)));
  const std::string groups(16'000, '\x0b');
  EXPECT_TRUE(
      peer.Write(h2::Headers(3, kListSlots) +
                 h2::Data(3, h2::MessagePrefix(static_cast<uint32_t>(groups.size())) + groups,
                          /*end=*/true)));
  EXPECT_TRUE(peer.Drain()) << "one bad call does not end the others of its connection";
  ExpectListComes();
  ExpectUnharmed(64);
}

TEST_F(HostilePeers, RapidResetsDelayOthersAndNoMore) {
  constexpr int kPeers = 4;
  std::vector<std::thread> threads;
  std::atomic<bool> stop{false};
  std::atomic<long> resets{0};
  std::atomic<int> shaken{0};
  for (int i = 0; i < kPeers; ++i) {
    threads.emplace_back([&] {
      while (!stop.load()) {
        RawPeer peer(fleet_.address(), kHostile);
        if (!peer.ShakeHands(tls_) || !peer.Write(h2::Preface())) {
          // Who was caught is not let in for a while.
          std::this_thread::sleep_for(1ms);
          continue;
        }
        ++shaken;
        std::uint32_t stream = 1;
        for (bool alive = true; alive && !stop.load();) {
          std::string burst;
          for (int n = 0; n < 100; ++n, stream += 2) {
            burst += h2::Headers(stream, n % 2 == 0 ? kListSlots : kSession) + h2::Reset(stream);
          }
          alive = peer.Write(burst) && peer.Drain();
          if (alive) resets += 100;
        }
      }
    });
  }
  // Longer than they are shunned: they come back once.
  const auto until = std::chrono::steady_clock::now() + 12s;
  while (std::chrono::steady_clock::now() < until) ExpectListComes();
  stop = true;
  for (std::thread& thread : threads) thread.join();
  std::printf("%ld resets in 12 s over %d connections\n", resets.load(), shaken.load());
  EXPECT_GT(resets.load(), 1000);
  ExpectUnharmed(384);
}

TEST_F(HostilePeers, MessagesThatNeverEndArePartOfABoundedSum) {
  // One call first, so that the connection is not closed as one that begins none.
  RawPeer peer(fleet_.address(), kHostile);
  ASSERT_TRUE(peer.ShakeHands(tls_));
  ASSERT_TRUE(peer.Write(h2::Preface() + h2::Headers(1, kListSlots) +
                         h2::Data(1, h2::MessagePrefix(0), /*end=*/true)));
  long sent = 0;
  std::string begin;
  for (std::uint32_t stream = 3; stream < 3 + 2 * 100; stream += 2) {
    begin += h2::Headers(stream, kListSlots) +
             h2::Data(stream, h2::MessagePrefix(4 << 20), /*end=*/false);
  }
  ASSERT_TRUE(peer.Write(begin));
  // As much as the controller lets in: it may reset what exceeds its windows.
  const std::string piece(8192, '\0');
  bool alive = true;
  for (int round = 0; alive && round < 8; ++round) {
    for (std::uint32_t stream = 3; alive && stream < 3 + 2 * 100; stream += 2) {
      alive = peer.Write(h2::Data(stream, piece, /*end=*/false)) && peer.Drain();
      sent += alive ? static_cast<long>(piece.size()) : 0;
    }
  }
  std::printf("%ld KiB of unfinished messages sent\n", sent >> 10);
  ExpectUnharmed(256);
}

}  // namespace
}  // namespace procctl::e2e

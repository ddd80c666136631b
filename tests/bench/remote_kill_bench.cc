// What it takes to stop one process on another host: `procctl-cli kill` beside `ssh host kill`, as
// whole commands, in one run on one machine.
//
//   remote_kill_bench           prints the figures
//   remote_kill_bench --check   and fails if procctl-cli is not at least ten times faster
//
// Each is measured from right before the command is started to the later of its end and the end of
// the process. The two take turns, so that both see the same machine. sshd is the distribution's,
// with an own configuration, on loopback, with key authentication and nothing else; the client has
// no shared connection to use, as a person who types the command has none. The connection of
// procctl-cli is just as new. Needs root, and openssh-server: without it only procctl is measured.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/guarded_child.h"

namespace procctl::bench {
namespace {

using e2e::Child;
using e2e::Finished;
using e2e::Fleet;
using e2e::HarnessError;
using e2e::Launch;
using e2e::operator""ms;
using e2e::operator""s;

constexpr int kKills = 30;
constexpr double kLeastRatio = 10;

double Milliseconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

double Percentile(std::vector<double> samples, double share) {
  std::sort(samples.begin(), samples.end());
  const auto last = static_cast<double>(samples.size() - 1);
  return samples[static_cast<size_t>(share * last + 0.5)];
}

// A daemon of ssh on a free port of loopback, for the test's own user.
class Sshd {
 public:
  explicit Sshd(const std::string& folder) : folder_(folder + "/ssh") {
    if (access("/usr/sbin/sshd", X_OK) != 0) return;
    std::filesystem::create_directory(folder_);
    std::filesystem::create_directories("/run/sshd");
    Make("host");
    Make("user");
    port_ = FreePort();
    e2e::WriteFile(folder_ + "/config",
                   "ListenAddress 127.0.0.1\nPort " + port_ + "\nHostKey " + folder_ +
                       "/host\nAuthorizedKeysFile " + folder_ +
                       "/user.pub\nStrictModes no\nUsePAM no\nPidFile none\n"
                       "PermitRootLogin prohibit-password\nPasswordAuthentication no\n");
    Launch launch;
    launch.argv = {"/usr/sbin/sshd", "-D", "-e", "-f", folder_ + "/config"};
    launch.err = folder_ + "/log";
    daemon_ = Child(std::move(launch));
    e2e::Await(
        10s, "an answer of sshd", [&] { return Run("true").exit_code == 0; },
        [&] { return e2e::ReadFile(folder_ + "/log"); });
  }

  bool usable() const { return !port_.empty(); }

  Finished Run(const std::string& command) const {
    Launch launch;
    launch.argv = {"/usr/bin/ssh",
                   "-F",
                   "none",
                   "-i",
                   folder_ + "/user",
                   "-p",
                   port_,
                   "-o",
                   "StrictHostKeyChecking=no",
                   "-o",
                   "UserKnownHostsFile=" + folder_ + "/known",
                   "-o",
                   "LogLevel=ERROR",
                   "-o",
                   "BatchMode=yes",
                   "127.0.0.1",
                   command};
    return e2e::RunToEnd(std::move(launch), 20s);
  }

 private:
  void Make(const std::string& name) const {
    const Finished made = e2e::RunToEnd({.argv = {"/usr/bin/ssh-keygen", "-q", "-t", "ed25519",
                                                  "-N", "", "-f", folder_ + "/" + name}},
                                        10s);
    if (made.exit_code != 0) throw HarnessError("ssh-keygen: " + made.err);
  }
  static std::string FreePort();

  std::string folder_;
  std::string port_;
  Child daemon_;
};

std::string Sshd::FreePort() {
  // sshd takes no port 0; one that was free a moment ago will do.
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw HarnessError("no free port");
  }
  close(fd);
  return std::to_string(ntohs(address.sin_port));
}

// Runs `stop` and waits for the end of `victim`.
template <typename Stop>
double Time(Child* victim, Stop stop) {
  const auto start = std::chrono::steady_clock::now();
  const Finished finished = stop();
  if (finished.exit_code != 0)
    throw HarnessError("the kill failed: " + finished.out + finished.err);
  if (!victim->WaitExit(10s)) throw HarnessError("it still runs");
  return Milliseconds(std::chrono::steady_clock::now() - start);
}

void Print(const char* name, const std::vector<double>& samples) {
  std::printf("%-12s %8.1f %8.1f %8.1f ms\n", name, Percentile(samples, 0.5),
              Percentile(samples, 0.9), Percentile(samples, 1));
}

int Run(bool check) {
  if (geteuid() != 0) {
    std::fprintf(stderr, "needs root\n");
    return 77;
  }
  Fleet fleet({"n1"});
  fleet.StartController();
  e2e::Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  const Sshd sshd(fleet.folder());
  std::vector<double> by_cli;
  std::vector<double> by_ssh;
  for (int i = 0; i < kKills; ++i) {
    const std::string name = "victim" + std::to_string(i);
    const auto guarded = [&] {
      return e2e::GuardedChild(node, name, 600s, [](procctl_heart*) { e2e::Hang(); });
    };
    Child first = guarded();
    (void)fleet.AwaitSlot(first.pid());
    by_cli.push_back(Time(&first, [&] { return fleet.Cli({"kill", "n1/" + name, "--yes"}); }));
    if (!sshd.usable()) continue;
    Child second = guarded();
    by_ssh.push_back(
        Time(&second, [&] { return sshd.Run("kill " + std::to_string(second.pid())); }));
  }
  std::printf("%d kills each    median      p90    worst\n", kKills);
  Print("procctl-cli", by_cli);
  if (by_ssh.empty()) {
    std::printf("ssh: not measured, openssh-server is not installed\n");
    return check ? 77 : 0;
  }
  Print("ssh + kill", by_ssh);
  const double ratio = Percentile(by_ssh, 0.5) / Percentile(by_cli, 0.5);
  std::printf("ratio of medians: %.1f\n", ratio);
  return check && ratio < kLeastRatio ? 1 : 0;
}

}  // namespace
}  // namespace procctl::bench

int main(int argc, char** argv) {
  try {
    return procctl::bench::Run(argc > 1 && std::strcmp(argv[1], "--check") == 0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "remote_kill_bench: %s\n", error.what());
    return 1;
  }
}

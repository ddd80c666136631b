#include "tests/e2e/harness/split_network.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/e2e/harness/child.h"
#include "tests/e2e/harness/wait.h"

namespace procctl::e2e {
namespace {

const char* Ip() {
  for (const char* path : {"/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"}) {
    if (access(path, X_OK) == 0) return path;
  }
  return nullptr;
}

// A namespace belongs to a thread, so one that ends at once can make it and leave its descriptor.
UniqueFd NewNamespace(std::string* why) {
  int fd = -1;
  int error = 0;
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0) {
      error = errno;
      return;
    }
    fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    error = errno;
  }).join();
  if (fd < 0) *why = std::string("a network namespace cannot be made: ") + strerror(error);
  return UniqueFd(fd);
}

// Files below /proc/sys/net belong to the namespace of who opens them.
UniqueFd OpenSetting(int wire, const std::string& interface) {
  int fd = -1;
  std::thread([&] {
    if (setns(wire, CLONE_NEWNET) != 0) return;
    fd = open(("/proc/sys/net/ipv4/conf/" + interface + "/forwarding").c_str(),
              O_WRONLY | O_CLOEXEC);
  }).join();
  if (fd < 0) throw HarnessError("the router's settings cannot be opened");
  return UniqueFd(fd);
}

void Set(const UniqueFd& setting, bool on) {
  if (pwrite(setting.get(), on ? "1" : "0", 1, 0) != 1) {
    throw HarnessError("the router cannot be set: " + std::string(strerror(errno)));
  }
}

std::function<bool()> Enter(int fd) {
  return [fd] { return setns(fd, CLONE_NEWNET) == 0; };
}

}  // namespace

const std::string& SplitNetwork::ControllerHost() {
  static const auto* const host = new std::string("10.201.1.1");
  return *host;
}

SplitNetwork::SplitNetwork() {
  if (geteuid() != 0) {
    why_ = "needs root";
  } else if (procctl::e2e::Ip() == nullptr) {
    why_ = "needs the program ip (package iproute2)";
  } else {
    for (UniqueFd* side : {&controller_side_, &node_side_, &wire_}) {
      *side = NewNamespace(&why_);
      if (!usable()) return;
    }
    Configure();
  }
}

void SplitNetwork::Ip(int side, const std::string& arguments) {
  Launch launch;
  launch.argv = {procctl::e2e::Ip()};
  std::istringstream words(arguments);
  for (std::string word; words >> word;) launch.argv.push_back(word);
  launch.prepare = Enter(side);
  const Finished finished = RunToEnd(std::move(launch), 10s);
  if (finished.exit_code != 0) throw HarnessError("ip " + arguments + ": " + finished.err);
}

void SplitNetwork::Configure() {
  const auto path = [](const UniqueFd& fd) {
    return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd.get());
  };
  const auto link = [&](const std::string& router, const UniqueFd& side, const std::string& net) {
    Ip(wire_.get(), "link add " + router + " type veth peer name eth0 netns " + path(side));
    Ip(wire_.get(), "addr add " + net + ".2/24 dev " + router);
    Ip(wire_.get(), "link set " + router + " up");
    Ip(side.get(), "link set lo up");
    Ip(side.get(), "addr add " + net + ".1/24 dev eth0");
    Ip(side.get(), "link set eth0 up");
    Ip(side.get(), "route add default via " + net + ".2");
  };
  link("ctl", controller_side_, "10.201.1");
  link("node", node_side_, "10.201.2");
  from_controller_ = OpenSetting(wire_.get(), "ctl");
  from_node_ = OpenSetting(wire_.get(), "node");
  Heal();
}

std::function<bool()> SplitNetwork::ControllerSide() const { return Enter(controller_side_.get()); }
std::function<bool()> SplitNetwork::NodeSide() const { return Enter(node_side_.get()); }

void SplitNetwork::Cut(Way way) {
  if (way != Way::kToNode) Set(from_node_, false);
  if (way != Way::kToController) Set(from_controller_, false);
}

void SplitNetwork::Heal() {
  Set(from_node_, true);
  Set(from_controller_, true);
}

void SplitNetwork::ResetConnections(const std::string& port) {
  Launch launch;
  // It ends connections on this side and tells the other by a reset.
  launch.argv = {"/usr/bin/ss", "--kill", "--tcp", "state",
                 "established", "sport",  "=",     ":" + port};
  launch.prepare = ControllerSide();
  const Finished finished = RunToEnd(std::move(launch), 10s);
  if (finished.exit_code != 0) throw HarnessError("ss --kill: " + finished.err);
}

}  // namespace procctl::e2e

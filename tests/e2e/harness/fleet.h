// A fleet of the real binaries on loopback: certificates, one controller, nodes, and programs they
// guard. Everything lives in one temporary folder and ends with the Fleet.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/pki/authority.h"
#include "procctl/v1/event.pb.h"
#include "procctl/v1/fleet_service.pb.h"
#include "tests/e2e/harness/child.h"
#include "tests/e2e/harness/split_network.h"
#include "tests/e2e/harness/wait.h"

namespace procctl::e2e {

// Path of a program of this build.
std::string Program(const std::string& name);

// An unprivileged user that every Linux has (nobody).
inline constexpr uid_t kNobody = 65534;

struct NodeOptions {
  bool with_controller = true;
  // Text appended to the configuration, and the values that tests change most.
  std::string yaml;
  // The list of its programs as YAML, each entry from "  - name: ..." on. They are stopped with the
  // Fleet: the test itself must not let go of them in another way (SIGTERM, kill -9 for good).
  std::string programs;
  std::string grace = "5s";
  // The brakes of a real node. Off for tests that are about something else: they let more hang at
  // once than a sane host ever should.
  bool brakes = false;
  // Where its state and its log are, where that is not the test's own folder.
  std::string disk;
  // Runs as this user, where given (needs root).
  std::optional<uid_t> uid;
  std::vector<std::pair<std::string, std::string>> env;
  // As Launch::prepare, in the guardian's process.
  std::function<bool()> prepare;
  // Folder with ca.crt, cert.pem and key.pem, where they are not to be the node's own.
  std::string tls;
};

class Node {
 public:
  const std::string& id() const { return id_; }
  Child& guardian() { return guardian_; }
  std::string socket() const { return runtime_ + "/heartbeat.sock"; }
  const std::string& runtime() const { return runtime_; }
  std::string config() const { return folder_ + "/node.yaml"; }
  // What guardian and uplink have logged.
  std::string Log() const { return ReadFile(folder_ + "/node.log"); }
  // Pid of the uplink, or of the logger, that runs now, or -1.
  pid_t UplinkPid() { return ChildPid("procctl-uplink"); }
  pid_t LoggerPid() { return ChildPid("procctl-logger"); }

 private:
  friend class Fleet;
  pid_t ChildPid(const std::string& comm);

  std::string id_;
  std::string folder_;
  std::string runtime_;
  NodeOptions options_;
  Child guardian_;
};

class Fleet {
 public:
  // Makes the certificates: one controller, an operator, a viewer and the nodes named. No names, no
  // certificates: then there can be nodes without a controller only.
  // With `network` the controller and procctl-cli live on its controller side; nodes live where
  // NodeOptions::prepare puts them.
  explicit Fleet(const std::vector<std::string>& node_ids, const SplitNetwork* network = nullptr);
  ~Fleet();

  // Starts it, or starts it again on the same port and state. `yaml` is added to its configuration.
  void StartController(int descriptors = 0, const std::string& yaml = "");
  Child& controller() { return controller_; }
  const std::string& address() const { return address_; }
  std::string ControllerLog() const { return ReadFile(folder_ + "/controller.log"); }

  // Starts a guardian (again, on the same state) and returns once it guards.
  Node& StartNode(const std::string& id, NodeOptions options = {});
  Node& node(const std::string& id) { return *nodes_.at(id); }
  // Writes its configuration anew, with these programs. It takes effect when the guardian is told.
  void SetPrograms(const std::string& id, const std::string& programs);
  void AwaitConnected(size_t nodes, std::chrono::milliseconds limit = 10s);

  // Starts a test program (worker, stubborn, classic_worker) on a node; returns once it says
  // "ready".
  Child& StartProgram(const Node& node, std::vector<std::string> argv,
                      std::optional<uid_t> uid = std::nullopt);

  // Runs procctl-cli as the operator. `RawCli` adds no address and no certificates.
  Finished Cli(std::vector<std::string> arguments, std::chrono::milliseconds limit = 60s);
  Finished RawCli(std::vector<std::string> arguments, std::chrono::milliseconds limit = 60s);
  // The same as the operator, for one that goes on until the test has seen enough. Its output is
  // taken by the files NAME.out and NAME.err of the test's folder.
  // Where the controller keeps its state, from its next start on.
  void SetControllerState(const std::string& folder) { controller_state_ = folder; }
  std::string ControllerConfig() const { return folder_ + "/controller.yaml"; }
  // SIGTERM, and waits for its end; throws if that is not a good one.
  void StopController();
  Launch LastingCli(const std::string& name, std::vector<std::string> arguments) const;

  // Through `procctl-cli ... -o json`; they throw when it fails.
  std::vector<v1::FleetSlot> Slots();
  std::vector<v1::Node> Nodes();
  std::vector<v1::FleetProgram> Programs();
  // All events, or those that match a filter of ListEvents.
  std::vector<v1::Event> Events(const std::string& filter = "");
  // The first event for which `matches` holds; waits for it.
  v1::Event AwaitEvent(const std::string& what, std::chrono::milliseconds limit,
                       const std::function<bool(const v1::Event&)>& matches,
                       const std::string& filter = "");
  // The row of a process; waits for it.
  v1::FleetSlot AwaitSlot(pid_t pid, std::chrono::milliseconds limit = 10s);

  const std::string& folder() const { return folder_; }
  // Folders that `init` made, each with ca.crt, cert.pem and key.pem.
  std::string ControllerTls() const { return pki_ + "/controller"; }
  std::string NodeTls(const std::string& id) const { return pki_ + "/nodes/" + id; }
  std::string OperatorTls() const { return pki_ + "/operators/tester"; }
  std::string ViewerTls() const { return pki_ + "/viewers/watcher"; }
  // One more such folder, signed by this fleet's CA.
  std::string Issue(const CertificateRequest& request);

 private:
  void WriteConfig(const Node& node) const;

  const SplitNetwork* const network_;
  std::string folder_;
  // Runtime folders lie in memory, as /run does: there a guardian keeps what the next one takes up.
  std::string runtime_;
  std::string pki_;
  std::string address_;
  std::string controller_state_;
  int issued_ = 0;
  Child controller_;
  std::map<std::string, std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Child>> programs_;
};

// The options that make procctl-cli use that folder.
std::vector<std::string> TlsOptions(const std::string& folder);

// Matchers for AwaitEvent.
std::function<bool(const v1::Event&)> Is(v1::EventKind kind);
std::function<bool(const v1::Event&)> Is(v1::EventKind kind, pid_t pid);

// The one event of that kind about that pid in `events`; throws if there is none or more than one.
const v1::Event& The(const std::vector<v1::Event>& events, v1::EventKind kind, pid_t pid);

std::chrono::nanoseconds At(const v1::Event& event);

}  // namespace procctl::e2e

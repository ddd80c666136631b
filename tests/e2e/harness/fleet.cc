#include "tests/e2e/harness/fleet.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "proto/support/time_convert.h"
#include "tests/e2e/harness/json.h"

namespace procctl::e2e {
namespace {

namespace fs = std::filesystem;

std::string MakeFolder(const std::string& below) {
  // Not below $TMPDIR: the path of a Unix socket has room for 107 bytes.
  std::string path = below + "/procctl-XXXXXX";
  if (mkdtemp(path.data()) == nullptr)
    throw HarnessError("mkdtemp: " + std::string(strerror(errno)));
  chmod(path.c_str(), 0755);  // programs of other users must reach their node's socket
  return path;
}

// Where there is none, guardians say that they keep nothing, and tests about that fail.
std::string FolderInMemory() { return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; }

void CheckOk(const Finished& finished, const std::string& what) {
  if (finished.exit_code != 0) {
    throw HarnessError(what + " failed with exit code " + std::to_string(finished.exit_code) +
                       "\nstdout: " + finished.out + "\nstderr: " + finished.err);
  }
}

std::string TlsYaml(const std::string& folder, const std::string& separator) {
  return separator + "ca: " + folder + "/ca.crt" + separator + "cert: " + folder + "/cert.pem" +
         separator + "key: " + folder + "/key.pem";
}

void GiveTo(uid_t uid, const std::string& folder) {
  std::error_code absent;
  (void)lchown(folder.c_str(), uid, uid);
  for (const auto& entry : fs::recursive_directory_iterator(folder, absent)) {
    (void)lchown(entry.path().c_str(), uid, uid);
  }
}

}  // namespace

std::string Program(const std::string& name) { return std::string(PROCCTL_BIN_DIR "/") + name; }

pid_t Node::ChildPid(const std::string& comm) {
  // "/proc/<pid>/task/<tid>/children" of each thread: any thread may have forked it.
  const std::string tasks = "/proc/" + std::to_string(guardian_.pid()) + "/task";
  std::error_code gone;
  for (const auto& task : fs::directory_iterator(tasks, gone)) {
    std::istringstream children(ReadFile(task.path().string() + "/children"));
    for (pid_t pid; children >> pid;) {
      if (ReadFile("/proc/" + std::to_string(pid) + "/comm") == comm + "\n") return pid;
    }
  }
  return -1;
}

Fleet::Fleet(const std::vector<std::string>& node_ids, const SplitNetwork* network)
    : network_(network), folder_(MakeFolder("/tmp")), runtime_(MakeFolder(FolderInMemory())) {
  pki_ = folder_ + "/pki";
  controller_state_ = folder_ + "/controller";
  // A copy that any user can execute: the build may lie in a home folder that is closed to others,
  // and the uplink runs as nobody.
  fs::copy_file(Program("procctl-uplink"), folder_ + "/procctl-uplink");
  chmod((folder_ + "/procctl-uplink").c_str(), 0755);
  if (node_ids.empty()) return;
  Launch init;
  init.argv = {Program("procctl-controller"),
               "init",
               "--dir",
               pki_,
               "--fleet",
               "test",
               "--controller",
               "ctl",
               "--host",
               "127.0.0.1,localhost," + SplitNetwork::ControllerHost(),
               "--operator",
               "tester",
               "--viewer",
               "watcher"};
  for (const std::string& id : node_ids) {
    init.argv.push_back("--node");
    init.argv.push_back(id);
  }
  CheckOk(RunToEnd(init, 30s), "procctl-controller init");
}

Fleet::~Fleet() {
  programs_.clear();
  for (auto& [id, node] : nodes_) {
    // What it started outlives a guardian that is killed; Ctrl-C ends both.
    if (!node->options_.programs.empty() && node->guardian_.Running()) {
      node->guardian_.Signal(SIGINT);
      (void)node->guardian_.WaitExit(30s);
    }
    node->guardian_.Kill();
  }
  controller_.Kill();
  std::error_code ignored;
  if (std::getenv("PROCCTL_TEST_KEEP") == nullptr) {
    fs::remove_all(folder_, ignored);
    fs::remove_all(runtime_, ignored);
  }
}

std::string Fleet::Issue(const CertificateRequest& request) {
  const std::string folder = pki_ + "/issued-" + std::to_string(issued_++);
  const auto authority = Authority::Open(pki_ + "/ca");
  if (!authority.ok()) throw HarnessError(authority.status().ToString());
  if (const absl::Status made = authority->Issue(request, folder); !made.ok()) {
    throw HarnessError(made.ToString());
  }
  return folder;
}

void Fleet::StartController(int descriptors, const std::string& yaml) {
  controller_.Kill();
  const std::string config = ControllerConfig();
  const std::string host = network_ != nullptr ? SplitNetwork::ControllerHost() : "127.0.0.1";
  const std::string state =
      yaml.find("state_dir:") == std::string::npos ? "\nstate_dir: " + controller_state_ : "";
  WriteFile(config, "listen: " + (address_.empty() ? host + ":0" : address_) + state +
                        TlsYaml(ControllerTls(), "\n") + "\nlog: {level: debug, format: text}\n" +
                        yaml);
  Launch launch;
  if (network_ != nullptr) launch.prepare = network_->ControllerSide();
  launch.argv = {Program("procctl-controller"), "--config", config};
  launch.out = folder_ + "/controller.out";
  launch.err = folder_ + "/controller.log";
  launch.descriptors = descriptors;
  WriteFile(launch.out, "");
  controller_ = Child(std::move(launch));
  address_ = controller_.AwaitLine("listening on ", 15s);
}

void Fleet::StopController() {
  controller_.Signal(SIGTERM);
  const std::optional<int> status = controller_.WaitExit(20s);
  if (!status || *status != 0) throw HarnessError("the controller did not end well");
}

void Fleet::WriteConfig(const Node& node) const {
  const NodeOptions& options = node.options_;
  std::string yaml = "node: " + node.id_ + "\nruntime_dir: " + node.runtime_ +
                     "\nstate_dir: " + node.folder_ + "/state" + "\ngrace: " + options.grace +
                     "\nuplink: {user: nobody, path: " + folder_ + "/procctl-uplink}" +
                     "\nlog: {level: debug, format: text}\n";
  if (!options.brakes) {
    yaml += "brakes: {burst: 1000, per_minute: 1000, common_cause: {mode: 'off'}}\n";
  }
  if (options.with_controller) {
    const std::string given = options.tls.empty() ? NodeTls(node.id_) : options.tls;
    const std::string tls = options.uid ? node.folder_ + "/tls" : given;
    yaml += "controller: {address: '" + address_ + "'" + TlsYaml(tls, ", ") + "}\n";
  }
  yaml += options.yaml + "\n";
  if (!options.programs.empty()) yaml += "programs:\n" + options.programs + "\n";
  WriteFile(node.config(), yaml);
}

void Fleet::SetPrograms(const std::string& id, const std::string& programs) {
  nodes_.at(id)->options_.programs = programs;
  WriteConfig(*nodes_.at(id));
}

Node& Fleet::StartNode(const std::string& id, NodeOptions options) {
  std::unique_ptr<Node>& node = nodes_[id];
  if (!node) node = std::make_unique<Node>();
  node->guardian_.Kill();
  node->id_ = id;
  node->options_ = options;
  node->folder_ = folder_ + "/" + id;
  node->runtime_ = runtime_ + "/" + id;
  fs::create_directories(node->runtime_);
  if (!options.disk.empty()) {
    fs::create_directories(options.disk + "/" + id);
    node->folder_ = options.disk + "/" + id;
  }
  fs::create_directories(node->folder_ + "/state");
  if (options.with_controller && options.uid) {  // a key belongs to the user that reads it
    fs::copy(options.tls.empty() ? NodeTls(id) : options.tls, node->folder_ + "/tls",
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  }
  WriteConfig(*node);
  if (options.uid) {
    for (const std::string& path :
         {node->runtime_, node->folder_ + "/state", node->folder_ + "/tls"}) {
      GiveTo(*options.uid, path);
    }
  }

  Launch launch;
  launch.argv = {Program("procctl-node"), node->config()};
  launch.out = node->folder_ + "/node.out";
  launch.err = node->folder_ + "/node.log";
  launch.env = options.env;
  launch.prepare = options.prepare;
  launch.uid = options.uid;
  WriteFile(launch.out, "");
  node->guardian_ = Child(std::move(launch));
  node->guardian_.AwaitLine("guarding as " + id, 15s);
  return *node;
}

void Fleet::AwaitConnected(size_t nodes, std::chrono::milliseconds limit) {
  std::string last;
  Await(
      limit, std::to_string(nodes) + " connected nodes",
      [&] {
        const Finished list = Cli({"list", "nodes", "-o", "json"});
        last = list.out + list.err;
        if (list.exit_code != 0) return false;
        size_t connected = 0;
        for (const v1::Node& node : ParseList<v1::Node>(list.out, "nodes")) {
          connected += node.state() == v1::NODE_STATE_CONNECTED ? 1 : 0;
        }
        return connected == nodes;
      },
      [&] {
        for (const auto& [id, node] : nodes_) last += "\n" + id + " logged:\n" + node->Log();
        return last + "\ncontroller logged:\n" + ControllerLog();
      });
}

Child& Fleet::StartProgram(const Node& node, std::vector<std::string> argv,
                           std::optional<uid_t> uid) {
  Launch launch;
  const std::string output = folder_ + "/program-" + std::to_string(programs_.size());
  argv[0] = Program(argv[0]);
  launch.argv = std::move(argv);
  launch.out = output + ".out";
  launch.err = output + ".err";
  launch.uid = uid;
  launch.env = {{"PROCCTL_HEARTBEAT_SOCKET", node.socket()}};
  programs_.push_back(std::make_unique<Child>(std::move(launch)));
  programs_.back()->AwaitLine("ready", 10s);
  return *programs_.back();
}

Finished Fleet::RawCli(std::vector<std::string> arguments, std::chrono::milliseconds limit) {
  Launch launch;
  launch.argv = std::move(arguments);
  launch.argv.insert(launch.argv.begin(), Program("procctl-cli"));
  if (network_ != nullptr) launch.prepare = network_->ControllerSide();
  return RunToEnd(std::move(launch), limit);
}

Finished Fleet::Cli(std::vector<std::string> arguments, std::chrono::milliseconds limit) {
  for (const std::string& option : TlsOptions(OperatorTls())) arguments.push_back(option);
  arguments.insert(arguments.end(), {"--controller", address_});
  return RawCli(std::move(arguments), limit);
}

Launch Fleet::LastingCli(const std::string& name, std::vector<std::string> arguments) const {
  Launch launch;
  launch.argv = std::move(arguments);
  launch.argv.insert(launch.argv.begin(), procctl::e2e::Program("procctl-cli"));
  launch.argv.insert(launch.argv.end(), {"--controller", address_});
  for (const std::string& option : TlsOptions(OperatorTls())) launch.argv.push_back(option);
  launch.out = folder_ + "/" + name + ".out";
  launch.err = folder_ + "/" + name + ".err";
  if (network_ != nullptr) launch.prepare = network_->ControllerSide();
  return launch;
}

std::vector<v1::FleetSlot> Fleet::Slots() {
  const Finished list = Cli({"list", "-o", "json"});
  CheckOk(list, "procctl-cli list");
  return ParseList<v1::FleetSlot>(list.out, "slots");
}

std::vector<v1::Node> Fleet::Nodes() {
  const Finished list = Cli({"list", "nodes", "-o", "json"});
  CheckOk(list, "procctl-cli list nodes");
  return ParseList<v1::Node>(list.out, "nodes");
}

std::vector<v1::FleetProgram> Fleet::Programs() {
  const Finished list = Cli({"programs", "-o", "json"});
  CheckOk(list, "procctl-cli programs");
  return ParseList<v1::FleetProgram>(list.out, "programs");
}

std::vector<v1::Event> Fleet::Events(const std::string& filter) {
  std::vector<std::string> arguments = {"events", "-o", "json"};
  if (!filter.empty()) arguments.insert(arguments.end(), {"--filter", filter});
  const Finished list = Cli(arguments);
  CheckOk(list, "procctl-cli events");
  std::vector<v1::Event> events;
  for (const v1::StoredEvent& stored : ParseList<v1::StoredEvent>(list.out, "events")) {
    events.push_back(stored.event());
  }
  return events;
}

v1::Event Fleet::AwaitEvent(const std::string& what, std::chrono::milliseconds limit,
                            const std::function<bool(const v1::Event&)>& matches,
                            const std::string& filter) {
  v1::Event found;
  std::vector<v1::Event> seen;
  Await(
      limit, "the event '" + what + "'",
      [&] {
        seen = Events(filter);
        for (const v1::Event& event : seen) {
          if (matches(event)) {
            found = event;
            return true;
          }
        }
        return false;
      },
      [&] {
        std::string text;
        for (const v1::Event& event : seen) text += event.ShortDebugString() + "\n";
        for (const auto& [id, node] : nodes_) text += id + " logged:\n" + node->Log();
        return text;
      });
  return found;
}

v1::FleetSlot Fleet::AwaitSlot(pid_t pid, std::chrono::milliseconds limit) {
  v1::FleetSlot found;
  Await(limit, "a row for pid " + std::to_string(pid), [&] {
    for (const v1::FleetSlot& slot : Slots()) {
      if (slot.slot().incarnation().pid() == pid) {
        found = slot;
        return true;
      }
    }
    return false;
  });
  return found;
}

std::vector<std::string> TlsOptions(const std::string& folder) {
  return {"--ca", folder + "/ca.crt", "--cert", folder + "/cert.pem", "--key", folder + "/key.pem"};
}

std::function<bool(const v1::Event&)> Is(v1::EventKind kind) {
  return [kind](const v1::Event& event) { return event.kind() == kind; };
}

std::function<bool(const v1::Event&)> Is(v1::EventKind kind, pid_t pid) {
  return [kind, pid](const v1::Event& event) {
    return event.kind() == kind && event.incarnation().pid() == pid;
  };
}

const v1::Event& The(const std::vector<v1::Event>& events, v1::EventKind kind, pid_t pid) {
  const v1::Event* found = nullptr;
  const std::string what = v1::EventKind_Name(kind) + " of pid " + std::to_string(pid);
  for (const v1::Event& event : events) {
    if (event.kind() != kind || event.incarnation().pid() != pid) continue;
    if (found != nullptr) throw HarnessError("more than one " + what);
    found = &event;
  }
  if (found == nullptr) throw HarnessError("no " + what);
  return *found;
}

std::chrono::nanoseconds At(const v1::Event& event) { return FromProto(event.since_boot()); }

}  // namespace procctl::e2e

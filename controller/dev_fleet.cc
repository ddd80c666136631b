#include "controller/dev_fleet.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "controller/pki/authority.h"
#include "controller/rpc/listen_address.h"
#include "controller/settings.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

constexpr char kFleet[] = "dev";
constexpr char kController[] = "dev-controller";
constexpr char kOperator[] = "dev";
constexpr std::chrono::hours kLifetime{30 * 24};

bool IsLoopback(const std::string& host) {
  in_addr v4 = {};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return host == "::1" || host == "localhost";
}

absl::Status CheckLoopback(const std::string& address) {
  std::string host;
  std::string port;
  if (absl::Status split = SplitListenAddress(address, &host, &port); !split.ok()) return split;
  if (IsLoopback(host)) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "--dev serves on loopback only, and {} is not; use 127.0.0.1:PORT, or make a real "
      "fleet with procctl-controller init",
      address));
}

absl::Status MakeFolder(std::string* dir, bool* temporary) {
  if (dir->empty()) {
    *temporary = true;
    const char* const base = getenv("TMPDIR");
    *dir = fmt::format("{}/procctl-dev-XXXXXX", base != nullptr ? base : "/tmp");
    if (mkdtemp(dir->data()) != nullptr) return absl::OkStatus();
  } else if (mkdir(dir->c_str(), 0700) == 0 || errno == EEXIST) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(fmt::format("folder {}: {}", *dir, strerror(errno)));
}

TlsFiles FilesIn(const std::string& dir) {
  return {dir + "/ca.crt", dir + "/cert.pem", dir + "/key.pem"};
}

absl::Status IssueOnce(const Authority& authority, Role role, const std::string& id,
                       const std::string& dir) {
  CertificateRequest request;
  request.role = role;
  request.id = id;
  if (role == Role::kController) request.hosts = {"127.0.0.1", "localhost", "::1"};
  request.lifetime = kLifetime;
  absl::Status issued = authority.Issue(request, dir);
  return absl::IsAlreadyExists(issued) ? absl::OkStatus() : issued;
}

}  // namespace

absl::StatusOr<DevFleet> DevFleet::Make(const Options& options) {
  if (absl::Status loopback = CheckLoopback(options.dev_listen); !loopback.ok()) return loopback;
  DevFleet fleet;
  fleet.dir_ = options.dev_state;
  if (absl::Status made = MakeFolder(&fleet.dir_, &fleet.temporary_); !made.ok()) return made;
  fleet.nodes_ = options.dev_nodes;
  auto authority = Authority::Open(fleet.dir_ + "/ca");
  if (absl::IsNotFound(authority.status())) {
    authority = Authority::Create(fleet.dir_ + "/ca", kFleet);
  }
  if (!authority.ok()) return authority.status();
  absl::Status issued =
      IssueOnce(*authority, Role::kController, kController, fleet.dir_ + "/controller");
  if (issued.ok()) {
    issued = IssueOnce(*authority, Role::kOperator, kOperator, fleet.dir_ + "/operator");
  }
  for (const std::string& node : fleet.nodes_) {
    if (issued.ok()) {
      issued = IssueOnce(*authority, Role::kNode, node, fleet.dir_ + "/nodes/" + node);
    }
  }
  if (!issued.ok()) return issued;
  fleet.server_.listen = options.dev_listen;
  fleet.server_.state_dir = fleet.dir_ + "/state";
  fleet.server_.reflection = true;
  if (absl::Status read = ReadIdentity(FilesIn(fleet.dir_ + "/controller"), &fleet.server_);
      !read.ok()) {
    return read;
  }
  return fleet;
}

DevFleet::DevFleet(DevFleet&& other) noexcept
    : dir_(std::move(other.dir_)),
      temporary_(std::exchange(other.temporary_, false)),
      nodes_(std::move(other.nodes_)),
      server_(std::move(other.server_)) {}

DevFleet::~DevFleet() {
  std::error_code ignored;  // what is left in a temporary folder is the system's to clear
  if (temporary_) std::filesystem::remove_all(dir_, ignored);
}

std::string DevFleet::Instructions(const std::string& address) const {
  std::string text = fmt::format(
      "\nFor procctl-cli:\n"
      "  export PROCCTL_CONTROLLER={0} PROCCTL_CA={1}/operator/ca.crt "
      "PROCCTL_CERT={1}/operator/cert.pem PROCCTL_KEY={1}/operator/key.pem\n"
      "  procctl-cli list\n",
      address, dir_);
  // A root node's uplink runs as another user, which cannot enter our folder.
  const bool root = geteuid() == 0;
  for (const std::string& node : nodes_) {
    const std::string own = fmt::format("{}/nodes/{}", dir_, node);
    text += fmt::format(
        "\nFor node {0}, as {1}/nodes/{0}/node.yaml:\n"
        "  node: {0}\n"
        "  runtime_dir: {3}\n"
        "  state_dir: {4}\n"
        "  controller:\n"
        "    address: \"{2}\"\n"
        "    ca: {1}/nodes/{0}/ca.crt\n"
        "    cert: {1}/nodes/{0}/cert.pem\n"
        "    key: {1}/nodes/{0}/key.pem\n",
        node, dir_, address, root ? "/run/procctl-dev/" + node : own + "/run",
        root ? "/var/lib/procctl-dev/" + node : own + "/state");
  }
  return text;
}

}  // namespace procctl::controller

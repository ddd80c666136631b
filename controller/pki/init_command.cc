#include "controller/pki/init_command.h"

#include <fcntl.h>
#include <sys/file.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "controller/pki/authority.h"
#include "controller/pki/safe_files.h"
#include "proto/support/escape.h"
#include "proto/support/openssl_ptr.h"
#include "proto/support/tls_files.h"
#include "proto/support/unique_fd.h"
#include "spdlog/fmt/chrono.h"
#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Options {
  std::string dir;
  std::string fleet;
  std::string controller;
  std::vector<std::string> hosts;
  std::vector<std::string> nodes;
  std::vector<std::string> operators;
  std::vector<std::string> viewers;
  std::vector<std::string> admins;
  int days = 365;
};

void Declare(Options* options, CLI::App* app) {
  app->add_option("--dir", options->dir, "Folder that holds everything")->required();
  app->add_option("--fleet", options->fleet, "Name of the fleet; needed the first time");
  app->add_option("--controller", options->controller, "Id of the controller, e.g. ctl-1");
  app->add_option("--host", options->hosts,
                  "Names and IP addresses the controller is reached by, separated by commas")
      ->delimiter(',');
  app->add_option("--node", options->nodes, "Ids of nodes")->delimiter(',');
  app->add_option("--operator", options->operators, "People who may look and kill")->delimiter(',');
  app->add_option("--viewer", options->viewers, "People who may look")->delimiter(',');
  app->add_option("--admin", options->admins, "People who may do everything")->delimiter(',');
  app->add_option("--days", options->days, "Lifetime of new certificates (365)")
      ->check(CLI::Range(1, 3650));
  app->footer(
      "Run it again with more names to add them: what exists is kept, and no key is ever\n"
      "overwritten. A certificate that is about to expire: remove its folder, run it again.\n\n"
      "Example:\n"
      "  procctl-controller init --dir /etc/procctl-ca --fleet prod --controller ctl-1 \\\n"
      "      --host ctl.example,10.0.0.5 --operator alice --node web-01 --node web-02\n");
}

// Everything init may make, with what it tells about each.
class Initializer {
 public:
  explicit Initializer(Options options) : options_(std::move(options)) {}

  absl::Status Run() {
    if (auto s = MakeFolders(options_.dir); !s.ok()) return s;
    // Two inits at once would each make a CA, and one set of certificates would be worthless.
    const UniqueFd lock(open(options_.dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock.ok() || flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      return absl::UnavailableError(
          fmt::format("{} cannot be locked ({}); is another init at work there?", options_.dir,
                      std::strerror(errno)));
    }
    auto authority = OpenOrCreate();
    if (!authority.ok()) return authority.status();
    if (auto s = MakeController(*authority); !s.ok()) return s;
    if (auto s = MakeAll(*authority, Role::kNode, "nodes", options_.nodes); !s.ok()) return s;
    if (auto s = MakeAll(*authority, Role::kOperator, "operators", options_.operators); !s.ok()) {
      return s;
    }
    if (auto s = MakeAll(*authority, Role::kViewer, "viewers", options_.viewers); !s.ok()) return s;
    if (auto s = MakeAll(*authority, Role::kAdmin, "admins", options_.admins); !s.ok()) return s;
    SayWhatNext();
    return absl::OkStatus();
  }

 private:
  std::string ControllerDir() const { return options_.dir + "/controller"; }

  absl::StatusOr<Authority> OpenOrCreate() {
    const std::string dir = options_.dir + "/ca";
    auto authority = Authority::Open(dir);
    if (authority.ok()) {
      if (!options_.fleet.empty() && options_.fleet != authority->fleet()) {
        return absl::InvalidArgumentError(
            fmt::format("the CA in {} is of fleet \"{}\", not \"{}\"; leave --fleet out, or choose "
                        "another --dir",
                        dir, authority->fleet(), Printable(options_.fleet)));
      }
      fmt::print("Fleet {}\n", authority->fleet());
      return authority;
    }
    if (!absl::IsNotFound(authority.status())) return authority.status();
    if (options_.fleet.empty()) {
      return absl::InvalidArgumentError(
          fmt::format("{} has no CA yet; give its fleet a name: --fleet NAME", options_.dir));
    }
    authority = Authority::Create(dir, options_.fleet);
    if (authority.ok()) {
      fmt::print(
          "Fleet {}\n  made  {}/ca.key  (whoever has this file owns the fleet: keep it safe)\n",
          authority->fleet(), dir);
    }
    return authority;
  }

  absl::Status MakeController(const Authority& authority) {
    const bool exists = FileExists(ControllerDir() + "/key.pem");
    if (!exists && options_.controller.empty()) {
      return absl::InvalidArgumentError(
          "there is no controller yet; name it: --controller ID --host NAME[,NAME|IP]");
    }
    if (!exists) return Make(authority, Role::kController, options_.controller, ControllerDir());
    return KeepController();
  }

  absl::Status KeepController() {
    auto facts = Facts(ControllerDir());
    if (!facts.ok()) return facts.status();
    if (!options_.controller.empty() && facts->identity.id != options_.controller) {
      return absl::InvalidArgumentError(fmt::format(
          "{} holds the certificate of \"{}\", not \"{}\"; remove that folder to make a "
          "new one",
          ControllerDir(), facts->identity.id, Printable(options_.controller)));
    }
    const auto pem = ReadTls(FilesIn(ControllerDir()));
    if (!pem.ok()) return pem.status();
    const X509Ptr certificate = ParseCertificate(pem->cert);
    for (const std::string& host : options_.hosts) {
      if (X509_check_host(certificate.get(), host.data(), host.size(), 0, nullptr) == 1) continue;
      if (X509_check_ip_asc(certificate.get(), host.c_str(), 0) == 1) continue;
      return absl::FailedPreconditionError(fmt::format(
          "the controller's certificate exists and is not for \"{}\"; remove {} to make "
          "a new one with all its names",
          Printable(host), ControllerDir()));
    }
    Say("kept", ControllerDir(), *facts);
    return absl::OkStatus();
  }

  absl::Status MakeAll(const Authority& authority, Role role, std::string_view folder,
                       const std::vector<std::string>& ids) {
    for (const std::string& id : ids) {
      const std::string dir = fmt::format("{}/{}/{}", options_.dir, folder, id);
      if (auto s = Make(authority, role, id, dir); !s.ok()) return s;
      made_.push_back({role, id, dir});
    }
    return absl::OkStatus();
  }

  absl::Status Make(const Authority& authority, Role role, const std::string& id,
                    const std::string& dir) {
    CertificateRequest request;
    request.role = role;
    request.id = id;
    if (role == Role::kController) request.hosts = options_.hosts;
    request.lifetime = std::chrono::hours(24) * options_.days;
    const absl::Status status = authority.Issue(request, dir);
    if (!status.ok() && !absl::IsAlreadyExists(status)) return status;
    const auto facts = Facts(dir);
    if (!facts.ok()) return facts.status();
    Say(status.ok() ? "made" : "kept", dir, *facts);
    return absl::OkStatus();
  }

  static TlsFiles FilesIn(const std::string& dir) {
    return {dir + "/ca.crt", dir + "/cert.pem", dir + "/key.pem"};
  }

  static absl::StatusOr<CertificateFacts> Facts(const std::string& dir) {
    const auto pem = ReadTls(FilesIn(dir));
    if (!pem.ok()) return pem.status();
    return ReadCertificate(pem->cert);
  }

  static void Say(std::string_view what, const std::string& dir, const CertificateFacts& facts) {
    const auto end = std::chrono::system_clock::to_time_t(facts.not_after);
    fmt::print("  {}  {}/  {} until {:%Y-%m-%d}\n", what, dir, facts.identity.ToString(),
               fmt::gmtime(end));
  }

  void SayWhatNext() const {
    const std::string host = options_.hosts.empty() ? "CONTROLLER" : options_.hosts.front();
    fmt::print(
        "\nNext, on the controller's host: a file controller.yaml, then start it\n"
        "  ca: {0}/ca.crt\n  cert: {0}/cert.pem\n  key: {0}/key.pem\n"
        "  $ procctl-controller --config controller.yaml\n",
        ControllerDir());
    for (const Made& made : made_) {
      if (made.role == Role::kNode) {
        fmt::print(
            "\nOn {0}: copy {1}/ to /etc/procctl/tls/, then in node.yaml\n"
            "  node: {0}\n"
            "  controller: {{address: \"{2}:7443\", ca: /etc/procctl/tls/ca.crt, cert: "
            "/etc/procctl/tls/cert.pem, key: /etc/procctl/tls/key.pem}}\n"
            "  $ procctl-node node.yaml\n",
            made.id, made.dir, host);
      } else {
        fmt::print(
            "\nFor {0}: copy {1}/, then\n"
            "  $ export PROCCTL_CONTROLLER={2}:7443 PROCCTL_CA={1}/ca.crt "
            "PROCCTL_CERT={1}/cert.pem "
            "PROCCTL_KEY={1}/key.pem\n"
            "  $ procctl-cli list\n",
            made.id, made.dir, host);
      }
    }
  }

  struct Made {
    Role role;
    std::string id;
    std::string dir;
  };

  Options options_;
  std::vector<Made> made_;
};

}  // namespace

int RunInit(int argc, char** argv) {
  Options options;
  CLI::App app("Makes the CA of a fleet and the certificates of its controller, nodes and people.",
               "procctl-controller init");
  Declare(&options, &app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kUsage;
  }
  while (options.dir.size() > 1 && options.dir.back() == '/') options.dir.pop_back();
  const absl::Status status = Initializer(std::move(options)).Run();
  if (status.ok()) return 0;
  fmt::print(stderr, "procctl-controller init: {}\n", std::string(status.message()));
  return absl::IsInvalidArgument(status) ? kUsage : kFailed;
}

}  // namespace procctl

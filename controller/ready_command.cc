#include "controller/ready_command.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>

#include "absl/status/statusor.h"
#include "controller/rpc/health_board.h"
#include "controller/rpc/health_check.h"
#include "controller/rpc/listen_address.h"
#include "controller/settings_source.h"
#include "proto/support/channel.h"
#include "proto/support/duration_text.h"
#include "proto/support/openssl_ptr.h"
#include "proto/support/tls_files.h"
#include "proto/support/tls_probe.h"
#include "proto/support/yaml_config.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

constexpr int kUsage = 2;

struct Target {
  std::string address;
  std::string server_name;
  TlsFiles files;
  bool live = false;
};

// One name or address that a certificate is for; empty: none.
std::string HostOf(const std::string& pem) {
  const X509Ptr certificate = ParseCertificate(pem);
  if (certificate == nullptr) return "";
  const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    const ASN1_IA5STRING* value = name->d.dNSName;
    return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                       static_cast<size_t>(ASN1_STRING_length(value)));
  }
  return "";
}

// A controller asks its own kind: with its certificate, at the address it listens on. The rest of
// the file may be wrong; `--check` tells of that.
absl::StatusOr<Target> FromConfig(const std::string& file) {
  SettingsSource source(file);
  if (absl::Status read = ReadYamlConfig(file, &source.config, &source.lines, &source.faults);
      !read.ok()) {
    return read;
  }
  Target target;
  target.files = {source.config.ca(), source.config.cert(), source.config.key()};
  target.address = source.config.listen().empty() ? "0.0.0.0:7443" : source.config.listen();
  std::string host;
  std::string port;
  if (absl::Status s = SplitListenAddress(target.address, &host, &port); !s.ok()) return s;
  if (host.empty() || host == "0.0.0.0") target.address = "127.0.0.1:" + port;
  if (host == "::") target.address = "[::1]:" + port;
  return target;
}

absl::Status CheckReady(const Target& target, std::chrono::nanoseconds timeout) {
  const auto tls = ReadTls(target.files);
  if (!tls.ok()) return tls.status();
  const std::string server_name =
      target.server_name.empty() ? HostOf(tls->cert) : target.server_name;
  const auto channel = MakeChannel(target.address, server_name, *tls);
  const HealthAnswer answer =
      CheckHealth(channel.get(), target.live ? "" : HealthBoard::kFleetService, timeout);
  if (!answer.status.ok()) {
    // gRPC says "failed to connect" of everything that can go wrong before a call.
    const absl::Status cause =
        ProbeTls(target.address, server_name, *tls,
                 std::chrono::duration_cast<std::chrono::milliseconds>(timeout));
    if (!cause.ok()) return cause;
    return absl::UnavailableError(fmt::format("{} did not answer within {}: {}", target.address,
                                              FormatDuration(timeout),
                                              answer.status.error_message()));
  }
  if (answer.serving) return absl::OkStatus();
  return absl::UnavailableError(fmt::format(
      "{} answers, but does not serve just now: it is going down, or its memory, disk or threads "
      "are short; its log and `procctl-cli events` say which",
      target.address));
}

}  // namespace

int RunReady(int argc, char** argv) {
  CLI::App app(
      "Asks a controller over a new mTLS connection whether it serves. Exit code 0 if it does, 1 "
      "if "
      "it does not or does not answer in time.",
      "procctl-controller ready");
  std::string config;
  std::string timeout_text = "5s";
  Target target;
  auto* from_config = app.add_option(
      "--config", config, "The controller's own configuration: its address and certificate");
  auto* address = app.add_option("--address", target.address, "host:port, without --config");
  auto* ca = app.add_option("--ca", target.files.ca, "PEM file of the fleet's CA");
  auto* cert =
      app.add_option("--cert", target.files.cert, "PEM file of a certificate of the fleet");
  auto* key = app.add_option("--key", target.files.key, "PEM file of its key");
  auto* name = app.add_option("--server-name", target.server_name,
                              "What the controller's certificate must be for (host of --address)");
  app.add_option("--timeout", timeout_text, "Most time for the answer (5s)");
  app.add_flag("--live", target.live, "Ask only whether it is alive, not whether it serves");
  address->needs(ca)->needs(cert)->needs(key)->excludes(from_config);
  for (auto* option : {ca, cert, key}) option->needs(address);
  name->excludes(from_config);
  std::chrono::nanoseconds timeout{};
  try {
    app.parse(argc, argv);
    if (config.empty() && target.address.empty()) {
      throw CLI::RequiredError("--config FILE, or --address, --ca, --cert and --key,");
    }
    const auto parsed = ParseDuration(timeout_text);
    if (!parsed.ok()) {
      throw CLI::ValidationError("--timeout", std::string(parsed.status().message()));
    }
    timeout = *parsed;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kUsage;
  }
  if (!config.empty()) {
    auto read = FromConfig(config);
    if (!read.ok()) {
      std::fprintf(stderr, "procctl-controller: %s\n",
                   std::string(read.status().message()).c_str());
      return kUsage;
    }
    read->live = target.live;
    target = *std::move(read);
  } else if (target.server_name.empty()) {
    std::string port;
    if (absl::Status s = SplitAddress(target.address, &target.server_name, &port); !s.ok()) {
      std::fprintf(stderr, "procctl-controller: %s\n", std::string(s.message()).c_str());
      return kUsage;
    }
  }
  if (absl::Status ready = CheckReady(target, timeout); !ready.ok()) {
    std::fprintf(stderr, "not ready: %s\n", std::string(ready.message()).c_str());
    return 1;
  }
  std::printf("%s: %s\n", target.live ? "alive" : "ready", target.address.c_str());
  return 0;
}

}  // namespace procctl::controller

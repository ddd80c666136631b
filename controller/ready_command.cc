#include "controller/ready_command.h"

#include <grpc/support/log.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>

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

// Again and again until `wait` has passed: a controller that starts may not even listen yet.
absl::Status AwaitReady(const Target& target, std::chrono::nanoseconds timeout,
                        std::chrono::nanoseconds wait) {
  constexpr std::chrono::milliseconds kBetween{200};
  const auto deadline = std::chrono::steady_clock::now() + wait;
  for (;;) {
    absl::Status ready = CheckReady(target, timeout);
    if (!absl::IsUnavailable(ready) || std::chrono::steady_clock::now() + kBetween >= deadline) {
      return ready;
    }
    std::this_thread::sleep_for(kBetween);
  }
}

struct Arguments {
  std::string config;
  std::chrono::nanoseconds timeout{};
  std::chrono::nanoseconds wait{};
  Target target;
};

std::chrono::nanoseconds DurationOf(const char* option, const std::string& text) {
  const auto parsed = ParseDuration(text);
  if (!parsed.ok()) throw CLI::ValidationError(option, std::string(parsed.status().message()));
  return *parsed;
}

// False: exit with `exit_code`.
bool Parse(int argc, char** argv, Arguments* arguments, int* exit_code) {
  CLI::App app(
      "Asks a controller over a new mTLS connection whether it serves. Exit code 0 if it does, 1 "
      "if "
      "it does not or does not answer in time.",
      "procctl-controller ready");
  Target& target = arguments->target;
  std::string timeout = "5s";
  std::string wait;
  auto* config = app.add_option("--config", arguments->config,
                                "The controller's own configuration: its address and certificate");
  auto* address = app.add_option("--address", target.address, "host:port, without --config");
  auto* ca = app.add_option("--ca", target.files.ca, "PEM file of the fleet's CA");
  auto* cert =
      app.add_option("--cert", target.files.cert, "PEM file of a certificate of the fleet");
  auto* key = app.add_option("--key", target.files.key, "PEM file of its key");
  app.add_option("--server-name", target.server_name,
                 "What the controller's certificate must be for (host of --address)")
      ->excludes(config);
  app.add_option("--timeout", timeout, "Most time for one answer (5s)");
  app.add_option("--wait", wait, "Ask again for so long while it does not serve (not at all)");
  app.add_flag("--live", target.live, "Ask only whether it is alive, not whether it serves");
  address->needs(ca)->needs(cert)->needs(key)->excludes(config);
  for (auto* option : {ca, cert, key}) option->needs(address);
  try {
    app.parse(argc, argv);
    if (config->empty() && address->empty()) {
      throw CLI::RequiredError("--config FILE, or --address, --ca, --cert and --key,");
    }
    arguments->timeout = DurationOf("--timeout", timeout);
    if (!wait.empty()) arguments->wait = DurationOf("--wait", wait);
  } catch (const CLI::ParseError& e) {
    *exit_code = app.exit(e) == 0 ? 0 : kUsage;
    return false;
  }
  return true;
}

absl::Status Complete(Arguments* arguments) {
  Target& target = arguments->target;
  if (!arguments->config.empty()) {
    auto read = FromConfig(arguments->config);
    if (!read.ok()) return read.status();
    read->live = target.live;
    target = *std::move(read);
    return absl::OkStatus();
  }
  std::string host;
  std::string port;
  absl::Status split = SplitAddress(target.address, &host, &port);
  if (split.ok() && target.server_name.empty()) target.server_name = host;
  return split;
}

}  // namespace

int RunReady(int argc, char** argv) {
  // What failed is told as one sentence, by ProbeTls.
  gpr_set_log_function([](gpr_log_func_args*) {});
  Arguments arguments;
  int exit_code = 0;
  if (!Parse(argc, argv, &arguments, &exit_code)) return exit_code;
  if (absl::Status complete = Complete(&arguments); !complete.ok()) {
    std::fprintf(stderr, "procctl-controller: %s\n", std::string(complete.message()).c_str());
    return kUsage;
  }
  const Target& target = arguments.target;
  const absl::Status ready = AwaitReady(target, arguments.timeout, arguments.wait);
  if (!ready.ok()) {
    std::fprintf(stderr, "not ready: %s\n", std::string(ready.message()).c_str());
    return 1;
  }
  std::printf("%s: %s\n", target.live ? "alive" : "ready", target.address.c_str());
  return 0;
}

}  // namespace procctl::controller

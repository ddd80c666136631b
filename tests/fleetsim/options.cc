#include "tests/fleetsim/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <string_view>

#include "spdlog/fmt/fmt.h"

namespace procctl::fleetsim {
namespace {

constexpr int kUsage = 2;

std::optional<Relay::Mode> ParseMode(std::string_view mode) {
  if (mode == "drop") return Relay::Mode::kDrop;
  if (mode == "drop-to-node") return Relay::Mode::kDropToNode;
  if (mode == "drop-to-controller") return Relay::Mode::kDropToController;
  if (mode == "reset") return Relay::Mode::kReset;
  return std::nullopt;
}

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool ParseNumber(const std::string& text, double* number) {
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, *number);
  return read.ec == std::errc() && read.ptr == end && *number >= 0;
}

void Declare(Options* o, std::string* partition, std::string* report, CLI::App* app) {
  app->add_option("--controller", o->controller, "HOST:PORT of the controller");
  app->add_option("--dir", o->dir, "Folder that `procctl-controller init` made; it holds the CA")
      ->required();
  app->add_option("--server-name", o->server_name,
                  "What the controller's certificate is for, if not HOST");
  app->add_option("--prefix", o->prefix, "Nodes are PREFIX-00001 and so on (sim)");
  app->add_option("--nodes", o->nodes, "Plain nodes (100)")->check(CLI::Range(0, 100'000));
  app->add_option("--slots", o->slots, "Slots of each node (100)")->check(CLI::Range(0, 200'000));
  app->add_option("--programs", o->programs, "So many of them are programs of the node (0)");
  app->add_option("--churn", o->churn, "Changes of slots a second, over all nodes (0)");
  app->add_option("--events", o->events, "Events a second, over all nodes (0)");
  app->add_option("--burst", o->burst, "A node makes so many events at a time (1)")
      ->check(CLI::Range(1, 10'000));
  app->add_option("--event-bytes", o->event_bytes, "Events are padded to so many bytes (0: not)")
      ->check(CLI::Range(0, 100'000));
  app->add_option("--events-kept", o->events_kept,
                  "Events that a node keeps while nobody acknowledges them (2000)")
      ->check(CLI::Range(8, 1'000'000));
  app->add_option("--duration", o->duration_s, "Seconds; 0: until SIGINT or SIGTERM (0)");
  app->add_option("--spread", o->spread_s,
                  "Seconds over which the first connections come (150 a second)");
  app->add_flag("--kill-latency", o->kill_latency,
                "A verdict follows its order at once, instead of within 300 ms");
  app->add_option("--slow", o->slow, "Further nodes that read a message every 2 s (0)");
  app->add_option("--stopped", o->stopped, "Further nodes that never read after Welcome (0)");
  app->add_option("--hostile", o->hostile, "Further nodes that break the protocol (0)");
  app->add_option("--partition", *partition,
                  "AT,FOR,SHARE[,MODE]: AT seconds after all were connected for the first time,\n"
                  "SHARE (0 to 1) of the plain nodes is cut off for FOR seconds. MODE: drop (the\n"
                  "default), drop-to-node, drop-to-controller, reset");
  app->add_option("--journal", o->journal, "File for history_check");
  app->add_option("--report", *report, "text or json (text)")
      ->check(CLI::IsMember({"text", "json"}));
  app->add_option("--threads", o->threads, "Threads that live the fleet (2)")
      ->check(CLI::Range(1, 64));
  app->add_option("--nice", o->nice,
                  "Gives way to others on this machine by so much, as nice(1) has it (0): a real\n"
                  "fleet takes no processor from its controller")
      ->check(CLI::Range(0, 19));
  app->add_option("--connecting", o->connecting,
                  "Connections under way at a time, for each thread (32): one process makes the\n"
                  "handshakes of the whole fleet")
      ->check(CLI::Range(1, 100'000));
  app->add_option("--seed", o->seed, "Of all randomness (1)");
  app->add_flag("--only-certificates", o->only_certificates,
                "Make the certificates and end, so that a later run begins at once");
  app->footer(
      "Example:\n"
      "  procctl-controller init --dir ca --fleet big --controller ctl-1 --host 127.0.0.1\n"
      "  fleetsim --dir ca --controller 127.0.0.1:7443 --nodes 10000 --slots 100 --churn 200");
}

int Refuse(const std::string& text) {
  fmt::print(stderr, "fleetsim: {}\n", text);
  return kUsage;
}

}  // namespace

std::optional<Partition> ParsePartition(const std::string& text, std::string* error) {
  const auto parts = Split(text);
  Partition partition;
  if (parts.size() < 3 || parts.size() > 4 || !ParseNumber(parts[0], &partition.at_s) ||
      !ParseNumber(parts[1], &partition.for_s) || !ParseNumber(parts[2], &partition.share) ||
      partition.share > 1) {
    *error = fmt::format("--partition {}: AT,FOR,SHARE[,MODE], with SHARE from 0 to 1", text);
    return std::nullopt;
  }
  if (parts.size() == 4) {
    const auto mode = ParseMode(parts[3]);
    if (!mode) {
      *error = fmt::format(
          "--partition: \"{}\" is none of drop, drop-to-node, drop-to-controller, reset", parts[3]);
      return std::nullopt;
    }
    partition.mode = *mode;
  }
  return partition;
}

bool ParseOptions(int argc, const char* const* argv, Options* options, int* exit_code) {
  CLI::App app(
      "A fleet of simulated nodes: real sessions with certificates of their own, in one process.",
      "fleetsim");
  std::string partition;
  std::string report = "text";
  Declare(options, &partition, &report, &app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    *exit_code = app.exit(e) == 0 ? 0 : kUsage;
    return false;
  }
  options->json = report == "json";
  std::string error;
  if (!partition.empty()) {
    options->partition = ParsePartition(partition, &error);
    if (!options->partition) {
      *exit_code = Refuse(error);
      return false;
    }
  }
  if (options->controller.find(':') == std::string::npos && !options->only_certificates) {
    *exit_code = Refuse("--controller HOST:PORT says whom to connect to");
    return false;
  }
  if (options->nodes + options->slow + options->stopped + options->hostile == 0) {
    *exit_code = Refuse("a fleet without nodes");
    return false;
  }
  return true;
}

}  // namespace procctl::fleetsim

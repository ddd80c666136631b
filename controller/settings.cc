#include "controller/settings.h"

#include "controller/rpc/listen_address.h"
#include "controller/settings_limits.h"
#include "controller/settings_source.h"
#include "procctl/v1/config.pb.h"
#include "proto/support/duration_text.h"
#include "proto/support/logging.h"
#include "proto/support/time_convert.h"
#include "proto/support/yaml_config.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

using std::chrono::nanoseconds;

constexpr nanoseconds kLeastHeartbeat = std::chrono::milliseconds(500);
constexpr nanoseconds kMostTime = std::chrono::hours(24);

std::string StateDirOf(const v1::ControllerConfig& config) {
  return config.state_dir().empty() ? "/var/lib/procctl-controller" : config.state_dir();
}

class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)), source_(file_) {}

  absl::StatusOr<Settings> Read() {
    if (absl::Status read = ReadYamlConfig(file_, &config_, &source_.lines, &faults_); !read.ok()) {
      return read;
    }
    if (const absl::Status s = CheckLogFormat(config_.log().format()); !s.ok())
      Refuse("log.format", std::string(s.message()));
    if (const absl::Status s = CheckLogLevel(config_.log().level()); !s.ok())
      Refuse("log.level", std::string(s.message()));
    Settings settings;
    settings.log_format = config_.log().format();
    settings.log_level = config_.log().level();
    settings.server.reflection = config_.reflection();
    settings.server.state_dir = StateDirOf(config_);
    Listen(&settings.server);
    Times(&settings.server);
    LongTimes(&settings.server.liveness);
    ReadHistory(&source_, &settings.server.history);
    ReadLimits(&source_, &settings.server, &settings.max_connections);
    Certificates(&settings.server);
    if (!faults_.empty()) return faults_.status();
    return settings;
  }

 private:
  void Refuse(std::string_view key, const std::string& why) { source_.Refuse(key, why); }

  void Listen(ServerOptions* server) {
    server->listen = config_.listen().empty() ? "0.0.0.0:7443" : config_.listen();
    std::string host;
    std::string port;
    const absl::Status split = SplitListenAddress(server->listen, &host, &port);
    if (!split.ok()) Refuse("listen", std::string(split.message()));
  }

  void Times(ServerOptions* server) {
    LivenessLimits& limits = server->liveness;
    if (config_.has_heartbeat_interval()) {
      server->heartbeat_interval = FromProto(config_.heartbeat_interval());
    }
    if (config_.has_suspect_after()) limits.suspect_after = FromProto(config_.suspect_after());
    if (config_.has_lost_after()) limits.lost_after = FromProto(config_.lost_after());
    if (server->heartbeat_interval < kLeastHeartbeat || server->heartbeat_interval > kMostTime) {
      Refuse("heartbeat_interval", "must be 500ms to 24h; 10s suits most fleets");
    }
    // Nothing is measured by a time that was refused.
    const bool suspect_known = !faults_.Told("suspect_after");
    if (suspect_known && !faults_.Told("heartbeat_interval") &&
        server->heartbeat_interval * 2 >= limits.suspect_after) {
      Refuse(config_.has_suspect_after() ? "suspect_after" : "heartbeat_interval",
             fmt::format("heartbeats every {} and suspects after {}: one lost message would "
                         "make a suspect; heartbeat_interval must be less than half of "
                         "suspect_after",
                         FormatDuration(server->heartbeat_interval),
                         FormatDuration(limits.suspect_after)));
    }
    if (faults_.Told("lost_after")) return;
    if ((suspect_known && limits.lost_after <= limits.suspect_after) ||
        limits.lost_after > kMostTime) {
      Refuse(config_.has_lost_after() ? "lost_after" : "suspect_after",
             fmt::format("lost after {} must be more than suspect after {} and at most 24h",
                         FormatDuration(limits.lost_after), FormatDuration(limits.suspect_after)));
    }
  }

  // After Times: measured by lost_after.
  void LongTimes(LivenessLimits* limits) {
    if (config_.has_start_grace()) limits->start_grace = FromProto(config_.start_grace());
    if (limits->start_grace > kMostTime) {
      Refuse("start_grace", "must be at most 24h; 3m suits most fleets");
    }
    if (!config_.has_forget_after()) return;
    limits->forget_after = FromProto(config_.forget_after());
    if (limits->forget_after == nanoseconds(0) || faults_.Told("lost_after")) return;
    if (limits->forget_after <= limits->lost_after) {
      Refuse("forget_after",
             fmt::format("forgotten after {} must be more than lost after {}; 7d suits most "
                         "fleets, 0s: never",
                         FormatDuration(limits->forget_after), FormatDuration(limits->lost_after)));
    }
  }

  void Certificates(ServerOptions* server) {
    const std::pair<const char*, const std::string*> required[] = {
        {"ca", &config_.ca()}, {"cert", &config_.cert()}, {"key", &config_.key()}};
    bool missing = false;
    for (const auto& [key, value] : required) {
      if (!value->empty()) continue;
      missing = true;
      Refuse(key, "is required; procctl-controller init makes the three files");
    }
    if (missing) return;
    const absl::Status read = ReadIdentity({config_.ca(), config_.cert(), config_.key()}, server);
    if (!read.ok()) Refuse("cert", std::string(read.message()));
  }

  const std::string file_;
  SettingsSource source_;
  v1::ControllerConfig& config_ = source_.config;
  ConfigFaults& faults_ = source_.faults;
};

}  // namespace

absl::StatusOr<Settings> ReadSettings(const std::string& file) { return Reader(file).Read(); }

absl::StatusOr<std::string> ReadStateDir(const std::string& file) {
  v1::ControllerConfig config;
  ConfigLines lines;
  ConfigFaults faults(file);
  if (absl::Status read = ReadYamlConfig(file, &config, &lines, &faults); !read.ok()) return read;
  if (!faults.empty()) return faults.status();
  return StateDirOf(config);
}

absl::Status ReadIdentity(const TlsFiles& files, ServerOptions* server) {
  auto pem = ReadTls(files);
  if (!pem.ok()) return pem.status();
  const auto facts = ReadCertificate(pem->cert);
  if (!facts.ok()) return facts.status();
  if (facts->identity.role != Role::kController) {
    return absl::FailedPreconditionError(
        fmt::format("{} is the certificate of {}; a controller's is needed, see "
                    "procctl-controller init",
                    files.cert, facts->identity.ToString()));
  }
  server->tls = *std::move(pem);
  server->identity = facts->identity;
  return absl::OkStatus();
}

}  // namespace procctl::controller

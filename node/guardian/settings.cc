#include "node/guardian/settings.h"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "node/core/classic_row.h"
#include "node/guardian/program_settings.h"
#include "node/guardian/program_slots.h"
#include "node/guardian/section_checker.h"
#include "node/os/journal_socket.h"
#include "node/os/state_files.h"
#include "proto/support/duration_text.h"
#include "proto/support/logging.h"
#include "proto/support/peer_identity.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Nanos kLeastScan = milliseconds(10);
constexpr Nanos kMostTimeout = hours(24 * 30);
constexpr int64_t kMostSlots = 1'000'000;
constexpr int64_t kSpoolBytes = int64_t{1} << 30;
// Less would not hold what one commit writes; more than that no node keeps for anybody.
constexpr int64_t kLeastSpoolBytes = int64_t{16} << 20;
constexpr int64_t kMostSpoolBytes = int64_t{1} << 40;

std::string HomeFolder() {
  const char* home = std::getenv("HOME");
  return home == nullptr ? "" : home;
}

template <typename T>
bool ReadNumber(const std::string& text, int base, T* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out, base);
  return error == std::errc() && end == text.data() + text.size();
}

class Checker {
 public:
  Checker(const v1::NodeConfig& config, const ConfigLines& lines, ConfigFaults* faults)
      : config_(config), lines_(lines), faults_(faults), root_(geteuid() == 0) {}

  absl::StatusOr<Settings> Check() {
    Basics();
    Heartbeat();
    Brakes();
    Rules();
    Canary();
    Classic();
    Controller();
    Uplink();
    settings_.programs =
        CheckPrograms(config_, lines_, faults_, {settings_.grace, LeastTimeout(), root_});
    Slots();
    Logger();
    if (!faults_->empty()) return faults_->status();
    settings_.config = config_;
    return settings_;
  }

 private:
  // The rest is checked all the same: a file is mended in one go.
  void Refuse(std::string_view key, std::string_view what) { faults_->AddKey(lines_, key, what); }

  // A refused value is taken as the standard one. What is bounded by it has the widest bound then
  // (Told): nothing else is blamed for it.
  void Between(std::string_view key, const google::protobuf::Duration& given, bool present,
               Nanos standard, Nanos least, Nanos most, Nanos* out) {
    *out = present ? FromProto(given) : standard;
    if (*out >= least && *out <= most) return;
    Refuse(key, fmt::format("{} is not between {} and {}", FormatDuration(*out),
                            FormatDuration(least), FormatDuration(most)));
    *out = standard;
  }

  void Count(std::string_view key, int64_t given, int64_t standard, int64_t most, int64_t* out) {
    // Absent and 0 are the same in proto3; the file knows which it was.
    const bool present = lines_.find(key) != lines_.end();
    *out = present ? given : standard;
    if (*out >= 1 && *out <= most) return;
    Refuse(key, fmt::format("{} is not between 1 and {}", *out, most));
    *out = standard;
  }

  void Basics() {
    settings_.node = config_.node();
    if (!IsValidNodeId(settings_.node)) {
      Refuse(
          "node",
          config_.node().empty()
              ? "every node needs an id; add for example: node: web-01"
              : fmt::format("\"{}\" is not an id: 1 to 63 of a-z, 0-9, '.' and '-', not starting "
                            "with '.' or '-'",
                            config_.node()));
    }
    settings_.runtime_dir = config_.runtime_dir();
    if (settings_.runtime_dir.empty() && root_) settings_.runtime_dir = "/run/procctl";
    if (settings_.runtime_dir.empty()) {
      const char* runtime = std::getenv("XDG_RUNTIME_DIR");
      if (runtime == nullptr) {
        Refuse("runtime_dir", "$XDG_RUNTIME_DIR is not set; name a folder here");
      } else {
        settings_.runtime_dir = std::string(runtime) + "/procctl";
      }
    }
    settings_.state_dir = config_.state_dir();
    if (settings_.state_dir.empty()) {
      if (!root_ && HomeFolder().empty())
        Refuse("state_dir", "$HOME is not set; name a folder here");
      settings_.state_dir = root_ ? "/var/lib/procctl" : HomeFolder() + "/.local/state/procctl";
    }
    for (const auto& [key, path] : {std::pair("runtime_dir", settings_.runtime_dir),
                                    std::pair("state_dir", settings_.state_dir)}) {
      if (!path.empty() && path.front() != '/')
        Refuse(key, fmt::format("\"{}\" must be an absolute path", path));
    }
    if (!config_.mode().empty() && config_.mode() != "enforce" && config_.mode() != "observe") {
      Refuse("mode", fmt::format("\"{}\" is unknown; use enforce or observe", config_.mode()));
    }
    settings_.enforce = config_.mode() != "observe";
    Between("scan_interval", config_.scan_interval(), config_.has_scan_interval(),
            milliseconds(100), kLeastScan, seconds(1), &settings_.scan_interval);
    settings_.protected_names = AlwaysProtected();
    for (int i = 0; i < config_.protected__size(); ++i) {
      const std::string& name = config_.protected_(i);
      if (name.empty() || name.size() > 15) {
        Refuse(fmt::format("protected.{}", i),
               fmt::format("\"{}\" cannot be a process name: the kernel keeps 1 to 15 bytes of it",
                           name));
      }
      settings_.protected_names.insert(name);
    }
    if (const absl::Status s = CheckLogFormat(config_.log().format()); !s.ok())
      Refuse("log.format", std::string(s.message()));
    if (const absl::Status s = CheckLogLevel(config_.log().level()); !s.ok())
      Refuse("log.level", std::string(s.message()));
    settings_.log_format = config_.log().format();
    settings_.log_level = config_.log().level();
    Between("grace", config_.grace(), config_.has_grace(), seconds(5), milliseconds(100), hours(1),
            &settings_.grace);
  }

  // A beat is seen at the next scan: below four intervals a punctual program could look late.
  Nanos LeastTimeout() const {
    return 4 * (faults_->Told("scan_interval") ? kLeastScan : settings_.scan_interval);
  }

  void Heartbeat() {
    const v1::HeartbeatConfig& heartbeat = config_.heartbeat();
    RegistrationLimits& limits = settings_.limits;
    limits.guardian_uid = geteuid();
    const Nanos least = LeastTimeout();
    Between("heartbeat.min_timeout", heartbeat.min_timeout(), heartbeat.has_min_timeout(),
            std::max<Nanos>(milliseconds(500), least), least, hours(24), &limits.min_timeout);
    Between("heartbeat.max_timeout", heartbeat.max_timeout(), heartbeat.has_max_timeout(),
            hours(24), faults_->Told("heartbeat.min_timeout") ? least : limits.min_timeout,
            kMostTimeout, &limits.max_timeout);
    Count("heartbeat.max_slots", heartbeat.max_slots(), 16384, kMostSlots, &limits.max_slots);
    Count("heartbeat.max_slots_per_user", heartbeat.max_slots_per_user(),
          std::min<int64_t>(4096, limits.max_slots),
          faults_->Told("heartbeat.max_slots") ? kMostSlots : limits.max_slots,
          &limits.max_slots_per_user);
    Between("heartbeat.max_start_grace", heartbeat.max_start_grace(),
            heartbeat.has_max_start_grace(), std::chrono::minutes(10), seconds(1), hours(24),
            &limits.max_start_grace);
    Small("heartbeat.near_miss_percent", heartbeat.near_miss_percent(), 80, 99,
          &settings_.near_miss_percent);
    settings_.socket_mode = root_ ? 0666 : 0600;
    if (!heartbeat.socket_mode().empty() &&
        (!ReadNumber(heartbeat.socket_mode(), 8, &settings_.socket_mode) ||
         settings_.socket_mode > 0777)) {
      return Refuse(
          "heartbeat.socket_mode",
          fmt::format("\"{}\" is not an octal mode such as \"0660\"", heartbeat.socket_mode()));
    }
  }

  void Small(std::string_view key, int64_t given, int standard, int most, int* out) {
    int64_t wide = 0;
    Count(key, given, standard, most, &wide);
    *out = static_cast<int>(wide);
  }

  // "enforce" or "observe"; absent stays absent.
  void Mode(std::string_view key, const std::string& mode, std::optional<bool>* observe) {
    if (mode.empty()) return;
    if (mode != "enforce" && mode != "observe")
      return Refuse(key, fmt::format("\"{}\" is unknown; use enforce or observe", mode));
    *observe = mode == "observe";
  }

  void Brakes() {
    const v1::BrakesConfig& brakes = config_.brakes();
    BrakePolicy& out = settings_.brakes;
    Small("brakes.burst", brakes.burst(), 10, 1000, &out.burst);
    Small("brakes.per_minute", brakes.per_minute(), 30, 1000, &out.per_minute);
    const v1::CommonCauseConfig& common = brakes.common_cause();
    if (!common.mode().empty() && common.mode() != "on" && common.mode() != "off") {
      Refuse("brakes.common_cause.mode",
             fmt::format("\"{}\" is unknown; use on or off", common.mode()));
    }
    out.common_cause = common.mode() != "off";
    Small("brakes.common_cause.least", common.least(), 3, 1'000'000, &out.least);
    Small("brakes.common_cause.share_percent", common.share_percent(), 50, 100, &out.share_percent);
    Between("brakes.common_cause.window", common.window(), common.has_window(), seconds(10),
            milliseconds(500), hours(1), &out.window);
    Between("brakes.common_cause.pause", common.pause(), common.has_pause(), seconds(60),
            seconds(1), hours(24), &out.pause);
    Between("brakes.common_cause.then_every", common.then_every(), common.has_then_every(),
            seconds(60), seconds(1), hours(24), &out.then_every);
  }

  void Rules() {
    SlotRules defaults;
    defaults.grace = settings_.grace;
    Between("heartbeat.max_busy", config_.heartbeat().max_busy(),
            config_.heartbeat().has_max_busy(), hours(1), seconds(1), hours(24 * 30),
            &defaults.max_busy);
    std::vector<NamedRule> rules;
    for (int i = 0; i < config_.rules_size(); ++i) {
      const v1::SlotRule& rule = config_.rules(i);
      const auto key = [i](const char* name) { return fmt::format("rules.{}.{}", i, name); };
      NamedRule out;
      if (rule.name().empty()) {
        Refuse(fmt::format("rules.{}", i), "a rule needs a name, for example: - name: encoder*");
      }
      out.name = rule.name();
      Mode(key("mode"), rule.mode(), &out.observe);
      const auto duration = [&](const char* name, const google::protobuf::Duration& given,
                                bool present, Nanos least, Nanos most, std::optional<Nanos>* to) {
        if (!present) return;
        Between(key(name), given, true, least, least, most, &to->emplace());
      };
      duration("shadow_timeout", rule.shadow_timeout(), rule.has_shadow_timeout(), LeastTimeout(),
               faults_->Told("heartbeat.max_timeout") ? kMostTimeout : settings_.limits.max_timeout,
               &out.shadow_timeout);
      duration("max_busy", rule.max_busy(), rule.has_max_busy(), seconds(1), hours(24 * 30),
               &out.max_busy);
      duration("grace", rule.grace(), rule.has_grace(), milliseconds(100), hours(1), &out.grace);
      rules.push_back(std::move(out));
    }
    settings_.rules = SlotRuleBook(defaults, std::move(rules));
  }

  void Canary() {
    if (!config_.has_canary()) return;
    if (!config_.canary().has_every())
      return Refuse("canary.every", "is missing; add for example: every: 10m");
    Between("canary.every", config_.canary().every(), true, seconds(10), seconds(10), hours(24),
            &settings_.canary_every.emplace());
  }

  void Classic() {
    const v1::ClassicConfig& classic = config_.classic();
    // Whether it is meant to be on is not known where that is refused.
    if (!classic.enabled() && !faults_->Told("classic.enabled")) return;
    ClassicSettings out;
    out.key = kDefaultClassicKey;
    if (!classic.key().empty()) {
      const bool hex = classic.key().substr(0, 2) == "0x";
      int64_t key = 0;
      if (!ReadNumber(hex ? classic.key().substr(2) : classic.key(), hex ? 16 : 10, &key) ||
          key <= 0 || key > INT32_MAX) {
        Refuse("classic.key", fmt::format("\"{}\" is not a key such as 0x5095", classic.key()));
      }
      out.key = static_cast<key_t>(key);
    }
    int64_t rows = 0;
    Count("classic.slots", classic.slots(), 1000, 100'000, &rows);
    out.rows = static_cast<int32_t>(rows);
    out.group = getegid();
    if (!classic.group().empty()) {
      const group* entry = getgrnam(classic.group().c_str());
      if (entry == nullptr) {
        Refuse("classic.group", fmt::format("there is no group \"{0}\"; run: groupadd --system {0}",
                                            classic.group()));
      } else {
        out.group = entry->gr_gid;
      }
    }
    for (int i = 0; i < classic.users_size(); ++i) {
      const auto user = FindUser(classic.users(i));
      if (!user.ok()) {
        Refuse(fmt::format("classic.users.{}", i), std::string(user.status().message()));
      } else {
        out.users.push_back(user->uid);
      }
    }
    settings_.classic = out;
  }

  void Controller() {
    const v1::ControllerLinkConfig& controller = config_.controller();
    const bool addressed = !controller.address().empty();
    // Where the address is refused, the rest is there to be checked.
    if (!addressed && !faults_->Told("controller.address")) {
      if (config_.has_controller()) {
        return Refuse("controller.address",
                      "is missing; write host:port, or leave out controller altogether");
      }
      return;
    }
    const size_t colon = controller.address().rfind(':');
    int port = 0;
    if (addressed && (colon == std::string::npos || colon == 0 ||
                      !ReadNumber(controller.address().substr(colon + 1), 10, &port) || port < 1 ||
                      port > 65535)) {
      Refuse("controller.address", fmt::format("\"{}\" is not host:port", controller.address()));
    }
    for (const auto& [key, path] : {std::pair("controller.ca", controller.ca()),
                                    std::pair("controller.cert", controller.cert()),
                                    std::pair("controller.key", controller.key())}) {
      if (path.empty()) {
        Refuse(key, "is missing; procctl-controller init makes the three files of a node");
      } else if (const auto text = ReadFile(path); !text.ok()) {
        Refuse(key, std::string(text.status().message()));
      }
    }
    struct stat key_info {};
    if (stat(controller.key().c_str(), &key_info) == 0 && (key_info.st_mode & 077) != 0) {
      Refuse("controller.key",
             fmt::format("{0} can be read by others; run: chmod 600 {0}", controller.key()));
    }
    settings_.controller = ControllerSettings{controller.address(), controller.server_name(),
                                              controller.ca(), controller.cert(), controller.key()};
  }

  void Slots() {
    if (faults_->Told("heartbeat.max_slots") || faults_->Told("heartbeat.max_slots_per_user"))
      return;
    const auto shortage = FindSlotShortage(settings_.programs, settings_.limits, geteuid());
    if (!shortage) return;
    Refuse(fmt::format("programs.{}.instances", shortage->program),
           fmt::format("{}; raise that, or ask for fewer instances", shortage->fact));
  }

  void Logger() {
    settings_.logger_path = BesideUs("procctl-logger");
    if (const char* journal = std::getenv(kJournalSocketVariable))
      settings_.journal_socket = journal;
    if (settings_.programs.empty() || access(settings_.logger_path.c_str(), X_OK) == 0) return;
    Refuse("programs", fmt::format("{} cannot be executed; install procctl-logger beside "
                                   "procctl-node, it writes what programs print",
                                   settings_.logger_path));
  }

  static std::string BesideUs(const char* program) {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    return (self.parent_path() / program).string();
  }

  void Uplink() {
    const v1::UplinkConfig& uplink = config_.uplink();
    settings_.uplink_path = uplink.path();
    if (settings_.uplink_path.empty()) settings_.uplink_path = BesideUs("procctl-uplink");
    if (access(settings_.uplink_path.c_str(), X_OK) != 0) {
      Refuse("uplink.path",
             fmt::format("{} cannot be executed; install procctl-uplink beside procctl-node or "
                         "name it here",
                         settings_.uplink_path));
    }
    if (root_) {
      const auto user = FindUser(uplink.user().empty() ? "procctl" : uplink.user());
      if (!user.ok()) {
        Refuse("uplink.user", std::string(user.status().message()));
      } else {
        settings_.uplink_user = *user;
      }
    }
    Count("uplink.spool_events", uplink.spool_events(), 1'000'000, 100'000'000,
          &settings_.spool_events);
    SectionChecker section("uplink", lines_, faults_);
    settings_.spool_bytes =
        section.MaybeSize("spool_size", uplink.spool_size(), kLeastSpoolBytes, kMostSpoolBytes)
            .value_or(kSpoolBytes);
  }

  const v1::NodeConfig& config_;
  const ConfigLines& lines_;
  ConfigFaults* faults_;
  const bool root_;
  Settings settings_;
};

}  // namespace

absl::StatusOr<Settings> ReadSettings(const std::string& file) {
  const auto text = ReadConfigText(file);
  if (!text.ok()) return text.status();
  return ParseSettings(file, *text);
}

absl::StatusOr<Settings> ParseSettings(const std::string& file, const std::string& text) {
  v1::NodeConfig config;
  ConfigLines lines;
  ConfigFaults faults(file);
  if (absl::Status s = ParseYamlConfig(file, text, &config, &lines, &faults); !s.ok()) return s;
  auto settings = CheckSettings(config, lines, &faults);
  if (!settings.ok()) return settings;
  settings->file = file;
  settings->text = text;
  return settings;
}

absl::StatusOr<Settings> CheckSettings(const v1::NodeConfig& config, const ConfigLines& lines,
                                       ConfigFaults* faults) {
  return Checker(config, lines, faults).Check();
}

}  // namespace procctl::node

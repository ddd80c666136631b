// The node's configuration file: refused with a sentence, or within every documented bound.
#include <algorithm>
#include <csignal>
#include <set>
#include <string>

#include "node/guardian/settings.h"
#include "procctl/v1/config.pb.h"
#include "proto/support/yaml_config.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/text_oracle.h"

namespace procctl::fuzz {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kFile = "node.yaml";

// It goes to a terminal and to the log.
void CheckRefusal(const absl::Status& status) {
  PROCCTL_MUST(absl::IsInvalidArgument(status));
  std::string message(status.message());
  // Several: a line that counts them, then one for each that is listed.
  const bool several = message.rfind("node.yaml has ", 0) == 0;
  if (several) message.erase(0, message.find('\n') + 1);
  size_t faults = 0;
  for (size_t begin = 0; begin < message.size(); ++faults) {
    const size_t end = std::min(message.find('\n', begin), message.size());
    std::string line = message.substr(begin, end - begin);
    begin = end + 1;
    if (several) {
      PROCCTL_MUST(line.rfind("  ", 0) == 0);
      line.erase(0, 2);
    }
    if (faults == ConfigFaults::kMostListed) {
      PROCCTL_MUST(line.rfind("... and ", 0) == 0 && begin >= message.size());
      break;
    }
    PROCCTL_MUST(line.rfind("node.yaml:", 0) == 0);
    PROCCTL_MUST(line.rfind("node.yaml:0", 0) != 0 && line.rfind("node.yaml:-", 0) != 0);
    PROCCTL_MUST(IsSafe(line));
  }
  PROCCTL_MUST(several ? faults >= 2 && faults <= ConfigFaults::kMostListed : faults == 1);
}

bool IsPath(const std::string& text) {
  return text.rfind('/', 0) == 0 && text.find('\0') == std::string::npos;
}

void CheckProgram(const node::ProgramSpec& program) {
  PROCCTL_MUST(!program.name.empty() && program.name.size() <= 48);
  PROCCTL_MUST(program.name.find_first_of("@/ ") == std::string::npos && program.name != "..");
  PROCCTL_MUST(!program.argv.empty() && !program.argv[0].empty() && !program.user);
  PROCCTL_MUST(IsPath(program.dir) && program.umask <= 0777);
  PROCCTL_MUST(program.instances >= 1 && program.instances <= 1000);
  for (const std::string& entry : program.env) PROCCTL_MUST(entry.find('=') != std::string::npos);
  for (const node::EnvFile& file : program.env_files) PROCCTL_MUST(IsPath(file.path));
  PROCCTL_MUST(program.watchdog == node::Nanos(0) ||
               (program.door == v1::DOOR_NOTIFY && program.watchdog >= milliseconds(500) &&
                program.watchdog <= hours(24)));
  PROCCTL_MUST(program.grace >= milliseconds(100) && program.grace <= hours(1));
  PROCCTL_MUST(program.stop_signal >= 1 && program.stop_signal <= 64);
  PROCCTL_MUST(program.stop_signal != SIGKILL && program.stop_signal != SIGSTOP);
  PROCCTL_MUST(program.backoff.first <= program.backoff.most);
  for (const int code : program.success_codes) PROCCTL_MUST(code >= 0 && code <= 255);
  const bool repeated = program.every != node::Nanos(0);
  PROCCTL_MUST(!repeated || (program.every >= seconds(1) && !program.schedule));
  PROCCTL_MUST(!(repeated || program.schedule) ||
               (!program.manual && program.restart != node::RestartPolicy::kAlways));
  const node::CgroupLimits& cgroup = program.limits.cgroup;
  PROCCTL_MUST(!cgroup.memory_max || *cgroup.memory_max >= 1 << 20);
  PROCCTL_MUST(!cgroup.cpu_percent || *cgroup.cpu_percent >= 1);
  for (const node::ResourceLimit& limit : program.limits.rlimits) {
    PROCCTL_MUST(limit.soft <= limit.hard);
  }
  PROCCTL_MUST(program.output.stdout_path.empty() || IsPath(program.output.stdout_path));
  PROCCTL_MUST(program.output.max_size >= 4096 && program.output.keep >= 0);
}

void CheckBounds(const node::Settings& settings) {
  PROCCTL_MUST(!settings.node.empty() && settings.node.size() <= 63);
  PROCCTL_MUST(settings.node.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") ==
               std::string::npos);
  PROCCTL_MUST(IsPath(settings.runtime_dir) && IsPath(settings.state_dir));
  PROCCTL_MUST(settings.scan_interval >= milliseconds(10) && settings.scan_interval <= seconds(1));
  PROCCTL_MUST(settings.grace >= milliseconds(100) && settings.grace <= hours(1));
  const node::RegistrationLimits& limits = settings.limits;
  PROCCTL_MUST(limits.min_timeout >= 4 * settings.scan_interval);
  PROCCTL_MUST(limits.max_timeout >= limits.min_timeout && limits.max_timeout <= hours(24 * 30));
  PROCCTL_MUST(limits.max_slots >= 1 && limits.max_slots <= 1'000'000);
  PROCCTL_MUST(limits.max_slots_per_user >= 1 && limits.max_slots_per_user <= limits.max_slots);
  PROCCTL_MUST(settings.socket_mode <= 0777);
  PROCCTL_MUST(settings.protected_names.count("sshd") == 1);
  for (const std::string& name : settings.protected_names) {
    PROCCTL_MUST(!name.empty() && name.size() <= 15);
  }
  if (settings.classic) {
    PROCCTL_MUST(settings.classic->key > 0);
    PROCCTL_MUST(settings.classic->rows >= 1 && settings.classic->rows <= 100'000);
  }
  PROCCTL_MUST(!settings.controller || !settings.controller->address.empty());
  std::set<std::string> names;
  for (const node::ProgramSpec& program : settings.programs) {
    CheckProgram(program);
    PROCCTL_MUST(names.insert(program.name).second);
  }
  PROCCTL_MUST(settings.spool_events >= 1 && settings.spool_events <= 100'000'000);
  PROCCTL_MUST(settings.spool_bytes >= 16 << 20 && settings.spool_bytes <= int64_t{1} << 40);
}

// What else is true of a host is not the file's matter here: no name in it reaches this machine's
// files or users.
void LeaveTheHostOut(v1::NodeConfig* config) {
  config->mutable_uplink()->set_path("/proc/self/exe");
  config->mutable_uplink()->set_user("root");
  config->mutable_classic()->clear_group();
  config->mutable_classic()->clear_users();
  for (v1::ProgramConfig& program : *config->mutable_programs()) {
    program.clear_user();
    program.clear_group();
    program.clear_groups();
    program.clear_time_zone();
  }
  if (!config->has_controller()) return;
  config->mutable_controller()->set_ca("/dev/null");
  config->mutable_controller()->set_cert("/dev/null");
  // Not open to others, and readable: what is in a key is read much later.
  config->mutable_controller()->set_key("/proc/self/auxv");
}

template <typename Config>
bool Parse(const std::string& text, Config* config, ConfigLines* lines, ConfigFaults* faults) {
  const absl::Status status = ParseYamlConfig(kFile, text, config, lines, faults);
  if (!status.ok()) {
    CheckRefusal(status);
    return false;
  }
  if (!faults->empty()) CheckRefusal(faults->status());
  const auto most =
      1 + std::count_if(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; });
  for (const auto& [key, line] : *lines) PROCCTL_MUST(line >= 1 && line <= most);
  // Parts of it travel in messages, whose readers drop what is no UTF-8.
  PROCCTL_MUST(Config().ParseFromString(config->SerializeAsString()));
  return true;
}

}  // namespace
}  // namespace procctl::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace procctl::fuzz;
  const std::string text(reinterpret_cast<const char*>(data), size);
  procctl::ConfigLines lines;
  procctl::v1::ControllerConfig other;
  procctl::ConfigFaults other_faults(kFile);
  Parse(text, &other, &lines, &other_faults);

  lines.clear();
  procctl::v1::NodeConfig config;
  procctl::ConfigFaults faults(kFile);
  if (!Parse(text, &config, &lines, &faults)) return 0;
  const bool good = faults.empty();
  LeaveTheHostOut(&config);
  const auto settings = procctl::node::CheckSettings(config, lines, &faults);
  // What the reader refused stays refused, whatever is checked afterwards.
  PROCCTL_MUST(good || !settings.ok());
  if (settings.ok()) {
    CheckBounds(*settings);
  } else {
    CheckRefusal(settings.status());
  }
  return 0;
}

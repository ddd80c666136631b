// What the configuration says of one program, every default filled in and every bound checked.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "node/core/mono_time.h"
#include "node/core/quiet_times.h"
#include "node/core/schedule.h"
#include "procctl/v1/config.pb.h"
#include "procctl/v1/slot.pb.h"

namespace procctl::node {

enum class RestartPolicy { kAlways, kOnFailure, kOnHang, kNever };

struct BackoffRule {
  Nanos first = std::chrono::seconds(1);
  Nanos most = std::chrono::seconds(60);
  int jitter_percent = 20;
  Nanos reset_after = std::chrono::seconds(60);
};

struct IntensityRule {
  // So many or more: it is never parked.
  static constexpr int kNever = 1'000'000;

  int starts = 6;
  Nanos within = std::chrono::minutes(2);
  Nanos retry_every = std::chrono::minutes(10);
};

struct ProgramUser {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  // All of them, gid included.
  std::vector<gid_t> groups;
  std::string home;
  std::string shell;
};

struct EnvFile {
  std::string path;
  bool may_be_missing = false;
};

// By cgroup v2.
struct CgroupLimits {
  std::optional<int64_t> memory_high;
  std::optional<int64_t> memory_max;
  std::optional<int> cpu_percent;
  std::optional<int> pids;
  std::optional<int> io_weight;

  bool any() const { return memory_high || memory_max || cpu_percent || pids || io_weight; }
};

struct ResourceLimit {
  // RLIMIT_*, and as it is written.
  int resource = 0;
  std::string name;
  // RLIM_INFINITY: none.
  uint64_t soft = 0;
  uint64_t hard = 0;
};

struct ProgramLimits {
  CgroupLimits cgroup;
  std::vector<ResourceLimit> rlimits;
  std::optional<int> nice;
  int oom_score_adj = 0;
  std::optional<int64_t> restart_above_memory;
};

struct OutputRule {
  // Absolute paths; empty: dropped.
  std::string stdout_path;
  std::string stderr_path;
  bool stderr_to_stdout = false;
  // To the system's journal; the path is empty then.
  bool stdout_journal = false;
  bool stderr_journal = false;
  int64_t max_size = int64_t{16} << 20;
  int keep = 5;
};

struct ProgramSpec {
  std::string name;
  // {"/bin/sh", "-c", line} for a shell line.
  std::vector<std::string> argv;
  // Absent: the guardian's own.
  std::optional<ProgramUser> user;
  std::string dir = "/";
  mode_t umask = 022;
  // NAME=VALUE.
  std::vector<std::string> env;
  std::vector<EnvFile> env_files;
  int instances = 1;
  std::vector<std::string> after;
  std::vector<std::string> needs;
  // NATIVE, NOTIFY or PROGRAM.
  v1::Door door = v1::DOOR_PROGRAM;
  // 0: it need not beat.
  Nanos watchdog{0};
  Nanos start_grace = std::chrono::seconds(90);
  bool notify_all = false;
  RestartPolicy restart = RestartPolicy::kAlways;
  std::set<int> success_codes = {0};
  std::set<int> final_codes;
  BackoffRule backoff;
  IntensityRule intensity;
  int stop_signal = 15;
  Nanos grace = std::chrono::seconds(5);
  // 0: no such schedule.
  Nanos every{0};
  std::optional<ScheduleRule> schedule;
  // The same as in `schedule`, for those without.
  QuietTimes quiet;
  // 0: none.
  Nanos run_limit{0};
  Nanos max_age{0};
  int max_age_variance = 10;
  ProgramLimits limits;
  OutputRule output;
  // KEY=VALUE.
  std::vector<std::string> labels;
  bool manual = false;
  // As it was written: what a reload compares.
  v1::ProgramConfig config;
};

// "web", or "web@2" where the program may have several instances.
inline std::string LabelOf(const ProgramSpec& spec, int instance) {
  return spec.instances == 1 ? spec.name : spec.name + "@" + std::to_string(instance);
}

}  // namespace procctl::node

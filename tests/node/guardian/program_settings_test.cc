#include "node/guardian/program_settings.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <sstream>
#include <string>
#include <vector>

#include "proto/support/yaml_config.h"

namespace procctl::node {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

ProgramDefaults Standard() {
  ProgramDefaults defaults;
  defaults.grace = seconds(7);
  defaults.root = geteuid() == 0;
  return defaults;
}

struct Checked {
  std::vector<ProgramSpec> specs;
  absl::Status status;
};

Checked Check(const std::string& text, const ProgramDefaults& defaults = Standard()) {
  v1::NodeConfig config;
  ConfigLines lines;
  ConfigFaults faults("node.yaml");
  const absl::Status parsed = ParseYamlConfig("node.yaml", text, &config, &lines, &faults);
  if (!parsed.ok()) return {{}, parsed};
  std::vector<ProgramSpec> specs = CheckPrograms(config, lines, &faults, defaults);
  return {std::move(specs), faults.status()};
}

// A single program: line 2 is its name and command, `keys` begin in line 3.
std::string Program(const std::string& keys) {
  return "programs:\n- {name: web, command: [/bin/true]}\n- name: api\n  command: [/bin/true]\n" +
         keys;
}
constexpr size_t kProgram = 1;
constexpr int kFirstLine = 5;

std::vector<std::string> Faults(const std::string& text,
                                const ProgramDefaults& defaults = Standard()) {
  std::istringstream told(std::string(Check(text, defaults).status.message()));
  std::vector<std::string> lines;
  for (std::string line; std::getline(told, line);) lines.push_back(line);
  return lines;
}

// The one fault of the file is in the first line of `keys`, of this key, and says this.
void ExpectRefused(const std::string& keys, const std::string& key, const std::string& text,
                   const ProgramDefaults& defaults = Standard()) {
  const std::vector<std::string> faults = Faults(Program(keys), defaults);
  ASSERT_EQ(faults.size(), 1U) << keys << ::testing::PrintToString(faults);
  EXPECT_EQ(
      faults[0].rfind("node.yaml:" + std::to_string(kFirstLine) + ": programs.1." + key + ": ", 0),
      0U)
      << keys << faults[0];
  EXPECT_THAT(faults[0], HasSubstr(text)) << keys;
}

ProgramSpec Good(const std::string& keys) {
  Checked checked = Check(Program(keys));
  EXPECT_TRUE(checked.status.ok()) << keys << checked.status;
  EXPECT_EQ(checked.specs.size(), 2U);
  return checked.specs.size() == 2 ? checked.specs[kProgram] : ProgramSpec();
}

TEST(CheckPrograms, DefaultsAreTheDocumentedOnes) {
  const ProgramSpec spec = Good("");
  EXPECT_EQ(spec.name, "api");
  EXPECT_THAT(spec.argv, ElementsAre("/bin/true"));
  EXPECT_FALSE(spec.user);
  EXPECT_EQ(spec.dir, "/");
  EXPECT_EQ(spec.umask, mode_t{022});
  EXPECT_EQ(spec.instances, 1);
  EXPECT_EQ(spec.door, v1::DOOR_PROGRAM);
  EXPECT_EQ(spec.watchdog, Nanos(0));
  EXPECT_EQ(spec.start_grace, seconds(90));
  EXPECT_FALSE(spec.notify_all);
  EXPECT_EQ(spec.restart, RestartPolicy::kAlways);
  EXPECT_THAT(spec.success_codes, ElementsAre(0));
  EXPECT_TRUE(spec.final_codes.empty());
  EXPECT_EQ(spec.backoff.first, seconds(1));
  EXPECT_EQ(spec.backoff.most, seconds(60));
  EXPECT_EQ(spec.backoff.jitter_percent, 20);
  EXPECT_EQ(spec.backoff.reset_after, seconds(60));
  EXPECT_EQ(spec.intensity.starts, 10);
  EXPECT_EQ(spec.intensity.within, minutes(2));
  EXPECT_EQ(spec.intensity.retry_every, minutes(10));
  EXPECT_EQ(spec.stop_signal, SIGTERM);
  EXPECT_EQ(spec.grace, seconds(7)) << "the node's";
  EXPECT_EQ(spec.every, Nanos(0));
  EXPECT_FALSE(spec.schedule);
  EXPECT_EQ(spec.run_limit, Nanos(0));
  EXPECT_EQ(spec.max_age, Nanos(0));
  EXPECT_EQ(spec.max_age_variance, 10);
  EXPECT_FALSE(spec.limits.cgroup.any());
  EXPECT_TRUE(spec.limits.rlimits.empty());
  EXPECT_FALSE(spec.limits.nice);
  EXPECT_FALSE(spec.limits.restart_above_memory);
  EXPECT_EQ(spec.output.stdout_path, "");
  EXPECT_EQ(spec.output.stderr_path, "");
  EXPECT_FALSE(spec.output.stderr_to_stdout);
  EXPECT_EQ(spec.output.max_size, int64_t{16} << 20);
  EXPECT_EQ(spec.output.keep, 5);
  EXPECT_FALSE(spec.manual);
  EXPECT_EQ(spec.config.name(), "api");
}

TEST(CheckPrograms, EveryKeyIsTaken) {
  const ProgramSpec spec = Good(
      "  dir: /var\n  umask: \"0077\"\n  env: [A=1, B_2=x=y, C=]\n  env_files: [/a, -/b]\n"
      "  instances: 3\n  after: [web]\n  needs: [web]\n  door: notify\n  watchdog: 4s\n"
      "  start_grace: 30s\n  notify_access: all\n  restart: on-hang\n  success_codes: [0, 3]\n"
      "  final_codes: [3, 255]\n  backoff: {first: 0s, most: 5m, jitter_percent: 0, reset_after: "
      "2m}\n  intensity: {starts: 1, within: 30s, retry_every: 1s}\n  stop_signal: SIGQUIT\n"
      "  grace: 3s\n  run_limit: 1h\n  max_age: 7d\n  max_age_variance: 0\n"
      "  limits:\n    memory_high: 256M\n    memory_max: 512M\n    cpu_percent: 150\n    pids: 64\n"
      "    io_weight: 10\n    rlimits: [nofile=1024:4096, core=0, stack=8M, nproc=unlimited]\n"
      "    nice: -5\n    oom_score_adj: -500\n    restart_above_memory: 1.5G\n"
      "  output: {stdout: /var/log/../log/a, stderr: /var/log/b, max_size: 4K, keep: 0}\n"
      "  labels: [app=api, tier=1]\n  manual: true\n");
  EXPECT_EQ(spec.dir, "/var");
  EXPECT_EQ(spec.umask, mode_t{077});
  EXPECT_THAT(spec.env, ElementsAre("A=1", "B_2=x=y", "C="));
  ASSERT_EQ(spec.env_files.size(), 2U);
  EXPECT_EQ(spec.env_files[0].path, "/a");
  EXPECT_FALSE(spec.env_files[0].may_be_missing);
  EXPECT_EQ(spec.env_files[1].path, "/b");
  EXPECT_TRUE(spec.env_files[1].may_be_missing);
  EXPECT_EQ(spec.instances, 3);
  EXPECT_THAT(spec.after, ElementsAre("web"));
  EXPECT_THAT(spec.needs, ElementsAre("web"));
  EXPECT_EQ(spec.door, v1::DOOR_NOTIFY);
  EXPECT_EQ(spec.watchdog, seconds(4));
  EXPECT_EQ(spec.start_grace, seconds(30));
  EXPECT_TRUE(spec.notify_all);
  EXPECT_EQ(spec.restart, RestartPolicy::kOnHang);
  EXPECT_THAT(spec.success_codes, ElementsAre(0, 3));
  EXPECT_THAT(spec.final_codes, ElementsAre(3, 255)) << "3 ends it for good, as a success";
  EXPECT_EQ(spec.backoff.first, Nanos(0));
  EXPECT_EQ(spec.backoff.most, minutes(5));
  EXPECT_EQ(spec.backoff.jitter_percent, 0);
  EXPECT_EQ(spec.backoff.reset_after, minutes(2));
  EXPECT_EQ(spec.intensity.starts, 1);
  EXPECT_EQ(spec.intensity.within, seconds(30));
  EXPECT_EQ(spec.intensity.retry_every, seconds(1));
  EXPECT_EQ(spec.stop_signal, SIGQUIT);
  EXPECT_EQ(spec.grace, seconds(3));
  EXPECT_EQ(spec.run_limit, hours(1));
  EXPECT_EQ(spec.max_age, hours(7 * 24));
  EXPECT_EQ(spec.max_age_variance, 0);
  EXPECT_EQ(spec.limits.cgroup.memory_high, int64_t{256} << 20);
  EXPECT_EQ(spec.limits.cgroup.memory_max, int64_t{512} << 20);
  EXPECT_EQ(spec.limits.cgroup.cpu_percent, 150);
  EXPECT_EQ(spec.limits.cgroup.pids, 64);
  EXPECT_EQ(spec.limits.cgroup.io_weight, 10);
  ASSERT_EQ(spec.limits.rlimits.size(), 4U);
  EXPECT_EQ(spec.limits.rlimits[0].resource, static_cast<int>(RLIMIT_NOFILE));
  EXPECT_EQ(spec.limits.rlimits[0].soft, 1024U);
  EXPECT_EQ(spec.limits.rlimits[0].hard, 4096U);
  EXPECT_EQ(spec.limits.rlimits[1].hard, 0U);
  EXPECT_EQ(spec.limits.rlimits[2].hard, 8U << 20);
  EXPECT_EQ(spec.limits.rlimits[3].soft, RLIM_INFINITY);
  EXPECT_EQ(spec.limits.nice, -5);
  EXPECT_EQ(spec.limits.oom_score_adj, -500);
  EXPECT_EQ(spec.limits.restart_above_memory, int64_t{3} << 29);
  EXPECT_EQ(spec.output.stdout_path, "/var/log/a");
  EXPECT_EQ(spec.output.stderr_path, "/var/log/b");
  EXPECT_EQ(spec.output.max_size, 4096);
  EXPECT_EQ(spec.output.keep, 0);
  EXPECT_THAT(spec.labels, ElementsAre("app=api", "tier=1"));
  EXPECT_TRUE(spec.manual);
}

TEST(CheckPrograms, AShellLineIsGivenToTheShell) {
  const Checked checked = Check("programs: [{name: a, shell: \"exec sleep 5\"}]\n");
  ASSERT_TRUE(checked.status.ok()) << checked.status;
  EXPECT_THAT(checked.specs[0].argv, ElementsAre("/bin/sh", "-c", "exec sleep 5"));
}

TEST(CheckPrograms, OutputGoesWhereItIsSaid) {
  EXPECT_TRUE(Good("  output: {stdout: /a, stderr: stdout}\n").output.stderr_to_stdout);
  EXPECT_EQ(Good("  output: {stdout: /a, stderr: stdout}\n").output.stderr_path, "/a");
  EXPECT_TRUE(Good("  output: {stdout: /v/a, stderr: /v//a}\n").output.stderr_to_stdout)
      << "two writers would rename it under each other";
  EXPECT_FALSE(Good("  output: {stdout: \"null\", stderr: \"null\"}\n").output.stderr_to_stdout);
}

TEST(CheckPrograms, NamesAreShortPlainAndDifferent) {
  for (const char* name :
       {"a", "A.b_c-9", "...", "123456789012345678901234567890123456789012345678"}) {
    EXPECT_TRUE(Check("programs: [{name: \"" + std::string(name) + "\", shell: x}]\n").status.ok())
        << name;
  }
  for (const char* name : {"web@1", "a b", "a/b", ".", "..", "\xc3\xa4",
                           "1234567890123456789012345678901234567890123456789"}) {
    const auto faults = Faults("programs:\n- shell: x\n  name: \"" + std::string(name) + "\"\n");
    EXPECT_THAT(faults, ElementsAre(AllOf(HasSubstr("node.yaml:3: programs.0.name: \""),
                                          HasSubstr("is not a name: 1 to 48 of"))))
        << name;
  }
  EXPECT_THAT(Faults("programs:\n- {shell: x}\n"),
              ElementsAre(HasSubstr("node.yaml:2: programs.0.name: every program needs a name")));
  EXPECT_THAT(Faults("programs:\n- {name: a, shell: x}\n- {name: b, shell: x}\n- {name: a, shell: "
                     "x}\n"),
              ElementsAre(HasSubstr("node.yaml:4: programs.2.name: \"a\" is taken by the program "
                                    "in line 2")));
}

TEST(CheckPrograms, ThereIsEitherACommandOrALine) {
  EXPECT_THAT(Faults("programs:\n- name: a\n"),
              ElementsAre(HasSubstr("node.yaml:2: programs.0.command: a program needs command or "
                                    "shell")));
  EXPECT_THAT(Faults("programs:\n- name: a\n  command: []\n"),
              ElementsAre(HasSubstr("node.yaml:3: programs.0.command: a program needs")));
  ExpectRefused("  shell: x\n", "shell", "either command or shell; keep one");
  EXPECT_THAT(Faults("programs:\n- {name: a, command: [bin/x]}\n"),
              ElementsAre(HasSubstr("programs.0.command.0: \"bin/x\" must be an absolute path")));
  EXPECT_THAT(Faults("programs:\n- {name: a, command: [\"\"]}\n"),
              ElementsAre(HasSubstr("programs.0.command.0: is empty")));
  EXPECT_TRUE(Check("programs:\n- {name: a, command: [tor]}\n").status.ok());
}

TEST(CheckPrograms, WhatMakesNoSenseIsRefusedWithItsLine) {
  struct Case {
    const char* keys;
    const char* key;
    const char* text;
  };
  const Case cases[] = {
      {"  user: no-such-user\n", "user", "useradd --system --no-create-home no-such-user"},
      {"  group: no-such-group\n", "group", "groupadd --system no-such-group"},
      {"  groups: [no-such-group]\n", "groups.0", "groupadd --system no-such-group"},
      {"  dir: here\n", "dir", "\"here\" must be an absolute path"},
      {"  umask: \"0898\"\n", "umask", "is not an octal mask such as"},
      {"  umask: \"1777\"\n", "umask", "is not an octal mask such as"},
      {"  env: [PATH]\n", "env.0", "\"PATH\" is not NAME=VALUE"},
      {"  env: [2A=x]\n", "env.0", "\"2A\" is no name of a variable"},
      {"  env: [\"A B=x\"]\n", "env.0", "\"A B\" is no name of a variable"},
      {"  env: [A=1, A=2]\n", "env.1", "A is given twice, first in line 5"},
      {"  env_files: [x]\n", "env_files.0", "\"x\" must be an absolute path"},
      {"  env_files: [-x]\n", "env_files.0", "\"x\" must be an absolute path"},
      {"  instances: 0\n", "instances", "0 is not between 1 and 1000"},
      {"  instances: 1001\n", "instances", "1001 is not between 1 and 1000"},
      {"  after: [wep]\n", "after.0", "there is no program \"wep\"; did you mean \"web\"?"},
      {"  needs: [database]\n", "needs.0", "there is no program \"database\"; add it, or"},
      {"  needs: [api]\n", "needs.0", "\"api\" cannot wait for itself"},
      {"  door: notfy\n", "door", "\"notfy\" is unknown; did you mean \"notify\"?"},
      {"  door: systemd\n", "door", "use one of native, notify, none"},
      {"  watchdog: 5s\n", "watchdog", "with door: notify only, and this door is none"},
      {"  start_grace: 5s\n", "start_grace", "with door: notify only, and this door is none"},
      {"  notify_access: all\n", "notify_access", "with door: notify only"},
      {"  watchdog: 5s\n  door: native\n", "watchdog", "this door is native: the program says"},
      {"  watchdog: 499ms\n  door: notify\n", "watchdog", "not between 0.5s and 1d"},
      {"  watchdog: 0s\n  door: notify\n", "watchdog", "0s is not between 0.5s and 1d"},
      {"  start_grace: 25h\n  door: notify\n", "start_grace", "not between 0.1s and 1d"},
      {"  notify_access: exec\n  door: notify\n", "notify_access", "use one of main, all"},
      {"  restart: on-failur\n", "restart", "did you mean \"on-failure\"?"},
      {"  success_codes: [0, 256]\n", "success_codes.1", "256 is no exit code; they are 0 to 255"},
      {"  final_codes: [-1]\n", "final_codes.0", "-1 is no exit code"},
      {"  backoff: {first: 10s, most: 5s}\n", "backoff.most", "5s is not between 10s and"},
      {"  backoff: {first: 25h}\n", "backoff.first", "not between 0s and 1d"},
      {"  backoff: {jitter_percent: 101}\n", "backoff.jitter_percent", "101 is not between 0 and"},
      {"  backoff: {reset_after: 0s}\n", "backoff.reset_after", "0s is not between"},
      {"  intensity: {starts: 0}\n", "intensity.starts", "0 is not between 1 and 1000000"},
      {"  intensity: {within: 0s}\n", "intensity.within", "0s is not between"},
      {"  intensity: {retry_every: 999ms}\n", "intensity.retry_every", "not between 1s and 1d"},
      {"  stop_signal: SIGTREM\n", "stop_signal", "\"SIGTREM\" is no signal; did you mean"},
      {"  stop_signal: SIGKILL\n", "stop_signal", "leaves a program no choice"},
      {"  stop_signal: 19\n", "stop_signal", "leaves a program no choice"},
      {"  stop_signal: 0\n", "stop_signal", "is no signal; use for example TERM"},
      {"  stop_signal: 33\n", "stop_signal", "is no signal"},
      {"  stop_signal: RTMIN+31\n", "stop_signal", "is no signal"},
      {"  grace: 99ms\n", "grace", "not between 0.1s and 1h"},
      {"  every: 0s\n", "every", "0s is not between 1s and 30d"},
      {"  every: 31d\n", "every", "31d is not between 1s and 30d"},
      {"  cron: \"0 3 * * *\"\n  every: 5s\n", "cron", "either every or cron; keep one"},
      {"  cron: \"0 3 *\"\n", "cron", "\"0 3 *\""},
      {"  cron: \"\"\n", "cron", ""},
      {"  time_zone: Europe/Berln\n  cron: \"@daily\"\n", "time_zone", "zone \"Europe/Berln\""},
      {"  time_zone: /usr/share/zoneinfo/UTC\n  cron: \"@daily\"\n", "time_zone", "zone \""},
      {"  time_zone: ../zoneinfo/UTC\n  cron: \"@daily\"\n", "time_zone", "zone \""},
      {"  restart: always\n  every: 5s\n", "restart", "leave out restart, or use on-failure"},
      {"  restart: always\n  cron: \"@daily\"\n", "restart", "not when it is due"},
      {"  manual: true\n  every: 5s\n", "manual", "started by order only has no every"},
      {"  manual: true\n  cron: \"@daily\"\n", "manual", "started by order only has no cron"},
      {"  overlap: skip\n", "overlap", "beside cron only"},
      {"  overlap: kill\n  every: 5s\n", "overlap", "beside cron only"},
      {"  overlap: quue\n  cron: \"@daily\"\n", "overlap", "did you mean \"queue\"?"},
      {"  catch_up: 1h\n", "catch_up", "beside cron only"},
      {"  catch_up: 31d\n  cron: \"@daily\"\n", "catch_up", "not between 0s and 30d"},
      {"  jitter: 5s\n", "jitter", "beside cron only"},
      {"  jitter: 25h\n  cron: \"@daily\"\n", "jitter", "not between 0s and 1d"},
      {"  time_zone: UTC\n", "time_zone", "beside cron only"},
      {"  run_limit: 0s\n", "run_limit", "0s is not between"},
      {"  max_age: 0s\n", "max_age", "0s is not between"},
      {"  max_age_variance: 5\n", "max_age_variance", "beside max_age only"},
      {"  max_age_variance: 51\n  max_age: 1d\n", "max_age_variance", "51 is not between 0 and 50"},
      {"  limits: {memory_max: 0}\n", "limits.memory_max", "0 is not between 1M and 1024T"},
      {"  limits: {memory_max: 512}\n", "limits.memory_max", "512 is not between 1M and 1024T"},
      {"  limits: {memory_max: -1G}\n", "limits.memory_max", "it is negative"},
      {"  limits: {memory_high: 5MB}\n", "limits.memory_high", "64K, 512M or 2G"},
      {"  limits: {memory_high: 2G, memory_max: 1G}\n", "limits.memory_high", "never be reached"},
      {"  limits: {cpu_percent: 0}\n", "limits.cpu_percent", "0 is not between 1 and"},
      {"  limits: {pids: -5}\n", "limits.pids", "-5 is not between 1 and"},
      {"  limits: {io_weight: 10001}\n", "limits.io_weight", "not between 1 and 10000"},
      {"  limits: {rlimits: [nofil=5]}\n", "limits.rlimits.0", "did you mean \"nofile\"?"},
      {"  limits: {rlimits: [nofile]}\n", "limits.rlimits.0", "is not NAME=SOFT"},
      {"  limits: {rlimits: [\"nofile=9:5\"]}\n", "limits.rlimits.0", "above its hard limit"},
      {"  limits: {rlimits: [\"nofile=unlimited:5\"]}\n", "limits.rlimits.0", "above its hard"},
      {"  limits: {rlimits: [nofile=0]}\n", "limits.rlimits.0", "nofile must be more than 0"},
      {"  limits: {rlimits: [nofile=4K]}\n", "limits.rlimits.0", "neither a number nor unlimited"},
      {"  limits: {rlimits: [core=-1]}\n", "limits.rlimits.0", "it is negative"},
      {"  limits: {rlimits: [core=0, core=1]}\n", "limits.rlimits.1", "core is given twice"},
      {"  limits: {nice: 20}\n", "limits.nice", "20 is not between -20 and 19"},
      {"  limits: {oom_score_adj: 1001}\n", "limits.oom_score_adj", "between -1000 and 1000"},
      {"  limits: {restart_above_memory: 0}\n", "limits.restart_above_memory", "0 is not between"},
      {"  output: {stdout: nul}\n", "output.stdout", "did you mean \"null\"?, or an absolute path"},
      {"  output: {stdout: stdout}\n", "output.stdout", "use one of null, or an absolute path"},
      {"  output: {stderr: logs/x}\n", "output.stderr", "null, stdout, or an absolute path"},
      {"  output: {stdout: /proc/1/fd/1}\n", "output.stdout", "no file to write output to"},
      {"  output: {stdout: /tmp/../sys/x}\n", "output.stdout", "no file to write output to"},
      {"  output: {stderr: /dev/null}\n", "output.stderr", "write a file, or null"},
      {"  output: {stdout: /var/log/}\n", "output.stdout", "is a folder"},
      {"  output: {max_size: 4095}\n", "output.max_size", "4095 is not between 4K and 1T"},
      {"  output: {keep: 1001}\n", "output.keep", "1001 is not between 0 and 1000"},
      {"  labels: [web]\n", "labels.0", "\"web\" is not KEY=VALUE"},
      {"  labels: [\"a b=c\"]\n", "labels.0", "\"a b\" is no key"},
      {"  labels: [\"a=b c\"]\n", "labels.0", "has a blank or a comma"},
      {"  labels: [a=1, a=1]\n", "labels.1", "a is given twice"},
  };
  for (const Case& c : cases) ExpectRefused(c.keys, c.key, c.text);
}

TEST(CheckPrograms, BoundsThemselvesAreGood) {
  for (const char* keys :
       {"  instances: 1000\n", "  watchdog: 500ms\n  door: notify\n",
        "  watchdog: 24h\n  start_grace: 100ms\n  door: notify\n", "  every: 1s\n",
        "  every: 30d\n", "  grace: 100ms\n", "  grace: 1h\n", "  stop_signal: TERM\n",
        "  stop_signal: 2\n", "  stop_signal: SIGRTMIN+3\n", "  stop_signal: 64\n",
        "  catch_up: 0s\n  cron: \"@daily\"\n", "  limits: {nice: -20, oom_score_adj: -1000}\n",
        "  limits: {nice: 0}\n", "  limits: {memory_high: 1G, memory_max: 1G, io_weight: 10000}\n",
        "  backoff: {first: 5s, most: 5s}\n", "  restart: on-failure\n  every: 5s\n",
        "  restart: never\n  cron: \"@hourly\"\n", "  output: {max_size: 1T, keep: 1000}\n"}) {
    Good(keys);
  }
  EXPECT_EQ(Good("  limits: {nice: 0}\n").limits.nice, 0) << "given is not absent";
  EXPECT_EQ(Good("  stop_signal: SIGRTMIN+3\n").stop_signal, SIGRTMIN + 3);
  EXPECT_EQ(Good("  backoff: {first: 5m}\n").backoff.most, minutes(5)) << "never below first";
}

TEST(CheckPrograms, AScheduledProgramIsNotStartedAgainByItself) {
  EXPECT_EQ(Good("  every: 10s\n").restart, RestartPolicy::kNever);
  const ProgramSpec spec = Good(
      "  cron: \"30 3 * * *\"\n  time_zone: Europe/Berlin\n  overlap: kill\n  catch_up: 2h\n"
      "  jitter: 5m\n");
  EXPECT_EQ(spec.restart, RestartPolicy::kNever);
  ASSERT_TRUE(spec.schedule);
  EXPECT_EQ(spec.schedule->overlap, Overlap::kKill);
  EXPECT_EQ(spec.schedule->catch_up, hours(2));
  EXPECT_EQ(spec.schedule->jitter, minutes(5));
  EXPECT_EQ(spec.schedule->cron.zone().name(), "Europe/Berlin");
}

TEST(CheckPrograms, AWatchdogIsNotShorterThanTheGuardianCanTell) {
  ProgramDefaults slow = Standard();
  slow.least_timeout = seconds(4);
  ExpectRefused("  watchdog: 3s\n  door: notify\n", "watchdog", "3s is not between 4s and 1d",
                slow);
}

TEST(CheckPrograms, AGuardianThatIsNotRootNamesOnlyItself) {
  ProgramDefaults plain = Standard();
  plain.root = false;
  // Root's own tests are played by root, and need somebody else.
  const passwd* self = getpwuid(geteuid());
  const group* own = getgrgid(getegid());
  if (self == nullptr || own == nullptr) GTEST_SKIP() << "this user or group has no name";
  const std::string user = self->pw_name;
  const std::string other = user == "nobody" ? "root" : "nobody";
  const std::string group = own->gr_name;
  const std::string other_group = group == "nogroup" ? "root" : "nogroup";
  const Checked good = Check(Program("  user: " + user + "\n  group: " + group + "\n"), plain);
  ASSERT_TRUE(good.status.ok()) << good.status;
  EXPECT_FALSE(good.specs[kProgram].user) << "nothing has to be changed for it";
  ExpectRefused("  user: " + other + "\n", "user", "is not the guardian's own user", plain);
  ExpectRefused("  group: " + other_group + "\n", "group", "is not the guardian's own group",
                plain);
  ExpectRefused("  groups: [" + group + "]\n", "groups.0", "only a guardian of root", plain);
}

TEST(CheckPrograms, ARootsGuardianLooksUsersUp) {
  ProgramDefaults root = Standard();
  root.root = true;
  const passwd* daemon = getpwnam("daemon");
  const group* adm = getgrnam("adm");
  if (daemon == nullptr || adm == nullptr) GTEST_SKIP() << "no user daemon or no group adm here";
  const uid_t uid = daemon->pw_uid;
  const gid_t gid = daemon->pw_gid;
  const std::string home = daemon->pw_dir;
  const Checked checked =
      Check(Program("  user: daemon\n- {name: c, shell: x, user: daemon, groups: [adm]}\n"
                    "- {name: d, shell: x, group: adm}\n"),
            root);
  ASSERT_TRUE(checked.status.ok()) << checked.status;
  const std::optional<ProgramUser>& plain = checked.specs[1].user;
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->name, "daemon");
  EXPECT_EQ(plain->uid, uid);
  EXPECT_EQ(plain->gid, gid);
  EXPECT_EQ(plain->home, home);
  EXPECT_THAT(plain->groups, ::testing::Contains(gid));
  const std::optional<ProgramUser>& more = checked.specs[2].user;
  ASSERT_TRUE(more);
  EXPECT_THAT(more->groups, ::testing::UnorderedElementsAre(gid, adm->gr_gid));
  const std::optional<ProgramUser>& only_group = checked.specs[3].user;
  ASSERT_TRUE(only_group);
  EXPECT_EQ(only_group->uid, geteuid());
  EXPECT_EQ(only_group->gid, adm->gr_gid);
}

TEST(CheckPrograms, ACircleIsShown) {
  EXPECT_THAT(Faults("programs:\n"
                     "- {name: a, shell: x, after: [b]}\n"
                     "- {name: b, shell: x, needs: [d, c]}\n"
                     "- {name: c, shell: x, after: [a]}\n"
                     "- {name: d, shell: x}\n"
                     "- {name: e, shell: x, after: [a]}\n"),
              ElementsAre(HasSubstr("node.yaml:4: programs.2.after.0: programs wait for each other "
                                    "in a circle: c -> a -> b -> c; none")));
}

TEST(CheckPrograms, CirclesThatShareNoProgramAreAllShown) {
  EXPECT_THAT(Faults("programs:\n"
                     "- {name: a, shell: x, after: [b, c]}\n"
                     "- {name: b, shell: x, after: [a]}\n"
                     "- {name: c, shell: x, after: [d]}\n"
                     "- {name: d, shell: x, needs: [c, a]}\n"),
              ElementsAre("node.yaml has 2 faults:", HasSubstr("circle: b -> a -> b;"),
                          HasSubstr("circle: d -> c -> d;")));
}

TEST(CheckPrograms, ALongChainIsNoCircle) {
  std::string text = "programs:\n- {name: p0, shell: x}\n";
  for (int i = 1; i < 1000; ++i) {
    text += "- {name: p" + std::to_string(i) + ", shell: x, after: [p" + std::to_string(i - 1) +
            "], needs: [p0]}\n";
  }
  const Checked checked = Check(text);
  EXPECT_TRUE(checked.status.ok()) << checked.status;
}

TEST(CheckPrograms, AllFaultsAreToldAtOnceInTheOrderOfTheFile) {
  EXPECT_THAT(Faults("programs:\n"
                     "- name: web\n"
                     "  comand: [/bin/true]\n"
                     "  grace: 5s\n"
                     "  grace: 9s\n"
                     "- name: db\n"
                     "  shell: exec db\n"
                     "  limits: {memory_max: 0}\n"
                     "  instances: many\n"),
              ElementsAre("node.yaml has 4 faults:",
                          AllOf(HasSubstr("node.yaml:3: unknown key \"comand\""),
                                HasSubstr("did you mean \"command\"?")),
                          HasSubstr("node.yaml:5: \"grace\" is given twice; keep one"),
                          HasSubstr("node.yaml:8: programs.1.limits.memory_max: 0 is not between"),
                          HasSubstr("node.yaml:9: instances: \"many\" is not a whole number")));
}

TEST(CheckPrograms, AFaultIsToldOnceAndNothingElseIsBlamedForIt) {
  for (const char* text :
       {"programs: [5]\n", "programs: {a: b}\n", "programs: [{nam: a, shell: x}]\n",
        "programs: [{name: a, shel: x}]\n", "programs: [{name: a, command: x}]\n",
        "programs: [{name: a, command: [[x]]}]\n",
        // The one that is waited for may be the one whose name was refused.
        "programs: [{nam: a, shell: x}, {name: b, shell: x, after: [a]}]\n",
        "programs: [{name: [a], shell: x}, {name: b, shell: x, after: [a]}]\n",
        // What the door is is not known; nor whether there is a schedule.
        "programs: [{name: a, shell: x, door: notfy, watchdog: 5s}]\n",
        "programs: [{name: a, shell: x, dooor: notify, watchdog: 5s}]\n",
        "programs: [{name: a, shell: x, cronn: \"@daily\", jitter: 5s}]\n",
        "programs: [{name: a, shell: x, max_ag: 5d, max_age_variance: 5}]\n",
        "programs: [{name: a, shell: x, cron: [x], jitter: 5s}]\n",
        // What is bounded by a refused value is not measured by the one that stands in for it.
        "programs: [{name: a, shell: x, backoff: {first: 30h, most: 500ms}}]\n",
        "programs: [{name: a, shell: x, backoff: {first: 5, most: 500ms}}]\n",
        "programs: [{name: a, shell: x, limits: {memory_high: 2G, memory_max: 1Gb}}]\n",
        "programs: [{name: a, shell: x, env: [[b]]}]\n",
        "programs: [{name: a, shell: x, after: [[b]]}]\n",
        "programs: [{name: a, shell: x, success_codes: [one]}]\n"}) {
    const std::vector<std::string> faults = Faults(text);
    EXPECT_EQ(faults.size(), 1U) << text << ::testing::PrintToString(faults);
  }
}

TEST(CheckPrograms, AFaultHidesNoOther) {
  // The second is a number, but in the third place of its list; the zone is wrong beside the line.
  EXPECT_THAT(Faults(Program("  success_codes: [one, 2, 300]\n")),
              ElementsAre("node.yaml has 2 faults:", HasSubstr("\"one\" is not a whole number"),
                          HasSubstr("programs.1.success_codes.2: 300")));
  EXPECT_THAT(Faults(Program("  cron: \"0 3 *\"\n  time_zone: Europe/Berln\n")),
              ElementsAre("node.yaml has 2 faults:", HasSubstr("programs.1.cron: "),
                          HasSubstr("programs.1.time_zone: ")));
  EXPECT_THAT(Faults(Program("  user: no-such-user\n  group: no-such-group\n")),
              ElementsAre("node.yaml has 2 faults:", HasSubstr("programs.1.user: "),
                          HasSubstr("programs.1.group: ")));
}

}  // namespace
}  // namespace procctl::node

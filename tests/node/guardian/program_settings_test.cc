#include "node/guardian/program_settings.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <string>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "tests/node/guardian/checked_programs.h"

namespace procctl::node {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;

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
  EXPECT_EQ(spec.intensity.starts, 6);
  EXPECT_EQ(spec.intensity.within, minutes(2));
  EXPECT_EQ(spec.intensity.retry_every, minutes(10));
  EXPECT_EQ(spec.stop_signal, SIGTERM);
  EXPECT_EQ(spec.grace, seconds(7)) << "the node's";
  EXPECT_EQ(spec.every, Nanos(0));
  EXPECT_FALSE(spec.schedule);
  EXPECT_EQ(spec.run_limit, Nanos(0));
  EXPECT_EQ(spec.max_age, Nanos(0));
  EXPECT_EQ(spec.max_age_variance, 10);
  EXPECT_TRUE(spec.quiet.empty());
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
  EXPECT_FALSE(Good("  output: {stdout: \"null\"}\n").output.stdout_journal);

  const OutputRule both = Good("  output: {stdout: journal, stderr: journal}\n").output;
  EXPECT_TRUE(both.stdout_journal);
  EXPECT_TRUE(both.stderr_journal);
  EXPECT_FALSE(both.stderr_to_stdout) << "the journal tells them apart";
  EXPECT_EQ(both.stdout_path + both.stderr_path, "");
  const OutputRule joint = Good("  output: {stdout: journal, stderr: stdout}\n").output;
  EXPECT_TRUE(joint.stdout_journal);
  EXPECT_TRUE(joint.stderr_to_stdout);
  const OutputRule one = Good("  output: {stdout: /a, stderr: journal}\n").output;
  EXPECT_FALSE(one.stdout_journal);
  EXPECT_TRUE(one.stderr_journal);
  EXPECT_EQ(one.stdout_path, "/a");
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

TEST(CheckPrograms, QuietWindowsAreTakenInTheirZone) {
  const ProgramSpec spec = Good(
      "  quiet:\n  - {from: \"0 22 * * *\", last: 8h}\n  - {from: \"30 5 * * 1\", last: 1h}\n"
      "  max_age: 1d\n  time_zone: Europe/Berlin\n");
  const absl::Time monday = absl::FromCivil(absl::CivilHour(2026, 11, 30, 1), absl::UTCTimeZone());
  EXPECT_EQ(spec.quiet.EndAfter(monday), monday + absl::Minutes(270));
  // Made up for when it ends: that is reached.
  const ProgramSpec caught_up =
      Good("  cron: \"0 3 * * *\"\n  catch_up: 1h\n  quiet: [{from: \"0 2 * * *\", last: 2h}]\n");
  EXPECT_EQ(caught_up.schedule->quiet.EndAfter(monday + absl::Hours(1)), monday + absl::Hours(3));
}

// Ends that are no failure wait only a second each.
TEST(CheckPrograms, AnIntensityThatSomeEndsReachIsTaken) {
  EXPECT_EQ(Good("  intensity: {starts: 10}\n").intensity.starts, 10);
  EXPECT_EQ(Good("  restart: never\n  intensity: {starts: 10}\n").intensity.starts, 10);
  EXPECT_EQ(Good("  backoff: {first: 10m, most: 10m}\n").intensity.starts, 6) << "nobody wrote it";
  EXPECT_EQ(
      Good("  every: 1s\n  restart: on-failure\n  intensity: {starts: 10}\n").intensity.starts, 10)
      << "starts by schedule count too";
  EXPECT_EQ(Good("  intensity: {starts: 1000000}\n  restart: on-failure\n").intensity.starts,
            IntensityRule::kNever);
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

}  // namespace
}  // namespace procctl::node

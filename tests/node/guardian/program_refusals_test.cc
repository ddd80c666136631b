// What is refused of programs: with its line, once, and all of it together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/node/guardian/checked_programs.h"

namespace procctl::node {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ProgramRefusals, NamesAreShortPlainAndDifferent) {
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

TEST(ProgramRefusals, ThereIsEitherACommandOrALine) {
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

TEST(ProgramRefusals, WhatMakesNoSenseIsRefusedWithItsLine) {
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
      {"  intensity: {starts: 10}\n  restart: on-failure\n", "intensity.starts",
       "never reached, however fast the program ends; set starts to 6 or less within 2m, or within "
       "to 6m or more, or shorten the backoff"},
      {"  intensity: {within: 5s}\n  backoff: {first: 10s}\n", "intensity.within",
       "set within to 5m or more, or shorten the backoff"},
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
      {"  time_zone: UTC\n", "time_zone", "beside cron or quiet only"},
      {"  quiet: [{from: \"0 22 * * *\", last: 8h}]\n", "quiet", "without cron, every or max_age"},
      {"  quiet: [{last: 8h}]\n  every: 5s\n", "quiet.0.from", "is missing; add for example"},
      {"  quiet: [{from: \"0 22 * * *\"}]\n  every: 5s\n", "quiet.0.last",
       "every quiet window ends"},
      {"  quiet: [{from: \"0 25 * * *\", last: 8h}]\n  every: 5s\n", "quiet.0.from",
       "hour \"25\" is not"},
      {"  quiet: [{from: \"@daily\", last: 59s}]\n  every: 5s\n", "quiet.0.last",
       "59s is not between 1m and 7d"},
      {"  quiet: [{from: \"@weekly\", last: 8d}]\n  max_age: 7d\n", "quiet.0.last",
       "8d is not between 1m and 7d"},
      {"  quiet: [{from: \"@hourly\", last: 1h}]\n  every: 5s\n", "quiet", "quiet for ever"},
      {"  quiet: [{from: \"0 2 * * *\", last: 2h}]\n  cron: \"0 3 * * *\"\n", "quiet",
       "every due time of cron lies in it, so that"},
      {"  quiet: [{from: \"0 2 * * *\", last: 3h}]\n  cron: \"0 3 * * *\"\n  catch_up: 1h\n",
       "quiet", "and is older than catch_up when it ends"},
      {"  time_zone: Moon\n  quiet: [{from: \"@daily\", last: 1h}]\n  every: 5s\n", "time_zone",
       "zone \"Moon\""},
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
      {"  output: {stdout: stdout}\n", "output.stdout",
       "use one of journal, null, or an absolute path"},
      {"  output: {stderr: logs/x}\n", "output.stderr",
       "journal, null, stdout, or an absolute path"},
      {"  output: {stdout: /proc/1/fd/1}\n", "output.stdout", "no file to write output to"},
      {"  output: {stdout: /tmp/../sys/x}\n", "output.stdout", "no file to write output to"},
      {"  output: {stderr: /dev/null}\n", "output.stderr", "write a file, journal, or null"},
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

TEST(ProgramRefusals, AWatchdogIsNotShorterThanTheGuardianCanTell) {
  ProgramDefaults slow = Standard();
  slow.least_timeout = seconds(4);
  ExpectRefused("  watchdog: 3s\n  door: notify\n", "watchdog", "3s is not between 4s and 1d",
                slow);
}

TEST(ProgramRefusals, ACircleIsShown) {
  EXPECT_THAT(Faults("programs:\n"
                     "- {name: a, shell: x, after: [b]}\n"
                     "- {name: b, shell: x, needs: [d, c]}\n"
                     "- {name: c, shell: x, after: [a]}\n"
                     "- {name: d, shell: x}\n"
                     "- {name: e, shell: x, after: [a]}\n"),
              ElementsAre(HasSubstr("node.yaml:4: programs.2.after.0: programs wait for each other "
                                    "in a circle: c -> a -> b -> c; none")));
}

TEST(ProgramRefusals, CirclesThatShareNoProgramAreAllShown) {
  EXPECT_THAT(Faults("programs:\n"
                     "- {name: a, shell: x, after: [b, c]}\n"
                     "- {name: b, shell: x, after: [a]}\n"
                     "- {name: c, shell: x, after: [d]}\n"
                     "- {name: d, shell: x, needs: [c, a]}\n"),
              ElementsAre("node.yaml has 2 faults:", HasSubstr("circle: b -> a -> b;"),
                          HasSubstr("circle: d -> c -> d;")));
}

TEST(ProgramRefusals, ALongChainIsNoCircle) {
  std::string text = "programs:\n- {name: p0, shell: x}\n";
  for (int i = 1; i < 1000; ++i) {
    text += "- {name: p" + std::to_string(i) + ", shell: x, after: [p" + std::to_string(i - 1) +
            "], needs: [p0]}\n";
  }
  const Checked checked = Check(text);
  EXPECT_TRUE(checked.status.ok()) << checked.status;
}

TEST(ProgramRefusals, AllFaultsAreToldAtOnceInTheOrderOfTheFile) {
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

TEST(ProgramRefusals, AFaultIsToldOnceAndNothingElseIsBlamedForIt) {
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

TEST(ProgramRefusals, AFaultHidesNoOther) {
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

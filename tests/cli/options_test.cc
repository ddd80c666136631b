#include "cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace procctl::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

Parsed Parse(const std::vector<std::string>& arguments,
             const std::map<std::string, std::string>& environment = {}) {
  return ParseOptions(arguments, [&](const std::string& name) {
    const auto found = environment.find(name);
    return found == environment.end() ? "" : found->second;
  });
}

Options Good(const std::vector<std::string>& arguments) {
  Parsed parsed = Parse(arguments);
  EXPECT_TRUE(parsed.options.has_value()) << parsed.refusal << parsed.text;
  return parsed.options.value_or(Options{});
}

std::string Refused(const std::vector<std::string>& arguments) {
  const Parsed parsed = Parse(arguments);
  EXPECT_FALSE(parsed.options.has_value());
  EXPECT_TRUE(absl::IsInvalidArgument(parsed.refusal)) << parsed.refusal;
  return std::string(parsed.refusal.message());
}

TEST(Options, BareWordsWork) {
  EXPECT_EQ(Good({"list"}).verb, Verb::kListSlots);
  EXPECT_EQ(Good({"list", "slots"}).verb, Verb::kListSlots);
  EXPECT_EQ(Good({"list", "nodes"}).verb, Verb::kListNodes);
  EXPECT_EQ(Good({"events"}).verb, Verb::kEvents);
  EXPECT_EQ(Good({"version"}).verb, Verb::kVersion);
  EXPECT_THAT(Good({"kill", "a/b", "c:7"}).targets, ElementsAre("a/b", "c:7"));
}

TEST(Options, OfTheConnectionStandOnEitherSide) {
  EXPECT_EQ(Good({"--controller", "c:1", "list"}).connection.controller, "c:1");
  EXPECT_EQ(Good({"list", "--controller", "c:1"}).connection.controller, "c:1");
  EXPECT_EQ(Good({"list", "-o", "json"}).output, Output::kJson);
  EXPECT_EQ(Good({"-o", "json", "list"}).output, Output::kJson);
}

TEST(Options, TheEnvironmentFillsWhatTheCommandLineLeavesOpen) {
  const Parsed parsed = Parse({"list", "--ca", "mine"}, {{"PROCCTL_CONTROLLER", "c:1"},
                                                         {"PROCCTL_CA", "theirs"},
                                                         {"PROCCTL_CERT", "cert"},
                                                         {"PROCCTL_KEY", "key"},
                                                         {"PROCCTL_SERVER_NAME", "ctl.example"}});
  ASSERT_TRUE(parsed.options.has_value()) << parsed.refusal;
  const Connection& connection = parsed.options->connection;
  EXPECT_EQ(connection.controller, "c:1");
  EXPECT_EQ(connection.tls.ca, "mine");
  EXPECT_EQ(connection.tls.cert, "cert");
  EXPECT_EQ(connection.tls.key, "key");
  EXPECT_EQ(connection.server_name, "ctl.example");
}

TEST(Options, FiltersAddUp) {
  EXPECT_EQ(Good({"list", "--node", "web-*", "--name", "enc", "--state", "hung,held", "--filter",
                  "pid!=7"})
                .filter,
            "node=web-* name=enc state=hung,held pid!=7");
  EXPECT_EQ(Good({"events", "--slot", "web-01/enc", "--kind", "verdict"}).filter,
            "kind=verdict node=web-01 slot=enc");
  EXPECT_EQ(Good({"events", "--slot", "enc"}).filter, "slot=enc");
}

TEST(Options, OfWatchAndFollow) {
  EXPECT_EQ(Good({"watch"}).verb, Verb::kWatch);
  EXPECT_EQ(Good({"watch", "node=web-* state=hung", "pid!=7", "--name", "enc"}).filter,
            "name=enc node=web-* state=hung pid!=7");
  EXPECT_TRUE(Good({"events", "-f", "kind=hung", "--since", "10m", "-n", "5"}).follow);
  EXPECT_EQ(Good({"events", "-f", "kind=hung"}).filter, "kind=hung");
  EXPECT_FALSE(Good({"events"}).follow);
  EXPECT_THAT(Refused({"--local", "watch"}), HasSubstr("only a controller can be watched"));
}

TEST(Options, OfKill) {
  const Options options = Good({"kill", "a/b", "--reason", "why not", "--grace", "30s", "--yes",
                                "--dry-run", "--timeout", "2m"});
  EXPECT_EQ(options.reason, "why not");
  EXPECT_EQ(options.grace, 30s);
  EXPECT_EQ(options.timeout, 2min);
  EXPECT_TRUE(options.yes);
  EXPECT_TRUE(options.dry_run);
}

TEST(Options, OfEvents) {
  const Options options = Good({"events", "--since", "10m", "-n", "7"});
  EXPECT_EQ(options.since, 10min);
  EXPECT_EQ(options.newest, 7);
  EXPECT_FALSE(Good({"events"}).newest.has_value());
}

TEST(Options, OfWhyAndDescribe) {
  EXPECT_EQ(Good({"why", "web-01:3:17"}).verb, Verb::kWhy);
  EXPECT_THAT(Good({"why", "web-01/a"}).targets, ElementsAre("web-01/a"));
  EXPECT_EQ(Good({"describe", "web-01"}).verb, Verb::kDescribe);
  EXPECT_THAT(Refused({"why"}), HasSubstr("target is required"));
  EXPECT_THAT(Refused({"describe", "a", "b"}), HasSubstr("b"));
}

TEST(Usage, WhatIsMistypedIsNamedWithWhatWasMeant) {
  EXPECT_EQ(Refused({"lsit"}), "there is no command \"lsit\"; did you mean \"list\"?");
  EXPECT_EQ(Refused({"--controller", "c:1", "evnets"}),
            "there is no command \"evnets\"; did you mean \"events\"?");
  EXPECT_THAT(Refused({"summon"}), HasSubstr("there are: list, count, kill, events"));
  EXPECT_EQ(Refused({"kill", "a/b", "--reson", "x"}),
            "there is no option --reson; did you mean --reason?");
  EXPECT_EQ(Refused({"list", "--control=c:1"}),
            "there is no option --control; see: procctl-cli list --help");
  // CLI11 would complain about the word behind it.
  EXPECT_EQ(Refused({"list", "--server", "c:1"}),
            "there is no option --server; see: procctl-cli list --help");
  EXPECT_EQ(Refused({"kill"}),
            "targets is required; e.g. procctl-cli kill web-01/encoder, or -l 'node=web-* "
            "name=encoder'");
  EXPECT_THAT(Refused({"list", "procesess"}), HasSubstr("see: procctl-cli list --help"));
}

TEST(Options, OfHoldAndRelease) {
  const Options hold = Good({"hold", "a/b", "c/d", "--for", "30m", "--reason", "why", "-y"});
  EXPECT_EQ(hold.verb, Verb::kHold);
  EXPECT_THAT(hold.targets, ElementsAre("a/b", "c/d"));
  EXPECT_EQ(hold.hold_for, 30min);
  EXPECT_EQ(hold.reason, "why");
  EXPECT_TRUE(hold.yes);
  EXPECT_EQ(Good({"hold", "-l", "node=a name=b", "--for", "24h", "--reason", "r"}).target_filter,
            "node=a name=b");
  const Options release = Good({"release", "a/b"});
  EXPECT_EQ(release.verb, Verb::kRelease);
  EXPECT_FALSE(release.hold_for.has_value());
  EXPECT_THAT(Refused({"hold", "a/b", "--reason", "r"}), HasSubstr("--for is required"));
  EXPECT_THAT(Refused({"why"}), HasSubstr("e.g. procctl-cli why"));
  EXPECT_THAT(Refused({"describe"}), HasSubstr("e.g. procctl-cli describe"));
  EXPECT_THAT(Refused({"hold", "a/b", "--for", "30m"}), HasSubstr("--reason is required"));
  EXPECT_THAT(Refused({"hold", "a/b", "--for", "30m", "--reason", " "}),
              HasSubstr("--reason is required"));
  EXPECT_THAT(Refused({"hold", "a/b", "--for", "24h1s", "--reason", "r"}),
              HasSubstr("at most 24h"));
  EXPECT_THAT(Refused({"hold", "a/b", "--for", "30", "--reason", "r"}), HasSubstr("--for"));
  EXPECT_THAT(Refused({"hold", "--for", "30m", "--reason", "r"}), HasSubstr("-l"));
  EXPECT_THAT(Refused({"hold", "a/b", "--for", "1m", "--reason", std::string(1001, 'x')}),
              HasSubstr("1001"));
  EXPECT_THAT(Refused({"release", "a/b", "-l", "node=a"}), HasSubstr("do not go together"));
  // A filter that was left empty by a script's mistake must not mean everything.
  EXPECT_THAT(Refused({"release", "-l", " "}), HasSubstr("node=*"));
}

TEST(Options, OfPrograms) {
  const Options programs = Good({"programs", "web-01", "web-02/tor", "-l", "app=web", "-l",
                                 "tier=front end", "--state", "parked"});
  EXPECT_EQ(programs.verb, Verb::kListPrograms);
  EXPECT_THAT(programs.targets, ElementsAre("web-01", "web-02/tor"));
  EXPECT_EQ(programs.filter, "state=parked label=app=web label=tier=front?end");
  EXPECT_EQ(Good({"list", "programs", "--node", "a"}).verb, Verb::kListPrograms);
  EXPECT_EQ(Good({"list", "programs", "-l", "app=web"}).filter, "label=app=web");
  // One value belongs to one -l, not all the words behind it.
  EXPECT_THAT(Good({"programs", "-l", "app=web", "web-01"}).targets, ElementsAre("web-01"));
  EXPECT_EQ(Good({"events", "--program", "web-01/tor"}).filter, "node=web-01 program=tor");
  for (const char* label : {"app", "=web", "app=", "app!=web", "app=web,db=x"}) {
    EXPECT_THAT(Refused({"programs", "-l", label}), HasSubstr(std::string("\"") + label + "\""));
  }
  EXPECT_THAT(Refused({"list", "-l", "app=web"}), HasSubstr("list programs"));
}

TEST(Options, OfHistoryAndLogs) {
  const Options history = Good({"history", "web-01/tor", "--stderr"});
  EXPECT_EQ(history.verb, Verb::kHistory);
  EXPECT_EQ(history.newest, 20);
  EXPECT_TRUE(history.of_stderr);
  EXPECT_EQ(Good({"history", "web-01/tor", "--all"}).newest, 1000);
  EXPECT_EQ(Good({"history", "web-01/tor", "-n", "5"}).newest, 5);
  EXPECT_THAT(Refused({"history", "web-01/tor", "-n", "1001"}), HasSubstr("1001"));
  EXPECT_THAT(Refused({"history", "web-01/tor", "-n", "5", "--all"}),
              HasSubstr("do not go together"));
  EXPECT_THAT(Refused({"history"}), HasSubstr("e.g. procctl-cli history web-01/encoder"));
  const Options logs = Good({"logs", "web-01/tor", "-f", "--tail", "0", "--stderr"});
  EXPECT_EQ(logs.verb, Verb::kLogs);
  EXPECT_TRUE(logs.follow);
  EXPECT_TRUE(logs.of_stderr);
  EXPECT_EQ(logs.tail, 0);
  EXPECT_EQ(Good({"logs", "web-01/tor"}).tail, 50);
  EXPECT_THAT(Refused({"logs", "web-01/tor", "--tail", "-1"}), HasSubstr("-1"));
  EXPECT_THAT(Refused({"logs", "a/b", "c/d"}), HasSubstr("At Most 1"));
}

TEST(Options, OfWhatChangesPrograms) {
  const std::pair<const char*, Verb> verbs[] = {{"start", Verb::kStart},
                                                {"stop", Verb::kStop},
                                                {"restart", Verb::kRestart},
                                                {"retry", Verb::kRetry}};
  for (const auto& [word, verb] : verbs) {
    const Options options = Good({word, "a/b", "c/d", "--reason", "why", "-y"});
    EXPECT_EQ(options.verb, verb);
    EXPECT_THAT(options.targets, ElementsAre("a/b", "c/d"));
    EXPECT_EQ(options.reason, "why");
    EXPECT_TRUE(options.yes);
    EXPECT_TRUE(options.wait);
    EXPECT_TRUE(Good({word, "a/b", "--wait"}).wait);
    EXPECT_FALSE(Good({word, "a/b", "--no-wait"}).wait);
    EXPECT_EQ(Good({word, "a/b", "--wait-timeout", "30s"}).wait_timeout, 30s);
    EXPECT_EQ(Good({word, "-l", "app=web", "--filter", "node=a"}).target_filter,
              "label=app=web node=a");
    // A filter that was left empty by a script's mistake must not mean everything.
    EXPECT_THAT(Refused({word, "--filter", " "}), HasSubstr("node=*"));
    EXPECT_THAT(Refused({word}), HasSubstr("NODE/PROGRAM is needed"));
    EXPECT_THAT(Refused({word, "a/b", "-l", "app=web"}), HasSubstr("do not go together"));
    EXPECT_THAT(Refused({word, "a/b", "--wait", "--no-wait"}), HasSubstr("--no-wait"));
    EXPECT_THAT(Refused({word, "a/b", "--reason", std::string(1001, 'x')}), HasSubstr("1001"));
  }
  EXPECT_EQ(Good({"reload", "a", "b"}).verb, Verb::kReload);
  EXPECT_THAT(Refused({"reload"}), HasSubstr("e.g. procctl-cli reload web-01"));
  EXPECT_EQ(Refused({"restrat", "a/b"}),
            "there is no command \"restrat\"; did you mean \"restart\"?");
}

TEST(Options, OfARollingRestart) {
  const auto share = [](const std::string& text) {
    return Good({"restart", "-l", "app=web", "--max-unavailable", text}).max_unavailable;
  };
  EXPECT_EQ(share("10%")->number, 10);
  EXPECT_TRUE(share("10%")->percent);
  EXPECT_EQ(share("3")->number, 3);
  EXPECT_FALSE(share("3")->percent);
  for (const char* text : {"0", "0%", "101%", "-1", "x", "1x", "%", "1%%"}) {
    EXPECT_THAT(Refused({"restart", "a/b", std::string("--max-unavailable=") + text}),
                HasSubstr("--max-unavailable"))
        << text;
  }
  EXPECT_THAT(Refused({"restart", "a/b", "--max-unavailable", "1", "--no-wait"}),
              HasSubstr("leave out --no-wait"));
  EXPECT_THAT(Refused({"stop", "a/b", "--max-unavailable", "1"}), HasSubstr("--max-unavailable"));
}

TEST(Options, AWideTable) { EXPECT_EQ(Good({"list", "-o", "wide"}).output, Output::kWide); }

TEST(Options, WhatIsWrongIsSaid) {
  EXPECT_THAT(Refused({"lsit"}), HasSubstr("lsit"));
  EXPECT_THAT(Refused({"kill"}), HasSubstr("targets"));
  EXPECT_THAT(Refused({"list", "-o", "yaml"}), HasSubstr("yaml"));
  EXPECT_THAT(Refused({"list", "policies"}), HasSubstr("policies"));
  EXPECT_THAT(Refused({"kill", "a/b", "--grace", "5"}), HasSubstr("--grace"));
  EXPECT_THAT(Refused({"kill", "a/b", "--grace", "2h"}), HasSubstr("at most 1h"));
  EXPECT_THAT(Refused({"kill", "a/b", "--timeout", "0s"}), HasSubstr("greater than zero"));
  EXPECT_THAT(Refused({"kill", "a/b", "c/d", "--if-incarnation", "x:2:3:4"}),
              HasSubstr("exactly one"));
  EXPECT_THAT(Refused({"kill", "a/b", "--reason", std::string(1001, 'x')}), HasSubstr("1001"));
  EXPECT_THAT(Refused({"events", "-n", "0"}), HasSubstr("0"));
  EXPECT_THAT(Refused({"list", "--no-such"}), HasSubstr("--no-such"));
  EXPECT_THAT(Refused({"help", "nothing"}), HasSubstr("exit-codes"));
}

TEST(Options, ARefusalKnowsTheOutputThatWasAskedFor) {
  EXPECT_EQ(Parse({"lsit", "-o", "json"}).output, Output::kJson);
  EXPECT_EQ(Parse({"lsit", "--output=json"}).output, Output::kJson);
  EXPECT_EQ(Parse({"lsit"}).output, Output::kTable);
}

TEST(Options, EveryHelpHasExamples) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"--help"},
                                             {"help"},
                                             {"list", "--help"},
                                             {"kill", "-h"},
                                             {"events", "--help"},
                                             {"help", "kill"},
                                             {"help", "why"},
                                             {"describe", "--help"},
                                             {"hold", "--help"},
                                             {"release", "--help"},
                                             {"programs", "--help"},
                                             {"history", "--help"},
                                             {"logs", "--help"},
                                             {"start", "--help"},
                                             {"stop", "--help"},
                                             {"restart", "--help"},
                                             {"retry", "--help"},
                                             {"help", "reload"},
                                             {"help", "local"},
                                             {"help", "filters"}}) {
    const Parsed parsed = Parse(arguments);
    EXPECT_FALSE(parsed.options.has_value());
    EXPECT_TRUE(parsed.refusal.ok()) << parsed.refusal;
    EXPECT_THAT(parsed.text, HasSubstr("Examples"));
  }
  EXPECT_THAT(Parse({"help", "exit-codes"}).text, HasSubstr("no longer the one you saw"));
  EXPECT_THAT(Parse({"help", "environment"}).text, HasSubstr("PROCCTL_CONTROLLER"));
}

TEST(Options, HelpNamesEveryCommand) {
  EXPECT_THAT(Parse({"help"}).text, HasSubstr("Usage: procctl-cli [OPTIONS] [SUBCOMMAND]"));
  for (const char* command :
       {"list", "kill", "events", "why", "describe", "hold", "release", "programs", "history",
        "logs", "start", "stop", "restart", "retry", "reload", "version"}) {
    EXPECT_THAT(Parse({"help"}).text, HasSubstr(std::string("\n  ") + command + " "));
    EXPECT_THAT(Parse({}).text, HasSubstr(std::string("\n  ") + command + " "));
    EXPECT_THAT(Parse({"help", command}).text,
                HasSubstr("Usage: procctl-cli " + std::string(command)));
  }
}

TEST(CheckConnection, NamesEverythingThatIsMissingAndHowToGiveIt) {
  Connection connection;
  connection.tls.ca = "ca.crt";
  const absl::Status status = CheckConnection(connection);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("--controller"), HasSubstr("PROCCTL_CONTROLLER"), HasSubstr("PROCCTL_CERT"),
            HasSubstr("--key"), Not(HasSubstr("--ca ")), HasSubstr("procctl-controller init")));
}

TEST(CheckConnection, RefusesAnAddressWithoutAPort) {
  EXPECT_TRUE(absl::IsInvalidArgument(CheckConnection({"ctl.example", {"a", "b", "c"}, ""})));
  EXPECT_TRUE(CheckConnection({"ctl.example:7443", {"a", "b", "c"}, ""}).ok());
}

TEST(Options, TheNodeOfThisHostIsAskedInsteadOfAController) {
  const Parsed parsed = Parse({"list", "--local"}, {{"PROCCTL_CONTROLLER", "c:1"}});
  ASSERT_TRUE(parsed.options.has_value()) << parsed.refusal;
  EXPECT_TRUE(parsed.options->connection.local) << "who types it means it";
  EXPECT_EQ(parsed.options->connection.runtime_dir, "");
  EXPECT_EQ(Good({"--local", "--runtime-dir", "/x", "stop", "web"}).connection.runtime_dir, "/x");
  EXPECT_FALSE(Good({"list"}).connection.local);
}

TEST(Options, LocalGoesWithNoControllerAndTheFolderOnlyWithLocal) {
  EXPECT_THAT(Refused({"list", "--local", "--controller", "c:1"}), HasSubstr("do not go together"));
  EXPECT_THAT(Refused({"list", "--runtime-dir", "/x"}), HasSubstr("goes with --local"));
}

TEST(Options, WhatNeedsHistoryIsRefusedWithLocal) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"why", "web"}, {"events"}, {"history", "web"}}) {
    std::vector<std::string> arguments = command;
    arguments.emplace_back("--local");
    EXPECT_THAT(Refused(arguments), HasSubstr("keeps no history")) << command[0];
    EXPECT_TRUE(Parse(command).options.has_value()) << command[0];
  }
  EXPECT_THAT(Refused({"list", "nodes", "--local"}), HasSubstr("one node"));
  EXPECT_EQ(Good({"list", "programs", "--local"}).verb, Verb::kListPrograms);
}

TEST(Options, ReloadNeedsANodeUnlessItIsThisOne) {
  EXPECT_THAT(Refused({"reload"}), HasSubstr("reload needs NODE"));
  EXPECT_EQ(Good({"reload", "--local"}).verb, Verb::kReload);
  EXPECT_THAT(Good({"reload", "web-01"}).targets, ElementsAre("web-01"));
}

}  // namespace
}  // namespace procctl::cli

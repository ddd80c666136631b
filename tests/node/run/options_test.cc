#include "node/run/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace procctl::run {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

std::variant<Options, Show, BadUsage> Parse(std::vector<std::string> words) {
  words.insert(words.begin(), "procctl-run");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return ParseOptions(static_cast<int>(words.size()), argv.data());
}

// Empty if it was not refused.
std::string Refusal(const std::vector<std::string>& words) {
  const auto parsed = Parse(words);
  const auto* bad = std::get_if<BadUsage>(&parsed);
  return bad == nullptr ? "" : bad->message;
}

TEST(Options, TheProgramKeepsItsOwnOptions) {
  const auto parsed = Parse({"--name", "shop", "--timeout", "30s", "--", "sh", "-c", "--name"});
  const auto& options = std::get<Options>(parsed);
  EXPECT_EQ(options.name, "shop");
  EXPECT_EQ(options.timeout, milliseconds(30'000));
  EXPECT_EQ(options.sign, Sign::kLife);
  EXPECT_THAT(options.program, ElementsAre("sh", "-c", "--name"));

  const auto without_dashes = Parse({"--name=shop", "--timeout=30s", "sh", "--quiet"});
  EXPECT_THAT(std::get<Options>(without_dashes).program, ElementsAre("sh", "--quiet"));
  EXPECT_FALSE(std::get<Options>(without_dashes).quiet);
}

TEST(Options, ChecksRunThreeTimesInATimeoutButAtLeastEvery10Seconds) {
  const auto every = [](const std::string& timeout) {
    return std::get<Options>(Parse({"--name", "a", "--timeout", timeout, "--check", "true", "b"}))
        .check_every;
  };
  EXPECT_EQ(every("3s"), milliseconds(1000));
  EXPECT_EQ(every("30s"), milliseconds(10'000));
  EXPECT_EQ(every("1h"), milliseconds(10'000));
  EXPECT_EQ(every("2ms"), milliseconds(1));
}

TEST(Options, RefusesWhatMakesNoSenseAndSaysWhatToDo) {
  EXPECT_THAT(Refusal({"--timeout", "5s", "true"}), HasSubstr("give --name"));
  EXPECT_THAT(Refusal({"--name", std::string(64, 'n'), "--timeout", "5s", "true"}),
              HasSubstr("64 bytes; give at most 63"));
  EXPECT_EQ(Refusal({"--name", std::string(63, 'n'), "--timeout", "5s", "true"}), "");
  EXPECT_THAT(Refusal({"--name", "a", "true"}), HasSubstr("give --timeout"));
  EXPECT_THAT(Refusal({"--name", "a", "--timeout", "5", "true"}), HasSubstr("'5' is not a"));
  EXPECT_THAT(Refusal({"--name", "a", "--timeout", "0s", "true"}), HasSubstr("'0s' is not a"));
  EXPECT_THAT(Refusal({"--name", "a", "--timeout", "5s"}), HasSubstr("no program"));
  EXPECT_THAT(Refusal({"--name", "a", "--timeout", "5s", "--"}), HasSubstr("no program"));
  EXPECT_THAT(Refusal({"--name", "a", "--timeout"}), HasSubstr("--timeout needs a value"));
  EXPECT_THAT(Refusal({"--nmae", "a"}), HasSubstr("unknown option '--nmae'"));
  EXPECT_THAT(Refusal({"-xy"}), HasSubstr("unknown option '-x'"));
}

TEST(Options, RefusesSignsThatDoNotGoTogether) {
  const auto refusal = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"--name", "a", "--timeout", "5s"});
    words.push_back("true");
    return Refusal(words);
  };
  EXPECT_THAT(refusal({"--check", "x", "--watch-output"}), HasSubstr("give one of them"));
  EXPECT_THAT(refusal({"--check-every", "1s"}), HasSubstr("goes with --check"));
  EXPECT_THAT(refusal({"--check", ""}), HasSubstr("--check is empty"));
  EXPECT_THAT(refusal({"--check", "x", "--check-every", "5s"}), HasSubstr("leaves no time"));
  EXPECT_EQ(refusal({"--check", "x", "--check-every", "4999ms"}), "");
  EXPECT_THAT(refusal({"--grace-start", "5s"}), HasSubstr("waits for a first sign"));
  EXPECT_EQ(refusal({"--grace-start", "5s", "--watch-output"}), "");
  EXPECT_THAT(refusal({"--notify", "--check", "x"}), HasSubstr("give one of them"));
  EXPECT_THAT(refusal({"--notify", "--watch-output"}), HasSubstr("give one of them"));
  EXPECT_THAT(refusal({"--notify-access", "all"}), HasSubstr("goes with --notify"));
  EXPECT_THAT(refusal({"--notify", "--notify-access", "exec"}), HasSubstr("knows main and all"));
  EXPECT_THAT(refusal({"--notify", "--timeout", "999ms"}), HasSubstr("give 2s or more"));
  EXPECT_EQ(refusal({"--notify", "--notify-access", "main", "--timeout", "1s"}), "");
}

TEST(Options, AProgramThatNotifiesHas90SecondsToGetReadyUnlessToldOtherwise) {
  const auto options = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"--name", "a", "--timeout", "5s", "--notify"});
    words.push_back("true");
    return std::get<Options>(Parse(words));
  };
  EXPECT_EQ(options({}).sign, Sign::kNotify);
  EXPECT_EQ(options({}).start_grace, milliseconds(90'000));
  EXPECT_EQ(options({}).notify_access, NotifyAccess::kMain);
  EXPECT_EQ(options({"--grace-start", "2m"}).start_grace, milliseconds(120'000));
  EXPECT_EQ(options({"--notify-access", "all"}).notify_access, NotifyAccess::kAll);
}

TEST(Options, EveryTakesSecondsOrADuration) {
  const auto every = [](const std::string& text) {
    return std::get<Options>(Parse({"--every", text, "true"})).every;
  };
  EXPECT_EQ(every("10"), milliseconds(10'000));
  EXPECT_EQ(every("1m30s"), milliseconds(90'000));
  EXPECT_EQ(every("1"), milliseconds(1'000));
  EXPECT_EQ(every("24h"), milliseconds(86'400'000));
  EXPECT_THAT(Refusal({"--every", "0", "true"}),
              HasSubstr("'0' is not a duration; write for example 10, 90s or 5m"));
  EXPECT_THAT(Refusal({"--every", "-1", "true"}), HasSubstr("is not a duration"));
  EXPECT_THAT(Refusal({"--every", "", "true"}), HasSubstr("is not a duration"));
  EXPECT_THAT(Refusal({"--every", "999ms", "true"}), HasSubstr("between 1s and 24h"));
  EXPECT_THAT(Refusal({"--every", "86401", "true"}), HasSubstr("between 1s and 24h"));
  EXPECT_THAT(Refusal({"--every", "10"}), HasSubstr("no program"));
}

TEST(Options, WithEveryANameIsNeededOnlyToBeGuarded) {
  EXPECT_EQ(Refusal({"--every", "10", "true"}), "");
  EXPECT_EQ(Refusal({"--every", "10", "--name", "a", "--timeout", "5s", "true"}), "");
  EXPECT_THAT(Refusal({"--every", "10", "--name", "a", "true"}), HasSubstr("give --timeout"));
  EXPECT_THAT(Refusal({"--every", "10", "--timeout", "5s", "true"}), HasSubstr("give --name"));
  EXPECT_THAT(Refusal({"--every", "10", "--check", "x", "true"}), HasSubstr("give --name"));
  EXPECT_THAT(Refusal({"--every", "10", "--notify", "true"}), HasSubstr("give --name"));
  EXPECT_THAT(Refusal({"true"}), HasSubstr("give --name"));
}

TEST(Options, HelpAndVersionNeedNothingElse) {
  EXPECT_EQ(std::get<Show>(Parse({"--help"})), Show::kHelp);
  EXPECT_EQ(std::get<Show>(Parse({"-h"})), Show::kHelp);
  EXPECT_EQ(std::get<Show>(Parse({"--version"})), Show::kVersion);
}

}  // namespace
}  // namespace procctl::run

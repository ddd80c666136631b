// procctl-run --notify: programs that speak sd_notify beat unchanged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tests/node/heartbeat/fake_guardian.h"
#include "tests/node/run/wrapped.h"

namespace procctl::run {
namespace {

using heartbeat::FakeGuardian;
using testing::HasSubstr;

// A program that says what its script has it say.
class Speaker {
 public:
  // `script`: lines of Python, with say(text), wait_for(name) and beat_until(name).
  Speaker(const std::vector<std::string>& options, const std::string& script) {
    const std::string prologue =
        "import os, socket, sys, time\n"
        "def say(text):\n"
        "  s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "  s.connect(os.environ['NOTIFY_SOCKET']); s.send(text.encode()); s.close()\n"
        "def there(name): return os.path.exists('" +
        folder_ / "" +
        "' + name)\n"
        "def wait_for(name):\n"
        "  while not there(name): time.sleep(0.01)\n"
        "def beat_until(name):\n"
        "  while not there(name):\n"
        "    say('WATCHDOG=1'); time.sleep(0.05)\n"
        "print('pid', os.getpid(), flush=True)\n";
    std::vector<std::string> arguments = {"--name", "speaker", "--timeout", "2s", "--notify"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    for (const char* word : {"--", "python3", "-c"}) arguments.emplace_back(word);
    arguments.push_back(prologue + script);
    run_.emplace(arguments);
  }
  ~Speaker() {
    run_->Signal(SIGTERM);
    EXPECT_NE(run_->Wait(), -1000) << "it did not end";
  }
  Wrapped& run() { return *run_; }
  void Let(const std::string& name) { Touch(folder_ / name); }

 private:
  Folder folder_;
  std::optional<Wrapped> run_;
};

bool IsReady(const FakeGuardian& guardian) {
  return Within(kPatience, [&] {
    return guardian.slots() >= 1 && (guardian.page(1).flags & PROCCTL_PAGE_READY) != 0;
  });
}

TEST(Notify, FindsWhatItFindsUnderAServiceManager) {
  const FakeGuardian guardian;
  Speaker speaker({},
                  "print('limit', os.environ['WATCHDOG_USEC'])\n"
                  "print('mine', os.environ['WATCHDOG_PID'] == str(os.getpid()), flush=True)\n"
                  "wait_for('end')\n");
  EXPECT_TRUE(speaker.run().Prints("limit 2000000"));
  EXPECT_TRUE(speaker.run().Prints("mine True")) << speaker.run().out();
  speaker.Let("end");
  EXPECT_EQ(speaker.run().Wait(), 0);
}

TEST(Notify, IsReadyWhenItSaysSoAndFromThenOnBeatsOnlyByItsOwnWord) {
  const FakeGuardian guardian;
  Speaker speaker({},
                  "wait_for('ready'); say('READY=1\\nSTATUS=serving 7\\n'); beat_until('hang')\n"
                  "print('hanging', flush=True); wait_for('end')\n");
  ASSERT_TRUE(Within(kPatience, [&] { return guardian.slots() == 1; }));
  EXPECT_TRUE(Moves(guardian.page(1))) << "while it starts it counts as well";
  EXPECT_EQ(guardian.page(1).flags & PROCCTL_PAGE_READY, 0U);
  EXPECT_STREQ(guardian.page(1).phase, "starting");
  speaker.Let("ready");
  ASSERT_TRUE(IsReady(guardian));
  EXPECT_TRUE(Within(kPatience, [&] { return NoteOf(guardian.page(1)) == "serving 7"; }));
  EXPECT_STREQ(guardian.page(1).phase, "");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Moves(guardian.page(1)));
  speaker.Let("hang");
  ASSERT_TRUE(speaker.run().Prints("hanging"));
  EXPECT_TRUE(Within(kPatience, [&] { return Rests(guardian.page(1)); }))
      << "that it lives is no beat any more";
}

TEST(Notify, AProcessThatIsNotTheMainOneIsNotHeardUnlessAllAre) {
  const std::string script =
      "if os.fork() == 0:\n"
      "  say('READY=1'); print('said', flush=True); wait_for('end'); sys.exit(0)\n"
      "wait_for('end')\n";
  {
    const FakeGuardian guardian;
    Speaker speaker({}, script);
    ASSERT_TRUE(speaker.run().Prints("said"));
    EXPECT_TRUE(Within(kPatience, [&] {
      return speaker.run().err().find("may not speak for the program") != std::string::npos;
    })) << speaker.run().err();
    EXPECT_EQ(guardian.page(1).flags & PROCCTL_PAGE_READY, 0U);
  }
  const FakeGuardian guardian;
  Speaker speaker({"--notify-access", "all"}, script);
  EXPECT_TRUE(IsReady(guardian));
}

TEST(Notify, ASenderThatHasGoneIsStillHeardWhereAllAre) {
  const FakeGuardian guardian;
  Speaker speaker({"--notify-access", "all"},
                  "os.system(\"python3 -c \\\"import os, socket; s = socket.socket(socket.AF_UNIX, "
                  "socket.SOCK_DGRAM); s.connect(os.environ['NOTIFY_SOCKET']); "
                  "s.send(b'READY=1')\\\"\")\n"
                  "wait_for('end')\n");
  EXPECT_TRUE(IsReady(guardian));
}

TEST(Notify, TheMainProcessMayBeAnotherOneOfItsOwnButNoStranger) {
  const FakeGuardian guardian;
  Speaker speaker({},
                  "child = os.fork()\n"
                  "if child == 0:\n"
                  "  wait_for('main'); say('READY=1'); wait_for('end'); sys.exit(0)\n"
                  "say('MAINPID=%d' % os.getppid()); print('asked', flush=True)\n"
                  "wait_for('child'); say('MAINPID=%d' % child); print('named', flush=True)\n"
                  "wait_for('end')\n");
  ASSERT_TRUE(speaker.run().Prints("asked"));
  EXPECT_TRUE(Within(kPatience, [&] {
    return speaker.run().err().find("is no process of the program") != std::string::npos;
  })) << speaker.run().err();
  speaker.Let("child");
  ASSERT_TRUE(speaker.run().Prints("named"));
  speaker.Let("main");
  EXPECT_TRUE(IsReady(guardian));
}

TEST(Notify, GivingItselfUpReachesTheGuardian) {
  const FakeGuardian guardian;
  Speaker speaker({}, "say('READY=1'); say('WATCHDOG=trigger'); wait_for('end')\n");
  EXPECT_TRUE(Within(kPatience, [&] {
    return guardian.slots() >= 1 && (guardian.page(1).flags & PROCCTL_PAGE_FAILED) != 0;
  }));
  EXPECT_THAT(NoteOf(guardian.page(1)), HasSubstr("WATCHDOG=trigger"));
}

TEST(Notify, ItMayAskForAShorterTimeoutButNotForALongerOne) {
  const FakeGuardian guardian;
  Speaker speaker({},
                  "say('WATCHDOG_USEC=60000000'); print('longer', flush=True)\n"
                  "wait_for('shorter'); say('READY=1\\nWATCHDOG_USEC=1500000')\n"
                  "wait_for('end')\n");
  ASSERT_TRUE(speaker.run().Prints("longer"));
  EXPECT_TRUE(Within(kPatience, [&] {
    return speaker.run().err().find("it stays at 2s") != std::string::npos;
  })) << speaker.run().err();
  EXPECT_EQ(guardian.request(1).timeout_ms, 2000U);
  speaker.Let("shorter");
  ASSERT_TRUE(Within(kPatience, [&] { return guardian.slots() == 2; })) << "registered anew";
  EXPECT_EQ(guardian.request(2).timeout_ms, 1500U);
  EXPECT_TRUE(
      Within(kPatience, [&] { return (guardian.page(2).flags & PROCCTL_PAGE_READY) != 0; }));
}

TEST(Notify, LongWorkIsAnnouncedAndEndsWithTheNextBeat) {
  const FakeGuardian guardian;
  Speaker speaker({},
                  "say('READY=1'); say('EXTEND_TIMEOUT_USEC=30000000')\n"
                  "wait_for('beat'); say('WATCHDOG=1'); wait_for('end')\n");
  ASSERT_TRUE(Within(kPatience, [&] {
    return guardian.slots() >= 1 && (guardian.page(1).flags & PROCCTL_PAGE_BUSY) != 0;
  }));
  EXPECT_EQ(guardian.page(1).busy_ms, 30'000U);
  speaker.Let("beat");
  EXPECT_TRUE(Within(kPatience, [&] { return (guardian.page(1).flags & PROCCTL_PAGE_BUSY) == 0; }));
}

TEST(Notify, AStartThatIsNeverReadyStopsCounting) {
  const FakeGuardian guardian;
  Speaker speaker({"--grace-start", "500ms"}, "wait_for('end')\n");
  ASSERT_TRUE(Within(kPatience, [&] { return guardian.slots() == 1; }));
  EXPECT_TRUE(Within(kPatience, [&] { return Rests(guardian.page(1)); }));
}

TEST(Notify, AFloodDoesNotKeepItFromEndingTheProgram) {
  const FakeGuardian guardian;
  Speaker speaker({},
                  "say('READY=1')\n"
                  "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
                  "s.connect(os.environ['NOTIFY_SOCKET'])\n"
                  "print('flooding', flush=True)\n"
                  "while True: s.send(b'WATCHDOG=1\\nSTATUS=\\x1b[2J\\x07')\n");
  ASSERT_TRUE(speaker.run().Prints("flooding"));
  ASSERT_TRUE(IsReady(guardian));
  speaker.run().Signal(SIGTERM);
  EXPECT_EQ(speaker.run().Wait(), 128 + SIGTERM);
}

TEST(Notify, TheFolderOfItsSocketGoesWithIt) {
  const FakeGuardian guardian;
  Speaker speaker({},
                  "print('socket', os.environ['NOTIFY_SOCKET'], flush=True); wait_for('end')\n");
  ASSERT_TRUE(speaker.run().Prints("socket "));
  const std::string out = speaker.run().out();
  const std::string path =
      out.substr(out.find("socket ") + 7, out.rfind('\n') - out.find("socket ") - 7);
  EXPECT_TRUE(std::filesystem::exists(path)) << path;
  speaker.Let("end");
  EXPECT_EQ(speaker.run().Wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(path).parent_path()));
}

}  // namespace
}  // namespace procctl::run

// `logs -f` through controller and node: how soon a line is shown, and what a reader that does not
// read costs the others.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/programs_fixture.h"

namespace procctl::e2e {
namespace {

using std::chrono::nanoseconds;
using ::testing::HasSubstr;
using ::testing::Not;

using ProgramLogs = Programs;

nanoseconds MonotonicNow() {
  timespec now{};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds(now.tv_sec) + nanoseconds(now.tv_nsec);
}

double ToMs(nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }

// Lines of a pipe, each with the moment in which it was there to be read.
class LinePipe {
 public:
  explicit LinePipe(const std::string& path) {
    if (mkfifo(path.c_str(), 0600) != 0) throw HarnessError("mkfifo " + path);
    // Both ends, so that it is open before whoever writes to it comes, and after that one has gone.
    fd_ = UniqueFd(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd_.ok()) throw HarnessError("cannot open " + path);
  }

  struct Line {
    std::string text;
    nanoseconds at;
  };
  Line Next(std::chrono::seconds limit) {
    const nanoseconds until = MonotonicNow() + limit;
    for (;;) {
      if (const size_t end = rest_.find('\n'); end != std::string::npos) {
        Line line{rest_.substr(0, end), read_at_};
        rest_.erase(0, end + 1);
        return line;
      }
      pollfd readable{fd_.get(), POLLIN, 0};
      const nanoseconds left = until - MonotonicNow();
      if (left <= nanoseconds(0)) throw HarnessError("no further line, after '" + rest_ + "'");
      (void)poll(&readable, 1, static_cast<int>(left / 1ms) + 1);
      std::array<char, 4096> bytes{};
      const ssize_t n = read(fd_.get(), bytes.data(), bytes.size());
      read_at_ = MonotonicNow();
      if (n > 0) rest_.append(bytes.data(), static_cast<size_t>(n));
    }
  }

 private:
  UniqueFd fd_;
  std::string rest_;
  nanoseconds read_at_{};
};

TEST_F(ProgramLogs, ALineIsShownSoonAfterItWasWritten) {
  constexpr int kLines = 50;
  const std::string go = fleet_.folder() + "/go";
  Start(Entry("speaker",
              "echo hello; while [ ! -e " + go + " ]; do sleep 0.05; done; exec " +
                  Program("stamper") + " --lines " + std::to_string(kLines) +
                  " --from-ms 10 --to-ms 150",
              {"output: {stdout: '" + fleet_.folder() + "/speaker.out'}"}));
  AwaitState("speaker", v1::PROGRAM_STATE_RUNNING);
  Launch launch = fleet_.LastingCli("followed", {"logs", "-f", "n1/speaker"});
  LinePipe shown(launch.out);
  Child follower(std::move(launch));
  ASSERT_EQ(shown.Next(30s).text, "hello");
  WriteFile(go, "");

  std::vector<nanoseconds> delays;
  for (int i = 1; i <= kLines; ++i) {
    const LinePipe::Line line = shown.Next(30s);
    std::istringstream words(line.text);
    std::string at;
    int64_t written = 0;
    int number = 0;
    ASSERT_TRUE(words >> at >> written >> number) << line.text;
    ASSERT_EQ(at, "at");
    ASSERT_EQ(number, i) << "each line, once, in order";
    delays.push_back(line.at - nanoseconds(written));
    EXPECT_GE(delays.back(), nanoseconds(0));
  }
  std::sort(delays.begin(), delays.end());
  const nanoseconds median = delays[delays.size() / 2];
  std::printf("shown after %.1f ms (median), %.1f ms (worst of %d)\n", ToMs(median),
              ToMs(delays.back()), kLines);
  RecordProperty("median_us", std::to_string(median / std::chrono::microseconds(1)));
  RecordProperty("worst_us", std::to_string(delays.back() / std::chrono::microseconds(1)));
  // On a quiet machine it is a hundredth of that.
  EXPECT_LT(median, 1s);
  EXPECT_THAT(follower.Err(), Not(HasSubstr("lost")));
}

#ifdef PROCCTL_SANITIZED
constexpr bool kMemoryIsTold = false;  // what is freed is kept for a while
#else
constexpr bool kMemoryIsTold = true;
#endif

int64_t ResidentKib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoll(line.substr(6));
  }
  throw HarnessError("pid " + std::to_string(pid) + " has no memory");
}

// Writes a batch of lines as often as it is told to: "line 12345 xxx...", 100 bytes each.
class Batches {
 public:
  static constexpr int kLines = 5000;

  explicit Batches(const std::string& gate) : gate_(gate) {
    if (mkfifo(gate.c_str(), 0600) != 0) throw HarnessError("mkfifo " + gate);
    go_ = UniqueFd(open(gate.c_str(), O_RDWR | O_CLOEXEC));
  }

  std::string Shell() const {
    return "exec 3< " + gate_ +
           "; echo hello; i=0; while read -r batch <&3; do seq -f 'line %08.0f " +
           std::string(85, 'x') + "' $((i + 1)) $((i + " + std::to_string(kLines) +
           ")); i=$((i + " + std::to_string(kLines) + ")); done";
  }
  // Returns the number of its last line.
  int Write() {
    if (write(go_.get(), "\n", 1) != 1) throw HarnessError("cannot write to " + gate_);
    return kLines * ++written_;
  }

 private:
  std::string gate_;
  UniqueFd go_;
  int written_ = 0;
};

// The numbers of its lines; 0 for one that is no line of a batch.
std::vector<int> NumbersOf(const std::string& text) {
  std::vector<int> numbers;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line == "hello") continue;
    const bool whole = line.size() == 99 && line.starts_with("line ") && line.ends_with("xxx");
    numbers.push_back(whole ? std::stoi(line.substr(5, 8)) : 0);
  }
  return numbers;
}

std::string LastLineOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto size = static_cast<int64_t>(file.tellg());
  file.seekg(std::max<int64_t>(size - 200, 0));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!text.ends_with('\n')) return "";
  text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

TEST_F(ProgramLogs, AReaderThatIsStoppedCostsNobodyAnything) {
  constexpr int kWarm = 8;      // batches of 0.5 MB before anything is measured
  constexpr int kBatches = 40;  // 20 MB after that
  Batches batches(fleet_.folder() + "/gate");
  // 4 MB are kept: far less than what is written while one reader stands still.
  Node& node = Start(
      Entry("writer", batches.Shell(),
            {"output: {stdout: '" + fleet_.folder() + "/writer.out', max_size: 1M, keep: 3}"}));
  AwaitState("writer", v1::PROGRAM_STATE_RUNNING);
  Launch slow_launch = fleet_.LastingCli("slow", {"logs", "-f", "n1/writer"});
  Launch fast_launch = fleet_.LastingCli("fast", {"logs", "-f", "n1/writer"});
  const std::string slow_out = slow_launch.out;
  const std::string fast_out = fast_launch.out;
  for (const std::string& path : {slow_out, fast_out}) WriteFile(path, "");
  Child slow(std::move(slow_launch));
  Child fast(std::move(fast_launch));
  slow.AwaitLine("hello", 30s);
  fast.AwaitLine("hello", 30s);

  const auto show_batch = [&](const std::vector<std::string>& readers) {
    const std::string number = std::to_string(batches.Write());
    const std::string last = "line " + std::string(8 - number.size(), '0') + number;
    const nanoseconds from = MonotonicNow();
    for (const std::string& reader : readers) {
      Await(
          60s, last + " in " + reader, [&] { return LastLineOf(reader).starts_with(last); },
          [&] { return fast.Err() + slow.Err() + node.Log(); });
    }
    return MonotonicNow() - from;
  };
  for (int i = 0; i < kWarm; ++i) (void)show_batch({fast_out, slow_out});
  struct Process {
    const char* name;
    pid_t pid;
    int64_t before;
  };
  std::vector<Process> processes = {{"guardian", node.guardian().pid(), 0},
                                    {"logger", node.LoggerPid(), 0},
                                    {"uplink", node.UplinkPid(), 0},
                                    {"controller", fleet_.controller().pid(), 0}};
  for (Process& process : processes) process.before = ResidentKib(process.pid);

  slow.Signal(SIGSTOP);
  const size_t seen_before = ReadFile(slow_out).size();
  nanoseconds longest{};
  for (int i = 0; i < kBatches; ++i) longest = std::max(longest, show_batch({fast_out}));
  std::printf("0.5 MB shown to the other reader within %.0f ms (worst of %d)\n", ToMs(longest),
              kBatches);
  for (const Process& process : processes) {
    const int64_t grown = ResidentKib(process.pid) - process.before;
    std::printf("%s: %lld KiB, grown by %lld\n", process.name,
                static_cast<long long>(process.before), static_cast<long long>(grown));
    if (kMemoryIsTold) {
      EXPECT_LT(grown, 8 << 10) << process.name;
    }
  }
  EXPECT_EQ(ReadFile(slow_out).size(), seen_before) << "else it was not stopped";

  // Nothing was lost on the one that read.
  const std::vector<int> fast_numbers = NumbersOf(ReadFile(fast_out));
  ASSERT_EQ(fast_numbers.size(), static_cast<size_t>((kWarm + kBatches) * Batches::kLines));
  for (size_t i = 0; i < fast_numbers.size(); ++i) ASSERT_EQ(fast_numbers[i], i + 1);
  EXPECT_THAT(fast.Err(), Not(HasSubstr("lost")));

  // The other goes on with what is still there, and says that it missed something. Nothing is
  // written meanwhile: it would be overtaken again.
  slow.Signal(SIGCONT);
  const std::string last = LastLineOf(fast_out);
  Await(
      60s, "the stopped reader at the end", [&] { return LastLineOf(slow_out) == last; },
      [&] { return slow.Err(); });
  (void)show_batch({fast_out, slow_out});
  const std::string notes = slow.Err();
  EXPECT_THAT(notes, HasSubstr("[output lost here]"));
  EXPECT_EQ(notes.find("lost"), notes.rfind("lost")) << notes;
  const std::vector<int> slow_numbers = NumbersOf(ReadFile(slow_out));
  std::vector<int> after_gaps;
  for (size_t i = 1; i < slow_numbers.size(); ++i) {
    ASSERT_GT(slow_numbers[i], slow_numbers[i - 1]) << "whole lines, in order, none twice";
    if (slow_numbers[i] != slow_numbers[i - 1] + 1) after_gaps.push_back(slow_numbers[i]);
  }
  std::printf("the stopped one missed %zu of %d lines\n",
              fast_numbers.size() + Batches::kLines - slow_numbers.size(),
              (kWarm + kBatches + 1) * Batches::kLines);
  ASSERT_EQ(after_gaps.size(), 1U);
  // Three full files, at least, were still there.
  EXPECT_LE(after_gaps.front(), (kWarm + kBatches) * Batches::kLines - 30'000);
}

}  // namespace
}  // namespace procctl::e2e

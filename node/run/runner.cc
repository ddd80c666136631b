#include "node/run/runner.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "node/run/check.h"
#include "node/run/guarded_heart.h"
#include "node/run/leftovers.h"
#include "node/run/notify_door.h"
#include "node/run/output_pipe.h"
#include "node/run/own_child.h"
#include "node/run/proc_stat.h"
#include "proto/support/unique_fd.h"

namespace procctl::run {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kNotFound = 127;
constexpr int kCannotRun = 126;
constexpr int kFailed = 1;

// The longest pause between two looks at whether the program lives.
constexpr milliseconds kSlowestLook{1000};
// However often the program asks for more time.
constexpr std::chrono::hours kLongestStart{1};
// How long a reader of our stdout may take for the rest, once somebody wants us to stop.
constexpr milliseconds kRestAfterStop{2000};

int Fail(const char* what, int error, int code) {
  std::fprintf(stderr, "procctl-run: %s: %s\n", what, std::strerror(error));
  return code;
}

class Runner {
 public:
  Runner(const Options& options, int signals, GuardedHeart::Said* said)
      : options_(options),
        signals_(signals),
        heart_({options.name, options.timeout, GraceToAsk(options), options.quiet}, said),
        notify_(options.notify_access, options.timeout, &heart_) {}

  RunEnd Run() {
    if (const int code = StartProgram(); code != 0) return {code, std::nullopt, stopping_};
    const auto start = Clock::now();
    grace_end_ = start + options_.start_grace;
    latest_grace_end_ = std::max(grace_end_, start + kLongestStart);
    next_look_ = next_check_ = start;
    while (program_.started()) {
      DoWhatIsDue();
      if (program_.started()) Wait(NextDue());
    }
    const int code = Finish();
    return {code, status_, stopping_ || hung_up_};
  }

 private:
  // A start that the program may extend is ours to watch: a guardian grants its time once.
  static milliseconds GraceToAsk(const Options& options) {
    return options.sign == Sign::kNotify ? milliseconds(0) : options.start_grace;
  }

  int StartProgram();

  void DoWhatIsDue();
  Clock::time_point NextDue() const;
  void Wait(Clock::time_point until);
  void TakeSignal();
  void ReapEnded();
  int Finish();
  void PassRestOn();

  void Look();
  void ShownWell();
  void TakeNotifications();
  void EndCheck();
  bool Starting(Clock::time_point now) const { return !shown_well_ && now < grace_end_; }
  bool Looks(Clock::time_point now) const {
    if (options_.name.empty()) return false;  // nobody to beat to
    return options_.sign == Sign::kLife || Starting(now);
  }

  const Options& options_;
  const int signals_;
  GuardedHeart heart_;
  OwnChild program_;
  OutputPipe output_;  // not open unless Sign::kOutput
  NotifyDoor notify_;  // not open unless Sign::kNotify
  std::optional<Check> check_;
  int status_ = 0;
  bool shown_well_ = false;
  bool stopping_ = false;
  bool hung_up_ = false;
  Clock::time_point grace_end_;
  Clock::time_point latest_grace_end_;
  Clock::time_point next_look_;
  Clock::time_point next_check_;
};

int Runner::StartProgram() {
  ChildRequest request;
  request.arguments = options_.program;
  if (options_.sign == Sign::kOutput) {
    if (!output_.Open()) return Fail("pipe", errno, kFailed);
    request.stdout_fd = output_.write_end();
  }
  if (options_.sign == Sign::kNotify) {
    if (const std::string why = notify_.Open(); !why.empty()) {
      std::fprintf(stderr, "procctl-run: %s\n", why.c_str());
      return kFailed;
    }
    request.variables = notify_.variables();
    request.pid_variable = NotifyDoor::kPidVariable;
    heart_.SetPhase("starting");
  }
  int error = 0;
  program_ = OwnChild::Start(request, &error);
  output_.CloseWriteEnd();
  if (error == 0) return 0;
  const bool missing = error == ENOENT || error == ENOTDIR;
  std::fprintf(stderr, "procctl-run: cannot run \"%s\": %s; %s\n", options_.program[0].c_str(),
               std::strerror(error),
               missing ? "check its path, its #! line and PATH"
                       : "check that this user may execute it and that it is a program");
  return missing ? kNotFound : kCannotRun;
}

void Runner::DoWhatIsDue() {
  heart_.Tend(Clock::now());
  const auto now = Clock::now();
  if (Looks(now) && now >= next_look_) {
    Look();
    next_look_ = now + std::clamp(options_.timeout / 4, milliseconds(1), kSlowestLook);
  }
  if (options_.sign != Sign::kCheck) return;
  if (check_.has_value()) {
    if (now >= check_->deadline()) heart_.SetNote(check_->Expire());
  } else if (now >= next_check_) {
    next_check_ = now + options_.check_every;
    check_.emplace(options_.check, program_.pid(), now, options_.timeout);
    if (!check_->started()) EndCheck();
  }
}

Clock::time_point Runner::NextDue() const {
  Clock::time_point next = heart_.next_tend();
  if (Looks(Clock::now())) next = std::min(next, next_look_);
  if (options_.sign == Sign::kCheck)
    next = std::min(next, check_.has_value() ? check_->deadline() : next_check_);
  return next;
}

void Runner::Wait(Clock::time_point until) {
  const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
  const int timeout =
      static_cast<int>(std::clamp(left, milliseconds(0), milliseconds(60'000)).count());
  // poll passes over negative descriptors.
  pollfd waits[] = {
      {signals_, POLLIN, 0},
      {output_.poll_fd(), output_.poll_events(), 0},
      {check_.has_value() ? check_->output_fd() : -1, POLLIN, 0},
      {notify_.fd(), POLLIN, 0},
  };
  if (poll(waits, std::size(waits), timeout) <= 0) return;
  if (waits[1].revents != 0) {
    if (output_.Pump()) ShownWell();
    if (output_.poll_fd() < 0) heart_.SetNote("the program's output has ended");
  }
  if (waits[2].revents != 0) check_->TakeOutput();
  if (waits[3].revents != 0) TakeNotifications();
  if (waits[0].revents != 0) TakeSignal();
}

void Runner::TakeSignal() {
  signalfd_siginfo info;
  if (read(signals_, &info, sizeof(info)) != sizeof(info)) return;
  const int number = static_cast<int>(info.ssi_signo);
  if (number == SIGCHLD) return ReapEnded();
  if (number == SIGTERM || number == SIGINT || number == SIGQUIT) stopping_ = true;
  if (number == SIGHUP && info.ssi_code == SI_KERNEL) hung_up_ = true;
  // The terminal sent it to the whole foreground group, and so to the program: a second Ctrl-C
  // means something else to many programs.
  if ((number == SIGINT || number == SIGQUIT) && info.ssi_code == SI_KERNEL) return;
  (void)program_.Signal(number);
  // A stopped program hears of SIGTERM only when it goes on.
  if (number == SIGTERM) (void)program_.Signal(SIGCONT);
}

void Runner::ReapEnded() {
  for (;;) {
    // Looked at before it is reaped: a check's group must be killed while its number is taken.
    siginfo_t ended = {};
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) return;
    if (ended.si_pid == program_.pid()) {
      status_ = program_.Reap();
      return;  // Whatever else has ended is seen to when we finish.
    }
    if (check_.has_value() && ended.si_pid == check_->pid()) {
      EndCheck();
    } else {
      (void)waitpid(ended.si_pid, nullptr, 0);  // an orphan that came to us
    }
  }
}

// Beats if the program exists and runs, as far as the kernel tells.
void Runner::Look() {
  const auto stat = ReadProcStat(program_.pid());
  // Where /proc is hidden from us nothing speaks against it: that it has not ended is known.
  const char state = stat.has_value() ? stat->state : 'S';
  switch (state) {
    case 'T':
      return heart_.SetNote("the program is stopped");
    case 't':
      return heart_.SetNote("the program is stopped by its tracer");
    case 'Z':
    case 'X':
      // Ended, and its SIGCHLD is on the way; or other threads of it live on.
      return heart_.SetNote("the program's main thread has ended");
    default:
      break;
  }
  if (options_.sign == Sign::kLife) return ShownWell();
  heart_.Beat();
}

void Runner::ShownWell() {
  heart_.SetNote("");
  heart_.Beat();
  if (!shown_well_) heart_.SetReady();
  shown_well_ = true;
}

void Runner::TakeNotifications() {
  const NotifyDoor::Heard heard = notify_.TakeAll(program_.pid());
  if (heard.more_start_time.has_value()) {
    grace_end_ = std::clamp(Clock::now() + *heard.more_start_time, grace_end_, latest_grace_end_);
  }
  if (heard.ready) shown_well_ = true;
}

void Runner::EndCheck() {
  const CheckResult result = check_->Finish();
  check_.reset();
  if (result.passed) return ShownWell();
  heart_.SetNote(result.note);
}

int Runner::Finish() {
  heart_.Close();
  // Not waited for: a check in uninterruptible sleep would keep us here.
  if (check_.has_value()) check_->Abandon();
  if (stopping_) (void)EndDescendants(signals_);
  PassRestOn();
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

void Runner::PassRestOn() {
  std::optional<Clock::time_point> deadline;
  while (output_.poll_fd() >= 0) {
    if (output_.poll_events() == POLLIN) {
      output_.PumpRest();
      continue;
    }
    // Set late, so that it also holds for a stop that comes while we wait.
    if (stopping_ && !deadline.has_value()) deadline = Clock::now() + kRestAfterStop;
    int timeout = -1;
    if (deadline.has_value()) {
      const auto left = std::chrono::ceil<milliseconds>(*deadline - Clock::now());
      if (left.count() <= 0) return;
      timeout = static_cast<int>(left.count());
    }
    pollfd waits[] = {{output_.poll_fd(), POLLOUT, 0}, {signals_, POLLIN, 0}};
    if (poll(waits, std::size(waits), timeout) <= 0) continue;
    if (waits[0].revents != 0) output_.PumpRest();
    signalfd_siginfo info;
    if (waits[1].revents != 0 && read(signals_, &info, sizeof(info)) == sizeof(info) &&
        info.ssi_signo != SIGCHLD && info.ssi_signo != SIGUSR1 && info.ssi_signo != SIGUSR2) {
      stopping_ = true;
    }
  }
}

}  // namespace

RunEnd RunOnce(const Options& options, int signals, GuardedHeart::Said* said) {
  return Runner(options, signals, said).Run();
}

}  // namespace procctl::run

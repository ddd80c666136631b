#include "node/core/program_life.h"

#include <algorithm>
#include <utility>

#include "node/core/kill_words.h"
#include "proto/support/duration_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  return ToProto(absl::ToChronoTime(time));
}

absl::Time ToAbsl(const google::protobuf::Timestamp& time) {
  return absl::FromChrono(FromProto(time));
}

absl::Duration ToAbsl(Nanos duration) { return absl::FromChrono(duration); }

// How long after a quiet time the last of those is restarted that are too old by then.
constexpr Nanos kMostSpread = std::chrono::minutes(10);

// Give or take so many percent.
Nanos Vary(Nanos duration, int percent, double random) {
  return duration + Nanos(static_cast<int64_t>(static_cast<double>(duration.count()) *
                                               (percent / 100.0) * (2 * random - 1)));
}

std::string CauseWords(const ProgramEnd& end) {
  switch (end.cause) {
    case v1::CAUSE_HEARTBEAT:
      return "it hung";
    case v1::CAUSE_SELF_FAILED:
      return "it gave itself up";
    case v1::CAUSE_OPERATOR:
      return "stopped by an operator";
    case v1::CAUSE_LIMIT:
      return "it was over its limit";
    case v1::CAUSE_CONFIG:
      return "its configuration changed";
    case v1::CAUSE_STOP:
      return "it is not to run";
    case v1::CAUSE_SCHEDULE:
      return "its time was over";
    case v1::CAUSE_OOM:
      return "out of memory";
    case v1::CAUSE_START_FAILED:
      return "it could not be started";
    default:
      return "";
  }
}

}  // namespace

std::string EndWords(const ProgramEnd& end) {
  std::string how = "an end that nobody saw";
  if (end.status_known) {
    how = end.signal != 0
              ? fmt::format("{}{}", SignalName(end.signal), end.core_dumped ? " (core dumped)" : "")
              : fmt::format("exit code {}", end.exit_code);
  }
  const std::string cause = CauseWords(end);
  return cause.empty() ? how : fmt::format("{} ({})", how, cause);
}

ProgramLife::ProgramLife(std::shared_ptr<const ProgramSpec> spec, int instance, uint64_t seed,
                         ProgramTime now, std::optional<absl::Time> last_due)
    : spec_(std::move(spec)),
      instance_(instance),
      label_(LabelOf(*spec_, instance)),
      seed_(seed),
      quiet_(spec_->quiet),
      // Numbers of a later boot are greater than those of this one.
      next_run_(absl::ToUnixMillis(now.wall)) {
  BeginSchedule(now, last_due ? std::optional(ScheduleState{.last_due = *last_due}) : std::nullopt);
}

ProgramLife::ProgramLife(std::shared_ptr<const ProgramSpec> spec, const v1::ProgramRecord& record,
                         uint64_t seed, ProgramTime now)
    : spec_(std::move(spec)),
      instance_(record.instance()),
      label_(record.label()),
      seed_(seed),
      state_(record.state()),
      message_(record.message()),
      ordered_(record.wanted()),
      start_now_(record.queued_restart()),
      alive_(record.has_incarnation()),
      passed_(record.passed()),
      quiet_(spec_->quiet),
      incarnation_(record.incarnation()),
      run_(record.run()),
      next_run_(record.next_run()),
      starts_(record.starts()),
      restarts_(record.restarts()) {
  restarts_of_late_.last_delay = FromProto(record.last_delay());
  for (const auto& at : record.recent_starts())
    restarts_of_late_.recent_starts.push_back(MonoTime(FromProto(at)));
  if (record.has_next_start()) {
    next_start_ = MonoTime(FromProto(record.next_start()));
    next_start_wall_ = now.wall + ToAbsl(*next_start_ - now.mono);
    if (state_ == v1::PROGRAM_STATE_SCHEDULED) next_start_wall_ = AfterQuiet(*next_start_wall_);
  }
  if (record.has_started_at())
    started_ = {MonoTime(FromProto(record.started_mono())), ToAbsl(record.started_at())};
  if (record.has_max_age_ends()) max_age_ends_ = MonoTime(FromProto(record.max_age_ends()));
  if (record.has_last_death()) last_death_ = record.last_death();
  if (record.has_due()) due_ = ToAbsl(record.due());
  std::optional<ScheduleState> kept;
  if (record.has_last_due()) {
    kept = ScheduleState{.last_due = ToAbsl(record.last_due()), .pending = std::nullopt};
    if (record.has_queued_due()) kept->pending = ToAbsl(record.queued_due());
  }
  BeginSchedule(now, kept);
  if (record.stop_cause() != v1::CAUSE_UNSPECIFIED) {
    stop_ = Step{
        Do::kStop, record.stop_cause(), {"", record.stop_by().issuer(), record.stop_by().reason()}};
  }
}

void ProgramLife::BeginSchedule(const ProgramTime& now, const std::optional<ScheduleState>& state) {
  schedule_.reset();
  if (!spec_->schedule) return;
  schedule_.emplace(*spec_->schedule, seed_,
                    state.value_or(ScheduleState{.last_due = now.wall, .pending = std::nullopt}));
  switch (state_) {
    case v1::PROGRAM_STATE_STOPPED:
    case v1::PROGRAM_STATE_DONE:
      if (!alive_) SetState(v1::PROGRAM_STATE_SCHEDULED, "");
      return;
    default:
      // What it waits for, such as the end of what its last life left behind, goes on.
      return;
  }
}

bool ProgramLife::wanted() const {
  if (removed_ || ordered_ == v1::ProgramRecord::WANTED_DOWN) return false;
  return ordered_ == v1::ProgramRecord::WANTED_UP || !spec_->manual;
}

bool ProgramLife::ready() const {
  if (state_ == v1::PROGRAM_STATE_RUNNING) return !stop_;
  // One that did its work and is not started again.
  return state_ == v1::PROGRAM_STATE_DONE && last_death_ && last_death_->status_known() &&
         last_death_->signal() == 0 && spec_->success_codes.contains(last_death_->exit_code());
}

// What an operator, or the stop of what it needs, wants of it.
bool ProgramLife::StopsForOthers() const {
  return alive_ && stop_ && (stop_->cause == v1::CAUSE_OPERATOR || stop_->cause == v1::CAUSE_STOP);
}

bool ProgramLife::taken_down() const { return !wanted() || StopsForOthers(); }

void ProgramLife::SetState(v1::ProgramState state, std::string message) {
  if (state_ == state && message_ == message) return;
  state_ = state;
  message_ = std::move(message);
  changed_ = true;
}

void ProgramLife::Tell(v1::EventKind kind, v1::Severity severity, std::string message,
                       std::optional<v1::Death> death) {
  notices_.push_back({kind, severity, std::move(message), "", std::move(death)});
}

std::vector<ProgramLife::Notice> ProgramLife::TakeNotices() { return std::exchange(notices_, {}); }

bool ProgramLife::TakeChanged() { return std::exchange(changed_, false); }

ProgramLife::Step ProgramLife::Stop(v1::Cause cause, std::string message, const OrderRef& by) {
  stop_ = Step{Do::kStop, cause, by};
  SetState(v1::PROGRAM_STATE_STOPPING, std::move(message));
  changed_ = true;
  return *stop_;
}

absl::Time ProgramLife::AfterQuiet(absl::Time start) const {
  return spec_->quiet.EndAfter(start).value_or(start);
}

void ProgramLife::LookAtQuiet(const ProgramTime& now, double random) {
  const std::optional<absl::Time> until = quiet_.EndAfter(now.wall);
  const bool old =
      alive_ && until && spec_->max_age > Nanos(0) && max_age_ends_ && now.mono > *max_age_ends_;
  if (until == quiet_until_ && old == old_in_quiet_) return;
  if (alive_ && !until && old_in_quiet_) {
    // All instances that waited would be restarted together. Without a variance it is now.
    const Nanos spread = std::min(spec_->max_age / 100 * spec_->max_age_variance, kMostSpread);
    max_age_ends_ = now.mono - Nanos(1) +
                    Nanos(static_cast<int64_t>(static_cast<double>(spread.count()) * random));
  }
  quiet_until_ = until;
  old_in_quiet_ = old;
  changed_ = true;
}

Schedule::Answer ProgramLife::LookAtSchedule(const ProgramTime& now) {
  Schedule::Answer answer = schedule_->Look(now.wall, alive_);
  for (const std::string& text : answer.skipped)
    Tell(v1::EVENT_KIND_RUN_SKIPPED, v1::SEVERITY_WARNING, fmt::format("{}: {}", label_, text));
  if (answer.quiet) {
    Tell(v1::EVENT_KIND_RUN_SKIPPED, v1::SEVERITY_INFO,
         fmt::format("{}: {}", label_, *answer.quiet));
  }
  changed_ |= answer.changed;
  return answer;
}

// Whoever needs it ends before it, unless that takes longer than it may.
bool ProgramLife::HoldsStop(const ProgramTime& now, const Facts& facts) {
  if (!StopsForOthers() || facts.needed_by.empty()) return false;
  if (!stop_held_since_) {
    stop_held_since_ = now.mono;
    SetState(state_, fmt::format("{}; first {} ends, which needs it", message_, facts.needed_by));
  }
  return now.mono - *stop_held_since_ <= facts.needed_for;
}

ProgramLife::Step ProgramLife::Look(const ProgramTime& now, const Facts& facts, double random) {
  LookAtQuiet(now, random);
  if (state_ == v1::PROGRAM_STATE_STOPPING && !alive_) return {};
  if (!alive_) return LookIdle(now, facts);
  if (state_ == v1::PROGRAM_STATE_RUNNING && spec_->max_age > Nanos(0) && !max_age_ends_ &&
      started_) {
    max_age_ends_ = started_->mono + Vary(spec_->max_age, spec_->max_age_variance, random);
    changed_ = true;
  }
  const Step step = LookRunning(now, facts);
  return step.what == Do::kStop && HoldsStop(now, facts) ? Step{} : step;
}

ProgramLife::Step ProgramLife::LookIdle(const ProgramTime& now, const Facts& facts) {
  if (!wanted() && !start_now_) {
    SetState(v1::PROGRAM_STATE_STOPPED, state_ == v1::PROGRAM_STATE_STOPPED ? message_ : "");
    next_start_.reset();
    next_start_wall_.reset();
    return {};
  }
  if (schedule_ && !start_now_) {
    const Schedule::Answer answer = LookAtSchedule(now);
    if (answer.start) {
      due_ = answer.start;
      start_now_ = true;
    }
  }
  if (!start_now_) {
    switch (state_) {
      case v1::PROGRAM_STATE_STOPPED:
        if (schedule_) {
          SetState(v1::PROGRAM_STATE_SCHEDULED, "");
        } else if (spec_->every > Nanos(0) && quiet_until_) {
          WaitUntil(v1::PROGRAM_STATE_SCHEDULED, now, Nanos(0), "");
          SetState(after_, "");
        } else {
          start_now_ = true;
        }
        break;
      case v1::PROGRAM_STATE_SCHEDULED:
        start_now_ = next_start_ && now.mono >= *next_start_ && !quiet_until_;
        break;
      case v1::PROGRAM_STATE_BACKOFF:
      case v1::PROGRAM_STATE_PARKED:
        start_now_ = next_start_ && now.mono >= *next_start_;
        break;
      case v1::PROGRAM_STATE_WAITING:
        start_now_ = true;
        break;
      default:
        break;
    }
  }
  if (!start_now_) return {};
  if (!facts.waits_for.empty()) {
    SetState(v1::PROGRAM_STATE_WAITING, fmt::format("waits for {}", facts.waits_for));
    return {};
  }
  return {Do::kStart, v1::CAUSE_UNSPECIFIED, {}};
}

ProgramLife::Step ProgramLife::LookRunning(const ProgramTime& now, const Facts& facts) {
  if (stop_) return *stop_;
  if (removed_) return Stop(v1::CAUSE_CONFIG, "is not in the configuration any more");
  if (!wanted() && !start_now_ && ordered_ == v1::ProgramRecord::WANTED_DOWN)
    return Stop(v1::CAUSE_STOP, "is not to run");
  if (!facts.lost.empty()) {
    start_now_ = true;
    return Stop(v1::CAUSE_STOP, fmt::format("needs {}, which was stopped", facts.lost));
  }
  if (schedule_) {
    const Schedule::Answer answer = LookAtSchedule(now);
    if (answer.kill_running) return Stop(v1::CAUSE_SCHEDULE, "its next run is due");
  }
  const Nanos ran = started_ ? now.mono - started_->mono : Nanos(0);
  if (spec_->run_limit > Nanos(0) && ran > spec_->run_limit) {
    return Stop(v1::CAUSE_SCHEDULE,
                fmt::format("ran longer than {}", FormatDuration(spec_->run_limit)));
  }
  if (max_age_ends_ && spec_->max_age > Nanos(0) && now.mono > *max_age_ends_ && !quiet_until_) {
    start_now_ = true;
    return Stop(v1::CAUSE_SCHEDULE,
                fmt::format("has run for {}, its greatest age", FormatDuration(ran)));
  }
  const auto& most = spec_->limits.restart_above_memory;
  if (most && facts.resident > *most) {
    return Stop(v1::CAUSE_LIMIT, fmt::format("holds {} MiB of memory, limit {} MiB",
                                             facts.resident >> 20, *most >> 20));
  }
  return {};
}

MonoTime ProgramLife::NextLook(const ProgramTime& now) const {
  const bool must_ask = !alive_ || schedule_ || stop_held_since_ || spec_->max_age > Nanos(0) ||
                        spec_->limits.restart_above_memory;
  MonoTime at = must_ask ? now.mono + std::chrono::seconds(1) : MonoTime::max();
  if (alive_) {
    // At a limit itself it still runs.
    if (spec_->run_limit > Nanos(0) && started_)
      at = std::min(at, started_->mono + spec_->run_limit + Nanos(1));
    if (max_age_ends_ && !old_in_quiet_) at = std::min(at, *max_age_ends_ + Nanos(1));
  } else if (next_start_ && !(state_ == v1::PROGRAM_STATE_SCHEDULED && quiet_until_)) {
    at = std::min(at, *next_start_);
  }
  if (schedule_) {
    const Nanos left = absl::ToChronoNanoseconds(schedule_->next(now.wall) - now.wall);
    // It may be never.
    at = std::min(at, now.mono + std::clamp(left, Nanos(0), Nanos(std::chrono::seconds(1))));
  }
  return at;
}

std::string ProgramLife::NextRun() const {
  return due_ ? fmt::format("{}/{}", label_, RunOf(*due_))
              : fmt::format("{}/{}", label_, next_run_);
}

void ProgramLife::Started(const ProgramTime& now, const v1::Incarnation& incarnation) {
  run_ = NextRun();
  ++next_run_;
  passed_ = false;
  start_now_ = false;
  stop_.reset();
  stop_held_since_.reset();
  alive_ = true;
  incarnation_ = incarnation;
  started_ = now;
  max_age_ends_.reset();
  next_start_.reset();
  next_start_wall_.reset();
  ++starts_;
  if (std::exchange(next_is_restart_, false)) ++restarts_;
  NoteStart(spec_->intensity, &restarts_of_late_, now.mono);
  SetState(v1::PROGRAM_STATE_STARTING, "");
  changed_ = true;
  Tell(v1::EVENT_KIND_PROGRAM_STARTED, v1::SEVERITY_INFO,
       fmt::format("{} is started as pid {}", label_, incarnation.pid()));
}

void ProgramLife::MainChanged(const v1::Incarnation& incarnation) {
  if (!alive_) return;
  const int32_t before = incarnation_.pid();
  incarnation_ = incarnation;
  changed_ = true;
  Tell(v1::EVENT_KIND_PROGRAM_MAIN_CHANGED, v1::SEVERITY_INFO,
       fmt::format("{}: pid {} is its main process from now on, after pid {}", label_,
                   incarnation_.pid(), before));
  notices_.back().reason = fmt::format("MAINPID={}, was pid {}", incarnation_.pid(), before);
}

void ProgramLife::SlotChanged(const v1::Incarnation& incarnation) {
  incarnation_ = incarnation;
  changed_ = true;
}

void ProgramLife::Passed() {
  if (passed_) return;
  passed_ = true;
  due_.reset();
  changed_ = true;
}

void ProgramLife::NeverPassed(const ProgramTime& now) {
  if (!alive_ || passed_) return;
  alive_ = false;
  stop_.reset();
  // It may have been stopped by order before this came out.
  start_now_ = start_now_ || wanted();
  ProgramEnd end;
  end.cause = v1::CAUSE_START_FAILED;
  Tell(v1::EVENT_KIND_PROGRAM_ENDED, v1::SEVERITY_WARNING,
       fmt::format("{} pid {} never ran: a guardian was killed before it let it; it {}", label_,
                   incarnation_.pid(), start_now_ ? "is started once more" : "stays stopped"),
       MakeDeath(now, end));
  incarnation_.Clear();
  SetState(v1::PROGRAM_STATE_WAITING, start_now_ ? "is started once more" : "");
  changed_ = true;
}

void ProgramLife::CouldNotStart(const ProgramTime& now, const std::string& why, double random) {
  run_ = NextRun();
  ++next_run_;
  due_.reset();
  start_now_ = false;
  started_ = now;
  NoteStart(spec_->intensity, &restarts_of_late_, now.mono);
  ProgramEnd end;
  end.cause = v1::CAUSE_START_FAILED;
  Decide(now, Ending{.cause = end.cause, .ran = Nanos(0)}, random);
  v1::Death death = MakeDeath(now, end);
  Tell(v1::EVENT_KIND_PROGRAM_START_FAILED, v1::SEVERITY_WARNING,
       fmt::format("{} could not be started: {}; {}", label_, why, after_message_), death);
  last_death_ = std::move(death);
  after_message_ = fmt::format("{}; {}", why, after_message_);
  SetState(after_, after_message_);
  changed_ = true;
}

void ProgramLife::Ready(const ProgramTime& now) {
  if (!alive_ || state_ != v1::PROGRAM_STATE_STARTING) return;
  SetState(v1::PROGRAM_STATE_RUNNING, "");
  Tell(v1::EVENT_KIND_PROGRAM_READY, v1::SEVERITY_INFO,
       fmt::format("{} pid {} is ready after {}", label_, incarnation_.pid(),
                   Exact(now.mono - started_->mono)));
}

v1::Death ProgramLife::MakeDeath(const ProgramTime& now, const ProgramEnd& end) const {
  v1::Death death;
  death.set_cause(end.cause);
  death.set_status_known(end.status_known);
  death.set_exit_code(end.exit_code);
  death.set_signal(end.signal);
  death.set_core_dumped(end.core_dumped);
  if (started_) {
    *death.mutable_started_at() = ToTimestamp(started_->wall);
    *death.mutable_ran() = ToProto(now.mono - started_->mono);
  }
  if (next_start_wall_) *death.mutable_next_start() = ToTimestamp(*next_start_wall_);
  if (end.cpu) *death.mutable_cpu() = ToProto(*end.cpu);
  death.set_max_resident(end.max_resident.value_or(0));
  death.set_oom_kills(end.oom_kills);
  return death;
}

void ProgramLife::WaitUntil(v1::ProgramState state, const ProgramTime& now, Nanos delay,
                            std::string message) {
  after_ = state;
  after_message_ = std::move(message);
  next_start_ = now.mono + delay;
  next_start_wall_ = now.wall + ToAbsl(delay);
  if (state == v1::PROGRAM_STATE_SCHEDULED) next_start_wall_ = AfterQuiet(*next_start_wall_);
}

void ProgramLife::Decide(const ProgramTime& now, const Ending& ending, double random) {
  next_start_.reset();
  next_start_wall_.reset();
  after_message_ = "";
  if (held_back_ || (!wanted() && !start_now_)) {
    after_ = v1::PROGRAM_STATE_STOPPED;
    after_message_ = removed_ ? "is not in the configuration any more" : "";
    return;
  }
  if (start_now_) {
    WaitUntil(v1::PROGRAM_STATE_BACKOFF, now, Nanos(0), "is started again");
    return;
  }
  const RestartAnswer answer = AfterEnd(*spec_, ending, &restarts_of_late_, now.mono, random);
  switch (answer.what) {
    case RestartAnswer::What::kStart:
      next_is_restart_ = true;
      WaitUntil(v1::PROGRAM_STATE_BACKOFF, now, answer.delay, answer.why);
      return;
    case RestartAnswer::What::kPark:
      next_is_restart_ = true;
      WaitUntil(v1::PROGRAM_STATE_PARKED, now, answer.delay, answer.why);
      Tell(v1::EVENT_KIND_PROGRAM_PARKED, v1::SEVERITY_ALARM,
           fmt::format("{} is {}; tried again in {}, or at once by retry", label_, answer.why,
                       FormatDuration(answer.delay)));
      return;
    case RestartAnswer::What::kDone:
      break;
  }
  if (schedule_) {
    after_ = v1::PROGRAM_STATE_SCHEDULED;
    next_start_wall_ = schedule_->next(now.wall);
    after_message_ = answer.why;
  } else if (spec_->every > Nanos(0)) {
    WaitUntil(v1::PROGRAM_STATE_SCHEDULED, now, spec_->every, answer.why);
  } else {
    after_ = v1::PROGRAM_STATE_DONE;
    after_message_ = answer.why;
  }
}

void ProgramLife::Ended(const ProgramTime& now, const ProgramEnd& end, const std::string& detail,
                        double random) {
  if (!alive_) return;
  alive_ = false;
  due_.reset();
  const Nanos ran = started_ ? now.mono - started_->mono : Nanos(0);
  const int32_t pid = incarnation_.pid();
  const Ending ending{end.cause, end.status_known, end.exit_code, end.signal, ran};
  const std::string stopped_by =
      stop_ && stop_->cause == v1::CAUSE_OPERATOR ? stop_->by.issuer : std::string();
  stop_.reset();
  Decide(now, ending, random);
  // Who wonders tomorrow why it does not run reads it in the row.
  if (after_ == v1::PROGRAM_STATE_STOPPED && after_message_.empty() && !stopped_by.empty())
    after_message_ = fmt::format("stopped by {}", stopped_by);
  v1::Death death = MakeDeath(now, end);
  const bool failure = IsFailure(*spec_, ending);
  std::string follows;
  const bool after_quiet = next_start_ && after_ == v1::PROGRAM_STATE_SCHEDULED &&
                           spec_->quiet.EndAfter(now.wall + ToAbsl(*next_start_ - now.mono));
  if (after_quiet) {
    follows =
        fmt::format("is started again at {}, when its quiet time ends", RunOf(*next_start_wall_));
  } else if (next_start_) {
    const Nanos delay = *next_start_ - now.mono;
    follows = delay > Nanos(0) ? fmt::format("is started again in {}", FormatDuration(delay))
                               : "is started again at once";
  } else if (next_start_wall_) {
    follows = "waits for its next run";
  } else {
    follows = after_ == v1::PROGRAM_STATE_STOPPED ? "stays stopped" : "is not started again";
  }
  Tell(v1::EVENT_KIND_PROGRAM_ENDED, failure ? v1::SEVERITY_WARNING : v1::SEVERITY_INFO,
       fmt::format("{} pid {} ended after {}: {}{}; it {}", label_, pid, Exact(ran), EndWords(end),
                   detail.empty() ? "" : fmt::format(": {}", detail), follows),
       death);
  last_death_ = std::move(death);
  incarnation_.Clear();
  SetState(v1::PROGRAM_STATE_STOPPING, "its main process ended");
  changed_ = true;
}

void ProgramLife::TreeGone(const ProgramTime& now) {
  if (alive_ || state_ != v1::PROGRAM_STATE_STOPPING) return;
  (void)now;
  SetState(after_, after_message_);
}

void ProgramLife::Sweep() {
  if (alive_) return;
  after_ = state_;
  after_message_ = message_;
  SetState(v1::PROGRAM_STATE_STOPPING, "its main process ended");
}

std::string ProgramLife::OrderStart(const ProgramTime& now) {
  const bool was_wanted = wanted();
  ordered_ = v1::ProgramRecord::WANTED_UP;
  changed_ = true;
  if (alive_ && !stop_) return fmt::format("{} runs already", label_);
  if (!was_wanted && schedule_) {
    // What was due while it was not to run is not made up for.
    BeginSchedule(now, std::nullopt);
  }
  start_now_ = true;
  return alive_ || state_ == v1::PROGRAM_STATE_STOPPING
             ? fmt::format("{} is started when its old process is gone", label_)
             : fmt::format("{} is started", label_);
}

std::string ProgramLife::OrderStop(const OrderRef& by) {
  ordered_ = v1::ProgramRecord::WANTED_DOWN;
  start_now_ = false;
  changed_ = true;
  if (!alive_) {
    after_ = v1::PROGRAM_STATE_STOPPED;
    after_message_ = fmt::format("stopped by {}", by.issuer);
    if (state_ == v1::PROGRAM_STATE_STOPPING)
      return fmt::format("{} has ended and stays stopped", label_);
    next_start_.reset();
    next_start_wall_.reset();
    SetState(v1::PROGRAM_STATE_STOPPED, after_message_);
    return fmt::format("{} did not run and stays stopped", label_);
  }
  (void)Stop(v1::CAUSE_OPERATOR, fmt::format("stopped by {}", by.issuer), by);
  return fmt::format("{} pid {} is being stopped", label_, incarnation_.pid());
}

std::string ProgramLife::OrderRestart(const ProgramTime& now, v1::Cause cause, const OrderRef& by) {
  if (cause == v1::CAUSE_OPERATOR) ordered_ = v1::ProgramRecord::WANTED_UP;
  start_now_ = true;
  restarts_of_late_ = {};
  changed_ = true;
  (void)now;
  if (!alive_) return fmt::format("{} did not run and is started", label_);
  (void)Stop(
      cause,
      by.issuer.empty() ? "its configuration changed" : fmt::format("restarted by {}", by.issuer),
      by);
  return fmt::format("{} pid {} is being restarted", label_, incarnation_.pid());
}

std::string ProgramLife::OrderRetry(const ProgramTime& now) {
  (void)now;
  if (alive_) return fmt::format("{} runs already", label_);
  if (!wanted()) return fmt::format("{} is stopped; start it instead", label_);
  restarts_of_late_ = {};
  start_now_ = true;
  changed_ = true;
  return fmt::format("{} is started now", label_);
}

void ProgramLife::SetSpec(std::shared_ptr<const ProgramSpec> spec, bool restart,
                          const ProgramTime& now) {
  const v1::ProgramConfig& before = spec_->config;
  const v1::ProgramConfig& after = spec->config;
  const bool other_times = before.cron() != after.cron() || before.time_zone() != after.time_zone();
  const std::optional<ScheduleState> kept =
      schedule_ && !other_times ? std::optional(schedule_->state()) : std::nullopt;
  const bool was_timed = schedule_ || spec_->every > Nanos(0);
  spec_ = std::move(spec);
  quiet_ = QuietNow(spec_->quiet);
  max_age_ends_.reset();
  changed_ = true;
  if (schedule_ || spec_->schedule) BeginSchedule(now, kept);
  const bool is_timed = schedule_ || spec_->every > Nanos(0);
  if (restart && alive_) {
    (void)OrderRestart(now, v1::CAUSE_CONFIG, {});
  } else if (!alive_ && state_ != v1::PROGRAM_STATE_STOPPING &&
             state_ != v1::PROGRAM_STATE_STOPPED) {
    // What kept it from running may be mended.
    const bool waits = state_ == v1::PROGRAM_STATE_BACKOFF || state_ == v1::PROGRAM_STATE_PARKED;
    if ((restart && waits) || (was_timed && !is_timed)) {
      restarts_of_late_ = {};
      SetState(v1::PROGRAM_STATE_STOPPED, "");
    } else if (!schedule_ && spec_->every > Nanos(0) && !next_start_) {
      WaitUntil(v1::PROGRAM_STATE_SCHEDULED, now, spec_->every, "");
      SetState(after_, "");
    }
  }
}

std::optional<absl::Time> ProgramLife::NextStart(const ProgramTime& now) const {
  std::optional<absl::Time> next;
  switch (state_) {
    case v1::PROGRAM_STATE_SCHEDULED:
      next = schedule_ ? schedule_->next(now.wall) : next_start_wall_;
      if (next && quiet_until_) next = std::max(*next, *quiet_until_);
      break;
    case v1::PROGRAM_STATE_BACKOFF:
    case v1::PROGRAM_STATE_PARKED:
      next = next_start_wall_;
      break;
    default:
      break;
  }
  return next == absl::InfiniteFuture() ? std::nullopt : next;
}

std::string ProgramLife::RowMessage() const {
  std::string quiet;
  if (quiet_until_ && state_ == v1::PROGRAM_STATE_SCHEDULED) {
    quiet = fmt::format("quiet until {}", RunOf(*quiet_until_));
  } else if (old_in_quiet_ && state_ == v1::PROGRAM_STATE_RUNNING) {
    quiet = fmt::format("is past its greatest age and restarted when its quiet time ends, at {}",
                        RunOf(*quiet_until_));
  }
  return quiet.empty() || message_.empty() ? message_ + quiet
                                           : fmt::format("{}; {}", message_, quiet);
}

v1::Program ProgramLife::Row(const ProgramTime& now) const {
  v1::Program row;
  row.set_label(label_);
  row.set_name(spec_->name);
  row.set_instance(instance_);
  row.set_state(state_);
  if (alive_) {
    *row.mutable_incarnation() = incarnation_;
    if (started_) *row.mutable_started_at() = ToTimestamp(started_->wall);
    row.set_run(run_);
  }
  row.set_door(spec_->door);
  if (const auto next = NextStart(now)) *row.mutable_next_start() = ToTimestamp(*next);
  row.set_starts(starts_);
  row.set_restarts(restarts_);
  row.set_message(RowMessage());
  if (last_death_) *row.mutable_last_death() = *last_death_;
  for (const std::string& label : spec_->labels) row.add_labels(label);
  return row;
}

v1::ProgramRecord ProgramLife::Record() const {
  v1::ProgramRecord record;
  record.set_label(label_);
  record.set_name(spec_->name);
  record.set_instance(instance_);
  *record.mutable_config() = spec_->config;
  record.set_wanted(ordered_);
  // One that waits for its tree goes on from what follows it.
  const bool between = !alive_ && state_ == v1::PROGRAM_STATE_STOPPING;
  record.set_state(between ? after_ : state_);
  record.set_message(between ? after_message_ : message_);
  if (alive_) *record.mutable_incarnation() = incarnation_;
  if (started_) {
    *record.mutable_started_at() = ToTimestamp(started_->wall);
    *record.mutable_started_mono() = ToProto(started_->mono.time_since_epoch());
  }
  if (next_start_) *record.mutable_next_start() = ToProto(next_start_->time_since_epoch());
  record.set_starts(starts_);
  record.set_restarts(restarts_);
  *record.mutable_last_delay() = ToProto(restarts_of_late_.last_delay);
  for (const MonoTime at : restarts_of_late_.recent_starts)
    *record.add_recent_starts() = ToProto(at.time_since_epoch());
  if (last_death_) *record.mutable_last_death() = *last_death_;
  record.set_run(run_);
  record.set_next_run(next_run_);
  if (schedule_) {
    *record.mutable_last_due() = ToTimestamp(schedule_->state().last_due);
    if (schedule_->state().pending)
      *record.mutable_queued_due() = ToTimestamp(*schedule_->state().pending);
  }
  record.set_passed(passed_);
  if (due_) *record.mutable_due() = ToTimestamp(*due_);
  record.set_queued_restart(start_now_);
  if (stop_) {
    record.set_stop_cause(stop_->cause);
    record.mutable_stop_by()->set_issuer(stop_->by.issuer);
    record.mutable_stop_by()->set_reason(stop_->by.reason);
  }
  if (max_age_ends_) *record.mutable_max_age_ends() = ToProto(max_age_ends_->time_since_epoch());
  return record;
}

}  // namespace procctl::node

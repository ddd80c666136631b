#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "cli/cell.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/program_order.h"
#include "cli/program_plan.h"
#include "cli/program_target.h"
#include "cli/program_wait.h"
#include "cli/render_programs.h"
#include "cli/rolling_restart.h"
#include "cli/story_words.h"
#include "proto/support/duration_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

std::string NameOf(const v1::FleetProgram& row) {
  return fmt::format("{}/{}", Cell(row.node()), Cell(row.program().label()));
}

std::string_view WordOf(RollingRestart::Phase phase) {
  switch (phase) {
    case RollingRestart::Phase::kWaiting:
      return "not begun";
    case RollingRestart::Phase::kUnderWay:
      return "under way";
    case RollingRestart::Phase::kReady:
      return "restarted";
    case RollingRestart::Phase::kLeftAlone:
      return "left alone";
  }
  return "";
}

class Roll {
 public:
  Roll(const Options& options, const ProgramPlan& plan, const Screen& screen, Client* client)
      : options_(options),
        screen_(screen),
        client_(client),
        restart_(plan.rows, *options.max_unavailable, options.wait_timeout.value_or(kUsualWait)) {}

  ExitCode Run(RowWatch* watch, ProgramList list) {
    if (!screen_.json()) Announce();
    ExitCode code = ExitCode::kOk;
    absl::Status status;
    for (;;) {
      const auto step = restart_.Decide(list, std::chrono::steady_clock::now());
      for (const size_t i : step.ready) TellReady(i, list);
      if (step.failed) {
        Fail(*step.failed, step.why);
        code = ExitCode::kFailed;
        break;
      }
      if (step.done) break;
      if (!step.begin.empty()) {
        code = Order(step.begin, &status);
        if (code != ExitCode::kOk) break;
        watch->Hurry();
      }
      auto next = watch->Next(std::chrono::steady_clock::now() +
                              options_.wait_timeout.value_or(kUsualWait));
      if (!next.ok()) {
        status = next.status();
        code = ExitCodeFor(status);
        break;
      }
      list = std::move(*next);
    }
    Close();
    if (absl::IsCancelled(status)) {
      status = absl::CancelledError(
          "interrupted: nothing more is begun; what was ordered goes on; look with: procctl-cli "
          "programs");
    }
    return status.ok() ? code : screen_.Fail(code, status);
  }

 private:
  using Phase = RollingRestart::Phase;

  std::vector<std::string> Names(Phase phase) const {
    std::vector<std::string> names;
    for (size_t i = 0; i < restart_.size(); ++i) {
      if (restart_.phase(i) == phase && i != failed_) names.push_back(NameOf(restart_.row(i)));
    }
    return names;
  }

  void Announce() const {
    screen_.Print(
        fmt::format("{} to restart, at most {} not running at a time.\n",
                    CountText(static_cast<int64_t>(Names(Phase::kWaiting).size()), "program"),
                    restart_.most_unavailable()));
  }

  void TellReady(size_t i, const ProgramList& list) const {
    if (screen_.json()) return;
    screen_.Print(fmt::format("{}  {}, after {}\n", NameOf(restart_.row(i)),
                              StandingText(restart_.row(i).program(), list.as_of),
                              FormatDuration(restart_.took(i))));
  }

  void Fail(size_t i, const std::string& why) {
    failed_ = i;
    why_ = why;
    if (!screen_.json())
      screen_.Print(fmt::format("{}  failed: {}\n", NameOf(restart_.row(i)), why));
  }

  // One call for what may begin now. `status` is set where the call itself failed.
  ExitCode Order(const std::vector<size_t>& begin, absl::Status* status) {
    std::vector<v1::ProgramTarget> targets;
    targets.reserve(begin.size());
    for (const size_t i : begin) {
      targets.push_back(TargetOf(v1::PROGRAM_ACTION_RESTART, restart_.row(i)));
    }
    const auto order = OrderFor(v1::PROGRAM_ACTION_RESTART, options_, targets);
    requests_.push_back(order.request_id());
    const auto response = Send(order, options_, client_);
    if (!response.ok()) {
      *status = response.status();
      return ExitCodeFor(*status);
    }
    ExitCode code = ExitCode::kOk;
    for (size_t k = 0; k < begin.size(); ++k) {
      const v1::ProgramOutcome& outcome = response->outcomes(static_cast<int>(k));
      const std::string line =
          RenderProgramOutcome(v1::PROGRAM_ACTION_RESTART, targets[k], outcome);
      if (!screen_.json()) screen_.Print(line);
      if (outcome.done() || code != ExitCode::kOk) continue;
      code = ExitCodeFor(outcome);
      failed_ = begin[k];
      why_ = line.substr(0, line.size() - 1);
    }
    return code;
  }

  // What was done, and what was not.
  void Close() const {
    if (screen_.json()) return PrintJson();
    std::string text;
    const auto list = [&](std::string_view what, const std::vector<std::string>& names) {
      if (!names.empty()) text += fmt::format("{}: {}\n", what, fmt::join(names, ", "));
    };
    list("Still under way", Names(Phase::kUnderWay));
    list("Not begun", Names(Phase::kWaiting));
    list("Left alone (stopped, scheduled, done or gone)", Names(Phase::kLeftAlone));
    const size_t ready = Names(Phase::kReady).size();
    screen_.Print(fmt::format("{}\n{} restarted, {} failed, {} not begun.\n", text, ready,
                              failed_ ? 1 : 0, Names(Phase::kWaiting).size()));
  }

  void PrintJson() const {
    std::string rows;
    for (size_t i = 0; i < restart_.size(); ++i) {
      const bool failed = failed_ == i;
      rows += fmt::format("{}{{\"result\":\"{}\",\"why\":{},\"program\":{}}}",
                          i == 0 ? "\n" : ",\n", failed ? "failed" : WordOf(restart_.phase(i)),
                          failed ? JsonString(why_) : "\"\"", ProgramJson(restart_.row(i)));
    }
    std::vector<std::string> requests;
    requests.reserve(requests_.size());
    for (const std::string& request : requests_) requests.push_back(JsonString(request));
    screen_.Print(
        fmt::format("{{\"apiVersion\":\"{}\",\"action\":\"restart\",\"mostUnavailable\":{},"
                    "\"requestIds\":[{}],\"targets\":[{}]}}\n",
                    kApiVersion, restart_.most_unavailable(), fmt::join(requests, ","), rows));
  }

  const Options& options_;
  const Screen& screen_;
  Client* client_;
  RollingRestart restart_;
  std::optional<size_t> failed_;
  std::string why_;
  std::vector<std::string> requests_;
};

}  // namespace

ExitCode RollingCommand(const Options& options, const ProgramPlan& plan, const Screen& screen,
                        Client* client, const WatchInterrupt& watch_interrupt) {
  RowWatch watch(FilterFor(NamesOf(plan.rows)), options, watch_interrupt(), client);
  ProgramList list;
  list.programs = plan.rows;
  list.as_of = plan.as_of;
  return Roll(options, plan, screen, client).Run(&watch, std::move(list));
}

}  // namespace procctl::cli

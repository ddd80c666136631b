#include <optional>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/plan.h"
#include "cli/program_order.h"
#include "cli/program_plan.h"
#include "cli/program_target.h"
#include "cli/program_wait.h"
#include "cli/render_programs.h"
#include "cli/target.h"
#include "proto/support/duration_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

using std::chrono::nanoseconds;

// What became of one target, once that is known.
struct Result {
  ExitCode code = ExitCode::kOk;
  std::string word;  // for JSON: "running", "failed" ...
  std::optional<v1::FleetProgram> row;
};

const v1::FleetProgram* Find(const v1::ProgramTarget& target, const ProgramList& list) {
  for (const v1::FleetProgram& row : list.programs) {
    if (row.node() == target.node() && row.program().label() == target.program()) return &row;
  }
  return nullptr;
}

// One order from its answer to its end.
class OrderWatch {
 public:
  OrderWatch(const ProgramPlan& plan, const v1::ControlProgramsRequest& order,
             const v1::ControlProgramsResponse& response, const Screen& screen)
      : plan_(plan), order_(order), screen_(screen), results_(plan.targets.size()) {
    for (size_t i = 0; i < plan.targets.size(); ++i) {
      const v1::ProgramOutcome& outcome = response.outcomes(static_cast<int>(i));
      if (!outcome.done()) results_[i] = Result{ExitCodeFor(outcome), "not ordered", {}};
    }
  }

  // Until every target has a result, or `limit` is over. CANCELLED where a stop was requested.
  absl::Status Follow(RowWatch* watch, nanoseconds limit) {
    const auto start = std::chrono::steady_clock::now();
    ProgramList list;
    while (Open()) {
      auto next = watch->Next(start + limit);
      if (!next.ok()) return next.status();
      list = std::move(*next);
      const nanoseconds took = std::chrono::steady_clock::now() - start;
      for (size_t i = 0; i < results_.size(); ++i) {
        if (!results_[i]) Look(i, Find(plan_.targets[i], list), list, took, limit);
      }
    }
    return absl::OkStatus();
  }

  void GiveUp(const char* word, ExitCode code) {
    for (auto& result : results_) {
      if (!result) result = Result{code, word, {}};
    }
  }

  bool Open() const {
    for (const auto& result : results_) {
      if (!result) return true;
    }
    return false;
  }

  // All of them, once none is open.
  std::vector<ExitCode> Codes() const {
    std::vector<ExitCode> codes;
    codes.reserve(results_.size());
    for (const auto& result : results_) codes.push_back(result->code);
    return codes;
  }

  std::string Json(const v1::ControlProgramsResponse& response) const {
    std::string rows;
    for (size_t i = 0; i < results_.size(); ++i) {
      rows += fmt::format(
          "{}{{\"target\":{},\"outcome\":{},\"result\":{},\"program\":{}}}", i == 0 ? "\n" : ",\n",
          JsonObject(plan_.targets[i], plan_.targets[i].has_incarnation()
                                           ? IncarnationText(plan_.targets[i].incarnation())
                                           : ""),
          JsonObject(response.outcomes(static_cast<int>(i))), JsonString(results_[i]->word),
          results_[i]->row ? ProgramJson(*results_[i]->row) : "null");
    }
    return fmt::format(
        "{{\"apiVersion\":\"{}\",\"requestId\":{},\"action\":\"{}\",\"targets\":[{}]}}\n",
        kApiVersion, JsonString(order_.request_id()), Word(order_.action()), rows);
  }

  // "2 running, 1 failed."
  std::string Summary() const {
    size_t good = 0;
    for (const auto& result : results_) good += result->code == ExitCode::kOk ? 1 : 0;
    return fmt::format("{} {}, {} failed.\n", good, Wanted(), results_.size() - good);
  }

 private:
  std::string_view Wanted() const {
    return order_.action() == v1::PROGRAM_ACTION_STOP ? "stopped" : "running";
  }

  void Tell(size_t i, std::string_view text) const {
    if (screen_.json()) return;
    v1::ProgramTarget target = plan_.targets[i];
    target.clear_incarnation();  // that life may be over
    screen_.Print(fmt::format("{}  {}\n", TargetText(target), text));
  }

  void Look(size_t i, const v1::FleetProgram* row, const ProgramList& list, nanoseconds took,
            nanoseconds limit) {
    if (row == nullptr) {
      const bool stop = order_.action() == v1::PROGRAM_ACTION_STOP;
      results_[i] = Result{stop ? ExitCode::kOk : ExitCode::kFailed, "gone", {}};
      return Tell(i, "is no program of its node any more");
    }
    const bool heard = row->node_state() == v1::NODE_STATE_CONNECTED;
    const std::string standing = StandingText(row->program(), list.as_of);
    switch (heard ? Judge(order_.action(), plan_.rows[i].program(), row->program())
                  : Standing::kUnderWay) {
      case Standing::kReached:
        results_[i] = Result{ExitCode::kOk, Word(row->program().state()), *row};
        return Tell(i, fmt::format("{}, after {}", standing, FormatDuration(took)));
      case Standing::kFailed:
        results_[i] = Result{ExitCode::kFailed, "failed", *row};
        return Tell(i, "failed: " + standing);
      case Standing::kUnderWay:
        break;
    }
    if (took < limit) return;
    results_[i] = Result{heard ? ExitCode::kFailed : ExitCode::kUnreachable, "timeout", *row};
    Tell(i, heard ? fmt::format("not {} after {}: {}", Wanted(), FormatDuration(limit), standing)
                  : fmt::format("not known: its node cannot be heard, last heard {} ago",
                                FormatDuration(FromProto(row->age()))));
  }

  const ProgramPlan& plan_;
  const v1::ControlProgramsRequest& order_;
  const Screen& screen_;
  std::vector<std::optional<Result>> results_;  // one for each target, empty while it is open
};

Question QuestionOf(Verb verb) {
  switch (verb) {
    case Verb::kStart:
      return {"Start", "nothing was started"};
    case Verb::kStop:
      return {"Stop", "nothing was stopped"};
    case Verb::kRetry:
      return {"Retry", "nothing was started"};
    default:
      return {"Restart", "nothing was restarted"};
  }
}

ExitCode Interrupted(const Screen& screen, const v1::ControlProgramsRequest& order) {
  return screen.Fail(ExitCode::kInterrupted,
                     absl::CancelledError("no longer waiting; the order stands; look with: "
                                          "procctl-cli programs"),
                     order.request_id());
}

// To its end, where that is waited for.
ExitCode Carry(const Options& options, const ProgramPlan& plan, const Screen& screen,
               const WatchInterrupt& watch_interrupt, Client* client) {
  const v1::ProgramAction action = ActionOf(options.verb);
  const v1::ControlProgramsRequest order = OrderFor(action, options, plan.targets);
  const auto response = Send(order, options, client);
  if (!response.ok()) {
    return screen.Fail(ExitCodeFor(response.status()), response.status(), order.request_id());
  }
  if (!screen.json()) {
    std::string text;
    for (size_t i = 0; i < plan.targets.size(); ++i) {
      text +=
          RenderProgramOutcome(action, plan.targets[i], response->outcomes(static_cast<int>(i)));
    }
    screen.Print(text);
  }
  OrderWatch watch(plan, order, *response, screen);
  absl::Status status;
  if (options.wait && watch.Open()) {
    const nanoseconds limit = options.wait_timeout.value_or(kUsualWait);
    if (screen.terminal()) {
      screen.Note(fmt::format("waiting at most {}; Ctrl-C stops waiting, not the order",
                              FormatDuration(limit)));
    }
    RowWatch rows(FilterFor(NamesOf(plan.rows)), options, watch_interrupt(), client);
    status = watch.Follow(&rows, limit);
    watch.GiveUp("not known", ExitCodeFor(status));
  } else if (watch.Open()) {
    screen.Note("not waiting: look with procctl-cli programs what comes of it");
    watch.GiveUp("ordered", ExitCode::kOk);
  }
  if (screen.json()) {
    screen.Print(watch.Json(*response));
  } else if (options.wait && status.ok() && plan.targets.size() > 1) {
    screen.Print("\n" + watch.Summary());
  }
  if (absl::IsCancelled(status)) return Interrupted(screen, order);
  if (!status.ok()) {
    return screen.Fail(
        ExitCodeFor(status),
        absl::Status(status.code(), fmt::format("{}\nThe order stands; what came of it is not "
                                                "known, look with: procctl-cli programs",
                                                std::string(status.message()))),
        order.request_id());
  }
  return Combine(watch.Codes());
}

}  // namespace

ExitCode ControlCommand(const Options& options, const Screen& screen, Client* client,
                        const WatchInterrupt& watch_interrupt) {
  const Question question = QuestionOf(options.verb);
  const auto plan = PlanPrograms(options, question.nothing_done, client);
  if (!plan.ok()) return screen.Fail(ExitCodeFor(plan.status()), plan.status());
  const std::string table = RenderProgramRows(plan->rows, plan->as_of, screen.colour());
  if (auto s = Confirm(options, plan->targets.size(), table, question, screen); !s.ok()) {
    return screen.Fail(ExitCode::kDeclined, s);
  }
  if (options.max_unavailable) {
    return RollingCommand(options, *plan, screen, client, watch_interrupt);
  }
  return Carry(options, *plan, screen, watch_interrupt, client);
}

}  // namespace procctl::cli

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/output_text.h"
#include "cli/program_target.h"
#include "cli/render_programs.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

using std::chrono::nanoseconds;

// As long as a node waits at most (detail.proto).
constexpr std::chrono::seconds kWaitForMore{3};
constexpr std::chrono::milliseconds kFirstPause{250};
constexpr std::chrono::milliseconds kLongestPause{5000};
// A node may have been heard again right after it refused: only then is it the node's own word.
constexpr int kRefusalsOfAHeardNode = 2;

class Logs {
 public:
  Logs(const ProgramName& name, const Options& options, const Screen& screen, Client* client,
       std::stop_token stop)
      : options_(options), screen_(screen), client_(client), stop_(std::move(stop)) {
    request_.set_node(name.node);
    v1::ReadOutput* read = request_.mutable_read();
    read->set_program(name.program);
    read->set_stderr(options.of_stderr);
    read->set_tail_lines(options.tail);
    if (options.follow) *read->mutable_wait() = ToProto(nanoseconds(kWaitForMore));
    lines_left_ = options.tail;
  }

  ExitCode Run() {
    // A node waits for output before it answers.
    const nanoseconds patience =
        AnswerTime(options_) + (options_.follow ? nanoseconds(kWaitForMore) : nanoseconds(0));
    while (options_.follow || lines_left_ > 0) {
      if (screen_.Closed()) return ExitCode::kOk;
      const auto asked = std::chrono::steady_clock::now();
      const auto chunk = client_->ReadOutput(request_, patience, stop_);
      if (!chunk.ok()) {
        if (auto code = AfterFailure(chunk.status())) return *code;
        continue;
      }
      Recovered();
      if (!chunk->error().empty()) {
        return screen_.Fail(ExitCode::kFailed, absl::FailedPreconditionError(chunk->error()));
      }
      Show(*chunk);
      if (!options_.follow && chunk->data().empty()) break;
      if (!chunk->cursor().empty()) request_.mutable_read()->set_cursor(chunk->cursor());
      // A node that does not wait itself must not be asked without a pause.
      const bool at_once = std::chrono::steady_clock::now() - asked < kFirstPause;
      if (options_.follow && chunk->data().empty() && at_once && !Pause(kFirstPause, stop_)) {
        return ExitCode::kInterrupted;
      }
    }
    if (screen_.terminal()) screen_.Print(text_.Rest());
    return ExitCode::kOk;
  }

 private:
  // Of what is not followed, no more than the lines that were asked for: a program may write faster
  // than they are read.
  std::string_view Cut(std::string_view data) {
    if (options_.follow) return data;
    size_t end = 0;
    while (lines_left_ > 0 && end < data.size()) {
      const size_t line = data.find('\n', end);
      if (line == std::string_view::npos) return data;
      end = line + 1;
      --lines_left_;
    }
    return data.substr(0, end);
  }

  void Show(const v1::OutputChunk& chunk) {
    if (chunk.lost()) screen_.Note("[output lost here]");
    const std::string_view data = Cut(chunk.data());
    if (screen_.json()) {
      if (data.empty() && !chunk.lost()) return;
      screen_.Print(fmt::format("{{\"data\":{},\"lost\":{},\"cursor\":{}}}\n",
                                JsonString(text_.Add(data)), chunk.lost(),
                                JsonString(chunk.cursor())));
    } else if (!data.empty()) {
      screen_.Print(screen_.terminal() ? text_.Add(data) : std::string(data));
    }
  }

  bool Wait() {
    const auto pause = pause_;
    pause_ = std::min(pause_ * 2, kLongestPause);
    return Pause(pause, stop_);
  }

  void Recovered() {
    pause_ = kFirstPause;
    refusals_ = 0;
    if (std::exchange(said_, false)) screen_.Note("heard again");
  }

  // A node that cannot be heard refuses as one does that knows no such call.
  bool IsHeard() {
    const auto list = client_->ListNodes("node=" + request_.node(), AnswerTime(options_));
    if (!list.ok()) return false;
    return std::any_of(list->nodes.begin(), list->nodes.end(), [&](const v1::Node& node) {
      return node.id() == request_.node() && node.state() == v1::NODE_STATE_CONNECTED;
    });
  }

  // The exit code, or nothing where it is tried again.
  std::optional<ExitCode> AfterFailure(const absl::Status& status) {
    if (absl::IsCancelled(status)) return ExitCode::kInterrupted;
    ExitCode code = ExitCodeFor(status);
    if (absl::IsFailedPrecondition(status)) {
      refusals_ = IsHeard() ? refusals_ + 1 : 0;
      const bool its_word = refusals_ >= (options_.follow ? kRefusalsOfAHeardNode : 1);
      if (!its_word) code = ExitCode::kUnreachable;
    }
    if (!options_.follow || code != ExitCode::kUnreachable) return screen_.Fail(code, status);
    if (!std::exchange(said_, true)) {
      screen_.Note(fmt::format("{}; trying again until Ctrl-C", std::string(status.message())));
    }
    if (!Wait()) return ExitCode::kInterrupted;
    return std::nullopt;
  }

  const Options& options_;
  const Screen& screen_;
  Client* client_;
  std::stop_token stop_;
  v1::ReadOutputRequest request_;
  OutputText text_;
  int lines_left_ = 0;
  std::chrono::milliseconds pause_ = kFirstPause;
  int refusals_ = 0;
  bool said_ = false;
};

// The one program that is meant.
absl::StatusOr<ProgramName> Find(const ProgramName& name, const Options& options, Client* client) {
  const auto list =
      client->ListPrograms(FilterFor({name}), AnswerTime(options), /*with_usage=*/false);
  if (!list.ok()) return list.status();
  std::vector<std::string> labels;
  for (const v1::FleetProgram& row : list->programs) {
    if (row.node() == name.node && row.program().label() == name.program) return name;
    if (IsOf(name, row)) labels.push_back(row.program().label());
  }
  if (labels.empty()) {
    return absl::NotFoundError(fmt::format(
        "there is no program {}; `procctl-cli programs` shows what there is", name.ToString()));
  }
  if (labels.size() == 1) return ProgramName{name.node, labels.front()};
  return absl::InvalidArgumentError(fmt::format("{} has {} instances, name one of them: {}",
                                                name.ToString(), labels.size(),
                                                fmt::join(labels, ", ")));
}

}  // namespace

ExitCode LogsCommand(const Options& options, const Screen& screen, Client* client,
                     const WatchInterrupt& watch_interrupt) {
  const auto typed = ParseProgram(options.targets.at(0));
  if (!typed.ok()) return screen.Fail(ExitCode::kUsage, typed.status());
  const auto name = Find(*typed, options, client);
  if (!name.ok()) return screen.Fail(ExitCodeFor(name.status()), name.status());
  const std::stop_token stop = options.follow ? watch_interrupt() : std::stop_token();
  return Logs(*name, options, screen, client, stop).Run();
}

}  // namespace procctl::cli

#include "cli/cell.h"
#include "cli/death_words.h"
#include "cli/program_wait.h"
#include "cli/story.h"
#include "cli/story_parts.h"
#include "cli/story_words.h"
#include "cli/time_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr size_t kLastLines = 3;

std::string ProgramWho(const v1::Event& event) {
  const int pid = event.incarnation().pid();
  const std::string place = fmt::format("{}/{}", Cell(event.node()), Cell(event.program()));
  return pid > 0 ? fmt::format("{} (pid {})", place, pid) : place;
}

std::vector<std::string> LastLines(std::string_view tail) {
  std::vector<std::string> lines;
  while (!tail.empty()) {
    const size_t end = tail.find('\n');
    const std::string_view line = tail.substr(0, end);
    tail.remove_prefix(end == std::string_view::npos ? tail.size() : end + 1);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) lines.push_back(Quote(line));
  }
  if (lines.size() > kLastLines) lines.erase(lines.begin(), lines.end() - kLastLines);
  return lines;
}

void TellUse(const v1::Death& death, Sentences* out) {
  std::vector<std::string> used;
  if (death.has_cpu()) used.push_back(ExactText(FromProto(death.cpu())) + " of CPU");
  if (death.max_resident() > 0)
    used.push_back(BytesText(death.max_resident()) + " of memory at most");
  if (!used.empty()) out->push_back(fmt::format("In its life it used {}.", JoinWords(used)));
  if (death.oom_kills() > 0) {
    out->push_back(fmt::format("Memory ran out in its cgroup {} meanwhile.",
                               CountText(death.oom_kills(), "time")));
  }
}

}  // namespace

std::vector<std::string> TellDeath(const v1::Event& event, const v1::FleetProgram* row,
                                   const google::protobuf::Timestamp& as_of) {
  const v1::Death& death = event.death();
  const bool never_ran = event.kind() == v1::EVENT_KIND_PROGRAM_START_FAILED;
  std::string text = fmt::format("At {} {} {}", DateText(event.at()), ProgramWho(event),
                                 never_ran ? "could not be started" : EndText(event));
  if (never_ran && !event.message().empty()) text += ": " + Quote(event.message());
  if (death.has_ran() && !never_ran) text += " after " + ExactText(FromProto(death.ran()));
  text += death.has_next_start() ? "; it is started again at " + DateText(death.next_start())
                                 : "; it is not started again by itself";
  Sentences out = {text + "."};
  if (const auto lines = LastLines(death.stderr_tail()); !lines.empty()) {
    out.push_back(fmt::format("Its last words on stderr were: {}.", JoinWords(lines)));
  }
  TellUse(death, &out);
  if (row != nullptr) out.push_back(ProgramNow(*row, as_of));
  return out;
}

std::string ProgramNow(const v1::FleetProgram& row, const google::protobuf::Timestamp& as_of) {
  const std::string standing = StandingText(row.program(), as_of);
  if (row.node_state() != v1::NODE_STATE_CONNECTED) {
    return fmt::format(
        "How the program is now cannot be told: its node was last heard {} ago, and then it was "
        "{}.",
        ExactText(FromProto(row.age())), standing);
  }
  const bool since = row.program().incarnation().pid() > 0 && row.program().has_started_at();
  return fmt::format("Now the program is {}{}.", standing,
                     since ? ", started at " + DateText(row.program().started_at()) : "");
}

}  // namespace procctl::cli

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "cli/cell.h"
#include "cli/commands.h"
#include "cli/event_name.h"
#include "cli/json.h"
#include "cli/last_words.h"
#include "cli/program_target.h"
#include "cli/render_programs.h"
#include "cli/story.h"
#include "cli/target.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

using Events = std::vector<v1::StoredEvent>;

constexpr size_t kColumns = 100;
// A filter may match more labels than the one that is meant, so one event would not do.
constexpr int kNewest = 500;

// What was asked about, and what is known of it.
struct Answer {
  std::string about;  // "web-01/encoder"
  int64_t kill = 0;
  Events events;  // oldest first
  std::optional<v1::FleetSlot> row;
  std::optional<v1::Event> would_kill;  // without events only
  std::optional<v1::FleetProgram> program;
  // Labels of the programs whose name it is, where it is no label.
  std::vector<std::string> instances;
  // How the program ended last: alone, or by the kill that `events` are of.
  std::optional<v1::StoredEvent> death;
  // When `row` was asked for; absent where no slot was.
  std::optional<google::protobuf::Timestamp> as_of;
};

bool IsSameProcess(const v1::Incarnation& a, const v1::Incarnation& b) {
  return a.boot_id() == b.boot_id() && a.pid() == b.pid() && a.start_ticks() == b.start_ticks();
}

bool IsDeath(const v1::Event& event) {
  return event.kind() == v1::EVENT_KIND_PROGRAM_ENDED ||
         event.kind() == v1::EVENT_KIND_PROGRAM_START_FAILED;
}

// A controller from before programs knows neither their list nor their filters.
bool IsOlderController(const absl::Status& status) {
  return absl::IsUnimplemented(status) || absl::IsInvalidArgument(status);
}

class Inquiry {
 public:
  Inquiry(const Options& options, Client* client)
      : timeout_(AnswerTime(options)), client_(client) {}

  absl::StatusOr<Answer> OfEvent(const v1::EventId& id) {
    auto stored = client_->FindEvent(id, timeout_);
    if (!stored.ok()) return stored.status();
    Answer answer;
    const v1::Event& event = stored->event();
    const std::string& label = event.slot().empty() ? event.program() : event.slot();
    answer.about = label.empty() ? event.node() : event.node() + "/" + label;
    if (!event.program().empty()) {
      if (auto s = FindProgram({event.node(), event.program()}, &answer); !s.ok()) return s;
    }
    if (IsDeath(event) && event.kill() == 0) {
      answer.death = *std::move(stored);
      return answer;
    }
    if (!event.slot().empty()) {
      TargetName name;
      name.node = event.node();
      name.slot = event.slot();
      if (auto s = FindRow(name, &answer); !s.ok()) return s;
    }
    if (auto s = Gather(*stored, &answer); !s.ok()) return s;
    return answer;
  }

  absl::StatusOr<Answer> OfTarget(const TargetName& name) {
    Answer answer;
    answer.about = name.ToString();
    if (auto s = FindRow(name, &answer); !s.ok()) return s;
    std::optional<v1::StoredEvent> last;
    auto s = FindLast(
        FilterFor({name}) + " kill!=0",
        [&](const v1::Event& event) {
          return name.pid ? event.incarnation().pid() == *name.pid : IsLabel(name, event.slot());
        },
        &last);
    if (!s.ok()) return s;
    if (!last && answer.row && !name.pid) {
      // A kill is of a whole process, and recorded under the heart that caused it.
      const v1::Incarnation& incarnation = answer.row->slot().incarnation();
      s = FindLast(
          fmt::format("node={} pid={} kill!=0", name.node, incarnation.pid()),
          [&](const v1::Event& event) { return IsSameProcess(event.incarnation(), incarnation); },
          &last);
      if (!s.ok()) return s;
    }
    const auto program = name.pid ? absl::StatusOr<ProgramName>(absl::NotFoundError("a pid"))
                                  : ParseProgram(answer.about);
    std::optional<v1::StoredEvent> death;
    if (program.ok()) {
      if (s = FindProgram(*program, &answer); !s.ok()) return s;
      if (s = FindDeath(*program, &death); !s.ok()) return s;
    }
    if (death && !IsByKill(death->event(), last) &&
        (!last || death->position() > last->position())) {
      answer.death = std::move(death);
      return answer;
    }
    if (last) {
      if (name.pid && !answer.row) {
        // The name may have been taken again, by a process with another pid.
        TargetName again;
        again.node = name.node;
        again.slot = last->event().slot();
        if (auto row = FindRow(again, &answer); !row.ok()) return row;
      }
      s = Gather(*last, &answer);
      if (!s.ok()) return s;
      return answer;
    }
    if (!answer.row && answer.program) return answer;
    if (!answer.row && !answer.instances.empty()) {
      return absl::NotFoundError(fmt::format("{} has {} instances, name one of them: {}",
                                             answer.about, answer.instances.size(),
                                             fmt::join(answer.instances, ", ")));
    }
    if (!answer.row) {
      return absl::NotFoundError(fmt::format(
          "nothing is guarded as {}, and no kill of it is recorded; `procctl-cli list` and "
          "`procctl-cli events` show what there is",
          name.ToString()));
    }
    std::optional<v1::StoredEvent> would_kill;
    s = FindLast(
        FilterFor({name}) + " kind=would_kill",
        [&](const v1::Event& event) {
          return event.incarnation().generation() ==
                     answer.row->slot().incarnation().generation() &&
                 IsSameProcess(event.incarnation(), answer.row->slot().incarnation());
        },
        &would_kill);
    if (!s.ok()) return s;
    if (would_kill) answer.would_kill = would_kill->event();
    return answer;
  }

 private:
  absl::Status FindRow(const TargetName& name, Answer* answer) {
    auto list = client_->ListSlots(FilterFor({name}), timeout_, /*with_usage=*/false);
    if (!list.ok()) return list.status();
    answer->as_of = list->as_of;
    if (const v1::FleetSlot* row = Match(name, list->slots)) answer->row = *row;
    return absl::OkStatus();
  }

  absl::Status FindProgram(const ProgramName& name, Answer* answer) {
    const auto list = client_->ListPrograms(FilterFor({name}), timeout_, /*with_usage=*/false);
    if (!list.ok()) {
      return IsOlderController(list.status()) ? absl::OkStatus() : list.status();
    }
    answer->as_of = list->as_of;
    for (const v1::FleetProgram& row : list->programs) {
      if (!IsOf(name, row)) continue;
      answer->instances.push_back(row.program().label());
      if (row.program().label() == name.program) answer->program = row;
    }
    return absl::OkStatus();
  }

  absl::Status FindDeath(const ProgramName& name, std::optional<v1::StoredEvent>* death) {
    auto s = FindLast(
        FilterFor({name}) + " kind=program_ended,program_start_failed,program_last_words",
        [&](const v1::Event& event) {
          return event.node() == name.node && event.program() == name.program;
        },
        death);
    return IsOlderController(s) ? absl::OkStatus() : s;
  }

  // The end was what a kill was for; then the kill is the story.
  static bool IsByKill(const v1::Event& death, const std::optional<v1::StoredEvent>& last) {
    if (!last) return false;
    if (death.kill() != 0) return death.kill() == last->event().kill();
    const v1::Cause cause = death.death().cause();
    const bool decided = cause >= v1::CAUSE_HEARTBEAT && cause <= v1::CAUSE_SCHEDULE;
    return decided && IsSameProcess(death.incarnation(), last->event().incarnation());
  }

  template <typename Wanted>
  absl::Status FindLast(const std::string& filter, Wanted wanted,
                        std::optional<v1::StoredEvent>* last) {
    v1::ListEventsRequest request;
    request.set_filter(filter);
    request.set_newest(kNewest);
    auto events = client_->CollectEvents(std::move(request), timeout_);
    if (!events.ok()) return events.status();
    JoinLastWords(&*events);
    for (v1::StoredEvent& stored : *events) {
      if (wanted(stored.event())) *last = std::move(stored);
    }
    return absl::OkStatus();
  }

  // All events of the kill that `stored` belongs to, and what else its story needs.
  absl::Status Gather(const v1::StoredEvent& stored, Answer* answer) {
    const v1::Event& event = stored.event();
    answer->kill = event.kill();
    if (event.kill() == 0) {
      answer->events = {stored};
      return absl::OkStatus();
    }
    v1::ListEventsRequest request;
    request.set_filter(fmt::format("node={} kill={}", event.node(), event.kill()));
    auto events = client_->CollectEvents(std::move(request), timeout_);
    if (!events.ok()) return events.status();
    answer->events = *std::move(events);
    JoinLastWords(&answer->events);
    // The numbers are the node's; the node's own word on its events is what counts.
    std::erase_if(answer->events, [&](const v1::StoredEvent& other) {
      return other.event().kill() != event.kill() || other.event().node() != event.node();
    });
    // The end of its program is told by itself: the kill's own events end with its verdict.
    for (const v1::StoredEvent& other : answer->events) {
      if (IsDeath(other.event())) answer->death = other;
    }
    std::erase_if(answer->events,
                  [](const v1::StoredEvent& other) { return IsDeath(other.event()); });
    if (answer->events.empty()) answer->events = {stored};
    return AddContext(answer);
  }

  // Guardians that took the kill up, and an operator's hold that withheld it: events without its
  // number.
  absl::Status AddContext(Answer* answer) {
    const v1::StoredEvent& first = answer->events.front();
    const v1::StoredEvent& last = answer->events.back();
    const auto& all = answer->events;
    const bool crossed = std::any_of(all.begin(), all.end(), [&](const v1::StoredEvent& other) {
      return other.event().id().epoch() != first.event().id().epoch() ||
             other.event().verdict() == v1::VERDICT_UNKNOWN_AFTER_CRASH;
    });
    const bool held = std::any_of(all.begin(), all.end(), [](const v1::StoredEvent& other) {
      return other.event().held_by() == v1::HELD_BY_OPERATOR;
    });
    if (!crossed && !held) return absl::OkStatus();
    v1::ListEventsRequest request;
    request.set_filter(
        fmt::format("node={} kind=state_taken_up,hold_placed,hold_ended", first.event().node()));
    request.set_newest(kNewest);
    auto events = client_->CollectEvents(std::move(request), timeout_);
    if (!events.ok()) return events.status();
    const int64_t from = first.position();
    const int64_t to = last.position();
    const bool ended = last.event().kind() == v1::EVENT_KIND_VERDICT;
    const v1::Event subject = first.event();
    Events more;
    for (v1::StoredEvent& other : *events) {
      const v1::Event& event = other.event();
      if (event.node() != subject.node() || (ended && other.position() > to)) continue;
      const bool takes_up =
          crossed && event.kind() == v1::EVENT_KIND_STATE_TAKEN_UP && other.position() >= from;
      const bool holds = held &&
                         (event.kind() == v1::EVENT_KIND_HOLD_PLACED ||
                          event.kind() == v1::EVENT_KIND_HOLD_ENDED) &&
                         IsSameProcess(event.incarnation(), subject.incarnation());
      if (takes_up || holds) more.push_back(std::move(other));
    }
    answer->events.insert(answer->events.end(), more.begin(), more.end());
    std::stable_sort(answer->events.begin(), answer->events.end(),
                     [](const auto& a, const auto& b) { return a.position() < b.position(); });
    return absl::OkStatus();
  }

  Timeout timeout_;
  Client* client_;
};

absl::StatusOr<Answer> Ask(const Options& options, Client* client) {
  Inquiry inquiry(options, client);
  const std::string& what = options.targets.at(0);
  if (LooksLikeEventId(what)) {
    const auto id = ParseEventId(what);
    if (!id.ok()) return id.status();
    return inquiry.OfEvent(*id);
  }
  const auto name = ParseTarget(what);
  if (!name.ok()) return name.status();
  return inquiry.OfTarget(*name);
}

std::vector<std::string> Tell(const Answer& answer) {
  const v1::FleetProgram* program = answer.program ? &*answer.program : nullptr;
  const auto as_of = answer.as_of.value_or(google::protobuf::Timestamp());
  if (answer.events.empty() && answer.death) {
    return TellDeath(answer.death->event(), program, as_of);
  }
  std::vector<std::string> out;
  if (!answer.events.empty()) {
    StoryFacts facts;
    for (const v1::StoredEvent& stored : answer.events) facts.events.push_back(stored.event());
    facts.row = answer.row;
    out = TellKill(facts);
  } else if (answer.row) {
    out = TellSlot(*answer.row, answer.would_kill ? &*answer.would_kill : nullptr, as_of);
  } else {
    out.push_back(fmt::format("No end of {} is recorded.", answer.about));
  }
  if (program != nullptr) out.push_back(ProgramNow(*program, as_of));
  return out;
}

std::string StoryJson(const Answer& answer, const std::vector<std::string>& sentences) {
  std::vector<std::string> told;
  for (const std::string& sentence : sentences) told.push_back(JsonString(sentence));
  std::vector<std::string> events;
  for (const v1::StoredEvent& stored : answer.events) {
    events.push_back(JsonObject(stored, EventIdText(stored.event().id())));
  }
  return fmt::format(
      "{{\"apiVersion\":\"{}\",\"asOf\":{},\"about\":{},\"kill\":{},\n\"sentences\":[{}],\n"
      "\"facts\":{{\"slot\":{},\n\"wouldKill\":{},\n\"program\":{},\n\"death\":{},\n"
      "\"events\":[{}]}}}}\n",
      kApiVersion, answer.as_of ? JsonTime(*answer.as_of) : "null", JsonString(answer.about),
      answer.kill, fmt::join(told, ",\n"),
      answer.row ? JsonObject(*answer.row, IncarnationText(answer.row->slot().incarnation()))
                 : "null",
      answer.would_kill ? JsonObject(*answer.would_kill) : "null",
      answer.program ? ProgramJson(*answer.program) : "null",
      answer.death ? JsonObject(*answer.death, EventIdText(answer.death->event().id())) : "null",
      fmt::join(events, ",\n"));
}

}  // namespace

ExitCode WhyCommand(const Options& options, const Screen& screen, Client* client) {
  const auto answer = Ask(options, client);
  if (!answer.ok()) return screen.Fail(ExitCodeFor(answer.status()), answer.status());
  const std::vector<std::string> sentences = Tell(*answer);
  screen.Print(screen.json() ? StoryJson(*answer, sentences) : Paragraph(sentences, kColumns));
  return ExitCode::kOk;
}

}  // namespace procctl::cli

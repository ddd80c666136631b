#include <optional>
#include <utility>
#include <vector>

#include "cli/cell.h"
#include "cli/commands.h"
#include "cli/event_name.h"
#include "cli/json.h"
#include "cli/program_target.h"
#include "cli/render_detail.h"
#include "cli/render_programs.h"
#include "cli/target.h"
#include "cli/time_text.h"
#include "proto/support/escape.h"
#include "proto/support/peer_identity.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// A filter may match more labels than the one that is meant.
constexpr int kNewest = 100;

// Why the node told nothing. That it cannot be heard is one reason among several.
ExitCode CodeFor(const absl::Status& status, v1::NodeState state) {
  const bool unheard = absl::IsFailedPrecondition(status) && state != v1::NODE_STATE_CONNECTED;
  return unheard ? ExitCode::kUnreachable : ExitCodeFor(status);
}

absl::StatusOr<std::optional<v1::StoredEvent>> LastEvidence(const v1::FleetSlot& row,
                                                            Timeout timeout, Client* client) {
  TargetName name;
  name.node = row.node();
  name.slot = row.slot().label();
  v1::ListEventsRequest request;
  request.set_filter(FilterFor({name}) + " kind=evidence");
  request.set_newest(kNewest);
  auto events = client->CollectEvents(std::move(request), timeout);
  if (!events.ok()) return events.status();
  std::optional<v1::StoredEvent> last;
  for (v1::StoredEvent& stored : *events) {
    if (stored.event().node() == name.node && stored.event().slot() == name.slot) {
      last = std::move(stored);
    }
  }
  return last;
}

std::string EvidenceText(const v1::FleetSlot& row, const v1::Event& event) {
  return fmt::format("\nEvidence of its last kill, {} (pid {}); more: procctl-cli why {}\n{}",
                     DateText(event.at()), event.incarnation().pid(),
                     ShellName(row.node(), row.slot().label()), RenderEvidence(event));
}

struct ProgramRows {
  // The one with exactly that label.
  std::optional<v1::FleetProgram> row;
  // Labels of the instances, where the name is theirs.
  std::vector<std::string> instances;
  google::protobuf::Timestamp as_of;
};

// What may be a program. A controller from before programs knows none.
absl::StatusOr<ProgramRows> FindProgram(const TargetName& target, Timeout timeout, Client* client) {
  ProgramRows rows;
  if (target.pid) return rows;
  const auto name = ParseProgram(target.ToString());
  if (!name.ok()) return rows;
  auto list = client->ListPrograms(FilterFor({*name}), timeout, /*with_usage=*/true);
  if (absl::IsUnimplemented(list.status())) return rows;
  if (!list.ok()) return list.status();
  rows.as_of = list->as_of;
  for (v1::FleetProgram& row : list->programs) {
    if (!IsOf(*name, row)) continue;
    rows.instances.push_back(row.program().label());
    if (row.program().label() == name->program) rows.row = std::move(row);
  }
  return rows;
}

absl::Status NothingThere(const TargetName& name, const ProgramRows& programs) {
  if (!programs.instances.empty()) {
    return absl::NotFoundError(fmt::format("{} has {} instances, name one of them: {}",
                                           name.ToString(), programs.instances.size(),
                                           fmt::join(programs.instances, ", ")));
  }
  return absl::NotFoundError(
      fmt::format("nothing is guarded as {}; `procctl-cli list` shows what there is, "
                  "`procctl-cli why {}` what became of it",
                  name.ToString(), name.ToString()));
}

// A program that has no slot: it does not run.
ExitCode DescribeProgram(const ProgramRows& programs, const Screen& screen) {
  if (screen.json()) {
    screen.Print(fmt::format(
        "{{\"apiVersion\":\"{}\",\"asOf\":{},\"slot\":null,\n\"program\":{},\n\"detail\":null,\n"
        "\"evidence\":null}}\n",
        kApiVersion, JsonTime(programs.as_of), ProgramJson(*programs.row)));
  } else {
    screen.Print(RenderProgramDetail(*programs.row, programs.as_of));
  }
  if (programs.row->node_state() == v1::NODE_STATE_CONNECTED) return ExitCode::kOk;
  return screen.Fail(ExitCode::kUnreachable,
                     absl::UnavailableError(programs.row->node() + " cannot be heard now"));
}

ExitCode DescribeSlot(const TargetName& name, Timeout timeout, const Screen& screen,
                      Client* client) {
  const auto list = client->ListSlots(FilterFor({name}), timeout, /*with_usage=*/false);
  if (!list.ok()) return screen.Fail(ExitCodeFor(list.status()), list.status());
  const v1::FleetSlot* row = Match(name, list->slots);
  const auto programs = FindProgram(name, timeout, client);
  if (!programs.ok()) return screen.Fail(ExitCodeFor(programs.status()), programs.status());
  if (row == nullptr) {
    if (programs->row) return DescribeProgram(*programs, screen);
    return screen.Fail(ExitCode::kNothingMatched, NothingThere(name, *programs));
  }
  const auto detail =
      client->Describe(row->node(), row->slot().incarnation().generation(), timeout);
  const auto evidence =
      client->HasHistory() ? LastEvidence(*row, timeout, client) : std::optional<v1::StoredEvent>();
  const bool shown = evidence.ok() && evidence->has_value();
  if (screen.json()) {
    screen.Print(fmt::format(
        "{{\"apiVersion\":\"{}\",\"asOf\":{},\"slot\":{},\n\"program\":{},\n\"detail\":{},\n"
        "\"evidence\":{}}}\n",
        kApiVersion, JsonTime(list->as_of),
        JsonObject(*row, IncarnationText(row->slot().incarnation())),
        programs->row ? ProgramJson(*programs->row) : "null",
        detail.ok() ? JsonObject(detail->slot()) : "null",
        shown ? JsonObject(**evidence, EventIdText((*evidence)->event().id())) : "null"));
  } else {
    screen.Print(detail.ok() ? RenderSlotDetail(*row, detail->slot(), list->as_of)
                             : RenderRow(*row, list->as_of));
    if (programs->row) {
      screen.Print("\n" + RenderProgramDetail(*programs->row, programs->as_of));
    }
    if (shown) screen.Print(EvidenceText(*row, (*evidence)->event()));
  }
  if (!detail.ok())
    return screen.Fail(CodeFor(detail.status(), row->node_state()), detail.status());
  if (!evidence.ok()) return screen.Fail(ExitCodeFor(evidence.status()), evidence.status());
  return ExitCode::kOk;
}

ExitCode DescribeNode(const std::string& id, Timeout timeout, const Screen& screen,
                      Client* client) {
  const auto list = client->ListNodes("node=" + id, timeout);
  if (!list.ok()) return screen.Fail(ExitCodeFor(list.status()), list.status());
  const v1::Node* node = nullptr;
  for (const v1::Node& other : list->nodes) {
    if (other.id() == id) node = &other;
  }
  if (node == nullptr) {
    return screen.Fail(
        ExitCode::kNothingMatched,
        absl::NotFoundError(fmt::format("no node {} was ever seen; `procctl-cli list nodes` shows "
                                        "what there is",
                                        id)));
  }
  const auto detail = client->Describe(id, /*generation=*/0, timeout);
  const v1::Node& newest = detail.ok() && detail->has_node() ? detail->node() : *node;
  if (screen.json()) {
    screen.Print(fmt::format("{{\"apiVersion\":\"{}\",\"asOf\":{},\"node\":{},\n\"detail\":{}}}\n",
                             kApiVersion, JsonTime(list->as_of), JsonObject(newest),
                             detail.ok() ? JsonObject(detail->node_detail()) : "null"));
  } else {
    screen.Print(RenderNode(newest));
    if (detail.ok()) screen.Print(RenderNodeDetail(detail->node_detail()));
  }
  if (detail.ok()) return ExitCode::kOk;
  return screen.Fail(CodeFor(detail.status(), node->state()), detail.status());
}

}  // namespace

ExitCode DescribeCommand(const Options& options, const Screen& screen, Client* client) {
  const std::string& what = options.targets.at(0);
  const Timeout timeout = AnswerTime(options);
  if (IsValidNodeId(what)) return DescribeNode(what, timeout, screen, client);
  const auto name = ParseTarget(what);
  if (!name.ok()) {
    return screen.Fail(
        ExitCode::kUsage,
        absl::InvalidArgumentError(fmt::format(
            "\"{}\" is not NODE, NODE/SLOT or NODE:PID; `procctl-cli list` shows what there is",
            Printable(what))));
  }
  return DescribeSlot(*name, timeout, screen, client);
}

}  // namespace procctl::cli

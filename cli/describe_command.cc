#include <optional>
#include <utility>
#include <vector>

#include "cli/cell.h"
#include "cli/commands.h"
#include "cli/event_name.h"
#include "cli/json.h"
#include "cli/render_detail.h"
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

ExitCode DescribeSlot(const TargetName& name, Timeout timeout, const Screen& screen,
                      Client* client) {
  const auto list = client->ListSlots(FilterFor({name}), timeout);
  if (!list.ok()) return screen.Fail(ExitCodeFor(list.status()), list.status());
  const v1::FleetSlot* row = Match(name, list->slots);
  if (row == nullptr) {
    const auto status = absl::NotFoundError(
        fmt::format("nothing is guarded as {}; `procctl-cli list` shows what there is, "
                    "`procctl-cli why {}` what became of it",
                    name.ToString(), name.ToString()));
    return screen.Fail(ExitCode::kNothingMatched, status);
  }
  const auto detail =
      client->Describe(row->node(), row->slot().incarnation().generation(), timeout);
  const auto evidence = LastEvidence(*row, timeout, client);
  const bool shown = evidence.ok() && evidence->has_value();
  if (screen.json()) {
    screen.Print(fmt::format(
        "{{\"apiVersion\":\"{}\",\"asOf\":{},\"slot\":{},\n\"detail\":{},\n\"evidence\":{}}}\n",
        kApiVersion, JsonTime(list->as_of),
        JsonObject(*row, IncarnationText(row->slot().incarnation())),
        detail.ok() ? JsonObject(detail->slot()) : "null",
        shown ? JsonObject(**evidence, EventIdText((*evidence)->event().id())) : "null"));
  } else {
    screen.Print(detail.ok() ? RenderSlotDetail(*row, detail->slot(), list->as_of)
                             : RenderRow(*row, list->as_of));
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

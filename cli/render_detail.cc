#include "cli/render_detail.h"

#include "cli/cell.h"
#include "cli/fields.h"
#include "cli/names.h"
#include "cli/story_words.h"
#include "cli/target.h"
#include "cli/time_text.h"
#include "cli/usage_cells.h"
#include "proto/support/duration_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

using std::chrono::nanoseconds;

std::string NodeText(const v1::FleetSlot& row) {
  return fmt::format("{}, {}, heard {} ago", Cell(row.node()), Word(row.node_state()),
                     FormatDuration(FromProto(row.age())));
}

std::string HoldText(const v1::Slot& slot, const google::protobuf::Timestamp& as_of) {
  if (!slot.has_hold()) return "";
  const v1::Hold& hold = slot.hold();
  std::string text = Cell(hold.owner());
  if (hold.has_until()) {
    text += fmt::format(", until {} ({} left)", DateText(hold.until()),
                        FormatDuration(Between(as_of, hold.until())));
  }
  return hold.reason().empty() ? text : text + ", " + Quote(hold.reason());
}

void AddIdentity(const v1::FleetSlot& row, const v1::Slot& slot,
                 const google::protobuf::Timestamp& as_of, Fields* fields) {
  fields->Add("Node", NodeText(row));
  fields->Add("Name", Cell(slot.name()));
  fields->Add("Pid", fmt::format("{}, user {}", slot.incarnation().pid(), slot.uid()));
  fields->Add("Id", Cell(IncarnationText(slot.incarnation())));
  if (slot.door() != v1::DOOR_UNSPECIFIED) fields->Add("Door", Word(slot.door()));
  if (slot.has_registered_at()) {
    fields->Add("Registered", fmt::format("{} ({} ago)", DateText(slot.registered_at()),
                                          FormatDuration(Between(slot.registered_at(), as_of))));
  }
  fields->Add("Timeout",
              slot.has_timeout() ? ExactText(FromProto(slot.timeout())) : "none: it need not beat");
  if (slot.has_special_limit()) {
    fields->Add("Limit in force", ExactText(FromProto(slot.special_limit())));
  }
  if (slot.has_progress_limit()) {
    fields->Add("Progress limit", ExactText(FromProto(slot.progress_limit())));
  }
}

void AddWords(const v1::Slot& slot, const google::protobuf::Timestamp& as_of, Fields* fields) {
  if (!slot.hold_reason().empty()) fields->Add("Kill withheld", Quote(slot.hold_reason()));
  fields->Add("Hold", HoldText(slot, as_of));
  if (slot.observe()) fields->Add("Observe", "yes: judged and reported, never signalled");
  if (!slot.phase().empty()) fields->Add("Phase", Quote(slot.phase()));
  if (!slot.note().empty()) fields->Add("Note", Quote(slot.note()));
}

std::string Title(const v1::FleetSlot& row) {
  return fmt::format("{}/{}\n", Cell(row.node()), Cell(row.slot().label()));
}

}  // namespace

std::string RenderRow(const v1::FleetSlot& row, const google::protobuf::Timestamp& as_of) {
  const v1::Slot& slot = row.slot();
  const bool heard = row.node_state() == v1::NODE_STATE_CONNECTED;
  Fields fields;
  fields.Add("State", heard
                          ? Word(slot.state())
                          : fmt::format("not known; {} when last heard, {} ago", Word(slot.state()),
                                        FormatDuration(FromProto(row.age()))));
  AddIdentity(row, slot, as_of, &fields);
  AddWords(slot, as_of, &fields);
  return Title(row) + fields.Render(2);
}

std::string RenderSlotDetail(const v1::FleetSlot& row, const v1::SlotDetail& detail,
                             const google::protobuf::Timestamp& as_of) {
  const v1::Slot& slot = detail.slot();
  const nanoseconds timeout = FromProto(slot.timeout());
  Fields fields;
  fields.Add("State", Word(slot.state()));
  AddIdentity(row, slot, as_of, &fields);
  if (slot.has_timeout()) fields.Add("Silence", ExactText(FromProto(slot.silence())));
  fields.Add("Beats", std::to_string(detail.beats()));
  if (slot.has_progress_limit() || detail.progress() > 0) {
    fields.Add("Progress", std::to_string(detail.progress()) +
                               (slot.has_progress_silence()
                                    ? fmt::format(", unchanged for {}",
                                                  ExactText(FromProto(slot.progress_silence())))
                                    : ""));
  }
  if (detail.busy_count() > 0) {
    fields.Add("Long work", fmt::format("announced {} times, {} cut to the node's policy",
                                        detail.busy_count(), detail.busy_cut()));
  }
  if (detail.has_shadow_timeout()) {
    fields.Add("Shadow timeout", fmt::format("{}: would have stopped it {}",
                                             ExactText(FromProto(detail.shadow_timeout())),
                                             CountText(detail.shadow_kills(), "time")));
  }
  if (detail.has_usage()) fields.Add("Uses", UsageText(detail.usage()));
  if (detail.kill() != 0) fields.Add("Kill under way", std::to_string(detail.kill()));
  AddWords(slot, as_of, &fields);
  std::string out = Title(row) + fields.Render(2);
  if (detail.has_headroom() && slot.has_timeout()) {
    out += "\nGaps between beats\n" + RenderHeadroom(detail.headroom(), timeout);
  }
  return out;
}

std::string RenderNode(const v1::Node& node) {
  Fields fields;
  fields.Add("State", fmt::format("{}, heard {} ago", Word(node.state()),
                                  FormatDuration(FromProto(node.age()))));
  if (!node.mode().empty()) fields.Add("Mode", Cell(node.mode()));
  if (!node.software_version().empty()) fields.Add("Version", Cell(node.software_version()));
  if (!node.hostname().empty()) fields.Add("Host", Cell(node.hostname()));
  if (!node.kernel().empty()) fields.Add("Kernel", Cell(node.kernel()));
  if (!node.boot_id().empty()) fields.Add("Boot", Cell(node.boot_id()));
  if (!node.peer().empty()) fields.Add("Peer", Cell(node.peer()));
  if (node.has_connected_at()) fields.Add("Connected", DateText(node.connected_at()));
  fields.Add("Slots", fmt::format("{}, {} in trouble", node.slots(), node.slots_in_trouble()));
  // Counted by a controller; a node that was asked itself does not say.
  if (node.has_connected_at() || node.events_waiting() > 0) {
    fields.Add("Events waiting", std::to_string(node.events_waiting()));
  }
  if (!node.goodbye().empty()) fields.Add("Goodbye", Cell(node.goodbye()));
  if (node.has_skew()) {
    const std::chrono::nanoseconds skew = FromProto(node.skew());
    fields.Add("Clock",
               fmt::format("{} {} the controller's", FormatDuration(std::chrono::abs(skew)),
                           skew.count() < 0 ? "behind" : "ahead of"));
  }
  if (node.has_load_per_mille()) {
    fields.Add("Load",
               fmt::format("{:.2f} runnable processes per CPU", node.load_per_mille() / 1000.0));
  }
  if (node.has_lag()) fields.Add("Uplink's lag", FormatDuration(FromProto(node.lag())));
  return Cell(node.id()) + "\n" + fields.Render(2);
}

std::string RenderNodeDetail(const v1::NodeDetail& detail) {
  Fields guardian;
  guardian.Add("Pid", fmt::format("{}, epoch {}", detail.guardian_pid(), detail.guardian_epoch()));
  if (!detail.software_version().empty()) guardian.Add("Version", Cell(detail.software_version()));
  if (detail.has_guardian_started_at()) {
    guardian.Add("Started", DateText(detail.guardian_started_at()));
  }
  guardian.Add("Taken up", CountText(detail.takeovers(), "time") + " in this boot");
  guardian.Add("Scans every", FormatDuration(FromProto(detail.scan_interval())));
  guardian.Add("Lag", fmt::format("{} now, {} worst of the last minute, {} worst since its start",
                                  FormatDuration(FromProto(detail.lag())),
                                  FormatDuration(FromProto(detail.worst_lag_minute())),
                                  FormatDuration(FromProto(detail.worst_lag()))));
  if (detail.resident() > 0) guardian.Add("Memory", BytesText(detail.resident()));
  guardian.Add("Guards", fmt::format("{} of {}, {} under way", CountText(detail.slots(), "slot"),
                                     fmt::format("{} {}", detail.processes(),
                                                 detail.processes() == 1 ? "process" : "processes"),
                                     CountText(detail.kills_under_way(), "kill")));
  std::string out = "\nGuardian\n" + guardian.Render(2);
  if (detail.has_brakes()) {
    const v1::Brakes& brakes = detail.brakes();
    Fields fields;
    fields.Add("Bucket", fmt::format("{:.1f} of {} kills, {} a minute come back", brakes.tokens(),
                                     brakes.burst(), brakes.per_minute()));
    fields.Add("Held by bucket", std::to_string(brakes.held_by_bucket()));
    std::string cause = brakes.common_cause() ? "assumed now" : "none";
    if (brakes.common_cause() && brakes.has_pause_left()) {
      cause +=
          fmt::format(", no kill for another {}", FormatDuration(FromProto(brakes.pause_left())));
    }
    fields.Add("Common cause", cause);
    fields.Add("Held by common cause", std::to_string(brakes.held_by_common_cause()));
    out += "\nBrakes\n" + fields.Render(2);
  }
  out += "\nCanary\n";
  if (!detail.has_canary()) return out + "  none is configured\n";
  const v1::Canary& canary = detail.canary();
  Fields fields;
  fields.Add("Every", FormatDuration(FromProto(canary.every())));
  fields.Add("Turns", fmt::format("{}, {} failed", canary.turns(), canary.failures()));
  fields.Add("Latency", canary.has_latency() ? ExactText(FromProto(canary.latency())) +
                                                   " from its timeout to its end"
                                             : "not measured yet");
  fields.Add("Last success", canary.has_last_ok() ? DateText(canary.last_ok()) : "none yet");
  return out + fields.Render(2);
}

}  // namespace procctl::cli

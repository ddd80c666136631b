#include "controller/rpc/pages.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "controller/core/slot_counts.h"
#include "controller/rpc/clocks.h"
#include "controller/rpc/detail_desk.h"
#include "controller/rpc/fleet_messages.h"
#include "controller/rpc/page_token.h"
#include "controller/rpc/slot_wire.h"
#include "proto/support/filter_schemas.h"
#include "proto/support/fleet_slot_subject.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

constexpr int kMostNodes = 1000;
constexpr int kStandardPage = 1000;
constexpr int kMostRows = 5000;
// Half of what gRPC's clients take by default.
constexpr size_t kMostPageBytes = 2 << 20;
// Rows looked at per hold of the fleet's lock: some milliseconds, so that a rare filter over a
// large fleet keeps no session waiting.
constexpr size_t kRowsPerHold = 20'000;
// Rows looked at per page: a callback thread is not kept longer than some tens of milliseconds.
constexpr size_t kHoldsPerPage = 8;
constexpr int kStandardGroups = 100;
constexpr int kMostGroups = 1000;

absl::StatusOr<std::int64_t> Position(const std::string& text) {
  std::int64_t position = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), position);
  if (error != std::errc() || end != text.data() + text.size() || position < 0) {
    return absl::InvalidArgumentError(
        "page_token is none of this list's; leave it out to start again");
  }
  return position;
}

// A page of rows that lie by node and label: which match, how many, and after which.
struct RowPage {
  std::string_view list;
  Filter filter;
  int size = 0;
  RowKeyset after;
};

template <typename Request>
absl::StatusOr<RowPage> ReadRowPage(std::string_view list, const Request& request,
                                    const FilterSchema& schema, int most) {
  auto filter = Filter::Parse(request.filter(), schema);
  if (!filter.ok()) return filter.status();
  const auto size = PageSize(request.page_size(), kStandardPage, most);
  if (!size.ok()) return size.status();
  RowPage page{list, *std::move(filter), *size, {}};
  if (request.page_token().empty()) return page;
  auto keys = ReadPageToken(request.page_token(), list, page.filter.fingerprint(), 2);
  if (!keys.ok()) return keys.status();
  page.after = RowKeyset{std::move((*keys)[0]), std::move((*keys)[1])};
  return page;
}

// `visit(view, after, &full)` adds rows of the view, sets `full` with the last that the page takes,
// and returns where to go on, as FleetView's walks do. `response` gets what stands behind the rows.
template <typename Visit, typename Response>
void Walk(const Fleet& fleet, const RowPage& page, Visit visit, Response* response) {
  std::optional<RowKeyset> at = page.after;
  bool full = false;
  for (size_t holds = 0; at && !full && holds < kHoldsPerPage; ++holds) {
    fleet.Read([&](const FleetView& view) { at = visit(view, *at, &full); });
  }
  if (at) {
    response->set_next_page_token(
        MakePageToken(page.list, page.filter.fingerprint(), {at->node, at->label}));
  }
  *response->mutable_as_of() = ToProto(WallNow());
}

// Takes each row on its way to the wire, and says how many bytes it is.
template <typename Take>
void WalkSlots(const Fleet& fleet, const RowPage& page, bool first, bool maybe, Take take,
               v1::ListSlotsResponse* response) {
  const SlotQuery query{&page.filter, MonoNow(), WallNow(), maybe};
  size_t bytes = 0;
  int rows = 0;
  Walk(
      fleet, page,
      [&](const FleetView& view, const RowKeyset& after, bool* full) {
        if (first && !response->has_summary()) {
          ToMessage(view.summary(), response->mutable_summary());
        }
        SlotWire wire(query.now, query.wall_now);
        return view.VisitSlots(query, after, kRowsPerHold,
                               [&](const NodeRow& node, const SlotRow& slot) {
                                 bytes += take(&wire, node, slot);
                                 *full = ++rows >= page.size || bytes > kMostPageBytes;
                                 return !*full;
                               });
      },
      response);
}

}  // namespace

absl::Status FillPage(const Fleet& fleet, const v1::ListNodesRequest& request,
                      v1::ListNodesResponse* response) {
  const auto filter = Filter::Parse(request.filter(), NodeFilterSchema());
  if (!filter.ok()) return filter.status();
  const auto size = PageSize(request.page_size(), kMostNodes, kMostNodes);
  if (!size.ok()) return size.status();
  std::string after;
  if (!request.page_token().empty()) {
    const auto keys = ReadPageToken(request.page_token(), "nodes", filter->fingerprint(), 1);
    if (!keys.ok()) return keys.status();
    after = keys->front();
  }
  const MonoTime now = MonoNow();
  fleet.Read([&](const FleetView& view) {
    view.VisitNodes(*filter, after, [&](const NodeRow& node) {
      if (response->nodes_size() == *size) {
        response->set_next_page_token(
            MakePageToken("nodes", filter->fingerprint(), {response->nodes(*size - 1).id()}));
        return false;
      }
      ToMessage(node, now, response->add_nodes());
      return true;
    });
  });
  *response->mutable_as_of() = ToProto(WallNow());
  return absl::OkStatus();
}

absl::Status FillPage(const Fleet& fleet, const v1::ListSlotsRequest& request, std::string* wire) {
  const auto page = ReadRowPage("slots", request, SlotFilterSchema(), kMostRows);
  if (!page.ok()) return page.status();
  v1::ListSlotsResponse rest;
  WalkSlots(
      fleet, *page, request.page_token().empty(), /*maybe=*/false,
      [&](SlotWire* rows, const NodeRow& node, const SlotRow& slot) {
        const size_t before = wire->size();
        rows->AppendField(v1::ListSlotsResponse::kSlotsFieldNumber, node, slot, wire);
        return wire->size() - before;
      },
      &rest);
  rest.AppendToString(wire);
  return absl::OkStatus();
}

bool NeedsUsage(const v1::ListSlotsRequest& request) {
  if (request.with_usage()) return true;
  const auto filter = Filter::Parse(request.filter(), SlotFilterSchema());
  return filter.ok() && (filter->Uses(kSlotKeyCpu) || filter->Uses(kSlotKeyMemory));
}

absl::Status FillPage(const Fleet& fleet, const v1::ListSlotsRequest& request, UsagePage* page) {
  auto read = ReadRowPage("slots", request, SlotFilterSchema(), DetailDesk::kMostSlotsOfQuestion);
  if (!read.ok()) return read.status();
  std::string row;
  WalkSlots(
      fleet, *read, request.page_token().empty(), /*maybe=*/true,
      [&](SlotWire* rows, const NodeRow& node, const SlotRow& slot) {
        row.clear();
        rows->Append(node, slot, &row);
        // It was written here: it can be read.
        (void)page->page.add_slots()->ParseFromString(row);
        return row.size();
      },
      &page->page);
  const Filter& filter = read->filter;
  if (!filter.Uses(kSlotKeyCpu) && !filter.Uses(kSlotKeyMemory)) return absl::OkStatus();
  page->judge = [filter = std::move(read->filter)](v1::ListSlotsResponse* response) {
    const WallTime now = FromProto(response->as_of());
    auto* rows = response->mutable_slots();
    rows->erase(std::remove_if(rows->begin(), rows->end(),
                               [&](const v1::FleetSlot& slot) {
                                 return !filter.Matches(FleetSlotSubject{slot, now});
                               }),
                rows->end());
  };
  return absl::OkStatus();
}

absl::Status FillCounts(const Fleet& fleet, const v1::CountSlotsRequest& request,
                        v1::CountSlotsResponse* response) {
  const auto filter = Filter::Parse(request.filter(), SlotFilterSchema());
  if (!filter.ok()) return filter.status();
  if (filter->Uses(kSlotKeyCpu) || filter->Uses(kSlotKeyMemory)) {
    return absl::InvalidArgumentError(
        "filter: cpu and memory are known to the nodes alone, and cannot be counted by; list the "
        "slots with this filter instead");
  }
  auto counts = SlotCounts::By({request.group_by().begin(), request.group_by().end()});
  if (!counts.ok()) return counts.status();
  const auto limit = PageSize(request.limit(), kStandardGroups, kMostGroups);
  if (!limit.ok()) return absl::InvalidArgumentError("limit must be 1 to 1000, or 0 for 100");
  const SlotQuery query{&*filter, MonoNow(), WallNow(), false};
  std::function<void(const NodeRow&, const SlotTable&)> add_all;
  if (counts->TakesWholeNodes()) {
    add_all = [&](const NodeRow& node, const SlotTable& slots) { counts->AddAll(node, slots); };
  }
  std::optional<RowKeyset> at = RowKeyset{};
  while (at && !counts->full()) {
    fleet.Read([&](const FleetView& view) {
      ToMessage(view.summary(), response->mutable_summary());
      at = view.CountSlots(
          query, *at, kRowsPerHold, add_all,
          [&](const NodeRow& node, const SlotRow& slot) { counts->Add(node, slot); });
    });
  }
  if (counts->full()) {
    return absl::ResourceExhaustedError(
        fmt::format("there are more than {} groups; narrow the filter, or group by other keys",
                    SlotCounts::kMostGroups));
  }
  SlotCounts::Result result = counts->Take(static_cast<size_t>(*limit));
  response->set_total(result.total);
  response->set_others(result.others);
  for (SlotCounts::Group& group : result.groups) {
    v1::CountSlotsResponse::Group* row = response->add_groups();
    for (std::string& value : group.values) row->add_values(std::move(value));
    row->set_slots(group.slots);
  }
  return absl::OkStatus();
}

absl::Status FillPage(const Fleet& fleet, const v1::ListProgramsRequest& request,
                      v1::ListProgramsResponse* response) {
  const auto page =
      ReadRowPage("programs", request, ProgramFilterSchema(),
                  request.with_usage() ? DetailDesk::kMostSlotsOfQuestion : kMostRows);
  if (!page.ok()) return page.status();
  const MonoTime now = MonoNow();
  size_t bytes = 0;
  const auto visit = [&](const FleetView& view, const RowKeyset& after, bool* full) {
    return view.VisitPrograms(
        page->filter, after, kRowsPerHold, [&](const NodeRow& node, const ProgramRow& program) {
          ToMessage(node, program, now, response->add_programs());
          bytes += program.packed.size();
          *full = response->programs_size() >= page->size || bytes > kMostPageBytes;
          return !*full;
        });
  };
  Walk(fleet, *page, visit, response);
  return absl::OkStatus();
}

absl::Status FillPage(History* history, const v1::ListEventsRequest& request,
                      v1::ListEventsResponse* response) {
  auto filter = Filter::Parse(request.filter(), EventFilterSchema());
  if (!filter.ok()) return filter.status();
  const auto size = PageSize(request.page_size(), kStandardPage, kMostRows);
  if (!size.ok()) return size.status();
  if (request.newest() < 0) {
    return absl::InvalidArgumentError("newest must be 0 (all) or more");
  }
  EventQuery query;
  query.limit = *size;
  query.limit_bytes = kMostPageBytes;
  if (request.has_since()) query.since = FromProto(request.since());
  if (request.page_token().empty()) {
    query.newest = request.newest();
  } else {
    const auto keys = ReadPageToken(request.page_token(), "events", filter->fingerprint(), 1);
    if (!keys.ok()) return keys.status();
    const auto position = Position(keys->front());
    if (!position.ok()) return position.status();
    query.after_position = *position;
  }
  const std::uint64_t fingerprint = filter->fingerprint();
  query.filter = *std::move(filter);
  auto page = history->Query(query);
  if (!page.ok()) return page.status();
  if (page->more) {
    response->set_next_page_token(
        MakePageToken("events", fingerprint, {std::to_string(page->events.back().position)}));
  }
  for (LoggedEvent& logged : page->events) {
    ToMessage(std::move(logged), response->add_events());
  }
  return absl::OkStatus();
}

}  // namespace procctl::controller

#include "controller/core/access.h"

#include <algorithm>
#include <array>

#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

enum class Need { kNode, kViewer, kOperator, kAdmin };

struct Row {
  std::string_view method;
  Need need;
};

constexpr std::array kTable = {
    Row{"/procctl.v1.NodeService/Session", Need::kNode},
    Row{"/procctl.v1.FleetService/GetFleet", Need::kViewer},
    Row{"/procctl.v1.FleetService/ListNodes", Need::kViewer},
    Row{"/procctl.v1.FleetService/ListSlots", Need::kViewer},
    Row{"/procctl.v1.FleetService/ListEvents", Need::kViewer},
    Row{"/procctl.v1.FleetService/KillSlots", Need::kOperator},
    Row{"/procctl.v1.FleetService/Describe", Need::kViewer},
    Row{"/procctl.v1.FleetService/HoldSlots", Need::kOperator},
    Row{"/procctl.v1.FleetService/ListPrograms", Need::kViewer},
    Row{"/procctl.v1.FleetService/ControlPrograms", Need::kOperator},
    Row{"/procctl.v1.FleetService/ReadOutput", Need::kOperator},
    Row{"/procctl.v1.FleetService/PlanKill", Need::kOperator},
    Row{"/procctl.v1.FleetService/ApplyKill", Need::kOperator},
    Row{"/procctl.v1.FleetService/WatchOrder", Need::kViewer},
    Row{"/procctl.v1.FleetService/ListOrders", Need::kViewer},
    Row{"/procctl.v1.FleetService/SteerOrder", Need::kOperator},
    Row{"/procctl.v1.FleetService/CountSlots", Need::kViewer},
    Row{"/procctl.v1.FleetService/Watch", Need::kViewer},
    Row{"/procctl.v1.FleetService/ForgetNode", Need::kOperator},
};

const Row* Find(std::string_view method) {
  const auto* row = std::find_if(kTable.begin(), kTable.end(),
                                 [&](const Row& known) { return known.method == method; });
  return row == kTable.end() ? nullptr : row;
}

bool Suffices(Role role, Need need) {
  switch (need) {
    case Need::kNode:
      return role == Role::kNode;
    case Need::kViewer:
      return role == Role::kViewer || role == Role::kOperator || role == Role::kAdmin;
    case Need::kOperator:
      return role == Role::kOperator || role == Role::kAdmin;
    case Need::kAdmin:
      return role == Role::kAdmin;
  }
  return false;
}

std::string_view NeedText(Need need) {
  switch (need) {
    case Need::kNode:
      return "a node's certificate";
    case Need::kViewer:
      return "the role viewer, operator or admin";
    case Need::kOperator:
      return "the role operator or admin";
    case Need::kAdmin:
      return "the role admin";
  }
  return "";
}

}  // namespace

absl::Status CheckAccess(std::string_view method, Role role) {
  const std::string_view name = method.substr(method.rfind('/') + 1);
  const Row* row = Find(method);
  if (row == nullptr) {
    return absl::PermissionDeniedError(fmt::format("nobody may call {}", name));
  }
  if (Suffices(role, row->need)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      fmt::format("{} needs {}; this certificate has another", name, NeedText(row->need)));
}

bool HasAccessRow(std::string_view method) { return Find(method) != nullptr; }

}  // namespace procctl::controller

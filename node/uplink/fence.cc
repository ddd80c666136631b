#include "node/uplink/fence.h"

#include <algorithm>

#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::uplink {
namespace {

std::vector<KnownHistory>::iterator Find(const std::string& id, Fence* fence) {
  return std::find_if(fence->histories.begin(), fence->histories.end(),
                      [&](const KnownHistory& known) { return known.id == id; });
}

}  // namespace

absl::Status CheckFence(const v1::Welcome& welcome, const Fence& fence) {
  const std::string controller = Printable(welcome.controller_id());
  for (const KnownHistory& known : fence.histories) {
    if (known.id != welcome.history_id()) continue;
    if (welcome.generation() < known.generation) {
      return absl::FailedPreconditionError(fmt::format(
          "controller \"{}\" is start {} of database {}, but this node was welcomed by start {} of "
          "it before: that is an older controller, or one on an old copy of the database; stop it "
          "and point the node at the present controller, or, if this one is to go on, restore its "
          "database with procctl-controller, which gives it an identity of its own",
          controller, welcome.generation(), Printable(known.id), known.generation));
    }
    if (welcome.generation() == known.generation && welcome.run() != known.run) {
      return absl::FailedPreconditionError(fmt::format(
          "controller \"{}\" is start {} of database {}, run {}, but this node was welcomed by run "
          "{} of that start before: two controllers run on copies of one database; stop the one "
          "that is not to go on, or restore its database with procctl-controller, which gives it "
          "an identity of its own",
          controller, welcome.generation(), Printable(known.id), Printable(welcome.run()),
          Printable(known.run)));
    }
  }
  if (welcome.session_epoch() < fence.max_session_epoch) {
    return absl::FailedPreconditionError(fmt::format(
        "controller \"{}\" sent session epoch {}, but this node was welcomed with {} before: that "
        "controller is behind (restored from an old backup, or replaced by another); point the "
        "node at the present controller, or, if this one is to go on, remove the node's spool",
        controller, welcome.session_epoch(), fence.max_session_epoch));
  }
  return absl::OkStatus();
}

void NoteWelcome(const v1::Welcome& welcome, Fence* fence) {
  fence->max_session_epoch = std::max(fence->max_session_epoch, welcome.session_epoch());
  if (welcome.history_id().empty()) return;
  if (const auto known = Find(welcome.history_id(), fence); known != fence->histories.end()) {
    fence->histories.erase(known);
  }
  fence->histories.insert(fence->histories.begin(),
                          {welcome.history_id(), welcome.generation(), welcome.run()});
  if (fence->histories.size() > Fence::kMostHistories) {
    fence->histories.resize(Fence::kMostHistories);
  }
}

void MergeFence(const Fence& earlier, Fence* fence) {
  fence->max_session_epoch = std::max(fence->max_session_epoch, earlier.max_session_epoch);
  for (const KnownHistory& history : earlier.histories) {
    const auto known = Find(history.id, fence);
    if (known != fence->histories.end()) {
      if (history.generation >= known->generation) *known = history;
    } else if (fence->histories.size() < Fence::kMostHistories) {
      fence->histories.push_back(history);
    }
  }
}

}  // namespace procctl::uplink

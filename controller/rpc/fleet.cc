#include "controller/rpc/fleet.h"

#include <utility>

#include "absl/hash/hash.h"
#include "controller/core/reconnect_pace.h"
#include "controller/rpc/clocks.h"
#include "controller/rpc/own_event.h"
#include "proto/support/duration_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

std::string ChangeText(const StateChange& change) {
  switch (change.to) {
    case NodeState::kConnected:
      return fmt::format("node {} is connected", change.node);
    case NodeState::kSuspect:
      return fmt::format("node {} was not heard for the suspect time; its rows are stale",
                         change.node);
    case NodeState::kLost:
      return fmt::format("node {} was not heard for the lost time; nothing is known of it",
                         change.node);
    case NodeState::kDraining:
      return fmt::format("node {} ends in good order", change.node);
    case NodeState::kForgotten:
      return fmt::format("node {} was lost for so long that it is forgotten; its rows are dropped",
                         change.node);
  }
  return "";
}

NodeVitals VitalsOf(const v1::NodeHeartbeat& heartbeat,
                    std::optional<std::chrono::nanoseconds> skew) {
  NodeVitals vitals;
  vitals.skew = skew;
  // A load of 0 is told by whoever tells its lag; older nodes tell neither.
  if (heartbeat.has_lag() || heartbeat.load_per_mille() != 0) {
    vitals.load_per_mille = heartbeat.load_per_mille();
  }
  if (heartbeat.has_lag()) vitals.lag = FromProto(heartbeat.lag());
  return vitals;
}

}  // namespace

Fleet::Fleet(const LivenessLimits& limits, CommitLog* log, Coordinator* coordinator)
    : log_(log), coordinator_(coordinator), liveness_(limits, MonoNow()), view_(MonoNow()) {}

void Fleet::AddKnown(const std::vector<std::string>& nodes) {
  absl::MutexLock lock(&mutex_);
  for (const std::string& node : nodes) view_.AddKnown(node);
}

void Fleet::AddForgotten(const std::vector<std::string>& nodes) {
  absl::MutexLock lock(&mutex_);
  for (const std::string& node : nodes) view_.AddForgotten(node);
}

void Fleet::Adopt(const std::shared_ptr<Session>& session) {
  absl::MutexLock lock(&mutex_);
  all_.emplace(session.get(), session);
}

void Fleet::Forget(const Session* session) {
  absl::MutexLock lock(&mutex_);
  all_.erase(session);
}

bool Fleet::Begin(const std::string& node, std::int64_t session_epoch, NodeFacts facts,
                  const std::shared_ptr<Session>& session) {
  std::shared_ptr<Session> superseded;
  std::optional<NodeState> before;
  bool news = false;
  {
    absl::MutexLock lock(&mutex_);
    Speaker& speaker = speakers_[node];
    if (speaker.session_epoch >= session_epoch) return false;
    superseded = speaker.session.lock();
    speaker = {session_epoch, session};
    before = view_.BeginSession(node, session_epoch, std::move(facts), MonoNow(),
                                liveness_.observed(), WallNow());
    news = silence_.ComesBack(node) && EventOfChange(before, NodeState::kConnected).has_value();
  }
  if (superseded != nullptr) superseded->Supersede();
  // Of a node never heard before too: LOST is as good as that.
  if (news) Announce({node, before.value_or(NodeState::kLost), NodeState::kConnected});
  return true;
}

void Fleet::End(const std::string& node, std::int64_t session_epoch) {
  absl::MutexLock lock(&mutex_);
  const auto speaker = speakers_.find(node);
  if (speaker == speakers_.end() || speaker->second.session_epoch != session_epoch) return;
  // The epoch stays: an older claim that is late must not win.
  speaker->second.session.reset();
}

bool Fleet::Heard(const std::string& node, std::int64_t session_epoch) {
  absl::MutexLock lock(&mutex_);
  return view_.Heard(node, session_epoch, MonoNow(), liveness_.observed());
}

FleetView::Applied Fleet::ApplySnapshot(const std::string& node, std::int64_t session_epoch,
                                        const v1::SnapshotChunk& piece) {
  absl::MutexLock lock(&mutex_);
  return view_.ApplySnapshot(node, session_epoch, piece, MonoNow());
}

FleetView::Applied Fleet::ApplyDelta(const std::string& node, std::int64_t session_epoch,
                                     const v1::SlotDelta& delta) {
  absl::MutexLock lock(&mutex_);
  return view_.ApplyDelta(node, session_epoch, delta, MonoNow());
}

DigestWatch::Act Fleet::TakeHeartbeat(const std::string& node, std::int64_t session_epoch,
                                      const v1::NodeHeartbeat& heartbeat,
                                      std::optional<std::chrono::nanoseconds> skew) {
  absl::MutexLock lock(&mutex_);
  view_.SetEventsWaiting(node, session_epoch, heartbeat.events_waiting());
  view_.SetVitals(node, session_epoch, VitalsOf(heartbeat, skew));
  if (!heartbeat.has_digest()) return DigestWatch::Act::kNone;
  return view_.CheckDigest(node, session_epoch, heartbeat.revision(), heartbeat.digest());
}

void Fleet::SayGoodbye(const std::string& node, std::int64_t session_epoch,
                       const std::string& why) {
  std::optional<NodeState> before;
  {
    absl::MutexLock lock(&mutex_);
    before = view_.SayGoodbye(node, session_epoch, why);
  }
  if (!before) return;
  std::string message = fmt::format("node {} ends in good order", node);
  if (!why.empty()) message += fmt::format(": {}", why);
  spdlog::info("{}", message);
  Record(log_, OwnEvent(v1::EVENT_KIND_NODE_DRAINING, v1::SEVERITY_INFO, node, std::move(message)));
}

FleetView::Forgot Fleet::ForgetNode(const std::string& node) {
  std::shared_ptr<Session> session;
  FleetView::Forgot forgot;
  {
    absl::MutexLock lock(&mutex_);
    forgot = view_.Forget(node);
    const auto speaker = speakers_.find(node);
    if (forgot == FleetView::Forgot::kYes && speaker != speakers_.end()) {
      session = speaker->second.session.lock();
      speaker->second.session.reset();
    }
  }
  if (session != nullptr) session->Dismiss();
  return forgot;
}

std::size_t Fleet::Size() const {
  absl::ReaderMutexLock lock(&mutex_);
  const FleetSummary& summary = view_.summary();
  std::size_t size = 0;
  for (const std::int32_t nodes :
       {summary.connected, summary.suspect, summary.lost, summary.draining}) {
    size += static_cast<std::size_t>(nodes);
  }
  return size;
}

Fleet::Line Fleet::LineTo(const std::string& node) const {
  Line line;
  absl::ReaderMutexLock lock(&mutex_);
  const NodeRow* row = view_.FindNode(node);
  if (row == nullptr) return line;
  line.known = true;
  line.holds = row->facts.holds;
  line.details = row->facts.details;
  line.programs = row->facts.programs;
  const auto speaker = speakers_.find(node);
  if (speaker == speakers_.end()) return line;
  line.session = speaker->second.session.lock();
  line.session_epoch = speaker->second.session_epoch;
  return line;
}

Fleet::Sent Fleet::Send(const std::string& node, OrderMessage order) {
  const Line line = LineTo(node);
  if (!line.known) return Sent::kNoSuchNode;
  if (line.session == nullptr) return Sent::kNotConnected;
  if ((std::holds_alternative<v1::HoldOrder>(order) && !line.holds) ||
      (std::holds_alternative<v1::ProgramOrder>(order) && !line.programs)) {
    return Sent::kTooOld;
  }
  return line.session->Send(std::move(order)) ? Sent::kYes : Sent::kNotConnected;
}

void Fleet::Tick(bool deaf) {
  const MonoTime now = MonoNow();
  MassSilence::Outcome outcome;
  {
    absl::MutexLock lock(&mutex_);
    liveness_.Tick(now, deaf);
    std::vector<StateChange> changes = view_.JudgeNodes(liveness_);
    const Hearing& hearing = view_.hearing();
    outcome = silence_.Judge(liveness_.observed(), hearing.connected, hearing.missed_one,
                             std::move(changes));
  }
  Announce(outcome);
}

void Fleet::TickSessions(unsigned part, unsigned parts) {
  std::vector<std::shared_ptr<Session>> sessions;
  {
    absl::ReaderMutexLock lock(&mutex_);
    for (const auto& [address, weak] : all_) {
      if (absl::Hash<const Session*>()(address) % parts != part) continue;
      if (auto session = weak.lock()) sessions.push_back(std::move(session));
    }
  }
  const MonoTime now = MonoNow();
  for (const std::shared_ptr<Session>& session : sessions) session->Tick(now);
}

void Fleet::Announce(const MassSilence::Outcome& outcome) {
  if (outcome.begun) {
    std::string message = fmt::format(
        "{} of {} nodes fell silent together: look at the network of this controller and at its "
        "host first; none of them is told of by itself until this is over",
        outcome.begun->silent, outcome.begun->of);
    spdlog::error("{}", message);
    Record(log_, OwnEvent(v1::EVENT_KIND_FLEET_SILENT, v1::SEVERITY_ALARM, "", std::move(message)));
  }
  if (outcome.over) {
    std::string message = fmt::format(
        "the fleet is heard again after {}: {} nodes are back, {} are still silent and told of one "
        "by one",
        FormatDuration(outcome.over->lasted), outcome.over->back, outcome.over->still_silent);
    spdlog::warn("{}", message);
    Record(log_, OwnEvent(v1::EVENT_KIND_FLEET_SILENT, v1::SEVERITY_INFO, "", std::move(message)));
  }
  for (const StateChange& change : outcome.tell) {
    if (!EventOfChange(change.from, change.to)) continue;
    if (change.to == NodeState::kForgotten) {
      // Refused only while the controller goes down; its next life comes to the same.
      coordinator_->Forget(change.node, [](const absl::Status&) {});
    }
    spdlog::warn("{}", ChangeText(change));
    Announce(change);
  }
}

void Fleet::Read(const std::function<void(const FleetView&)>& read) const {
  absl::ReaderMutexLock lock(&mutex_);
  read(view_);
}

void Fleet::NoteChanges(bool on) {
  absl::MutexLock lock(&mutex_);
  view_.set_changes(on ? &changes_ : nullptr);
  if (!on) changes_ = RowChanges();
}

RowChanges::Taken Fleet::TakeChanges() {
  absl::MutexLock lock(&mutex_);
  return changes_.Take();
}

std::vector<std::shared_ptr<Session>> Fleet::All() const {
  std::vector<std::shared_ptr<Session>> sessions;
  absl::MutexLock lock(&mutex_);
  sessions.reserve(all_.size());
  for (const auto& [address, weak] : all_) {
    if (auto session = weak.lock()) sessions.push_back(std::move(session));
  }
  return sessions;
}

void Fleet::StopReadingAll() {
  for (const std::shared_ptr<Session>& session : All()) session->StopReading();
}

void Fleet::DrainAll() {
  const std::vector<std::shared_ptr<Session>> sessions = All();
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    sessions[i]->Drain(DrainDelay(i, sessions.size()));
  }
}

void Fleet::Announce(const StateChange& change) {
  const auto kind = EventOfChange(change.from, change.to);
  if (!kind) return;
  const bool alarming = change.to == NodeState::kSuspect || change.to == NodeState::kLost;
  Record(log_, OwnEvent(*kind, alarming ? v1::SEVERITY_WARNING : v1::SEVERITY_INFO, change.node,
                        ChangeText(change)));
}

}  // namespace procctl::controller

#include "controller/rpc/fleet.h"

#include <utility>

#include "controller/rpc/clocks.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

std::string ChangeText(const StateChange& change) {
  return change.to == NodeState::kLost
             ? fmt::format("node {} was not heard for the lost time; its rows are stale",
                           change.node)
             : fmt::format("node {} was not heard for the suspect time", change.node);
}

}  // namespace

Fleet::Fleet(const LivenessLimits& limits, CommitLog* log)
    : log_(log), liveness_(limits, MonoNow()), view_(MonoNow()) {}

void Fleet::AddKnown(const std::vector<std::string>& nodes) {
  absl::MutexLock lock(&mutex_);
  for (const std::string& node : nodes) view_.AddKnown(node);
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
  bool news = false;
  {
    absl::MutexLock lock(&mutex_);
    Speaker& speaker = speakers_[node];
    if (speaker.session_epoch >= session_epoch) return false;
    superseded = speaker.session.lock();
    speaker = {session_epoch, session};
    const auto before = view_.BeginSession(node, session_epoch, std::move(facts), MonoNow(),
                                           liveness_.observed(), WallNow());
    news = EventOfChange(before, NodeState::kConnected).has_value();
  }
  if (superseded != nullptr) superseded->Supersede();
  if (news) {
    Announce(node, v1::EVENT_KIND_NODE_CONNECTED, fmt::format("node {} is connected", node));
  }
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

void Fleet::SetEventsWaiting(const std::string& node, std::int64_t session_epoch,
                             std::int64_t waiting) {
  absl::MutexLock lock(&mutex_);
  view_.SetEventsWaiting(node, session_epoch, waiting);
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

void Fleet::Tick() {
  const MonoTime now = MonoNow();
  std::vector<StateChange> changes;
  {
    absl::MutexLock lock(&mutex_);
    liveness_.Tick(now);
    changes = view_.JudgeNodes(liveness_);
  }
  for (const StateChange& change : changes) {
    const auto kind = EventOfChange(change.from, change.to);
    if (!kind) continue;
    spdlog::warn("{}", ChangeText(change));
    Announce(change.node, *kind, ChangeText(change));
  }
  for (const std::shared_ptr<Session>& session : All()) session->Tick(now);
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
  for (const std::shared_ptr<Session>& session : All()) session->Drain();
}

void Fleet::Announce(const std::string& node, v1::EventKind kind, const std::string& message) {
  v1::Event event;
  event.set_kind(kind);
  event.set_severity(kind == v1::EVENT_KIND_NODE_CONNECTED ? v1::SEVERITY_INFO
                                                           : v1::SEVERITY_WARNING);
  event.set_node(node);
  *event.mutable_at() = ToProto(WallNow());
  event.set_message(message);
  // Refused only while the controller goes down; the log line is what is left then.
  log_->AppendOwn({std::move(event)}, [](const absl::StatusOr<Committed>&) {});
}

}  // namespace procctl::controller

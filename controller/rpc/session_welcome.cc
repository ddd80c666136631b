// The beginning of a session: Hello, the claim on its node, Welcome.
#include <algorithm>
#include <utility>
#include <vector>

#include "controller/rpc/hello.h"
#include "controller/rpc/node_session.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "proto/support/version.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {

absl::Status NodeSession::TakeHello(const v1::Hello& hello) {
  if (hello.node_id() != node_) {
    return world_->gatekeeper->Refuse(
        *context_, identity_, "/procctl.v1.NodeService/Session",
        fmt::format("the certificate is for node {}, but Hello says {}; set node: {} in the node's "
                    "configuration, or give it its own certificate",
                    node_, Escape(std::string_view(hello.node_id()).substr(0, 80)), node_));
  }
  if (absl::Status checked = CheckHello(node_, hello); !checked.ok()) return checked;
  // Before the claim, which would end the session of the one that is to stay.
  if (absl::Status life = world_->desk->CheckLife(node_, hello, peer_); !life.ok()) return life;
  {
    absl::MutexLock lock(&mutex_);
    phase_ = Phase::kClaiming;
  }
  world_->engine->coordinator().Claim(
      node_, hello.max_session_epoch(),
      [weak = weak_from_this(), hello](absl::StatusOr<std::int64_t> epoch) {
        if (const auto self = weak.lock()) self->Claimed(std::move(epoch), hello);
      });
  return absl::OkStatus();
}

void NodeSession::Claimed(absl::StatusOr<std::int64_t> epoch, v1::Hello hello) {
  if (!epoch.ok()) return End(epoch.status());
  std::vector<HeldRange> held;
  held.reserve(static_cast<size_t>(hello.held_size()));
  for (const v1::HeldEvents& range : hello.held()) {
    held.push_back({range.epoch(), range.first(), range.last()});
  }
  const auto loaded = [weak = weak_from_this(), hello = std::move(hello),
                       claimed = *epoch](const absl::StatusOr<std::vector<Cursor>>& cursors) {
    const auto self = weak.lock();
    if (self == nullptr) return;
    if (!cursors.ok()) return self->End(cursors.status());
    self->Welcome(claimed, hello, *cursors);
  };
  CommitLog& log = world_->engine->commit_log();
  // A node that does not say what it holds has all that it has not been told to forget.
  if (held.empty()) return log.LoadCursors(node_, loaded);
  log.AcceptGaps(node_, *epoch, std::move(held), loaded);
}

void NodeSession::Welcome(std::int64_t epoch, const v1::Hello& hello,
                          const std::vector<Cursor>& cursors) {
  auto welcome = std::make_unique<v1::Welcome>();
  welcome->set_session_epoch(epoch);
  welcome->set_protocol(std::min(hello.protocol_max(), kProtocolMax));
  for (const Cursor& cursor : cursors) {
    v1::EventCursor* known = welcome->add_cursors();
    known->set_epoch(cursor.epoch);
    known->set_seq(cursor.seq);
  }
  *welcome->mutable_heartbeat_interval() = ToProto(world_->heartbeat_interval);
  welcome->set_controller_id(world_->controller_id);
  welcome->set_software_version(kVersion);
  NodeFacts facts = FactsOf(hello, peer_);
  world_->desk->FillWelcome(node_, facts.drain, welcome.get());
  {
    absl::MutexLock lock(&mutex_);
    epoch_ = epoch;
    drains_ = facts.drain;
    outbox_.AddWelcome(std::move(welcome));
  }
  // Orders may queue from here on, behind Welcome. Reading waits for kOpen: what the node answers
  // must find this session as the one that speaks for it.
  if (!world_->fleet->Begin(node_, epoch, std::move(facts), shared_from_this())) {
    return Supersede();
  }
  {
    absl::MutexLock lock(&mutex_);
    phase_ = Phase::kOpen;
  }
  spdlog::info("session {} of node {} from {} begins", epoch, node_, peer_);
  world_->kills->OnNodeReturned(node_);
  world_->answers->OnNodeReturned(node_);
  Pump();
}

}  // namespace procctl::controller

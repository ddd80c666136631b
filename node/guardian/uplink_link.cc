#include "node/guardian/uplink_link.h"

#include <sys/epoll.h>

#include <utility>

#include "node/os/clock.h"
#include "node/os/seqpacket.h"
#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

// Well under the 128 KiB that link.proto promises as the largest message.
constexpr size_t kBatchBytes = 48 * 1024;
constexpr size_t kMostBytesDown = 64 * 1024;
// More removals than this while nobody reads: a new snapshot is cheaper, and bounded.
constexpr size_t kMostRemovals = 16384;
constexpr int kReadBatch = 256;
constexpr size_t kMostDetails = 64;
constexpr Nanos kConflictEvery = std::chrono::minutes(1);
constexpr size_t kMostConflictBytes = 1024;

}  // namespace

UplinkLink::UplinkLink(Table* table, EventLog* log, Journal* journal, Poller* poller, Desk desk,
                       Programs programs)
    : table_(table),
      log_(log),
      journal_(journal),
      poller_(poller),
      desk_(std::move(desk)),
      programs_(std::move(programs)) {}

absl::Status UplinkLink::Connect(UniqueFd fd, v1::LinkHello hello) {
  Disconnect();
  auto token = poller_->Add(fd.get(), EPOLLIN, [this](uint32_t events) { OnReady(events); });
  if (!token.ok()) return token.status();
  fd_ = std::move(fd);
  ++connection_;
  token_ = *token;
  waiting_for_room_ = false;
  hello_ = std::move(hello);
  sent_seq_ = 0;
  StartSnapshot();
  Pump();
  return absl::OkStatus();
}

void UplinkLink::Disconnect() {
  if (!fd_) return;
  poller_->Remove(token_);
  fd_.reset();
  details_.clear();
}

void UplinkLink::StartSnapshot() {
  snapshot_ = true;
  snapshot_after_ = 0;
  snapshot_program_.clear();
  changed_.clear();
  removed_.clear();
  programs_changed_.clear();
}

void UplinkLink::RowChanged(int64_t generation) {
  if (fd_) changed_.insert(generation);
}

void UplinkLink::RowRemoved(int64_t generation) {
  if (!fd_) return;
  changed_.erase(generation);
  removed_.push_back(generation);
  if (removed_.size() > kMostRemovals) StartSnapshot();
}

void UplinkLink::ProgramChanged(const std::string& label) {
  if (fd_) programs_changed_.insert(label);
}

void UplinkLink::Answer(v1::DetailReply reply) {
  if (!fd_ || details_.size() >= kMostDetails) return;
  details_.push_back(std::move(reply));
  Pump();
}

void UplinkLink::OnReady(uint32_t events) {
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) ReadAll();
  if (!fd_) return;
  if ((events & EPOLLOUT) != 0) {
    waiting_for_room_ = false;
    poller_->Change(token_, EPOLLIN);
  }
  Pump();
}

void UplinkLink::ReadAll() {
  for (int i = 0; i < kReadBatch && fd_; ++i) {
    const auto packet = Receive(fd_.get(), kMostBytesDown);
    if (absl::IsUnavailable(packet.status())) return;
    if (!packet.ok()) {
      Disconnect();
      return;
    }
    if (packet->truncated) {
      spdlog::error("the uplink sent over {} bytes in one message; dropped", kMostBytesDown);
      continue;
    }
    Take(packet->bytes);
  }
}

void UplinkLink::Take(const std::string& bytes) {
  v1::LinkDown message;
  if (!message.ParseFromString(bytes)) {
    spdlog::error("the uplink sent {} bytes that are no message of the link; dropped",
                  bytes.size());
    return;
  }
  switch (message.message_case()) {
    case v1::LinkDown::kSpooled:
      log_->Spooled(message.spooled().epoch(), message.spooled().seq());
      return;
    case v1::LinkDown::kOrder:
      desk_.order(message.order());
      return;
    case v1::LinkDown::kHold:
      desk_.hold(message.hold());
      return;
    case v1::LinkDown::kDetail:
      // Whoever asks faster than it reads is not answered; asking changes nothing, so it may ask
      // again.
      if (details_.size() < kMostDetails) {
        if (auto reply = desk_.detail(message.detail())) details_.push_back(*std::move(reply));
      }
      return;
    case v1::LinkDown::kProgram:
      desk_.program(message.program());
      return;
    case v1::LinkDown::kSnapshotRequest:
      StartSnapshot();
      return;
    case v1::LinkDown::kConflict:
      RecordConflict(message.conflict().message());
      return;
    case v1::LinkDown::MESSAGE_NOT_SET:
      spdlog::error("the uplink sent an empty message; dropped");
      return;
  }
}

void UplinkLink::RecordConflict(const std::string& message) {
  const MonoTime now = MonoNow();
  if (now < next_conflict_) return;
  next_conflict_ = now + kConflictEvery;
  log_->Record(
      MakeEvent(v1::EVENT_KIND_IDENTITY_CONFLICT, v1::SEVERITY_ALARM,
                fmt::format("this node refused a controller: {}",
                            Printable(std::string_view(message).substr(0, kMostConflictBytes)))));
}

void UplinkLink::SayGoodbye(const std::string& reason) {
  if (!fd_) return;
  v1::LinkUp message;
  message.mutable_goodbye()->set_reason(reason);
  (void)SendOne(message);
}

bool UplinkLink::SendOne(const v1::LinkUp& message) {
  const absl::Status sent = Send(fd_.get(), message.SerializeAsString());
  if (sent.ok()) return true;
  if (absl::IsUnavailable(sent)) {
    waiting_for_room_ = true;
    poller_->Change(token_, EPOLLIN | EPOLLOUT);
  } else if (absl::IsInvalidArgument(sent)) {
    // Cannot happen within the batch limits; dropping it keeps the rest flowing.
    spdlog::error("link message of {} bytes does not fit the socket; dropped",
                  message.ByteSizeLong());
    return true;
  } else {
    Disconnect();
  }
  return false;
}

void UplinkLink::Pump() {
  if (!fd_ || waiting_for_room_) return;
  journal_->Commit();
  if (hello_) {
    v1::LinkUp message;
    *message.mutable_hello() = *hello_;
    if (!SendOne(message)) return;
    hello_.reset();
  }
  // Events first: somebody may be waiting for a verdict.
  while (SendEvents() && SendDetails() && (snapshot_ ? SendSnapshot() : SendChanges())) {
    const bool more_events = sent_seq_ < log_->ring().last_seq();
    if (!more_events && !snapshot_ && changed_.empty() && removed_.empty() &&
        programs_changed_.empty()) {
      return;
    }
  }
}

bool UplinkLink::SendEvents() {
  const auto& events = log_->ring().events();
  while (!events.empty() && events.back().id().seq() > sent_seq_) {
    v1::LinkUp message;
    size_t bytes = 0;
    int64_t last = 0;
    // Numbers are without gaps (a folded record covers its range), so the position follows from the
    // number.
    const int64_t first = events.front().id().seq();
    for (auto it = events.begin() + std::max<int64_t>(0, sent_seq_ + 1 - first);
         it != events.end() && bytes < kBatchBytes; ++it) {
      *message.mutable_events()->add_events() = *it;
      bytes += it->ByteSizeLong();
      last = it->id().seq();
    }
    if (!SendOne(message)) return false;
    sent_seq_ = last;
  }
  return true;
}

bool UplinkLink::SendDetails() {
  while (!details_.empty()) {
    v1::LinkUp message;
    *message.mutable_detail() = details_.front();
    if (!SendOne(message)) return false;
    details_.pop_front();
  }
  return true;
}

bool UplinkLink::SendSnapshot() {
  v1::LinkUp message;
  v1::LinkSlots* slots = message.mutable_slots();
  slots->set_snapshot(true);
  size_t bytes = 0;
  int64_t last = snapshot_after_;
  auto it = table_->slots().upper_bound(snapshot_after_);
  for (; it != table_->slots().end() && bytes < kBatchBytes; ++it) {
    *slots->add_upserts() = table_->Row(*it->second);
    bytes += slots->upserts(slots->upserts_size() - 1).ByteSizeLong();
    last = it->first;
  }
  // Programs come after the slots that they name.
  const bool slots_done = it == table_->slots().end();
  std::string last_program = snapshot_program_;
  std::optional<v1::Program> program;
  if (slots_done) program = programs_.after(last_program);
  while (program && bytes < kBatchBytes) {
    bytes += program->ByteSizeLong();
    last_program = program->label();
    *slots->add_program_upserts() = *std::move(program);
    program = programs_.after(last_program);
  }
  const bool done = slots_done && !program;
  slots->set_last(done);
  if (!SendOne(message)) return false;
  snapshot_after_ = last;
  snapshot_program_ = std::move(last_program);
  if (done) snapshot_ = false;
  return true;
}

bool UplinkLink::SendChanges() {
  if (changed_.empty() && removed_.empty() && programs_changed_.empty()) return true;
  v1::LinkUp message;
  v1::LinkSlots* slots = message.mutable_slots();
  size_t bytes = 0;
  auto it = changed_.begin();
  for (; it != changed_.end() && bytes < kBatchBytes; ++it) {
    const Slot* slot = table_->FindSlot(*it);
    if (slot == nullptr) continue;  // removed since: its removal is in the list
    *slots->add_upserts() = table_->Row(*slot);
    bytes += slots->upserts(slots->upserts_size() - 1).ByteSizeLong();
  }
  size_t removals = 0;
  for (; removals < removed_.size() && bytes < kBatchBytes; ++removals, bytes += 10) {
    slots->add_removes(removed_[removals]);
  }
  auto program = programs_changed_.begin();
  for (; program != programs_changed_.end() && bytes < kBatchBytes; ++program) {
    if (auto row = programs_.find(*program)) {
      bytes += row->ByteSizeLong();
      *slots->add_program_upserts() = *std::move(row);
    } else {
      bytes += program->size() + 4;
      slots->add_program_removes(*program);
    }
  }
  if (!SendOne(message)) return false;
  programs_changed_.erase(programs_changed_.begin(), program);
  changed_.erase(changed_.begin(), it);
  removed_.erase(removed_.begin(), removed_.begin() + static_cast<std::ptrdiff_t>(removals));
  return true;
}

}  // namespace procctl::node

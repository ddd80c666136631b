#include "node/guardian/native_door.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "node/heartbeat/register_frame.h"
#include "node/os/beat_page.h"
#include "node/os/clock.h"
#include "node/os/proc_file.h"
#include "node/os/process_ref.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

// A client sends its request right after connecting; the library gives up after two seconds itself.
constexpr Nanos kPatience = std::chrono::seconds(2);
constexpr size_t kMostConnections = 1024;
constexpr int kAcceptBatch = 256;
constexpr int64_t kRefusalBurst = 20;
constexpr Nanos kRefusalWindow = std::chrono::seconds(10);

}  // namespace

NativeDoor::NativeDoor(Table* table, EventLog* log, Poller* poller, RegistrationLimits limits,
                       std::function<absl::Status(Process&)> watch_exit,
                       std::function<void(const Slot&, int page_fd)> handed_out)
    : table_(table),
      log_(log),
      poller_(poller),
      limits_(limits),
      watch_exit_(std::move(watch_exit)),
      handed_out_(std::move(handed_out)),
      refusals_(kRefusalBurst, kRefusalWindow) {}

absl::Status NativeDoor::Open(const std::string& path, mode_t mode) {
  auto listener = ListenAt(path, mode);
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  return poller_->Add(listener_.get(), EPOLLIN, [this](uint32_t) { Accept(); }).status();
}

void NativeDoor::Accept() {
  // Bounded: a flood of connections must not keep the loop from its scan.
  for (int i = 0; i < kAcceptBatch; ++i) {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) {
      if (errno == EMFILE || errno == ENFILE) {
        reserve_.ShedOne(listener_.get());
        spdlog::error("out of file descriptors: a registration was turned away; raise LimitNOFILE");
      }
      return;
    }
    if (connections_.size() >= kMostConnections)
      continue;  // closes it; the client reports no guardian
    const int raw = fd.get();
    auto token = poller_->Add(raw, EPOLLIN, [this, raw](uint32_t) { Serve(raw); });
    if (!token.ok()) continue;
    connections_[raw] = Connection{std::move(fd), MonoNow(), *token};
  }
}

void NativeDoor::DropSilent(MonoTime now) {
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (now - it->second.since < kPatience) {
      ++it;
      continue;
    }
    poller_->Remove(it->second.token);
    it = connections_.erase(it);
  }
}

void NativeDoor::Serve(int fd) {
  const auto packet = Receive(fd, sizeof(procctl_register_request_more) + 1);
  if (absl::IsUnavailable(packet.status())) return;
  if (packet.ok()) {
    UniqueFd page_fd;
    int64_t generation = 0;
    const RegistrationAnswer answer = Register(fd, *packet, &page_fd, &generation);
    procctl_register_answer frame{};
    frame.magic = PROCCTL_FRAME_MAGIC;
    frame.error = answer.error;
    frame.slot = static_cast<uint64_t>(generation);
    std::memcpy(frame.text, answer.text.data(),
                std::min(answer.text.size(), sizeof frame.text - 1));
    const absl::Status sent = Send(
        fd, std::string_view(reinterpret_cast<const char*>(&frame), sizeof frame), page_fd.get());
    // The client gave up waiting, so it does not know that it has a slot.
    if (!sent.ok() && answer.error == 0) Withdraw(generation);
  }
  const auto connection = connections_.find(fd);
  poller_->Remove(connection->second.token);
  connections_.erase(connection);
}

void NativeDoor::Withdraw(int64_t generation) {
  Slot* slot = table_->FindSlot(generation);
  if (slot == nullptr) return;
  Process& process = *slot->process;
  table_->RemoveSlot(*slot);
  table_->Settle(process);
}

absl::StatusOr<ProcessRef> NativeDoor::Identify(const Packet& packet, Peer* peer) const {
  // The process that connected is the one that sends: a socket handed to somebody else registers
  // nobody.
  if (packet.sender != peer->pid) {
    return absl::PermissionDeniedError(
        "the registration was sent by another process than the one that connected");
  }
  auto ref = peer->pidfd ? ProcessRef::FromPidfd(std::move(peer->pidfd), peer->pid)
                         : ProcessRef::Open(peer->pid);
  if (!ref.ok()) return ref;
  // Without SO_PEERPIDFD the pid could be somebody else's by now; that one would have to be the
  // same user's.
  const auto status = ReadStatus(peer->pid);
  if (!status || status->uid != peer->uid || !ref->Alive()) {
    return absl::PermissionDeniedError("the process changed while it registered; try again");
  }
  return ref;
}

RegistrationAnswer NativeDoor::Register(int connection, const Packet& packet, UniqueFd* page_fd,
                                        int64_t* generation) {
  auto peer = PeerOf(connection);
  if (!peer.ok()) return {EACCES, "the kernel does not say who asks", "", {}};
  const int64_t uid = peer->uid;
  const int32_t pid = peer->pid;
  RegistrationAnswer answer = ReadRequest(packet.bytes.data(), packet.bytes.size(), limits_);
  RegistrationFacts facts{.pid = pid,
                          .uid = uid,
                          .slots = static_cast<int64_t>(table_->slots().size()),
                          .slots_of_user = table_->slots_of_user(uid)};
  if (answer.error != 0 || pid <= 1) {
    answer = Admit(std::move(answer), facts, limits_);
    Refused(answer, uid, pid);
    return answer;
  }
  auto ref = Identify(packet, &*peer);
  if (!ref.ok()) {
    answer = {EACCES, std::string(ref.status().message()), "", {}};
    Refused(answer, uid, pid);
    return answer;
  }
  Process* process = table_->Find(ref->identity());
  Slot* slot = process == nullptr ? nullptr : table_->FindSlot(*process, answer.name);
  facts.takes_over = slot != nullptr;
  answer = Admit(std::move(answer), facts, limits_);
  if (answer.error != 0) {
    Refused(answer, uid, pid);
    return answer;
  }
  auto page = BeatPage::Create(page_fd);
  if (!page.ok()) {
    answer = {ENOMEM, "the guardian is out of memory or descriptors", "", {}};
    Refused(answer, uid, pid);
    return answer;
  }
  const PageKey key{page->id().dev, page->id().ino};
  const auto kept = std::make_shared<BeatPage>(*std::move(page));
  // The slot keeps the mapping alive through the pointer into it.
  const std::shared_ptr<const procctl_page> memory(kept, kept->page());
  if (slot != nullptr) {
    table_->TakeOver(*slot, answer.terms, memory, key);
    *generation = slot->generation;
    handed_out_(*slot, page_fd->get());
    return answer;
  }
  if (process == nullptr) {
    process = &table_->AddProcess(std::make_unique<ProcessRef>(*std::move(ref)), uid);
    if (const absl::Status watched = watch_exit_(*process); !watched.ok()) {
      table_->RemoveProcess(*process);
      page_fd->reset();
      answer = {ENOMEM, "the guardian cannot watch one more process", "", {}};
      Refused(answer, uid, pid);
      return answer;
    }
  }
  slot = table_->AddSlot(*process,
                         {.name = answer.name,
                          .door = v1::DOOR_NATIVE,
                          .terms = answer.terms,
                          .page = memory,
                          .page_key = key},
                         WallNow());
  if (slot == nullptr) {
    table_->Settle(*process);
    page_fd->reset();
    answer = {EDQUOT, "all slots of this node are taken", "", {}};
    Refused(answer, uid, pid);
    return answer;
  }
  *generation = slot->generation;
  v1::Event event =
      MakeEvent(v1::EVENT_KIND_SLOT_REGISTERED, v1::SEVERITY_INFO,
                fmt::format("{} pid {} of user {} registered", slot->label, pid, uid));
  event.set_slot(slot->label);
  event.set_name(slot->name);
  *event.mutable_incarnation() = table_->IncarnationOf(*slot);
  event.set_door(v1::DOOR_NATIVE);
  log_->Record(std::move(event));
  handed_out_(*slot, page_fd->get());
  return answer;
}

void NativeDoor::Refused(const RegistrationAnswer& answer, int64_t uid, int32_t pid) {
  int64_t suppressed = 0;
  if (!refusals_.Allow(MonoNow(), &suppressed)) return;
  log_->Record(MakeEvent(
      v1::EVENT_KIND_REGISTRATION_REFUSED, v1::SEVERITY_WARNING,
      fmt::format("pid {} of user {} gets no slot: {}{}", pid, uid, answer.text,
                  suppressed == 0 ? "" : fmt::format(" ({} more were not recorded)", suppressed))));
}

}  // namespace procctl::node

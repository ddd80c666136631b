#include "node/guardian/logger_child.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <utility>

#include "node/os/seqpacket.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

constexpr size_t kMostBytesUp = 64 * 1024;
constexpr int kReadBatch = 64;
// FIFOs, should no logger be able to live. What is said into others then is lost with their
// programs.
constexpr size_t kMostHeld = 4096;

}  // namespace

LoggerChild::LoggerChild(std::string path, std::string journal_socket, Poller* poller,
                         Callbacks callbacks)
    : poller_(poller),
      callbacks_(std::move(callbacks)),
      // Programs wait while none runs, once their FIFO is full.
      child_("the logger", poller,
             {.request =
                  [path = std::move(path), journal = std::move(journal_socket)] {
                    SpawnRequest request{.path = path};
                    if (!journal.empty()) request.arguments = {"--journal", journal};
                    return request;
                  },
              .started = [this](UniqueFd link) { Connect(std::move(link)); },
              .ended = [this] { Disconnect(); }}) {}

LoggerChild::~LoggerChild() { LetGo(); }

void LoggerChild::Connect(UniqueFd link) {
  const auto watch = poller_->Add(link.get(), EPOLLIN, [this](uint32_t events) { OnLink(events); });
  if (!watch.ok()) {
    // It sees the end of file and exits.
    spdlog::error("no link to the logger: {}", std::string(watch.status().message()));
    return;
  }
  link_ = std::move(link);
  link_watch_ = *watch;
  waiting_for_room_ = false;
  for (auto& [label, attached] : attached_) {
    attached.attach_due = true;
    due_.insert(label);
  }
  Pump();
}

void LoggerChild::Disconnect() {
  if (!link_) return;
  poller_->Remove(link_watch_);
  link_.reset();
  opened_request_ = 0;
  held_.merge(asked_);
  asked_.clear();
  asked_labels_.clear();
  if (child_.let_go()) return;
  for (auto& [label, attached] : attached_) Hold(&attached);
}

void LoggerChild::Hold(Attached* attached) {
  attached->opened = false;
  for (const std::string& fifo : {attached->attach.stdout_fifo(), attached->attach.stderr_fifo()}) {
    if (fifo.empty() || held_.size() >= kMostHeld || held_.contains(fifo)) continue;
    UniqueFd fd(open(fifo.c_str(), O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY));
    if (fd) held_.emplace(fifo, std::move(fd));
  }
}

void LoggerChild::AskOpened() {
  if (!link_ || held_.empty() || opened_request_ != 0) return;
  v1::LoggerDown message;
  message.mutable_tail()->set_request(last_request_ + 1);
  const Sent sent = Send(message);
  if (sent == Sent::kFull) WaitForRoom();
  if (sent != Sent::kYes) return;
  opened_request_ = ++last_request_;
  asked_.swap(held_);
  for (const auto& [label, attached] : attached_) {
    if (!attached.opened && !attached.attach_due) asked_labels_.push_back(label);
  }
}

void LoggerChild::OnOpened() {
  opened_request_ = 0;
  asked_.clear();
  for (const std::string& label : std::exchange(asked_labels_, {})) {
    if (const auto it = attached_.find(label); it != attached_.end()) it->second.opened = true;
  }
  Pump();
}

void LoggerChild::LetGo() {
  child_.LetGo();
  Disconnect();
}

void LoggerChild::OnLink(uint32_t events) {
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    for (int i = 0; i < kReadBatch && link_; ++i) {
      const auto packet = Receive(link_.get(), kMostBytesUp);
      if (absl::IsUnavailable(packet.status())) break;
      if (!packet.ok()) {
        Disconnect();
      } else if (packet->truncated) {
        spdlog::error("the logger sent over {} bytes in one message; dropped", kMostBytesUp);
      } else {
        Take(packet->bytes);
      }
    }
  }
  if (link_ && (events & EPOLLOUT) != 0) {
    waiting_for_room_ = false;
    poller_->Change(link_watch_, EPOLLIN);
    Pump();
  }
}

void LoggerChild::Take(const std::string& packet) {
  v1::LoggerUp message;
  if (!message.ParseFromString(packet)) {
    spdlog::error("the logger sent {} bytes that are no message; dropped", packet.size());
    return;
  }
  switch (message.message_case()) {
    case v1::LoggerUp::kTail:
      if (message.tail().request() == opened_request_) return OnOpened();
      callbacks_.tail(message.tail().request(), message.tail().stderr_tail());
      return;
    case v1::LoggerUp::kRead:
      callbacks_.read(message.read().request(), message.read().chunk());
      return;
    case v1::LoggerUp::kLost:
      callbacks_.lost(message.lost());
      return;
    case v1::LoggerUp::kTrouble:
      callbacks_.trouble(message.trouble());
      return;
    case v1::LoggerUp::MESSAGE_NOT_SET:
      spdlog::error("the logger sent an empty message; dropped");
      return;
  }
}

LoggerChild::Sent LoggerChild::Send(const v1::LoggerDown& message) {
  if (!link_) return Sent::kGone;
  const absl::Status sent = node::Send(link_.get(), message.SerializeAsString());
  if (sent.ok()) return Sent::kYes;
  if (absl::IsUnavailable(sent)) return Sent::kFull;
  if (absl::IsInvalidArgument(sent)) {
    spdlog::error("a message of {} bytes to the logger does not fit the socket; dropped",
                  message.ByteSizeLong());
    return Sent::kYes;
  }
  Disconnect();
  return Sent::kGone;
}

void LoggerChild::WaitForRoom() {
  waiting_for_room_ = true;
  poller_->Change(link_watch_, EPOLLIN | EPOLLOUT);
}

void LoggerChild::Pump() {
  while (link_ && !waiting_for_room_ && !due_.empty()) {
    const auto it = attached_.find(*due_.begin());
    if (it == attached_.end() || (!it->second.attach_due && !it->second.detach_due)) {
      due_.erase(due_.begin());
      continue;
    }
    Attached& attached = it->second;
    v1::LoggerDown message;
    if (attached.attach_due) {
      *message.mutable_attach() = attached.attach;
    } else {
      message.mutable_detach()->set_label(it->first);
    }
    const Sent sent = Send(message);
    if (sent == Sent::kGone) return;
    if (sent == Sent::kFull) {
      WaitForRoom();
    } else if (attached.attach_due) {
      attached.attach_due = false;
    } else {
      attached_.erase(it);
    }
  }
  if (!waiting_for_room_ && due_.empty()) AskOpened();
}

void LoggerChild::Attach(const v1::LoggerAttach& attach) {
  Attached& attached = attached_[attach.label()];
  const bool same = attached.opened && !attached.detach_due &&
                    attached.attach.stdout_fifo() == attach.stdout_fifo() &&
                    attached.attach.stderr_fifo() == attach.stderr_fifo();
  attached = {attach, same, true, false};
  if (!same) Hold(&attached);
  due_.insert(attach.label());
  Pump();
}

void LoggerChild::Detach(const std::string& label) {
  const auto known = attached_.find(label);
  if (known == attached_.end()) return;
  // Without a logger it stays: the next one opens its FIFOs, and takes what is in them, before it
  // leaves them.
  known->second.detach_due = true;
  due_.insert(label);
  Pump();
}

int64_t LoggerChild::AskTail(const std::string& label, bool forget) {
  v1::LoggerDown message;
  message.mutable_tail()->set_request(++last_request_);
  message.mutable_tail()->set_label(label);
  message.mutable_tail()->set_forget(forget);
  if (Send(message) == Sent::kYes) return last_request_;
  spdlog::warn("the logger cannot be asked for the last words of {}", label);
  return 0;
}

bool LoggerChild::Read(int64_t request, const v1::ReadOutput& read) {
  v1::LoggerDown message;
  message.mutable_read()->set_request(request);
  *message.mutable_read()->mutable_read() = read;
  if (Send(message) == Sent::kYes) return true;
  spdlog::warn("the logger cannot be asked for the output of {}", read.program());
  return false;
}

}  // namespace procctl::node

#include "tests/node/uplink/fake_guardian.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include "tests/node/uplink/fixtures.h"

namespace procctl::uplink {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPacketBytes = 48 * 1024;

void AppendEvents(const std::deque<v1::Event>& events, std::deque<std::string>* out) {
  v1::LinkUp message;
  std::size_t bytes = 0;
  for (const v1::Event& event : events) {
    *message.mutable_events()->add_events() = event;
    bytes += event.ByteSizeLong() + 4;
    if (bytes < kPacketBytes) continue;
    out->push_back(message.SerializeAsString());
    message.Clear();
    bytes = 0;
  }
  if (bytes > 0) out->push_back(message.SerializeAsString());
}

}  // namespace

FakeGuardian::FakeGuardian(v1::LinkHello hello, std::string log_path)
    : hello_(std::move(hello)), log_path_(std::move(log_path)) {}

FakeGuardian::~FakeGuardian() {
  if (pid_ > 0) Kill();
}

void FakeGuardian::Start() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) abort();
  link_.Reset(ends[0]);
  const UniqueFd theirs(ends[1]);
  const UniqueFd log(open(log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  pid_ = fork();
  if (pid_ == 0) {
    if (before_exec_) before_exec_();
    if (dup2(log.get(), STDERR_FILENO) < 0) _exit(126);
    // dup2 onto itself would leave the descriptor to be closed at exec.
    if (theirs.get() == 3 ? fcntl(3, F_SETFD, 0) != 0 : dup2(theirs.get(), 3) != 3) _exit(126);
    execl(PROCCTL_UPLINK_BINARY, "procctl-uplink", nullptr);
    _exit(127);
  }
  if (pid_ < 0) abort();
  outgoing_.clear();
  v1::LinkUp hello;
  *hello.mutable_hello() = hello_;
  outgoing_.push_back(hello.SerializeAsString());
  SetSlots(slots_);
  AppendEvents(ring_, &outgoing_);
  (void)Pump([] { return true; });
}

void FakeGuardian::Reap() {
  // Our own child, not reaped yet: the pid is its.
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

void FakeGuardian::Kill() {
  (void)kill(pid_, SIGKILL);
  Reap();
  link_.Reset();
}

int FakeGuardian::Close(std::chrono::milliseconds patience) {
  link_.Reset();
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  pollfd ended{process.get(), POLLIN, 0};
  if (poll(&ended, 1, static_cast<int>(patience.count())) != 1) return -1;
  int status = 0;
  (void)waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int FakeGuardian::Terminate(std::chrono::milliseconds patience) {
  (void)kill(pid_, SIGTERM);
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  pollfd ended{process.get(), POLLIN, 0};
  if (poll(&ended, 1, static_cast<int>(patience.count())) != 1) return -1;
  return Close(patience);
}

void FakeGuardian::NextEpoch() {
  hello_.set_guardian_epoch(hello_.guardian_epoch() + 1);
  ring_.clear();
  last_seq_ = 0;
  spooled_ = 0;
}

void FakeGuardian::QueueEvent(v1::Event event) {
  last_seq_ = event.id().seq();
  ring_.push_back(std::move(event));
}

void FakeGuardian::Record(int count) {
  const std::size_t before = ring_.size();
  for (int i = 0; i < count; ++i) QueueEvent(MakeEvent(hello_.guardian_epoch(), last_seq_ + 1));
  AppendEvents({ring_.begin() + static_cast<std::ptrdiff_t>(before), ring_.end()}, &outgoing_);
  (void)Pump([] { return true; });
}

void FakeGuardian::RecordVerdict(const std::string& order_id) {
  QueueEvent(MakeVerdict(hello_.guardian_epoch(), last_seq_ + 1, order_id));
  AppendEvents({ring_.back()}, &outgoing_);
  (void)Pump([] { return true; });
}

void FakeGuardian::RecordAnswer(v1::EventKind kind, const std::string& order_id) {
  v1::Event event = MakeEvent(hello_.guardian_epoch(), last_seq_ + 1);
  event.set_kind(kind);
  event.set_order_id(order_id);
  QueueEvent(std::move(event));
  AppendEvents({ring_.back()}, &outgoing_);
  (void)Pump([] { return true; });
}

void FakeGuardian::SetSlots(const std::vector<v1::Slot>& slots) {
  slots_ = slots;
  v1::LinkUp message;
  std::size_t bytes = 0;
  message.mutable_slots()->set_snapshot(true);
  const auto send_if_full = [&] {
    if (bytes < kPacketBytes) return;
    outgoing_.push_back(message.SerializeAsString());
    message.mutable_slots()->clear_upserts();
    message.mutable_slots()->clear_program_upserts();
    bytes = 0;
  };
  for (const v1::Slot& slot : slots) {
    *message.mutable_slots()->add_upserts() = slot;
    bytes += slot.ByteSizeLong() + 4;
    send_if_full();
  }
  for (const v1::Program& program : programs_) {
    *message.mutable_slots()->add_program_upserts() = program;
    bytes += program.ByteSizeLong() + 4;
    send_if_full();
  }
  message.mutable_slots()->set_last(true);
  outgoing_.push_back(message.SerializeAsString());
}

void FakeGuardian::Send(const v1::LinkUp& message) { SendRaw(message.SerializeAsString()); }

void FakeGuardian::SendRaw(const std::string& bytes) {
  outgoing_.push_back(bytes);
  (void)Pump([] { return true; });
}

bool FakeGuardian::Pump(const std::function<bool()>& done, std::chrono::milliseconds patience) {
  const Clock::time_point end = Clock::now() + patience;
  std::vector<char> buffer(64 * 1024);
  for (;;) {
    while (!outgoing_.empty()) {
      const std::string& packet = outgoing_.front();
      if (send(link_.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) break;
      outgoing_.pop_front();
    }
    for (;;) {
      const ssize_t size = recv(link_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size <= 0) break;
      v1::LinkDown message;
      if (!message.ParseFromArray(buffer.data(), static_cast<int>(size))) abort();
      if (message.has_order()) orders_.push_back(message.order());
      if (message.has_hold()) holds_.push_back(message.hold());
      if (message.has_program()) program_orders_.push_back(message.program());
      if (message.has_conflict()) conflicts_.push_back(message.conflict().message());
      if (message.has_detail()) details_.push_back(message.detail());
      if (message.has_snapshot_request()) {
        ++snapshot_requests_;
        SetSlots(slots_);
      }
      if (message.has_spooled() && message.spooled().epoch() == hello_.guardian_epoch()) {
        spooled_ = std::max(spooled_, message.spooled().seq());
        while (!ring_.empty() && ring_.front().id().seq() <= spooled_) ring_.pop_front();
      }
    }
    if (done()) return true;
    if (Clock::now() >= end) return false;
    // `done` may look at a controller in another thread, so never sleep long.
    pollfd ready{link_.get(), static_cast<short>(POLLIN | (outgoing_.empty() ? 0 : POLLOUT)), 0};
    (void)poll(&ready, 1, 5);
  }
}

std::string FakeGuardian::Log() const {
  std::ifstream file(log_path_);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace procctl::uplink

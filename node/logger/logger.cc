#include "node/logger/logger.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "google/protobuf/stubs/logging.h"
#include "node/logger/bell.h"
#include "node/logger/intake.h"
#include "node/logger/lost_tally.h"
#include "node/logger/outbox.h"
#include "node/logger/read_desk.h"
#include "node/logger/writer.h"
#include "node/os/clock.h"
#include "node/os/poller.h"
#include "node/os/seqpacket.h"
#include "procctl/v1/logger.pb.h"
#include "proto/support/logging.h"
#include "spdlog/spdlog.h"

namespace procctl::logger {
namespace {

using node::MonoNow;
using node::MonoTime;
using node::Nanos;

constexpr size_t kMostBytesDown = 64 * 1024;
constexpr int kReadBatch = 64;
constexpr Nanos kStallCheck = std::chrono::milliseconds(250);
// Together the second that a guardian waits for us.
constexpr Nanos kLastDrain = std::chrono::milliseconds(500);
constexpr Nanos kLastWrites = std::chrono::milliseconds(450);
constexpr Nanos kLastRead = std::chrono::milliseconds(50);

class Logger {
 public:
  Logger(node::UniqueFd link, node::Poller poller, const std::string& journal_socket);

  void Run();
  // True if nothing is left and no thread waits for a disk.
  bool End();

 private:
  void OnLink();
  void Take(const std::string& packet);
  void Drop(const std::string& what);
  void Read(const v1::LoggerReadRequest& request);
  void Answer(int64_t request, v1::OutputChunk chunk);
  void Tell(const std::string& label, const std::string& why, bool mended);
  void TellLosses(MonoTime now);
  void Send();
  int Timeout(MonoTime now) const;

  node::UniqueFd link_;
  node::Poller poller_;
  node::Poller::Token link_token_ = 0;
  uint32_t link_events_ = EPOLLIN;
  bool ended_ = false;
  bool dropped_ = false;
  Bell bell_;
  Outbox outbox_{&bell_};
  LostTally tally_;
  ReadDesk desk_;
  Writer writer_;
  Intake intake_;
};

Logger::Logger(node::UniqueFd link, node::Poller poller, const std::string& journal_socket)
    : link_(std::move(link)),
      poller_(std::move(poller)),
      desk_([this](int64_t request, v1::OutputChunk chunk) { Answer(request, std::move(chunk)); }),
      writer_({.room = [this] { bell_.Ring(); },
               .written = [this] { desk_.Written(); },
               .trouble = [this](const std::string& label, const std::string& why,
                                 bool mended) { Tell(label, why, mended); }},
              journal_socket),
      intake_(&poller_, &writer_,
              {.kept = [this] { desk_.Written(); },
               .lost = [this](const std::string& label, int64_t bytes,
                              const std::string& why) { tally_.Add(label, bytes, why); },
               .trouble = [this](const std::string& label, const std::string& why,
                                 bool mended) { Tell(label, why, mended); }}) {
  auto link_token = poller_.Add(link_.get(), EPOLLIN, [this](uint32_t) { OnLink(); });
  const auto bell_token = poller_.Add(bell_.fd(), EPOLLIN, [this](uint32_t) { bell_.Quiet(); });
  if (!link_token.ok() || !bell_token.ok()) Fatal("epoll failed at the start");
  link_token_ = *link_token;
}

void Logger::Run() {
  while (!ended_) {
    (void)poller_.Wait(Timeout(MonoNow()));
    const MonoTime now = MonoNow();
    intake_.Tend(now);
    writer_.CheckStall();
    TellLosses(now);
    Send();
  }
}

int Logger::Timeout(MonoTime now) const {
  std::optional<MonoTime> due = intake_.DueAt(now);
  const auto at = [&](MonoTime time) { due = due ? std::min(*due, time) : time; };
  // While the guardian does not read, room in the socket is what wakes us.
  if (const auto losses = tally_.due_at(); losses && !outbox_.many()) at(*losses);
  if (writer_.busy()) at(now + kStallCheck);
  if (!due) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due - now).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

void Logger::OnLink() {
  for (int i = 0; i < kReadBatch && !ended_; ++i) {
    const auto packet = node::Receive(link_.get(), kMostBytesDown);
    if (absl::IsUnavailable(packet.status())) return;
    if (!packet.ok()) {
      ended_ = true;
    } else if (packet->truncated) {
      Drop(fmt::format("over {} bytes in one message", kMostBytesDown));
    } else {
      Take(packet->bytes);
    }
  }
}

void Logger::Drop(const std::string& what) {
  if (std::exchange(dropped_, true)) return;
  spdlog::error("the guardian sent {}; dropped, and more of that without a word", what);
}

void Logger::Take(const std::string& packet) {
  v1::LoggerDown message;
  if (!message.ParseFromString(packet)) {
    Drop(fmt::format("{} bytes that are no message", packet.size()));
    return;
  }
  switch (message.message_case()) {
    case v1::LoggerDown::kAttach:
      intake_.Attach(message.attach(), MonoNow());
      return;
    case v1::LoggerDown::kDetach:
      intake_.Detach(message.detach().label(), MonoNow());
      return;
    case v1::LoggerDown::kTail: {
      v1::LoggerUp up;
      up.mutable_tail()->set_request(message.tail().request());
      up.mutable_tail()->set_stderr_tail(
          intake_.StderrTail(message.tail().label(), message.tail().forget()));
      outbox_.Add(std::move(up));
      return;
    }
    case v1::LoggerDown::kRead:
      Read(message.read());
      return;
    case v1::LoggerDown::MESSAGE_NOT_SET:
      Drop("an empty message");
      return;
  }
}

void Logger::Read(const v1::LoggerReadRequest& request) {
  auto outlet = intake_.OutletOf(request.read().program(), request.read().stderr());
  v1::OutputChunk chunk;
  if (!outlet) {
    chunk.set_error("no output of such a program here");
  } else if (!desk_.Ask(request.request(), request.read(), std::move(outlet))) {
    chunk.set_error("busy");
  } else {
    return;
  }
  chunk.set_cursor(request.read().cursor());
  Answer(request.request(), std::move(chunk));
}

void Logger::Answer(int64_t request, v1::OutputChunk chunk) {
  v1::LoggerUp up;
  up.mutable_read()->set_request(request);
  *up.mutable_read()->mutable_chunk() = std::move(chunk);
  outbox_.Add(std::move(up));
}

void Logger::Tell(const std::string& label, const std::string& why, bool mended) {
  v1::LoggerUp up;
  up.mutable_trouble()->set_label(label);
  up.mutable_trouble()->set_why(why);
  up.mutable_trouble()->set_mended(mended);
  outbox_.Add(std::move(up));
}

void Logger::TellLosses(MonoTime now) {
  for (const Writer::Lost& lost : writer_.TakeLost()) tally_.Add(lost.label, lost.bytes, lost.why);
  if (outbox_.many()) return;
  for (const LostTally::Report& report : tally_.TakeDue(now)) {
    v1::LoggerUp up;
    up.mutable_lost()->set_label(report.label);
    up.mutable_lost()->set_bytes(report.bytes);
    up.mutable_lost()->set_why(report.why);
    outbox_.Add(std::move(up));
  }
}

void Logger::Send() {
  uint32_t events = outbox_.SendTo(link_.get()) ? 0U : uint32_t{EPOLLOUT};
  // A guardian that asks and does not read is not listened to any more.
  if (!outbox_.many()) events |= EPOLLIN;
  if (events != link_events_) poller_.Change(link_token_, link_events_ = events);
}

bool Logger::End() {
  intake_.DrainAll(MonoNow() + kLastDrain);
  const bool written = writer_.Finish(kLastWrites);
  if (!written) spdlog::warn("not all output could be written before the end");
  return desk_.Stop(kLastRead) && written;
}

}  // namespace

absl::Status CheckLinkSocket(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET)
    return absl::FailedPreconditionError("no SOCK_SEQPACKET socket");
  return absl::OkStatus();
}

int RunLogger(node::UniqueFd link, const std::string& journal_socket) {
  auto poller = node::Poller::Create();
  if (!poller.ok()) Fatal("epoll_create1 failed: no descriptors or no memory at the start");
  // It prints a line for each string that is no UTF-8.
  const google::protobuf::LogSilencer quiet;
  Logger logger(std::move(link), *std::move(poller), journal_socket);
  logger.Run();
  if (!logger.End()) {
    spdlog::shutdown();
    _exit(0);
  }
  return 0;
}

}  // namespace procctl::logger

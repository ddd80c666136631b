#include "node/uplink/uplink.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "node/uplink/link.h"
#include "node/uplink/relay.h"
#include "node/uplink/session.h"
#include "node/uplink/wake_fd.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::uplink {
namespace {

constexpr std::chrono::seconds kOpenPatience{2};
constexpr std::chrono::seconds kLastWords{2};
constexpr std::chrono::seconds kLastDelivery{1};
// Packets taken in one go before the other duties have a turn.
constexpr int kPacketsPerTurn = 64;
constexpr std::chrono::nanoseconds kMaxConnectTimeout = std::chrono::minutes(2);

absl::Status CheckHello(const v1::LinkHello& hello) {
  if (hello.node_id().empty()) return absl::InvalidArgumentError("it has no node id");
  if (hello.state_dir().empty()) return absl::InvalidArgumentError("it has no state folder");
  if (hello.guardian_epoch() <= 0) {
    return absl::InvalidArgumentError("its epoch is not greater than zero");
  }
  return absl::OkStatus();
}

SessionOptions ToSessionOptions(const v1::LinkHello& hello) {
  SessionOptions options;
  options.address = hello.controller_address();
  options.server_name = hello.controller_name();
  options.tls = {hello.ca_pem(), hello.certificate_pem(), hello.key_pem()};
  const std::chrono::nanoseconds timeout = FromProto(hello.connect_timeout());
  if (timeout > std::chrono::nanoseconds(0)) {
    options.connect_timeout = std::min(timeout, kMaxConnectTimeout);
  }
  return options;
}

// Milliseconds for poll(), rounded up so that it never wakes just before its time and spins.
int PollTimeout(std::optional<BootTime> until) {
  if (!until.has_value()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - BootClock::now());
  return static_cast<int>(std::clamp<std::chrono::milliseconds::rep>(left.count(), 0, 60'000));
}

std::optional<BootTime> Earlier(std::optional<BootTime> a, std::optional<BootTime> b) {
  if (!a.has_value()) return b;
  if (!b.has_value()) return a;
  return std::min(*a, *b);
}

class Loop {
 public:
  Loop(UniqueFd link, UniqueFd stop_fd) : link_(std::move(link)), stop_fd_(std::move(stop_fd)) {}

  int Run();

 private:
  // Until the guardian's hello; nullopt: the end came first.
  std::optional<v1::LinkHello> AwaitHello();
  void Serve(Relay* relay, Session* session);
  // False: the guardian has ended, or said that it does.
  bool TakeUp(Relay* relay, int packets);
  // False: blocked until the link is writable.
  bool PassDown(Relay* relay);

  Link link_;
  UniqueFd stop_fd_;
  WakeFd wake_;
};

int Loop::Run() {
  const std::optional<v1::LinkHello> hello = AwaitHello();
  if (!hello.has_value()) return 0;
  if (absl::Status status = CheckHello(*hello); !status.ok()) {
    spdlog::error(
        "link: the guardian's hello cannot be used: {}; are procctl-node and "
        "procctl-uplink of one version?",
        std::string(status.message()));
    return 1;
  }
  Relay relay(*hello, &wake_);
  // Until the spool says what it holds, nobody knows which events are new.
  relay.spool().Start(kOpenPatience);
  std::unique_ptr<Session> session;
  if (hello->controller_address().empty()) {
    spdlog::info("no controller is configured: events are only spooled");
  } else {
    session = std::make_unique<Session>(ToSessionOptions(*hello), &relay, &wake_);
    session->Start();
  }
  Serve(&relay, session.get());
  // The guardian's last events may still lie in the socket.
  (void)TakeUp(&relay, std::numeric_limits<int>::max());
  relay.AwaitDelivered(kLastDelivery);
  if (session != nullptr) session->Stop();
  if (!relay.spool().Stop(kLastWords)) {
    spdlog::error(
        "spool: the disk did not answer within 2s; what it did not take is lost unless a "
        "controller has it");
    // Its thread is stuck in the kernel with our objects: they must not be destroyed.
    _exit(0);
  }
  return 0;
}

std::optional<v1::LinkHello> Loop::AwaitHello() {
  for (;;) {
    pollfd fds[] = {{link_.fd(), POLLIN, 0}, {stop_fd_.get(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return std::nullopt;
    if (fds[1].revents != 0) return std::nullopt;
    Link::Received received = link_.Receive();
    switch (received.kind) {
      case Link::Received::Kind::kClosed:
        return std::nullopt;
      case Link::Received::Kind::kMessage:
        if (received.message.has_hello()) return std::move(*received.message.mutable_hello());
        spdlog::error("link: a message before the guardian's hello; left out");
        break;
      case Link::Received::Kind::kMalformed:
        spdlog::error("link: a malformed packet before the guardian's hello; left out");
        break;
      case Link::Received::Kind::kNothing:
        break;
    }
  }
}

void Loop::Serve(Relay* relay, Session* session) {
  bool blocked = false;
  for (;;) {
    const bool paused = relay->paused();
    const auto link_events = static_cast<short>((paused ? 0 : POLLIN) | (blocked ? POLLOUT : 0));
    std::optional<BootTime> until;
    if (!blocked) until = relay->DownDueAt();
    if (session != nullptr) until = Earlier(until, session->CheckSilence(BootClock::now()));
    pollfd fds[] = {
        {link_.fd(), link_events, 0}, {wake_.fd(), POLLIN, 0}, {stop_fd_.get(), POLLIN, 0}};
    const int ready = poll(fds, 3, PollTimeout(until));
    if (ready < 0) continue;  // EINTR; the rest are bugs of ours.
    if (ready == 0 && until.has_value()) relay->NoteLateness(*until, BootClock::now());
    if (fds[2].revents != 0) return;
    if (fds[1].revents != 0) wake_.Drain();
    if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
      // After a hang-up everything is taken, bound or no bound: the guardian's ring is gone.
      const bool hung_up = (fds[0].revents & (POLLHUP | POLLERR)) != 0;
      if (!TakeUp(relay, hung_up ? std::numeric_limits<int>::max() : kPacketsPerTurn)) return;
    }
    blocked = !PassDown(relay);
  }
}

bool Loop::TakeUp(Relay* relay, int packets) {
  for (; packets > 0; --packets) {
    Link::Received received = link_.Receive();
    switch (received.kind) {
      case Link::Received::Kind::kNothing:
        return true;
      case Link::Received::Kind::kClosed:
        return false;
      case Link::Received::Kind::kMalformed:
        spdlog::error("link: a malformed packet of the guardian; left out");
        relay->OnMalformed();
        continue;
      case Link::Received::Kind::kMessage:
        break;
    }
    switch (received.message.message_case()) {
      case v1::LinkUp::kSlots:
        relay->OnSlots(std::move(*received.message.mutable_slots()));
        break;
      case v1::LinkUp::kEvents:
        relay->OnEvents(std::move(*received.message.mutable_events()));
        break;
      case v1::LinkUp::kDetail:
        relay->OnDetail(std::move(*received.message.mutable_detail()));
        break;
      case v1::LinkUp::kHello:
        spdlog::error("link: a second hello of the guardian; left out");
        break;
      case v1::LinkUp::kGoodbye:
        relay->OnGoodbye(received.message.goodbye());
        return false;
      case v1::LinkUp::MESSAGE_NOT_SET:
        spdlog::error("link: a message that this version does not know; left out");
        break;
    }
  }
  return true;
}

bool Loop::PassDown(Relay* relay) {
  while (const std::optional<v1::LinkDown> message = relay->NextDown()) {
    if (link_.Send(*message) == Link::Sent::kBlocked) return false;
    // Also if it can never be sent: Send has said so, and the others must not wait behind it.
    relay->DownSent(*message);
  }
  return true;
}

}  // namespace

int RunUplink(UniqueFd link, UniqueFd stop_fd) {
  return Loop(std::move(link), std::move(stop_fd)).Run();
}

}  // namespace procctl::uplink

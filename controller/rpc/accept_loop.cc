#include "controller/rpc/accept_loop.h"

#include <fcntl.h>
#include <grpcpp/server_builder.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "controller/core/accept_policy.h"
#include "controller/rpc/clocks.h"
#include "controller/rpc/listen_address.h"
#include "proto/support/duration_text.h"
#include "proto/support/logging.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

constexpr int kBacklog = 4096;
constexpr int kCrowdedPauseMs = 5;
constexpr int kMostInARow = 256;
// No stream is given a larger window. gRPC's threads read a connection until nothing is left to
// read, and do nothing else meanwhile: a kernel that holds megabytes for one flooding peer would
// keep everybody waiting.
constexpr int kReceiveBuffer = 64 << 10;
constexpr int kShedLogMs = 1000;

std::string AddressText(const sockaddr* address, socklen_t size) {
  std::array<char, NI_MAXHOST> host = {};
  std::array<char, NI_MAXSERV> port = {};
  if (getnameinfo(address, size, host.data(), host.size(), port.data(), port.size(),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "?";
  }
  return address->sa_family == AF_INET6 ? fmt::format("[{}]:{}", host.data(), port.data())
                                        : fmt::format("{}:{}", host.data(), port.data());
}

UniqueFd OpenReserve() { return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

absl::StatusOr<UniqueFd> Bind(const std::string& address) {
  std::string host;
  std::string port;
  if (absl::Status split = SplitListenAddress(address, &host, &port); !split.ok()) return split;
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return absl::InvalidArgumentError(
        fmt::format("listen {}: {}; use an address of this host", address, gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> holder(found, freeaddrinfo);
  UniqueFd listener(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  // Inherited by what is accepted; a refusal only costs others time in a flood.
  (void)setsockopt(listener.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof(kReceiveBuffer));
  // REUSEADDR for quick restarts; never REUSEPORT: a second controller must fail, not take half.
  if (!listener.ok() ||
      setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(listener.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      listen(listener.get(), kBacklog) != 0) {
    return absl::FailedPreconditionError(
        fmt::format("listen {}: {}{}", address, strerror(errno),
                    errno == EADDRINUSE ? "; stop what listens there, or set another port" : ""));
  }
  return listener;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AcceptLoop>> AcceptLoop::Listen(const std::string& address,
                                                               int descriptor_limit,
                                                               const ConnectionLimits& limits) {
  auto listener = Bind(address);
  if (!listener.ok()) return listener.status();
  sockaddr_storage bound = {};
  socklen_t size = sizeof(bound);
  auto* const generic = reinterpret_cast<sockaddr*>(&bound);
  if (getsockname(listener->get(), generic, &size) != 0) {
    return absl::InternalError(fmt::format("getsockname: {}", strerror(errno)));
  }
  UniqueFd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  UniqueFd reserve = OpenReserve();
  if (!stop.ok() || !reserve.ok()) {
    return absl::ResourceExhaustedError(
        fmt::format("no descriptors to listen with: {}", strerror(errno)));
  }
  auto newcomers = Newcomers::Make(limits);
  if (!newcomers.ok()) return newcomers.status();
  Parts parts{*std::move(listener),  std::move(stop), std::move(reserve),
              *std::move(newcomers), bound,           AddressText(generic, size)};
  return std::unique_ptr<AcceptLoop>(new AcceptLoop(std::move(parts), descriptor_limit, limits));
}

AcceptLoop::AcceptLoop(Parts parts, int descriptor_limit, const ConnectionLimits& limits)
    : listener_(std::move(parts.listener)),
      stop_(std::move(parts.stop)),
      reserve_(std::move(parts.reserve)),
      address_(std::move(parts.address)),
      descriptor_limit_(descriptor_limit),
      ceiling_(AcceptCeiling(descriptor_limit)),
      limits_(limits),
      newcomers_(std::move(parts.newcomers)),
      probe_(parts.bound) {}

AcceptLoop::~AcceptLoop() { Stop(); }

void AcceptLoop::Start(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor) {
  acceptor_ = std::move(acceptor);
  thread_ = std::thread([this] { Loop(); });
}

void AcceptLoop::Stop() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    // An eventfd takes its first write always.
    (void)!write(stop_.get(), &one, sizeof(one));
    thread_.join();
  }
  listener_.Reset();
}

bool AcceptLoop::WaitFor(bool listener, int timeout_ms) {
  std::array<pollfd, 3> fds = {
      {{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}, {newcomers_->wake_fd(), POLLIN, 0}}};
  const nfds_t count = listener ? 3 : 1;
  // An error of poll itself (EINTR, ENOMEM) is a wake-up like any other.
  if (poll(fds.data(), count, timeout_ms) < 0) return true;
  return fds[0].revents == 0;
}

void AcceptLoop::Loop() {
  while (WaitFor(/*listener=*/true, Patience())) {
    // First those that are through, so that their places are free for those that come.
    Shed(ShedReason::kHandshake, newcomers_->Tend(MonoNow()), nullptr);
    // Not for ever: a flood must not keep the overdue ones alive.
    for (int i = 0; i < kMostInARow && !newcomers_->Crowded(MonoNow()) && AcceptOne(); ++i) {
    }
    // They are through within milliseconds, and do not wake this thread.
    if (newcomers_->Crowded(MonoNow()) && !WaitFor(/*listener=*/false, kCrowdedPauseMs)) break;
    TellShed();
  }
}

int AcceptLoop::Patience() const {
  int patience = shed_log_.pending() ? kShedLogMs : -1;
  if (const auto deadline = newcomers_->NextDeadline(); deadline.has_value()) {
    using std::chrono::milliseconds;
    const auto left = std::chrono::ceil<milliseconds>(*deadline - MonoNow()) + milliseconds(1);
    const int until = static_cast<int>(std::max(milliseconds(0), left).count());
    patience = patience < 0 ? until : std::min(patience, until);
  }
  return patience;
}

bool AcceptLoop::AcceptOne() {
  sockaddr_storage peer = {};
  socklen_t size = sizeof(peer);
  UniqueFd connection(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size,
                              SOCK_CLOEXEC | SOCK_NONBLOCK));
  const int error = connection.ok() ? 0 : errno;
  if (connection.ok() && probe_.Recognize(peer)) return true;
  const AcceptAction action = JudgeAccept(error, connection.get(), ceiling_);
  if (action != AcceptAction::kBackOff) failures_ = 0;
  switch (action) {
    case AcceptAction::kHandOver:
      TakeIn(std::move(connection), peer);
      return true;
    case AcceptAction::kShed:
      connection.Reset();
      Shed(ShedReason::kDescriptors, 1, &peer);
      return true;
    case AcceptAction::kUseReserve:
      UseReserve();
      return true;
    case AcceptAction::kRetry:
      return true;
    case AcceptAction::kWait:
      return false;
    case AcceptAction::kBackOff: {
      const auto pause = AcceptPause(failures_++);
      spdlog::warn("accept: {}; trying again in {} ms", strerror(error), pause.count());
      return WaitFor(/*listener=*/false, static_cast<int>(pause.count()));
    }
    case AcceptAction::kBroken:
      Fatal(fmt::format("the listening socket is unusable: {}", strerror(error)));
  }
  return false;
}

void AcceptLoop::TakeIn(UniqueFd connection, const sockaddr_storage& peer) {
  switch (newcomers_->Admit(connection.get(), peer, MonoNow())) {
    case Newcomers::Answer::kWelcome:
      return HandOver(std::move(connection));
    case Newcomers::Answer::kTooManyOfAddress:
      connection.Reset();
      return Shed(ShedReason::kAddress, 1, &peer);
    case Newcomers::Answer::kShunned:
      connection.Reset();
      return Shed(ShedReason::kShunned, 1, &peer);
    case Newcomers::Answer::kNoDescriptor:
      connection.Reset();
      return Shed(ShedReason::kDescriptors, 1, &peer);
  }
}

void AcceptLoop::HandOver(UniqueFd connection) {
  const int on = 1;
  // gRPC sets this on sockets it accepts itself; without it small answers wait for
  // acknowledgements.
  (void)setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.listener_fd = listener_.get();
  parameters.fd = connection.Release();
  acceptor_->HandleNewConnection(&parameters);
}

void AcceptLoop::UseReserve() {
  // ENFILE can be the whole machine's: then there may be no reserve to open again, and the pause
  // keeps the loop from spinning on a connection it cannot take.
  if (!reserve_.ok()) {
    (void)WaitFor(/*listener=*/false, static_cast<int>(AcceptPause(failures_).count()));
    reserve_ = OpenReserve();
    return;
  }
  reserve_.Reset();
  UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (connection.ok()) {
    connection.Reset();
    Shed(ShedReason::kDescriptors, 1, nullptr);
  }
  reserve_ = OpenReserve();
}

void AcceptLoop::Shed(ShedReason reason, int count, const sockaddr_storage* peer) {
  if (count == 0) return;
  shed_[static_cast<std::size_t>(reason)].fetch_add(count, std::memory_order_relaxed);
  shed_log_.Note(
      reason, count,
      peer == nullptr ? "" : AddressText(reinterpret_cast<const sockaddr*>(peer), sizeof(*peer)));
}

void AcceptLoop::TellShed() {
  for (const ShedLog::Line& line : shed_log_.Take(MonoNow())) {
    switch (line.reason) {
      case ShedReason::kDescriptors:
        spdlog::warn(
            "closed {} new connections: descriptors are short (limit {}); raise LimitNOFILE or see "
            "who connects",
            line.count, descriptor_limit_);
        break;
      case ShedReason::kAddress:
        spdlog::warn(
            "closed {} new connections, the last from {}: {} of its address have not begun a call "
            "yet; where many nodes share an address raise limits.connections_per_address",
            line.count, line.last_address, limits_.per_address);
        break;
      case ShedReason::kHandshake:
        spdlog::warn("closed {} connections that began no call within {}", line.count,
                     FormatDuration(limits_.handshake_timeout));
        break;
      case ShedReason::kShunned:
        spdlog::warn(
            "closed {} new connections, the last from {}: one of its address was cut in the last "
            "{} "
            "s because it began calls without end; see what runs there",
            line.count, line.last_address, Newcomers::kShunTime.count());
        break;
    }
  }
}

}  // namespace procctl::controller

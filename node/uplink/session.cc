#include "node/uplink/session.h"

#include <grpc/support/log.h>
#include <grpcpp/channel.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "node/uplink/outbox.h"
#include "proto/support/channel.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/status.h"
#include "proto/support/time_convert.h"
#include "proto/support/tls_probe.h"
#include "spdlog/spdlog.h"

namespace procctl::uplink {
namespace {

// Three heartbeats of the other side may be missing; the fourth would be late.
constexpr int kMissedHeartbeats = 3;
// From connecting to Welcome, beyond the time to connect: a controller under a reconnect storm is
// slow, and giving up makes the storm worse.
constexpr std::chrono::seconds kWelcomePatience{10};
constexpr std::chrono::milliseconds kProbeTimeout{1500};
constexpr std::chrono::seconds kProbeEvery{60};
// How long a controller may take to end a stream that this side has ended.
constexpr absl::Duration kPoliteEnd = absl::Seconds(1);

// gRPC's own lines would stand raw among ours; what matters of them Report says.
void LogOfGrpc(gpr_log_func_args* args) { spdlog::debug("gRPC: {}", args->message); }

// What a person can do about a controller's refusal, where its own words do not say.
std::string_view Advice(const absl::Status& end) {
  switch (end.code()) {
    case absl::StatusCode::kPermissionDenied:
      return "; the node's certificate must be for spiffe://<fleet>/node/<its node_id>: check "
             "node_id and controller.cert in the configuration of procctl-node";
    case absl::StatusCode::kUnimplemented:
      return "; is that port a procctl-controller's?";
    default:
      return "";
  }
}

}  // namespace

Session::Session(SessionOptions options, Relay* relay, WakeFd* watchdog_wake)
    : options_(std::move(options)),
      relay_(relay),
      watchdog_wake_(watchdog_wake),
      random_(std::random_device{}()) {}

Session::~Session() { Stop(); }

void Session::Start() {
  gpr_set_log_function(LogOfGrpc);
  thread_ = std::thread([this] { Run(); });
}

void Session::Stop() {
  relay_->FinishSession();
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
    const auto over = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return context_ == nullptr; };
    if (welcomed_at_.has_value()) {
      (void)mutex_.AwaitWithTimeout(absl::Condition(&over), kPoliteEnd);
    }
    if (context_ != nullptr) context_->TryCancel();
  }
  relay_->EndSession();
  if (thread_.joinable()) thread_.join();
}

std::optional<BootTime> Session::CheckSilence(BootTime now) {
  absl::MutexLock lock(&mutex_);
  if (context_ == nullptr || !own_reason_.ok()) return std::nullopt;
  if (now <= silent_at_) return silent_at_;
  own_reason_ = absl::UnavailableError(
      welcomed_at_.has_value()
          ? fmt::format("nothing was heard from the controller for {}", FormatDuration(patience_))
          : fmt::format("the controller did not welcome this node within {}",
                        FormatDuration(patience_)));
  context_->TryCancel();
  return std::nullopt;
}

void Session::Run() {
  for (;;) {
    const End end = RunOne();
    {
      absl::MutexLock lock(&mutex_);
      if (stop_) return;
    }
    const absl::Status explained = Explain(end);
    const double unit = std::uniform_real_distribution<double>(0, 1)(random_);
    const std::chrono::milliseconds delay =
        reconnect_.DelayAfter({explained, end.lasted, end.within, end.drained}, unit);
    Report(end, explained, delay);
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stop_), absl::FromChrono(delay))) return;
  }
}

Session::End Session::RunOne() {
  // A new channel each time: it makes a new connection and leaves a dead one behind.
  const std::shared_ptr<grpc::Channel> channel =
      MakeChannel(options_.address, options_.server_name, options_.tls);
  const std::unique_ptr<v1::NodeService::Stub> stub = v1::NodeService::NewStub(channel);
  grpc::ClientContext context;
  v1::SessionRequest first;
  *first.mutable_hello() = relay_->BeginSession();
  {
    absl::MutexLock lock(&mutex_);
    if (stop_) return {.end = absl::CancelledError("stopped")};
    reader_ended_ = false;
    own_reason_ = absl::OkStatus();
    welcomed_at_.reset();
    drain_.reset();
    patience_ = options_.connect_timeout + kWelcomePatience;
    silent_at_ = BootClock::now() + patience_;
    context_ = &context;
  }
  watchdog_wake_->Wake();

  const std::unique_ptr<Stream> stream = stub->Session(&context);
  std::thread reader([this, &stream] { Read(stream.get()); });
  bool open = stream->Write(first);
  while (open) {
    const std::optional<v1::SessionRequest> request = relay_->NextRequest();
    if (!request.has_value()) break;
    open = stream->Write(*request);
  }
  if (open) (void)stream->WritesDone();  // If that fails, the reader learns why.
  {
    // A failed write means that the stream is over and the reader is about to learn how; cancelling
    // now could put our CANCELLED in the place of the controller's reason.
    absl::MutexLock lock(&mutex_);
    (void)mutex_.AwaitWithTimeout(absl::Condition(&reader_ended_), kPoliteEnd);
    if (!reader_ended_) context.TryCancel();
  }
  reader.join();
  const absl::Status status = FromGrpc(stream->Finish());

  absl::MutexLock lock(&mutex_);
  context_ = nullptr;
  End tried;
  tried.end = own_reason_.ok() ? status : own_reason_;
  if (tried.end.ok()) tried.end = absl::UnavailableError("the controller ended the session");
  if (drain_.has_value()) {
    tried.drained = FromProto(drain_->delay());
    // How the stream ended after that is no news.
    const std::string reason = Printable(std::string_view(drain_->reason()).substr(0, 200));
    tried.end = absl::UnavailableError("the controller sent this node away for a while" +
                                       (reason.empty() ? "" : ": " + reason));
  }
  if (welcomed_at_.has_value()) tried.lasted = BootClock::now() - *welcomed_at_;
  tried.within = within_;
  return tried;
}

void Session::Read(Stream* stream) {
  bool welcomed = false;
  v1::SessionResponse response;
  while (stream->Read(&response)) {
    {
      absl::MutexLock lock(&mutex_);
      silent_at_ = BootClock::now() + patience_;
    }
    if (absl::Status status = Handle(std::move(response), &welcomed); !status.ok()) {
      Cancel(std::move(status));
      break;
    }
    response.Clear();
  }
  {
    absl::MutexLock lock(&mutex_);
    reader_ended_ = true;
  }
  relay_->EndSession();
}

absl::Status Session::Handle(v1::SessionResponse response, bool* welcomed) {
  if (*welcomed != (response.message_case() != v1::SessionResponse::kWelcome)) {
    return absl::InvalidArgumentError(
        *welcomed
            ? "the controller sent a second Welcome"
            : "the controller's first message was not a Welcome; is that a procctl-controller "
              "of this version?");
  }
  switch (response.message_case()) {
    case v1::SessionResponse::kWelcome: {
      const v1::Welcome& welcome = response.welcome();
      if (absl::Status status = relay_->OnWelcome(welcome); !status.ok()) return status;
      *welcomed = true;
      spdlog::info("session: connected to {} as session {} of controller \"{}\" {}",
                   options_.address, welcome.session_epoch(), Printable(welcome.controller_id()),
                   Printable(welcome.software_version()));
      {
        absl::MutexLock lock(&mutex_);
        welcomed_at_ = BootClock::now();
        patience_ = kMissedHeartbeats * HeartbeatInterval(welcome);
        within_ =
            ReconnectWithin(welcome.has_reconnect_within() ? &welcome.reconnect_within() : nullptr);
        silent_at_ = *welcomed_at_ + patience_;
      }
      // The deadline may have come nearer.
      watchdog_wake_->Wake();
      break;
    }
    case v1::SessionResponse::kEventAck:
      relay_->OnEventAck(response.event_ack());
      break;
    case v1::SessionResponse::kOrder:
      relay_->OnOrder(std::move(*response.mutable_order()));
      break;
    case v1::SessionResponse::kHold:
      relay_->OnHold(std::move(*response.mutable_hold()));
      break;
    case v1::SessionResponse::kProgram:
      relay_->OnProgram(std::move(*response.mutable_program()));
      break;
    case v1::SessionResponse::kDetail:
      relay_->OnDetailRequest(std::move(*response.mutable_detail()));
      break;
    case v1::SessionResponse::kResync:
      relay_->OnResync(response.resync());
      break;
    case v1::SessionResponse::kHeartbeat:
      relay_->OnHeartbeat(response.heartbeat());
      break;
    case v1::SessionResponse::kDrain: {
      {
        absl::MutexLock lock(&mutex_);
        drain_ = response.drain();
      }
      // Ends the writer, which ends the stream from our side.
      relay_->EndSession();
      break;
    }
    // From a newer controller: what it means is unknown, that it lives is not.
    case v1::SessionResponse::MESSAGE_NOT_SET:
      break;
  }
  return absl::OkStatus();
}

void Session::Cancel(absl::Status why) {
  absl::MutexLock lock(&mutex_);
  if (own_reason_.ok()) own_reason_ = std::move(why);
  if (context_ != nullptr) context_->TryCancel();
}

absl::Status Session::Explain(const End& end) {
  // A refused handshake and a dead port look alike to gRPC ("failed to connect"). One probe a
  // minute tells them apart; a fleet that has lost its controller must not double its handshakes.
  if (!absl::IsUnavailable(end.end) || end.lasted > std::chrono::nanoseconds(0)) {
    probe_again_at_ = {};
    return end.end;
  }
  const BootTime now = BootClock::now();
  if (now >= probe_again_at_) {
    last_probe_ = ProbeTls(options_.address, options_.server_name, options_.tls, kProbeTimeout);
    probe_again_at_ = now + kProbeEvery;
  }
  return last_probe_.ok() ? end.end : last_probe_;
}

void Session::Report(const End& end, const absl::Status& explained,
                     std::chrono::milliseconds delay) {
  const std::string reason = std::string(explained.message()) + std::string(Advice(explained));
  const std::string next = FormatDuration(std::max(delay, std::chrono::milliseconds(1)));
  if (end.lasted > std::chrono::nanoseconds(0)) {
    spdlog::warn("session: ended after {}: {}; connecting again in {}", FormatDuration(end.lasted),
                 reason, next);
    last_reported_.clear();
    return;
  }
  // Every thirty seconds for as long as a controller is away would only hide other lines.
  const auto level = reason == last_reported_  ? spdlog::level::debug
                     : NeedsAPerson(explained) ? spdlog::level::err
                                               : spdlog::level::warn;
  spdlog::log(level, "session: no session with {}: {}; events are kept, trying again in {}",
              options_.address, reason, next);
  last_reported_ = reason;
}

}  // namespace procctl::uplink

// The stream to the controller: connects, keeps one session after the other, for ever.
//
// Synchronous gRPC with two threads: one connects and writes, one reads (the callback API naps up
// to 100 ms at a time in gRPC 1.51). A third thread, the caller's, is the watchdog: it calls
// CheckSilence and so ends a session that nothing is heard from, even while both others are blocked
// in it.
#pragma once

#include <grpcpp/client_context.h>

#include <chrono>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "node/uplink/boot_clock.h"
#include "node/uplink/reconnect_rule.h"
#include "node/uplink/relay.h"
#include "procctl/v1/node_service.grpc.pb.h"
#include "proto/support/tls_files.h"

namespace procctl::uplink {

struct SessionOptions {
  std::string address;
  std::string server_name;
  TlsPem tls;
  std::chrono::nanoseconds connect_timeout{std::chrono::seconds(5)};
};

class Session {
 public:
  // `watchdog_wake` is woken when CheckSilence is due earlier than it said.
  Session(SessionOptions options, Relay* relay, WakeFd* watchdog_wake);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void Start();
  // Ends the session and both threads: a controller that listens hears the guardian's Goodbye, if
  // there was one, and has a second to end the stream; then it is cancelled. Waits for a TLS probe
  // that runs (under 2 s).
  void Stop();

  // Cancels the session if nothing was heard for too long. Returns when to call again; nullopt:
  // when woken.
  std::optional<BootTime> CheckSilence(BootTime now);

 private:
  using Stream = grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionResponse>;
  using End = ReconnectRule::Tried;

  void Run();
  End RunOne();
  void Read(Stream* stream);
  absl::Status Handle(v1::SessionResponse response, bool* welcomed);
  void Cancel(absl::Status why);
  // What the end means and what to do about it; asks the TLS probe where gRPC is silent.
  absl::Status Explain(const End& end);
  void Report(const End& end, const absl::Status& explained, std::chrono::milliseconds delay);

  const SessionOptions options_;
  Relay* const relay_;
  WakeFd* const watchdog_wake_;
  std::thread thread_;

  // Only the connecting thread touches these.
  ReconnectRule reconnect_;
  std::mt19937_64 random_;
  absl::Status last_probe_;
  BootTime probe_again_at_;
  std::string last_reported_;

  absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool reader_ended_ ABSL_GUARDED_BY(mutex_) = false;
  // Set while a session is under way.
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  // Why we ended it ourselves; OK if we did not.
  absl::Status own_reason_ ABSL_GUARDED_BY(mutex_);
  BootTime silent_at_ ABSL_GUARDED_BY(mutex_);
  std::chrono::nanoseconds patience_ ABSL_GUARDED_BY(mutex_){0};
  std::optional<BootTime> welcomed_at_ ABSL_GUARDED_BY(mutex_);
  std::chrono::milliseconds within_ ABSL_GUARDED_BY(mutex_) = kDefaultReconnectWithin;
  // The controller sent this node away.
  std::optional<v1::Drain> drain_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::uplink

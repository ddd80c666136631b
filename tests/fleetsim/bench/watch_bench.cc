#include "tests/fleetsim/bench/watch_bench.h"

#include "procctl/v1/fleet_service.grpc.pb.h"
#include "proto/support/channel.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::bench {
namespace {

v1::WatchRequest Everything() {
  v1::WatchRequest request;
  request.set_events("");
  return request;
}

}  // namespace

struct StoppedWatchers::Watcher {
  std::unique_ptr<v1::FleetService::Stub> stub;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<v1::WatchResponse>> stream;
};

StoppedWatchers::StoppedWatchers(const std::string& address, const TlsPem& tls, int count) {
  for (int i = 0; i < count; ++i) {
    auto watcher = std::make_unique<Watcher>();
    watcher->stub = v1::FleetService::NewStub(MakeChannel(address, "127.0.0.1", tls));
    watcher->context.set_wait_for_ready(true);
    watcher->stream = watcher->stub->Watch(&watcher->context, Everything());
    watchers_.push_back(std::move(watcher));
  }
}

StoppedWatchers::~StoppedWatchers() {
  for (const auto& watcher : watchers_) {
    watcher->context.TryCancel();
    v1::WatchResponse ignored;
    while (watcher->stream->Read(&ignored)) {
    }
    (void)watcher->stream->Finish();
  }
}

WatchTimes MeasureHealthyWatcher(const std::string& address, const TlsPem& tls,
                                 std::chrono::seconds period) {
  WatchTimes times;
  const auto stub = v1::FleetService::NewStub(MakeChannel(address, "127.0.0.1", tls));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + period);
  const auto stream = stub->Watch(&context, Everything());
  v1::WatchResponse response;
  while (stream->Read(&response)) {
    times.resyncs += response.has_resync() ? 1 : 0;
    const auto now = std::chrono::system_clock::now();
    for (const v1::StoredEvent& stored : response.events().events()) {
      times.delay.Add(now - FromProto(stored.event().at()));
    }
  }
  const grpc::Status status = stream->Finish();
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    times.error = "this controller has no Watch (UNIMPLEMENTED)";
  } else if (status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) {
    times.error = fmt::format("the watch ended: {}", status.error_message());
  }
  return times;
}

}  // namespace procctl::bench

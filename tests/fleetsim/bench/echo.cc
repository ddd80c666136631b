#include "tests/fleetsim/bench/echo.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <thread>

#include "procctl/v1/node_service.grpc.pb.h"
#include "proto/support/channel.h"
#include "proto/support/server_arguments.h"
#include "spdlog/fmt/fmt.h"
#include "tests/e2e/harness/wait.h"

namespace procctl::bench {
namespace {

class Echo final : public v1::NodeService::Service {
 public:
  grpc::Status Session(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::SessionResponse, v1::SessionRequest>* stream) override {
    v1::SessionRequest request;
    v1::SessionResponse response;
    response.mutable_order()->set_order_id("echo/0");
    response.mutable_order()->set_reason(std::string(150, 'r'));
    while (stream->Read(&request)) {
      if (!stream->Write(response)) break;
    }
    return grpc::Status::OK;
  }
};

}  // namespace

int ServeEcho(const TlsPem& tls) {
  Echo echo;
  grpc::ServerBuilder builder;
  ApplyServerArguments(&builder);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", MakeServerCredentials(tls), &port);
  builder.RegisterService(&echo);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) return 1;
  fmt::print("listening on 127.0.0.1:{}\n", port);
  std::fflush(stdout);
  server->Wait();
  return 0;
}

Samples MeasureEcho(const std::string& address, const TlsPem& tls, int count,
                    std::chrono::nanoseconds pause) {
  const auto stub = v1::NodeService::NewStub(MakeChannel(address, "127.0.0.1", tls));
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  const auto stream = stub->Session(&context);
  v1::SessionRequest request;
  request.mutable_heartbeat()->set_revision(1);
  v1::SessionResponse response;
  Samples samples;
  // The first one carries the connection.
  for (int i = -1; i < count; ++i) {
    std::this_thread::sleep_for(i < 0 ? std::chrono::nanoseconds(0) : pause);
    const auto start = std::chrono::steady_clock::now();
    if (!stream->Write(request) || !stream->Read(&response)) {
      throw e2e::HarnessError("the echo's stream broke");
    }
    if (i >= 0) samples.Add(std::chrono::steady_clock::now() - start);
  }
  stream->WritesDone();
  (void)stream->Finish();
  return samples;
}

}  // namespace procctl::bench

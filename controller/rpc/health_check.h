// Asks a server through grpc.health.v1.Health/Check. Blocks: for commands and tests.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <string>

namespace procctl::controller {

struct HealthAnswer {
  // NOT_FOUND: the server knows no such service.
  grpc::Status status;
  bool serving = false;
};

HealthAnswer CheckHealth(grpc::ChannelInterface* channel, const std::string& service,
                         std::chrono::nanoseconds timeout);

}  // namespace procctl::controller

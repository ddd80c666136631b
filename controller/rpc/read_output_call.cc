#include "controller/rpc/read_output_call.h"

#include <utility>

#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

constexpr size_t kMostLabelBytes = 1024;
constexpr size_t kMostCursorBytes = 1024;

}  // namespace

std::shared_ptr<ReadOutputCall> ReadOutputCall::Make(v1::ReadOutputResponse* response) {
  std::shared_ptr<ReadOutputCall> call(new ReadOutputCall(response));
  Keep(call);
  return call;
}

void ReadOutputCall::Answered(v1::DetailReply reply) {
  v1::ReadOutputResponse response;
  *response.mutable_chunk() = std::move(*reply.mutable_output());
  Succeed(std::move(response));
}

absl::Status CheckReadOutput(const v1::ReadOutputRequest& request) {
  const v1::ReadOutput& read = request.read();
  if (request.node().empty() || request.node().size() > 63) {
    return absl::InvalidArgumentError("node must be 1 to 63 characters");
  }
  if (read.program().empty() || read.program().size() > kMostLabelBytes) {
    return absl::InvalidArgumentError(
        "read.program must be the label of a row as ListPrograms showed it, 1 to 1024 bytes");
  }
  if (read.cursor().size() > kMostCursorBytes) {
    return absl::InvalidArgumentError(
        "read.cursor is over 1024 bytes; take it from an earlier chunk, or leave it out");
  }
  if (read.tail_lines() < 0 || read.max_bytes() < 0) {
    return absl::InvalidArgumentError("read.tail_lines and read.max_bytes must be 0 or more");
  }
  const std::chrono::nanoseconds wait = FromProto(read.wait());
  if (wait < std::chrono::nanoseconds(0) || wait > kMostOutputWait) {
    return absl::InvalidArgumentError(
        fmt::format("read.wait {} ms; it must be 0 to 3 s: ask again to go on waiting",
                    std::chrono::duration_cast<std::chrono::milliseconds>(wait).count()));
  }
  return absl::OkStatus();
}

}  // namespace procctl::controller

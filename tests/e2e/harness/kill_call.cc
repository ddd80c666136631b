#include "tests/e2e/harness/kill_call.h"

#include <grpcpp/client_context.h>
#include <unistd.h>

#include <cstdlib>

#include "procctl/v1/fleet_service.grpc.pb.h"
#include "proto/support/channel.h"
#include "proto/support/tls_files.h"

namespace procctl::e2e {
namespace {

// Runs in the child. What was heard goes to the file as two messages behind their lengths.
int Call(const std::string& address, const std::string& tls_folder,
         const v1::KillSlotsRequest& request, const std::string& file) {
  const auto tls =
      ReadTls({tls_folder + "/ca.crt", tls_folder + "/cert.pem", tls_folder + "/key.pem"});
  if (!tls.ok()) return 2;
  const auto stub =
      v1::FleetService::NewStub(MakeChannel(address, address.substr(0, address.rfind(':')), *tls));
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  const auto stream = stub->KillSlots(&context, request);
  bool repeated = false;
  v1::TargetProgress last;
  for (v1::KillSlotsResponse response; stream->Read(&response);) {
    if (response.has_accepted()) repeated = response.accepted().repeated_request();
    if (response.has_progress()) last = response.progress();
  }
  const grpc::Status status = stream->Finish();
  if (!status.ok()) {
    WriteFile(file, "!" + status.error_message());
    return 1;
  }
  WriteFile(file, (repeated ? "r" : "n") + last.SerializeAsString());
  return 0;
}

}  // namespace

KillCall::KillCall(const Fleet& fleet, const SplitNetwork* network,
                   const v1::KillSlotsRequest& request) {
  char file[] = "/tmp/procctl-kill-XXXXXX";
  close(mkstemp(file));
  file_ = file;
  child_ = Child::Fork([&] {
    if (network != nullptr && !network->ControllerSide()()) return 3;
    return Call(fleet.address(), fleet.OperatorTls(), request, file_);
  });
}

KillCall::~KillCall() { unlink(file_.c_str()); }

KillCall::Answer KillCall::Await(std::chrono::milliseconds limit) {
  const std::optional<int> status = child_.WaitExit(limit);
  const std::string heard = ReadFile(file_);
  if (!status || *status != 0 || heard.empty() || heard[0] == '!') {
    throw HarnessError("KillSlots did not end well: status " +
                       (status ? std::to_string(*status) : "none yet") + " " + heard);
  }
  Answer answer;
  answer.repeated = heard[0] == 'r';
  if (!answer.last.ParseFromString(heard.substr(1))) throw HarnessError("a broken answer");
  return answer;
}

}  // namespace procctl::e2e

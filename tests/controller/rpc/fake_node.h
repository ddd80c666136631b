// A node's side of one session, as a test drives it: blocking calls on the real protocol.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "procctl/v1/node_service.grpc.pb.h"

namespace procctl::controller {

class FakeNode {
 public:
  FakeNode(const std::shared_ptr<grpc::Channel>& channel, std::string id);
  ~FakeNode();

  // What its Hello names; before Connect.
  void set_features(std::vector<std::string> features) { features_ = std::move(features); }

  // What its Hello says beyond that; before Connect.
  v1::Hello* mutable_hello() { return &hello_; }

  // Hello as `claims` (default: its own id), then Welcome. False: the stream ended; see End().
  bool Connect(const std::string& claims = "");
  const v1::Welcome& welcome() const { return welcome_; }

  bool Send(const v1::SessionRequest& request) { return stream_->Write(request); }
  bool SendSnapshot(const std::vector<v1::Slot>& slots, std::int64_t revision = 1);
  bool SendEvents(const std::vector<v1::Event>& events);

  bool SendHeartbeat(const v1::NodeHeartbeat& heartbeat);
  bool SendGoodbye(const std::string& reason);

  // The next message; nothing set at the end of the stream.
  v1::SessionResponse ReceiveAny();
  // The next message, heartbeats left out; nothing set at the end of the stream.
  v1::SessionResponse Receive();
  // Reads until the acknowledgement of `seq`.
  bool AwaitAck(std::int64_t epoch, std::int64_t seq);

  // An event of that kind that answers an order to hold or to release.
  v1::Event MakeAnswer(std::int64_t epoch, std::int64_t seq, const v1::HoldOrder& order,
                       v1::EventKind kind) const;
  bool SendDetail(const v1::DetailReply& reply);
  // Breaks the stream off.
  void Cancel() { context_.TryCancel(); }

  // Says that it is done, and returns what the stream ended with.
  grpc::Status End();

  v1::Event MakeEvent(std::int64_t epoch, std::int64_t seq) const;
  v1::Event MakeVerdict(std::int64_t epoch, std::int64_t seq, const v1::Order& order,
                        v1::Verdict verdict) const;

 private:
  const std::string id_;
  grpc::ClientContext context_;
  std::unique_ptr<v1::NodeService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionResponse>> stream_;
  std::vector<std::string> features_ = {"holds", "details", "programs"};
  v1::Hello hello_;
  v1::Welcome welcome_;
  bool ended_ = false;
};

v1::Slot MakeSlot(const std::string& label, std::int64_t generation);

}  // namespace procctl::controller

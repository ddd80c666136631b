// One simulated node: its table, its events, its orders, and the session with the controller.
//
// Belongs to one worker; everything here runs on that worker's thread. Nothing blocks: gRPC's
// operations come back through the worker's completion queue.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "controller/pki/authority.h"
#include "procctl/v1/node_service.pb.h"
#include "tests/fleetsim/event_book.h"
#include "tests/fleetsim/gate.h"
#include "tests/fleetsim/hostile.h"
#include "tests/fleetsim/journal.h"
#include "tests/fleetsim/node_messages.h"
#include "tests/fleetsim/order_desk.h"
#include "tests/fleetsim/reconnect.h"
#include "tests/fleetsim/slot_table.h"
#include "tests/fleetsim/stats.h"

namespace procctl::fleetsim {

class Node;
using NodeGate = Gate<Node>;

enum class NodeKind {
  kPlain,
  kSlow,     // reads a message every two seconds
  kStopped,  // reads nothing after its Welcome
  kHostile,
};

// What all nodes of a run share.
struct RunFacts {
  std::string ca;
  std::string server_name;
  std::int64_t epoch = 0;
  std::size_t event_bytes = 0;
  std::size_t events_kept = 0;
  std::uint32_t slots = 0;
  std::uint32_t programs = 0;
  bool answer_at_once = false;
  Stats* stats = nullptr;
  const Journal* journal = nullptr;  // may be null
};

struct NodeStart {
  NodeName name;
  NodeKind kind = NodeKind::kPlain;
  std::string address;  // of the controller, or of a relay before it
  Leaf leaf;
  std::uint64_t seed = 0;
  std::int64_t connect_at = 0;
};

class Node {
 public:
  static constexpr std::int64_t kNever = INT64_MAX;

  // All of them must outlive it; `gate` is the worker's.
  Node(const RunFacts* run, NodeStart start, grpc::CompletionQueue* queue, NodeGate* gate);
  ~Node();

  // An operation of gRPC that came back, by its tag.
  static Node* OnTag(void* tag, bool ok, std::int64_t now);

  // What is due by now. Due() says when the next thing is; it changes with every call here.
  void OnTimer(std::int64_t now);
  std::int64_t Due() const;
  // Its turn at the gate has come.
  void Admit(std::int64_t now);

  void MakeEvents(int count, std::int64_t now);
  void Churn(std::int64_t now);

  // Says goodbye and comes back no more. Over() when nothing of it is left in the queue.
  void Stop(std::int64_t now);
  void Cut();
  bool Over() const { return stopping_ && link_ == nullptr; }

  // Where the worker has it in its timers.
  std::int64_t armed = kNever;

 private:
  enum class Step { kStart, kMetadata, kRead, kWrite, kWritesDone, kFinish };
  struct Link;
  struct Operation {
    Link* link;
    Step step;
  };
  // One try of a session, until gRPC has given back all of it.
  struct Link {
    explicit Link(Node* owner);
    Node* const node;
    std::shared_ptr<grpc::Channel> channel;
    grpc::ClientContext context;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
    grpc::ByteBuffer incoming;
    grpc::Status status;
    Operation start, metadata, read, write, writes_done, finish;
    int under_way = 0;
    bool writing = false;
    bool reading = false;
    bool metadata_came = false;
    bool finishing = false;
    bool welcomed = false;
    bool cut = false;    // by this node
    bool gated = false;  // it counts at the gate
    std::int64_t began = 0;
  };

  void Connect(std::int64_t now);
  void LeaveGate();
  void OnStep(Step step, bool ok, std::int64_t now);
  void AskForStatus();
  void Read();
  void Write(const grpc::ByteBuffer& bytes, std::int64_t now);
  void EndLink(std::int64_t now);

  void Take(std::int64_t now);
  void TakeWelcome(const v1::Welcome& welcome, std::int64_t now);
  void TakeAck(const v1::EventAck& ack, std::int64_t now);
  void TakeAnswers(std::vector<OrderDesk::Answer> answers, std::int64_t now);
  void Record(OrderDesk::Answer answer, std::int64_t now);
  void AddEvent(SimEvent event, std::int64_t now);

  // Sends what is due next, if the link takes something.
  void Pump(std::int64_t now);
  bool NextMessage(std::int64_t now, v1::SessionRequest* request);
  bool NextRows(std::int64_t now, v1::SessionRequest* request);
  void FillEvents(v1::SessionRequest* request);
  void FillHeartbeat(std::int64_t now, v1::NodeHeartbeat* heartbeat) const;
  bool RowsDue(std::int64_t now) const;
  bool PumpHostile(std::int64_t now);
  double Unit();

  const RunFacts* const run_;
  const NodeName name_;
  const NodeKind kind_;
  const std::string address_;
  const Leaf leaf_;
  grpc::CompletionQueue* const queue_;
  NodeGate* const gate_;
  std::minstd_rand random_;
  SlotTable table_;
  EventBook book_;
  OrderDesk desk_;
  Reconnect reconnect_;

  std::unique_ptr<Link> link_;
  std::int64_t connect_at_;
  std::int64_t max_session_epoch_ = 0;
  bool at_gate_ = false;
  bool stopping_ = false;
  bool said_goodbye_ = false;
  bool drained_ = false;

  // Of the session under way.
  std::int64_t heartbeat_interval_ = 0;
  std::int64_t heartbeat_at_ = kNever;
  std::int64_t heard_ = 0;
  std::int64_t snapshot_at_ = 0;
  bool snapshot_begun_ = false;
  std::int64_t replay_until_ = 0;
  bool rows_turn_ = false;
  std::int64_t delta_at_ = 0;
  std::int64_t read_at_ = kNever;
  std::optional<google::protobuf::Timestamp> controller_clock_;
  std::int64_t controller_clock_came_ = 0;
  std::deque<v1::DetailReply> replies_;

  // Verdicts whose time has not come, the next first.
  struct Later {
    std::int64_t at;
    OrderDesk::Answer answer;
  };
  std::vector<Later> later_;

  // Hostile nodes only.
  int tricks_ = 0;
  HostilePlan plan_;
  std::size_t plan_at_ = 0;
  std::int64_t cut_at_ = kNever;
};

}  // namespace procctl::fleetsim

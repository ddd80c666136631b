// This host's own node as the Client that the commands ask, through its local socket.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/client.h"
#include "cli/local_socket.h"
#include "procctl/v1/local.pb.h"

namespace procctl::cli {

// It has no history, and one node. A connection that broke is made anew by the next call.
class LocalClient final : public Client {
 public:
  // Connects, to learn which node it is. Errors as of LocalSocket.
  static absl::StatusOr<std::unique_ptr<LocalClient>> Make(const std::string& path,
                                                           Timeout timeout);

  const std::string& node() const { return hello_.node_id(); }

  bool HasHistory() const override { return false; }
  absl::StatusOr<SlotList> ListSlots(const std::string& filter, Timeout timeout,
                                     bool with_usage) override;
  // The one there is.
  absl::StatusOr<NodeList> ListNodes(const std::string& filter, Timeout timeout) override;
  absl::Status ListEvents(
      v1::ListEventsRequest request, Timeout timeout,
      const std::function<void(const v1::ListEventsResponse&)>& on_page) override;
  absl::StatusOr<v1::StoredEvent> FindEvent(const v1::EventId& id, Timeout timeout) override;
  absl::StatusOr<v1::CountSlotsResponse> CountSlots(const v1::CountSlotsRequest& request,
                                                    Timeout timeout) override;
  absl::StatusOr<v1::GetFleetResponse> GetFleet(Timeout timeout) override;
  absl::StatusOr<v1::DescribeResponse> Describe(const std::string& node, int64_t generation,
                                                Timeout timeout) override;
  absl::StatusOr<v1::HoldSlotsResponse> Hold(const v1::HoldSlotsRequest& request,
                                             Timeout timeout) override;
  absl::StatusOr<ProgramList> ListPrograms(const std::string& filter, Timeout timeout,
                                           bool with_usage) override;
  absl::StatusOr<v1::ControlProgramsResponse> ControlPrograms(
      const v1::ControlProgramsRequest& request, Timeout timeout) override;
  absl::Status ForgetNode(const v1::ForgetNodeRequest& request, Timeout timeout) override;
  absl::StatusOr<v1::OutputChunk> ReadOutput(const v1::ReadOutputRequest& request, Timeout timeout,
                                             const std::stop_token& stop) override;
  absl::Status Watch(const v1::WatchRequest& request, const std::stop_token& stop,
                     const std::function<bool(const v1::WatchResponse&)>& on_message) override;
  absl::Status Kill(const v1::KillSlotsRequest& request, Deadline deadline, std::stop_token stop,
                    const std::function<void(const v1::KillSlotsResponse&)>& on_message) override;

 private:
  explicit LocalClient(std::string path) : path_(std::move(path)) {}

  // Connected, and greeted by the same node as ever.
  absl::Status Connect(Deadline deadline, const std::stop_token& stop);
  // Forgets the connection after an error that leaves it of no use, and passes the error on.
  absl::Status Failed(absl::Status status);
  // One request and the one reply to it.
  absl::StatusOr<v1::LocalReply> Ask(v1::LocalRequest request, Timeout timeout,
                                     const std::stop_token& stop = {});
  absl::StatusOr<std::vector<v1::Slot>> AllSlots(Timeout timeout);
  // What the process of each row uses, where it runs still. Row: FleetSlot or FleetProgram.
  template <typename Row>
  absl::Status AddUsage(const std::map<int64_t, Row*>& by_generation, Timeout timeout);
  // Sends all, then passes on each reply with the index of its order until all have had their
  // last.
  absl::Status Carry(const std::vector<v1::LocalOrder>& orders, Deadline deadline,
                     const std::stop_token& stop,
                     const std::function<void(size_t, const v1::LocalReply&)>& on_reply);
  absl::Status CheckNode(const std::string& node) const;

  std::string path_;
  v1::LocalHello hello_;
  std::optional<LocalSocket> socket_;
  int64_t last_request_ = 0;
};

}  // namespace procctl::cli

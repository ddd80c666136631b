// The guardian's end of the link: hands over events and rows as fast as the uplink reads, and never
// waits for it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "node/core/table.h"
#include "node/guardian/event_log.h"
#include "node/os/poller.h"
#include "node/os/unique_fd.h"
#include "procctl/v1/link.pb.h"

namespace procctl::node {

class UplinkLink {
 public:
  // Who answers what comes down the link.
  struct Desk {
    std::function<void(const v1::LinkOrder&)> order;
    std::function<void(const v1::LinkHoldOrder&)> hold;
    std::function<void(const v1::LinkProgramOrder&)> program;
    // Nullopt: the answer comes later, through Answer.
    std::function<std::optional<v1::DetailReply>(const v1::DetailRequest&)> detail;
  };

  // The rows of programs, by label.
  struct Programs {
    // The first one after `label`; nullopt: there is none.
    std::function<std::optional<v1::Program>(const std::string& label)> after;
    std::function<std::optional<v1::Program>(const std::string& label)> find;
  };

  UplinkLink(Table* table, EventLog* log, Journal* journal, Poller* poller, Desk desk,
             Programs programs);

  // A new uplink is at the other end: it gets the hello, every event that is not spooled, all rows,
  // then changes.
  absl::Status Connect(UniqueFd fd, v1::LinkHello hello);
  // The uplink is gone. Events stay in the ring.
  void Disconnect();

  // Counts the uplinks that were connected: which one a question came from.
  int64_t connection() const { return connection_; }

  void RowChanged(int64_t generation);
  void RowRemoved(int64_t generation);
  // Its row changed, or is no more.
  void ProgramChanged(const std::string& label);
  // An answer that came later. Only to the uplink that asked.
  void Answer(v1::DetailReply reply);
  // Last of all, if there is room for it: an uplink that does not read is not waited for.
  void SayGoodbye(const std::string& reason);
  // Sends what there is to send, as far as the socket takes it. What the journal has not kept yet
  // it keeps first: an event that was told and is not known any more after a crash would be told
  // again under another number.
  void Pump();
  // True if all events were read and spooled by the uplink.
  bool Drained() const { return log_->ring().events().empty(); }

 private:
  void OnReady(uint32_t events);
  void ReadAll();
  void Take(const std::string& bytes);
  void RecordConflict(const std::string& message);
  // Sends one message; false if the socket is full (EPOLLOUT is armed) or the peer is gone.
  bool SendOne(const v1::LinkUp& message);
  bool SendEvents();
  bool SendDetails();
  bool SendSnapshot();
  bool SendChanges();
  void StartSnapshot();

  Table* table_;
  EventLog* log_;
  Journal* journal_;
  Poller* poller_;
  Desk desk_;
  Programs programs_;

  UniqueFd fd_;
  int64_t connection_ = 0;
  Poller::Token token_ = 0;
  bool waiting_for_room_ = false;
  std::optional<v1::LinkHello> hello_;  // not sent yet
  int64_t sent_seq_ = 0;
  bool snapshot_ = false;
  int64_t snapshot_after_ = 0;    // generation of the last row sent
  std::string snapshot_program_;  // label of the last row sent
  std::set<int64_t> changed_;
  std::vector<int64_t> removed_;
  std::set<std::string> programs_changed_;
  // Not before it another conflict is recorded: the uplink's word must not fill the ring.
  MonoTime next_conflict_;
  // Answers that the socket had no room for.
  std::deque<v1::DetailReply> details_;
};

}  // namespace procctl::node

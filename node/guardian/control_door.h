// control.sock: people on this host itself, whether or not a controller can be reached.
//
// Thread: the loop's, which never waits for a client. Everything is bounded: connections, requests
// of each, and what one has not read yet.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "node/core/event_limiter.h"
#include "node/core/seams.h"
#include "node/guardian/event_log.h"
#include "node/os/poller.h"
#include "node/os/reserve_fd.h"
#include "node/os/seqpacket.h"
#include "procctl/v1/local.pb.h"

namespace procctl::node {

class ControlDoor {
 public:
  static constexpr size_t kMostConnections = 16;
  // As many orders as one command of a person may give.
  static constexpr size_t kMostOpen = 1024;

  // One connection; no number is used twice.
  using Client = int64_t;

  struct Desk {
    // All of it but who asks.
    std::function<v1::LocalHello()> hello;
    // Must end in a Reply that is the last, at once or later. `issuer` is who asks.
    std::function<void(Client client, const std::string& issuer, const v1::LocalRequest& request)>
        take;
    // It is gone and needs no replies.
    std::function<void(Client client)> left;
  };

  // `own_name`: of the user this guardian runs as; empty: it has none.
  ControlDoor(EventLog* log, Journal* journal, Poller* poller, const std::string& own_name,
              Desk desk);

  absl::Status Open(const std::string& path, mode_t mode);

  // To a client that is gone: nothing happens. What it says is sent with the next Pump.
  void Reply(Client client, const v1::LocalReply& reply);

  // Sends what there is to send, as far as the sockets take it. What the journal has not kept yet
  // it keeps first. At the end of each turn of the loop.
  void Pump();

  // Cuts off who has not read for long. Call now and then.
  void DropStuck(MonoTime now);

  size_t connections() const { return connections_.size(); }
  // Connections that were cut because of what they sent.
  int64_t malformed() const { return malformed_; }

 private:
  struct Connection {
    UniqueFd fd;
    Poller::Token token = 0;
    std::string issuer;
    // Numbers of requests without their last reply.
    std::set<int64_t> open;
    std::deque<std::string> queue;
    size_t queued_bytes = 0;
    bool waiting_for_room = false;
    MonoTime waiting_since;
    bool overflowed = false;
    uint32_t interest = 0;
  };

  void Accept();
  void Admit(UniqueFd fd);
  void Refuse(const UniqueFd& fd, const Peer& peer);
  void OnReady(Client client, uint32_t events);
  void ReadSome(Client client);
  // False: the connection is closed.
  bool Take(Client client, const Packet& packet);
  void Malformed(Client client, const std::string& what);
  // False: the connection is of no use any more.
  bool Flush(Connection& connection);
  void SetInterest(Connection& connection);
  void Close(Client client);

  EventLog* const log_;
  Journal* const journal_;
  Poller* const poller_;
  const Desk desk_;
  const std::string own_issuer_;
  EventLimiter refusals_;
  EventLimiter complaints_;
  ReserveFd reserve_;
  UniqueFd listener_;
  std::map<Client, Connection> connections_;
  Client last_client_ = 0;
  // Connections with something new to send.
  std::set<Client> due_;
  int64_t malformed_ = 0;
};

}  // namespace procctl::node

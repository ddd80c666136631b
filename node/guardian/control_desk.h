// What is asked at the local socket, and what becomes of it: rows at once, orders with the events
// that tell of them.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>

#include "node/guardian/control_door.h"
#include "procctl/v1/link.pb.h"
#include "procctl/v1/local.pb.h"

namespace procctl::node {

class ControlDesk {
 public:
  using Client = ControlDoor::Client;

  struct World {
    // The first row after; nullopt: there is none.
    std::function<std::optional<v1::Slot>(int64_t generation)> slot_after;
    std::function<std::optional<v1::Program>(const std::string& label)> program_after;
    // As orders from the uplink go. Each ends in one event, perhaps before these return.
    std::function<void(const v1::LinkOrder&)> kill;
    std::function<void(const v1::LinkHoldOrder&)> hold;
    std::function<void(const v1::LinkProgramOrder&)> program;
    // An order of this id was taken before.
    std::function<bool(const std::string& order_id)> taken;
    // An order that an earlier guardian took is under way still.
    std::function<bool(const std::string& order_id)> under_way;
    // Nullopt: the answer comes later, through Answer. Numbers of requests are below zero.
    std::function<std::optional<v1::DetailReply>(const v1::DetailRequest&)> detail;
    std::function<void(Client client, const v1::LocalReply& reply)> reply;
  };

  // `log`: where events wait that nobody has spooled; `log` is not owned.
  ControlDesk(const EventLog* log, World world) : log_(log), world_(std::move(world)) {}

  // The desk of a ControlDoor.
  void Take(Client client, const std::string& issuer, const v1::LocalRequest& request);
  void Left(Client client);

  // Every event of this node, when it is recorded.
  void OnEvent(const v1::Event& event);
  // A detail that came later. One that nobody waits for is dropped.
  void Answer(v1::DetailReply reply);
  // Nobody waits for a detail.
  bool AtRest() const { return questions_.empty(); }
  // Tells whoever waited too long for a detail. Call now and then.
  void Expire(MonoTime now);

 private:
  struct Asker {
    Client client = 0;
    int64_t request = 0;
  };
  struct Question {
    Asker asker;
    MonoTime since;
  };

  void SendSlots(const Asker& asker, int64_t after);
  void SendPrograms(const Asker& asker, const std::string& after);
  void TakeOrder(const Asker& asker, const std::string& issuer, v1::LocalOrder order);
  void TakeRepeat(const Asker& asker, const std::string& order_id);
  void TakeDetail(const Asker& asker, v1::DetailRequest request);
  // The event that ended it, as far as it is remembered here.
  const v1::Event* FindEnd(const std::string& order_id) const;
  void Tell(const Asker& asker, const v1::Event& event, bool last);
  void Refuse(const Asker& asker, v1::LocalErrorKind kind, std::string why);

  const EventLog* const log_;
  const World world_;
  std::multimap<std::string, Asker> askers_;  // by order id
  // Orders from here whose end has not come yet, whether or not anybody waits for it.
  std::unordered_set<std::string> open_;
  // The ends of the latest orders from here: their askers may ask again after a broken connection,
  // when the uplink has spooled these events already.
  std::deque<v1::Event> ends_;
  std::map<int64_t, Question> questions_;
  int64_t last_question_ = 0;
};

}  // namespace procctl::node

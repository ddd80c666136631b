// A door and a desk with a world of the test's own behind them, and clients of it.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "node/core/order_ledger.h"
#include "node/guardian/control_desk.h"
#include "node/guardian/control_door.h"
#include "node/os/clock.h"
#include "spdlog/spdlog.h"

namespace procctl::node {

// Counts what a guardian that is killed now would take with it.
class CountingJournal final : public Journal {
 public:
  void Put(v1::StateRecord /*record*/) override { ++waiting_; }
  void Commit() override { waiting_ = 0; }
  int waiting() const { return waiting_; }

 private:
  int waiting_ = 0;
};

class ControlTest : public ::testing::Test {
 protected:
  // A connection of a person.
  class Person {
   public:
    explicit Person(const std::string& path)
        : fd_(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      std::memcpy(address.sun_path, path.data(), path.size());
      EXPECT_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0)
          << std::strerror(errno);
    }
    void Say(const v1::LocalRequest& request) { SayBytes(request.SerializeAsString()); }
    void SayBytes(const std::string& bytes) {
      // False as soon as the door has no room or is gone.
      said_ = send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
    }
    bool said() const { return said_; }
    // What is there; nullopt: nothing, or the end.
    std::optional<v1::LocalReply> Hear() {
      const auto packet = Receive(fd_.get(), 128 * 1024);
      cut_ = absl::IsNotFound(packet.status());
      if (!packet.ok()) return std::nullopt;
      EXPECT_FALSE(packet->truncated);
      v1::LocalReply reply;
      EXPECT_TRUE(reply.ParseFromString(packet->bytes));
      return reply;
    }
    // Whether the last Hear found the end of the connection.
    bool IsCut() {
      while (Hear()) {
      }
      return cut_;
    }

   private:
    UniqueFd fd_;
    bool said_ = true;
    bool cut_ = false;
  };

  ControlTest()
      : poller_(*Poller::Create()),
        log_("n1", "boot", 42, &journal_),
        door_(&log_, &journal_, &poller_, "tester",
              {.hello =
                   [] {
                     v1::LocalHello hello;
                     hello.set_node_id("n1");
                     return hello;
                   },
               .take = [this](int64_t client, const std::string& issuer,
                              const v1::LocalRequest& r) { desk_.Take(client, issuer, r); },
               .left = [this](int64_t client) { desk_.Left(client); }}),
        desk_(&log_,
              {.slot_after = [this](int64_t generation) -> std::optional<v1::Slot> {
                 const auto next = slots_.upper_bound(generation);
                 return next == slots_.end() ? std::optional<v1::Slot>() : next->second;
               },
               .program_after = [this](const std::string& label) -> std::optional<v1::Program> {
                 const auto next = programs_.upper_bound(label);
                 return next == programs_.end() ? std::optional<v1::Program>() : next->second;
               },
               .kill =
                   [this](const v1::LinkOrder& order) {
                     EXPECT_TRUE(ledger_.Take(order.order().order_id()));
                     kills_.push_back(order);
                     if (ends_at_once_) End(order.order().order_id());
                   },
               .hold = [this](const v1::LinkHoldOrder& order) { holds_.push_back(order); },
               .program = [this](const v1::LinkProgramOrder& order) { orders_.push_back(order); },
               .taken = [this](const std::string& id) { return ledger_.Knows(id); },
               .under_way = [this](const std::string& id) { return taken_up_.contains(id); },
               .detail =
                   [this](const v1::DetailRequest& request) {
                     questions_.push_back(request);
                     return std::optional<v1::DetailReply>();
                   },
               .reply = [this](int64_t client,
                               const v1::LocalReply& r) { door_.Reply(client, r); }}) {
    spdlog::set_level(spdlog::level::off);  // thousands of lines that nobody reads
    log_.Watch([this](const v1::Event& event) { desk_.OnEvent(event); });
    const char* temp = std::getenv("TMPDIR");
    folder_ = std::string(temp == nullptr ? "/tmp" : temp) + "/procctl-door-XXXXXX";
    EXPECT_NE(mkdtemp(folder_.data()), nullptr) << std::strerror(errno);
    // Other users may come as far as the socket.
    EXPECT_EQ(chmod(folder_.c_str(), 0755), 0);
    path_ = folder_ + "/control.sock";
  }
  ~ControlTest() override {
    (void)unlink(path_.c_str());
    (void)rmdir(folder_.c_str());
  }
  void SetUp() override { ASSERT_TRUE(door_.Open(path_, 0666).ok()); }

  // Everything that is there to do.
  void Turn() {
    do door_.Pump();
    while (poller_.Wait(0) > 0);
    door_.Pump();
  }

  // A person who was greeted.
  Person Come() {
    Person person(path_);
    Turn();
    const auto hello = person.Hear();
    EXPECT_TRUE(hello && hello->has_hello());
    return person;
  }

  // The one reply to a request.
  v1::LocalReply Ask(Person& person, const v1::LocalRequest& request) {
    person.Say(request);
    Turn();
    const auto reply = person.Hear();
    EXPECT_TRUE(reply) << request.ShortDebugString();
    return reply.value_or(v1::LocalReply());
  }

  static v1::LocalRequest Kill(int64_t number, const std::string& order_id) {
    v1::LocalRequest request;
    request.set_request(number);
    v1::Order* order = request.mutable_order()->mutable_kill();
    order->set_order_id(order_id);
    order->set_slot("web");
    order->set_issuer("operator/somebody-else");
    return request;
  }

  void Happen(v1::EventKind kind, const std::string& order_id) {
    v1::Event event = MakeEvent(kind, v1::SEVERITY_INFO, "it happened");
    event.set_order_id(order_id);
    if (kind == v1::EVENT_KIND_VERDICT) event.set_verdict(v1::VERDICT_KILLED);
    log_.Record(std::move(event));
  }
  void End(const std::string& order_id) { Happen(v1::EVENT_KIND_VERDICT, order_id); }

  CountingJournal journal_;
  Poller poller_;
  EventLog log_;
  OrderLedger ledger_;
  std::map<int64_t, v1::Slot> slots_;
  std::map<std::string, v1::Program> programs_;
  std::vector<v1::LinkOrder> kills_;
  std::vector<v1::LinkHoldOrder> holds_;
  std::vector<v1::LinkProgramOrder> orders_;
  std::vector<v1::DetailRequest> questions_;
  std::set<std::string> taken_up_;
  bool ends_at_once_ = false;
  ControlDoor door_;
  ControlDesk desk_;
  std::string folder_;
  std::string path_;
};

}  // namespace procctl::node

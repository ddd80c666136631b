// Packets at the local socket: whatever they hold, each is answered once and for all, and nothing
// is handed on but orders in the name of who asks that fit a record.
#include <optional>
#include <string>
#include <vector>

#include "google/protobuf/stubs/logging.h"
#include "node/guardian/control_desk.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/text_oracle.h"

namespace procctl::fuzz {
namespace {

class NoJournal final : public node::Journal {
 public:
  void Put(v1::StateRecord /*record*/) override {}
  void Commit() override {}
};

// What every order has in common, of whatever kind it is.
template <typename LinkOrder>
std::string CheckOrder(const LinkOrder& given, const std::string& name) {
  const auto& order = given.order();
  PROCCTL_MUST(order.issuer() == "local/root");
  PROCCTL_MUST(given.has_expires_at());
  PROCCTL_MUST(order.reason().size() <= 1000 && name.size() <= 1024);
  const std::string& id = order.order_id();
  PROCCTL_MUST(!id.empty() && id.size() <= 128 && IsPrintableAscii(id));
  return id;
}

class Desk {
 public:
  Desk()
      : log_("n1", "boot", 7, &journal_),
        desk_(&log_, {.slot_after = [](int64_t generation) -> std::optional<v1::Slot> {
                        if (generation >= kRows || generation < 0) return std::nullopt;
                        v1::Slot slot;
                        slot.mutable_incarnation()->set_generation(generation + 1);
                        slot.set_note(std::string(512, 'x'));
                        return slot;
                      },
                      .program_after = [](const std::string& label) -> std::optional<v1::Program> {
                        if (!label.empty()) return std::nullopt;
                        v1::Program program;
                        program.set_label("web");
                        return program;
                      },
                      .kill =
                          [this](const v1::LinkOrder& order) {
                            PROCCTL_MUST(!order.from_earlier_guardian());
                            handed_over_.push_back(CheckOrder(order, order.order().slot()));
                          },
                      .hold =
                          [this](const v1::LinkHoldOrder& order) {
                            handed_over_.push_back(CheckOrder(order, order.order().slot()));
                          },
                      .program =
                          [this](const v1::LinkProgramOrder& order) {
                            handed_over_.push_back(CheckOrder(order, order.order().program()));
                          },
                      .taken = [](const std::string& id) { return id == "taken"; },
                      .under_way = [](const std::string& /*id*/) { return false; },
                      .detail =
                          [this](const v1::DetailRequest& request) {
                            PROCCTL_MUST(request.request() < 0);
                            asked_.push_back(request.request());
                            return std::optional<v1::DetailReply>();
                          },
                      .reply =
                          [this](int64_t client, const v1::LocalReply& reply) {
                            PROCCTL_MUST(client == kClient);
                            PROCCTL_MUST(reply.ByteSizeLong() < 128 * 1024);
                            PROCCTL_MUST(reply.message_case() != v1::LocalReply::MESSAGE_NOT_SET);
                            replies_.push_back(reply);
                          }}) {}

  void Run(const v1::LocalRequest& request) {
    desk_.Take(kClient, "local/root", request);
    PROCCTL_MUST(handed_over_.size() + asked_.size() + replies_.size() == 1);
    for (const std::string& id : handed_over_) {
      v1::Event event = node::MakeEvent(v1::EVENT_KIND_VERDICT, v1::SEVERITY_INFO, "done");
      event.set_order_id(id);
      desk_.OnEvent(event);
      desk_.OnEvent(event);  // nobody waits for another one
    }
    for (const int64_t number : asked_) {
      v1::DetailReply reply;
      reply.set_request(number);
      desk_.Answer(reply);
      desk_.Answer(reply);
    }
    PROCCTL_MUST(replies_.size() == 1);
    PROCCTL_MUST(replies_[0].request() == request.request() && replies_[0].last());
  }

 private:
  static constexpr int64_t kClient = 3;
  static constexpr int64_t kRows = 300;

  NoJournal journal_;
  node::EventLog log_;
  std::vector<std::string> handed_over_;
  std::vector<int64_t> asked_;
  std::vector<v1::LocalReply> replies_;
  node::ControlDesk desk_;
};

}  // namespace
}  // namespace procctl::fuzz

// One packet.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // It prints a line for each string that is no UTF-8.
  static const google::protobuf::LogSilencer quiet;
  procctl::v1::LocalRequest request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return 0;
  procctl::fuzz::Desk().Run(request);
  return 0;
}

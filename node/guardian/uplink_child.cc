#include "node/guardian/uplink_child.h"

#include <unistd.h>

#include <utility>

#include "node/os/state_files.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

constexpr Nanos kConnectTimeout = std::chrono::seconds(5);

}  // namespace

UplinkChild::UplinkChild(const Settings* settings, EventLog* log, UplinkLink* link, Poller* poller)
    : settings_(settings),
      log_(log),
      link_(link),
      child_("the uplink", poller,
             {.request = [this] { return Request(); },
              .started = [this](UniqueFd fd) { OnStarted(std::move(fd)); },
              .ended = [this] { link_->Disconnect(); }}) {}

SpawnRequest UplinkChild::Request() const {
  SpawnRequest request;
  request.path = settings_->uplink_path;
  request.user = settings_->uplink_user ? &*settings_->uplink_user : nullptr;
  const std::string folder = settings_->state_dir + "/uplink";
  const absl::Status ready =
      settings_->uplink_user
          ? EnsureFolderOf(folder, settings_->uplink_user->uid, settings_->uplink_user->gid)
          : EnsureFolderOf(folder, geteuid(), getegid());
  if (!ready.ok()) {
    // It still carries rows, orders and events; it only cannot keep events across its own end.
    spdlog::error("the uplink has no folder for its spool: {}", std::string(ready.message()));
  }
  return request;
}

void UplinkChild::OnStarted(UniqueFd link) {
  if (started_before_) {
    log_->Record(MakeEvent(v1::EVENT_KIND_UPLINK_RESTARTED, v1::SEVERITY_WARNING,
                           fmt::format("the uplink ended and runs again as pid {}", child_.pid())));
  }
  started_before_ = true;
  if (const absl::Status s = link_->Connect(std::move(link), Hello()); !s.ok()) {
    spdlog::error("no link to the uplink: {}",
                  std::string(s.message()));  // it sees the end of file and exits
  }
}

v1::LinkHello UplinkChild::Hello() {
  v1::LinkHello hello;
  hello.set_node_id(settings_->node);
  hello.set_boot_id(log_->boot_id());
  hello.set_guardian_epoch(log_->ring().epoch());
  hello.set_guardian_uid(static_cast<int32_t>(geteuid()));
  hello.set_mode(settings_->enforce ? "enforce" : "observe");
  hello.set_state_dir(settings_->state_dir + "/uplink");
  hello.set_spool_events(settings_->spool_events);
  hello.set_spool_bytes(settings_->spool_bytes);
  *hello.mutable_connect_timeout() = ToProto(kConnectTimeout);
  if (settings_->controller) {
    const ControllerSettings& controller = *settings_->controller;
    for (const auto& [path, kept] :
         {std::pair(controller.ca, &ca_), std::pair(controller.cert, &cert_),
          std::pair(controller.key, &key_)}) {
      auto text = ReadFile(path);
      if (text.ok()) {
        *kept = *std::move(text);
      } else {
        spdlog::error("{}; the uplink goes on with what was read before",
                      std::string(text.status().message()));
      }
    }
    hello.set_controller_address(controller.address);
    hello.set_controller_name(controller.server_name);
    hello.set_ca_pem(ca_);
    hello.set_certificate_pem(cert_);
    hello.set_key_pem(key_);
  }
  return hello;
}

void UplinkChild::LetGo() {
  child_.LetGo();
  link_->Disconnect();
}

}  // namespace procctl::node

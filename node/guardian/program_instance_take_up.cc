// Of a guardian that takes up the state of another: an instance that runs, or that ended meanwhile.
#include <sys/epoll.h>

#include <cstring>
#include <memory>

#include "node/guardian/program_instance.h"
#include "node/os/clock.h"
#include "spdlog/spdlog.h"

namespace procctl::node {

void ProgramInstance::Adopt(const v1::ProgramRecord& record, Slot* own) {
  if (!life_->has_process()) {
    // Between two lives. What the last one left behind was being swept.
    if (parts_->cgroups->available() && !record.cgroup().empty())
      cgroup_ = parts_->cgroups->Adopt(life_->label());
    if (cgroup_ && cgroup_->Populated()) {
      life_->Sweep();
      sweeping_ = true;
      kill_tree_at_ = MonoNow() + life_->spec().grace;
    }
    return;
  }
  adopted_ = true;
  last_ = {record.incarnation().pid(), record.incarnation().start_ticks()};
  oom_kills_before_ = record.oom_kills_before();
  if (!record.cgroup().empty()) cgroup_ = parts_->cgroups->Adopt(life_->label());
  auto ref = ProcessRef::Open(record.incarnation().pid());
  if (ref.ok() && ref->identity().start_ticks == record.incarnation().start_ticks() &&
      own != nullptr) {
    process_.emplace(*std::move(ref));
    own->process->program = life_->label();
    own->process->run = life_->run();
    own->process->stop_signal = life_->spec().stop_signal;
    own->rules.grace = life_->spec().grace;
    if (own->door == v1::DOOR_NOTIFY) {
      // What it said while nobody listened is lost: it is not held against it.
      page_ = std::const_pointer_cast<procctl_page>(own->page);
      page_->flags |= PROCCTL_PAGE_READY;
      notify_ready_ = true;
      int error = 0;
      notify_ = notify::Receiver::OpenAgain(record.notify_socket(), &error);
      if (error == 0) {
        auto watch = parts_->poller->Add(notify_.fd(), EPOLLIN, [this](uint32_t) { OnNotify(); });
        if (watch.ok()) notify_watch_ = *watch;
      } else {
        spdlog::error("{}: its notifications cannot be heard any more: {}", life_->label(),
                      std::strerror(error));
      }
    }
    AttachOutput();
    if (life_->passed() || MarkSaysPassed()) {
      life_->Passed();
      life_->Ready(ProgramNow());
    }
    return;
  }
  if (ref.ok() && ref->identity().start_ticks == record.incarnation().start_ticks()) {
    // It lives, and its slot could not be taken up: told as SLOT_LOST. It is guarded no more, and
    // not started a second time beside itself.
    process_.emplace(*std::move(ref));
  }
  Finish(EndStatus{}, v1::CAUSE_UNSPECIFIED);
}

}  // namespace procctl::node

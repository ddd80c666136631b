// Of a guardian that takes up the state of another: an instance that runs, or that ended meanwhile.
#include <sys/epoll.h>

#include <cstring>
#include <memory>
#include <utility>

#include "node/guardian/program_instance.h"
#include "node/os/clock.h"
#include "spdlog/spdlog.h"

namespace procctl::node {

void ProgramInstance::Adopt(const v1::ProgramRecord& record) {
  oom_kills_before_ = record.oom_kills_before();
  if (parts_->cgroups->available() && !record.cgroup().empty())
    cgroup_ = parts_->cgroups->Adopt(life_->label());
  for (const v1::Incarnation& left : record.left_behind())
    tree_.Add({left.pid(), left.start_ticks()});
  if (life_->has_process()) {
    adopted_ = true;
    last_ = {record.incarnation().pid(), record.incarnation().start_ticks()};
    taking_up_ = {record.notify_socket(), life_->message(), ""};
    TakeUpMain();
    return;
  }
  // Between two lives. What the last one left behind was being swept, and had been asked to end.
  const MonoTime now = MonoNow();
  if (!cgroup_ && !tree_.empty()) (void)LookAtTree(now);
  if (TreeEmpty(now)) return;
  life_->Sweep();
  sweeping_ = true;
  kill_tree_at_ = now + life_->spec().grace;
}

void ProgramInstance::TakeUpMain() {
  const auto wait = [this](const std::string& why) {
    const std::string message =
        fmt::format("pid {} is not taken up yet, and not started anew: {}; tried again each second",
                    last_.pid, why);
    // Unless there is something newer to say of it.
    const bool told = !taking_up_->instead.empty();
    if (!told || life_->message() == taking_up_->instead) life_->Remark(message);
    taking_up_->instead = message;
    parts_->look_soon();
    if (told) return;
    v1::Event event = Subject();
    event.set_kind(v1::EVENT_KIND_SLOT_LOST);
    event.set_severity(v1::SEVERITY_ALARM);
    event.set_message(fmt::format("{}: {}", life_->label(), message));
    parts_->log->Record(std::move(event));
  };
  if (!process_) {
    auto ref = ProcessRef::Open(last_.pid);
    if (ref.ok() && ref->identity() == last_) {
      process_.emplace(*std::move(ref));
    } else if (ref.ok() || absl::IsNotFound(ref.status())) {
      taking_up_.reset();
      Finish(EndStatus{}, v1::CAUSE_UNSPECIFIED);
      return;
    } else {
      return wait(std::string(ref.status().message()));
    }
  }
  const int64_t generation = life_->incarnation().generation();
  // The table has its place and waits for the same.
  if (parts_->table->set_aside().contains(generation)) return wait("it cannot be held");
  if (Slot* own = slot()) return TakenUp(*own);
  // It is the same process, proven, and only its slot is lost: it is given another one. With what
  // it takes to be watched it may have ended meanwhile.
  if (!process_->Alive()) {
    taking_up_.reset();
    Finish(ReapOwnChild(*process_), v1::CAUSE_UNSPECIFIED);
    return;
  }
  const auto row = AddProcess(life_->run());
  if (!row.ok()) return wait(std::string(row.status().message()));
  HeartTerms terms = FirstTerms();
  // It had its time to start.
  if (life_->ready()) terms.start_grace = Nanos(0);
  const auto own = AddSlot(*row, terms);
  if (!own.ok()) return wait(std::string(own.status().message()));
  spdlog::warn("{}: pid {} goes on in a new slot", life_->label(), last_.pid);
  life_->SlotChanged(parts_->table->IncarnationOf(**own));
  TakenUp(**own);
}

void ProgramInstance::TakenUp(Slot& own) {
  const TakingUp how = *std::exchange(taking_up_, std::nullopt);
  Own(own.process, life_->run());
  own.rules.grace = life_->spec().grace;
  if (!how.instead.empty()) {
    if (life_->message() == how.instead) life_->Remark(how.message);
    spdlog::info("{}: pid {} is taken up", life_->label(), last_.pid);
  }
  if (own.door == v1::DOOR_NOTIFY) {
    // What it said while nobody listened is lost: it is not held against it.
    page_ = std::const_pointer_cast<procctl_page>(own.page);
    page_->flags |= PROCCTL_PAGE_READY;
    notify_ready_ = true;
    deaf_ = how.notify_socket;
    HearAgain();
  }
  AttachOutput();
  if (life_->passed() || MarkSaysPassed()) {
    life_->Passed();
    life_->Ready(ProgramNow());
  }
  parts_->look_soon();
}

void ProgramInstance::HearAgain() {
  Slot* own = slot();
  if (own == nullptr) return;
  int error = 0;
  notify_ = notify::Receiver::OpenAgain(*deaf_, &error);
  absl::Status heard = error == 0 ? absl::OkStatus() : absl::UnavailableError(std::strerror(error));
  if (heard.ok()) {
    auto watch = parts_->poller->Add(notify_.fd(), EPOLLIN, [this](uint32_t) { OnNotify(); });
    heard = watch.status();
    if (watch.ok()) notify_watch_ = *watch;
  }
  const Nanos watchdog = life_->spec().watchdog;
  if (!heard.ok()) {
    if (own->terms.timeout > Nanos(0)) {
      spdlog::error(
          "{}: its notifications cannot be heard ({}): tried again each second, and not "
          "judged by them meanwhile",
          life_->label(), std::string(heard.message()));
      parts_->table->SetTimeout(*own, Nanos(0));
    }
    return;
  }
  deaf_.reset();
  if (own->terms.timeout > Nanos(0) || watchdog <= Nanos(0)) return;
  // What it said meanwhile is lost: its silence begins now.
  __atomic_store_n(&page_->beats, page_->beats + 1, __ATOMIC_RELAXED);
  parts_->table->SetTimeout(*own, watchdog);
}

}  // namespace procctl::node

// What an instance says by sd_notify, and who may say it.
#include <algorithm>
#include <cstring>
#include <utility>

#include "node/guardian/program_instance.h"
#include "node/os/proc_file.h"
#include "proto/support/duration_text.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

// Many times what the kernel queues on one socket.
constexpr int kMostNotifications = 256;
// What service managers grant for a stop unless told otherwise.
constexpr Nanos kStopTime = std::chrono::seconds(90);

void Put(char* to, size_t size, std::string_view text) {
  std::memset(to, 0, size);
  std::memcpy(to, text.data(), std::min(size, text.size()));
}

}  // namespace

void ProgramInstance::OnNotify() {
  for (int i = 0; i < kMostNotifications; ++i) {
    const auto datagram = notify_.Receive();
    if (!datagram) return;
    if (!MaySpeak(datagram->sender)) {
      Complain(&said_stranger_, fmt::format("process {} may not speak for it; see notify_access",
                                            datagram->sender.pid));
      continue;
    }
    const auto message = notify::Parse(datagram->bytes);
    if (!message || message->bad > 0)
      Complain(&said_garbage_, "it sends notifications that make no sense; passed over");
    if (message) Heed(*message, datagram->sender);
  }
}

bool ProgramInstance::MaySpeak(const ucred& sender) const {
  if (!process_ || sender.pid <= 0) return false;
  if (sender.pid == process_->identity().pid) return true;
  if (!life_->spec().notify_all) return false;
  const auto stat = ReadStat(sender.pid);
  const auto own = ReadStat(process_->identity().pid);
  if (stat && own && stat->session == own->session) return true;
  if (!cgroup_) return false;
  const auto members = cgroup_->Members();
  return std::any_of(members.begin(), members.end(),
                     [&](const TreeMember& member) { return member.pid == sender.pid; });
}

void ProgramInstance::Complain(bool* said, const std::string& what) {
  if (std::exchange(*said, true)) return;
  spdlog::warn("{}: {}", life_->label(), what);
}

void ProgramInstance::Heed(const notify::Message& message, const ucred& sender) {
  Slot* own = slot();
  if (own == nullptr || page_ == nullptr) return;
  procctl_page& page = *page_;
  // One thread writes and reads this page, but through the same atomic accesses as any other.
  const auto set = [&page](uint32_t flag, bool on) {
    const uint32_t flags = __atomic_load_n(&page.flags, __ATOMIC_RELAXED);
    __atomic_store_n(&page.flags, on ? flags | flag : flags & ~flag, __ATOMIC_RELEASE);
  };
  const auto busy = [&](Nanos length) {
    page.busy_ms =
        static_cast<uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(length).count());
    ++page.busy_count;
    set(PROCCTL_PAGE_BUSY, true);
  };
  if (message.watchdog_limit && life_->spec().watchdog > Nanos(0)) {
    const Nanos asked = *message.watchdog_limit;
    // An operator's word stands above the program's.
    if (asked > life_->spec().watchdog) {
      Complain(&said_longer_,
               fmt::format("it asks for a watchdog of {}; it stays at {}", FormatDuration(asked),
                           FormatDuration(life_->spec().watchdog)));
    }
    parts_->table->SetTimeout(
        *own, std::clamp(asked, std::min(parts_->min_timeout, life_->spec().watchdog),
                         life_->spec().watchdog));
  }
  if (message.status) {
    Put(page.note, sizeof page.note, *message.status);
  } else if (message.error_number && *message.error_number != 0) {
    Put(page.note, sizeof page.note,
        fmt::format("it says: {}", std::strerror(*message.error_number)));
  }
  if (message.trigger) {
    Put(page.note, sizeof page.note, "it gave itself up (WATCHDOG=trigger)");
    set(PROCCTL_PAGE_FAILED, true);
  }
  if (message.ready) {
    notify_ready_ = true;
    Put(page.phase, sizeof page.phase, "");
    set(PROCCTL_PAGE_BUSY, false);
    set(PROCCTL_PAGE_READY, true);
    if (!life_->passed()) life_->Passed();
    life_->Ready(ProgramNow());
    parts_->look_soon();
  }
  if (message.reloading) Put(page.phase, sizeof page.phase, "reloading");
  if (message.watchdog) set(PROCCTL_PAGE_BUSY, false);
  if (message.stopping) {
    Put(page.phase, sizeof page.phase, "stopping");
    busy(kStopTime);
  }
  if (message.extend) {
    if (notify_ready_) {
      busy(*message.extend);
    } else {
      parts_->table->ExtendStart(*own, *message.extend);
    }
  }
  if (message.watchdog || message.ready)
    __atomic_store_n(&page.beats, page.beats + 1, __ATOMIC_RELAXED);
  if (message.status || message.reloading || message.stopping || message.ready)
    parts_->table->Changed(*own);
  // Last: the slot may be another one afterwards.
  if (message.main_pid) Claim(*message.main_pid, sender);
}

}  // namespace procctl::node

#include "node/guardian/program_instance.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "node/os/clock.h"

namespace procctl::node {
namespace {

// The sessions of a few lead to all the others.
constexpr int kMostLeftBehind = 256;

}  // namespace

ProgramTime ProgramNow() { return {MonoNow(), absl::FromChrono(WallNow())}; }

ProgramInstance::ProgramInstance(const ProgramParts* parts, std::unique_ptr<ProgramLife> life)
    : parts_(parts), life_(std::move(life)) {}

ProgramInstance::~ProgramInstance() {
  parts_->poller->Remove(outcome_watch_);
  parts_->poller->Remove(notify_watch_);
}

Slot* ProgramInstance::slot() const {
  if (!life_->has_process()) return nullptr;
  return parts_->table->FindSlot(life_->incarnation().generation());
}

v1::Event ProgramInstance::Subject() const {
  v1::Event event;
  event.set_program(life_->label());
  event.set_name(life_->spec().name);
  event.set_run(life_->run());
  event.set_door(life_->spec().door);
  if (const Slot* own = slot()) {
    event.set_slot(own->label);
    *event.mutable_incarnation() = parts_->table->IncarnationOf(*own);
  } else {
    event.set_slot(life_->label());
    if (last_.pid > 0) {
      event.mutable_incarnation()->set_boot_id(parts_->table->boot_id());
      event.mutable_incarnation()->set_pid(last_.pid);
      event.mutable_incarnation()->set_start_ticks(last_.start_ticks);
    }
  }
  return event;
}

v1::Program ProgramInstance::Row() const {
  v1::Program row = life_->Row(ProgramNow());
  if (life_->has_process() && cgroup_) row.set_cgroup(cgroup_->path());
  return row;
}

v1::ProgramRecord ProgramInstance::Record() const {
  v1::ProgramRecord record = life_->Record();
  if (taking_up_) {
    record.set_notify_socket(taking_up_->notify_socket);
    if (record.message() == taking_up_->instead) record.set_message(taking_up_->message);
  } else {
    record.set_notify_socket(deaf_.value_or(notify_.ok() ? notify_.path() : ""));
  }
  if (cgroup_) record.set_cgroup(cgroup_->path());
  record.set_oom_kills_before(oom_kills_before_);
  // Its cgroup tells better than a list.
  if (cgroup_) return record;
  for (const ProcessIdentity& process : tree_.identities()) {
    if (record.left_behind_size() == kMostLeftBehind) break;
    v1::Incarnation* left = record.add_left_behind();
    left->set_boot_id(parts_->table->boot_id());
    left->set_pid(process.pid);
    left->set_start_ticks(process.start_ticks);
  }
  return record;
}

void ProgramInstance::PutOnRecord() {
  for (ProgramLife::Notice& notice : life_->TakeNotices()) {
    v1::Event event = Subject();
    event.set_kind(notice.kind);
    event.set_severity(notice.severity);
    event.set_message(std::move(notice.message));
    event.set_reason(std::move(notice.reason));
    if (notice.death) {
      event.set_cause(notice.death->cause());
      *event.mutable_death() = *std::move(notice.death);
      event.set_kill(last_kill_.kill());
      event.set_symptom(last_kill_.symptom());
      event.set_issuer(last_kill_.issuer());
      event.set_reason(last_kill_.reason());
    }
    parts_->log->Record(std::move(event));
  }
  if (!life_->TakeChanged()) return;
  row_moved_ = true;
  v1::StateRecord record;
  *record.mutable_program() = Record();
  parts_->journal->Put(std::move(record));
}

void ProgramInstance::Stop(const ProgramLife::Step& step) {
  Slot* own = slot();
  // Its process is to be taken up first; it is asked again with the next look.
  if (own == nullptr) return;
  if (own->process->kill != nullptr && !own->process->kill->of_heart()) return;
  parts_->enforcer->Stop(*own, step.cause, life_->spec().grace, step.by);
}

void ProgramInstance::Measure() {
  if (!life_->has_process() || !life_->spec().limits.restart_above_memory) return;
  // Empty: it has just ended.
  resident_ = ReadResident(last_).value_or(0);
}

void ProgramInstance::ApplyLive() {
  if (Slot* own = slot()) {
    own->rules.grace = life_->spec().grace;
    own->process->stop_signal = life_->spec().stop_signal;
  }
  if (life_->has_process()) AttachOutput();
}

bool ProgramInstance::gone() const {
  return life_->removed() && !life_->has_process() && !sweeping_ && !late_ && !held_;
}

void ProgramInstance::Leave() { notify_.Leave(); }

}  // namespace procctl::node

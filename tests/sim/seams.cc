#include "tests/sim/seams.h"

#include <signal.h>

#include <utility>

namespace procctl::sim {
namespace {

constexpr size_t kRingCapacity = 48;

}  // namespace

void Seams::LifeBegins(int64_t epoch) {
  gathered_.Clear();
  answers_.clear();
  ring_ = std::make_unique<node::EventRing>(epoch, kRingCapacity);
  spooled_ = 0;
}

void Seams::Record(v1::Event event) {
  // A gap is told before the pages are read, everything else after.
  if (event.kind() != v1::EVENT_KIND_STALL && event.kind() != v1::EVENT_KIND_SUSPEND)
    oracle_->Looked();
  if (told_ != nullptr) {
    const Nanos since = host_->now() - std::chrono::seconds(1000);
    std::fprintf(told_, "# %10.3fs %s: %s\n", std::chrono::duration<double>(since).count(),
                 v1::EventKind_Name(event.kind()).c_str(), event.message().c_str());
  }
  trap_.Pass(kAtEvent);
  oracle_->Recorded(event);
  (void)ring_->Add(std::move(event));
}

bool Seams::Spool() {
  for (const v1::Event& event : ring_->events()) {
    const int64_t first = event.has_lost() ? event.lost().first_seq() : event.id().seq();
    if (first != spooled_ + 1) return false;
    spooled_ = event.id().seq();
  }
  ring_->Spooled(ring_->epoch(), spooled_);
  return ring_->events().empty() && ring_->last_seq() == spooled_;
}

void Seams::Put(v1::StateRecord record) {
  oracle_->Looked();
  trap_.Pass(kAtPut);
  oracle_->Put(record);
  *gathered_.add_records() = std::move(record);
}

void Seams::Commit() {
  oracle_->Looked();
  trap_.Pass(kBeforeCommit);
  if (gathered_.records_size() > 0) {
    frames_.push_back(std::move(gathered_));
    gathered_.Clear();
  }
  oracle_->Committed();
  trap_.Pass(kAfterCommit);
}

void Seams::Ask(int64_t kill, node::EvidenceSubject subject) {
  oracle_->Looked();
  trap_.Pass(kAtAsk);
  answers_.push_back({host_->now() + evidence_delay_, kill, std::move(subject.known)});
}

node::TargetFacts Handle::Facts() const {
  node::TargetFacts facts;
  Proc* real = Real();
  facts.alive = real != nullptr && real->alive;
  Proc* found = host_->At(identity_.pid);
  if (found == nullptr) return facts;
  if (found->recover_on_look > 0 && --found->recover_on_look == 0) {
    seams_->oracle().Looked();
    host_->RecoverNow(*found);
  }
  facts.start_ticks = found->identity.start_ticks;
  facts.comm = found->comm;
  facts.kernel_thread = found->kernel_thread;
  facts.uid = found->uid;
  facts.tracer = found->tracer;
  facts.frozen = found->frozen;
  return facts;
}

node::Target::Outcome Handle::Signal(int signal) {
  seams_->oracle().Looked();
  seams_->trap().Pass(kBeforeSignal);
  Proc* real = Real();
  if (real == nullptr || !real->alive) {
    if (signal == SIGCONT) seams_->oracle().Signalled(*proc_, identity_, signal);
    return {Sent::kGone, ""};
  }
  if (real->denied && signal != SIGCONT) return {Sent::kDenied, "operation not permitted"};
  seams_->oracle().Signalled(*real, identity_, signal);
  host_->Deliver(*real, signal);
  seams_->trap().Pass(kAfterSignal);
  return {Sent::kYes, ""};
}

}  // namespace procctl::sim

#include "node/os/evidence_bound.h"

#include <string>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

// Room for the lines that say what was dropped.
constexpr size_t kReserve = 512;

}  // namespace

void BoundEvidence(v1::Evidence* evidence) {
  if (evidence->ByteSizeLong() <= kMostEvidenceBytes) return;
  const auto fits = [&] { return evidence->ByteSizeLong() <= kMostEvidenceBytes - kReserve; };
  auto* threads = evidence->mutable_threads();

  int stacks = 0;
  for (int i = threads->size() - 1; i >= 0 && !fits(); --i) {
    if (threads->Get(i).stack().empty()) continue;
    threads->Mutable(i)->clear_stack();
    ++stacks;
  }
  int dropped_threads = 0;
  for (; !threads->empty() && !fits(); ++dropped_threads) threads->RemoveLast();
  evidence->set_threads_left_out(evidence->threads_left_out() + dropped_threads);

  auto* missing = evidence->mutable_missing();
  int dropped_missing = 0;
  for (; !missing->empty() && !fits(); ++dropped_missing) missing->RemoveLast();

  auto* hearts = evidence->mutable_other_hearts();
  int dropped_hearts = 0;
  for (; !hearts->empty() && !fits(); ++dropped_hearts) hearts->RemoveLast();
  evidence->set_other_hearts_left_out(evidence->other_hearts_left_out() + dropped_hearts);

  // Never cut: half an escape would be another text.
  int texts = 0;
  for (std::string* text :
       {evidence->mutable_cgroup(), evidence->mutable_note(), evidence->mutable_phase(),
        evidence->mutable_heart(), evidence->mutable_comm(), evidence->mutable_state()}) {
    if (text->empty() || fits()) continue;
    text->clear();
    ++texts;
  }
  if (!fits()) evidence->clear_headroom();

  const auto say = [&](int count, const char* what) {
    if (count > 0) evidence->add_missing(fmt::format("{} {} left out: no room", count, what));
  };
  say(stacks, "kernel stacks");
  say(dropped_threads, "threads");
  say(dropped_missing, "lines of what could not be read");
  say(dropped_hearts, "other hearts");
  say(texts, "texts");
}

}  // namespace procctl::node

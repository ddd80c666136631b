#include "node/os/evidence_bound.h"

#include <string>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

// Room for the lines that say what was dropped.
constexpr size_t kReserve = 512;
// What each entry of a list costs at least beside its content.
constexpr size_t kTagAndLength = 2;

}  // namespace

void BoundEvidence(v1::Evidence* evidence) {
  // Counted down rather than measured anew for each removal; never by more than it saves.
  size_t size = evidence->ByteSizeLong();
  if (size <= kMostEvidenceBytes) return;
  const auto fits = [&] { return size <= kMostEvidenceBytes - kReserve; };
  const auto drop_last = [&](auto* entries, const auto& size_of) {
    int dropped = 0;
    for (; !entries->empty() && !fits(); ++dropped) {
      size -= size_of(entries->Get(entries->size() - 1));
      entries->RemoveLast();
    }
    return dropped;
  };
  const auto size_of_text = [](const std::string& text) { return text.size() + kTagAndLength; };
  const auto size_of_message = [](const auto& message) {
    return message.ByteSizeLong() + kTagAndLength;
  };

  auto* threads = evidence->mutable_threads();
  int stacks = 0;
  for (int i = threads->size() - 1; i >= 0 && !fits(); --i) {
    if (threads->Get(i).stack().empty()) continue;
    for (const std::string& frame : threads->Get(i).stack()) size -= size_of_text(frame);
    threads->Mutable(i)->clear_stack();
    ++stacks;
  }
  const int dropped_threads = drop_last(threads, size_of_message);
  evidence->set_threads_left_out(evidence->threads_left_out() + dropped_threads);
  const int dropped_missing = drop_last(evidence->mutable_missing(), size_of_text);
  const int dropped_hearts = drop_last(evidence->mutable_other_hearts(), size_of_message);
  evidence->set_other_hearts_left_out(evidence->other_hearts_left_out() + dropped_hearts);

  // Never cut: half an escape would be another text.
  int texts = 0;
  for (std::string* text :
       {evidence->mutable_cgroup(), evidence->mutable_note(), evidence->mutable_phase(),
        evidence->mutable_heart(), evidence->mutable_comm(), evidence->mutable_state()}) {
    if (text->empty() || fits()) continue;
    size -= text->size();
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

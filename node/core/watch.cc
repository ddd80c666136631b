#include "node/core/watch.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <map>
#include <set>

namespace procctl::node {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

// 0: none.
int64_t LimitOf(const HeartCell& cell) {
  return (cell.mode == HeartMode::kPlain ? cell.timeout : cell.special_limit) * kMillisecond;
}

// A heart whose silence nothing excuses.
bool IsSilent(const HeartCell& cell) {
  return cell.page != nullptr &&
         (cell.judged == v1::SLOT_STATE_QUIET || cell.judged == v1::SLOT_STATE_HUNG) &&
         cell.mode != HeartMode::kStarting;
}

}  // namespace

void Findings::Clear() {
  changed.clear();
  closed.clear();
  due.clear();
  near_misses.clear();
  shadow.clear();
}

v1::SlotState Judge(const HeartCell& cell) {
  if ((cell.flags & PROCCTL_PAGE_FAILED) != 0) return v1::SLOT_STATE_GAVE_UP;
  if (const int64_t limit = LimitOf(cell); limit != 0 && cell.silence > limit)
    return v1::SLOT_STATE_HUNG;
  if (cell.mode == HeartMode::kStarting) return v1::SLOT_STATE_STARTING;
  if (cell.mode == HeartMode::kBusy) return v1::SLOT_STATE_BUSY;
  if (cell.progress_limit != 0 && cell.progress_silence > cell.progress_limit * kMillisecond)
    return v1::SLOT_STATE_NO_PROGRESS;
  if (cell.timeout != 0 && cell.silence * 2 > cell.timeout * kMillisecond)
    return v1::SLOT_STATE_QUIET;
  return v1::SLOT_STATE_ALIVE;
}

bool IsDue(v1::SlotState state) {
  return state == v1::SLOT_STATE_HUNG || state == v1::SLOT_STATE_NO_PROGRESS ||
         state == v1::SLOT_STATE_GAVE_UP;
}

v1::Symptom SymptomOf(const HeartCell& cell) {
  if (cell.judged == v1::SLOT_STATE_GAVE_UP) return v1::SYMPTOM_GAVE_UP;
  if (cell.judged == v1::SLOT_STATE_NO_PROGRESS) return v1::SYMPTOM_NO_PROGRESS;
  switch (cell.mode) {
    case HeartMode::kPlain:
      return v1::SYMPTOM_SILENT;
    case HeartMode::kStarting:
      return v1::SYMPTOM_NOT_READY;
    case HeartMode::kBusy:
      return v1::SYMPTOM_BUSY_TOO_LONG;
  }
  return v1::SYMPTOM_UNSPECIFIED;
}

Nanos LimitOf(const HeartCell& cell, v1::Symptom symptom) {
  if (symptom == v1::SYMPTOM_NO_PROGRESS) return Nanos(cell.progress_limit * kMillisecond);
  return Nanos(LimitOf(cell));
}

Nanos SilenceOf(const HeartCell& cell, v1::Symptom symptom) {
  return Nanos(symptom == v1::SYMPTOM_NO_PROGRESS ? cell.progress_silence : cell.silence);
}

bool StillDue(const HeartCell& cell, v1::Symptom symptom) {
  // Due for another reason by now: this one is over, and the other one begins with the next scan.
  if (cell.page == nullptr || !IsDue(static_cast<v1::SlotState>(cell.judged)) ||
      SymptomOf(cell) != symptom) {
    return false;
  }
  const uint32_t flags = __atomic_load_n(&cell.page->flags, __ATOMIC_RELAXED);
  const bool beat = __atomic_load_n(&cell.page->beats, __ATOMIC_RELAXED) != cell.beats;
  switch (symptom) {
    case v1::SYMPTOM_GAVE_UP:
      return (flags & PROCCTL_PAGE_FAILED) != 0;
    case v1::SYMPTOM_NOT_READY:
      return (flags & PROCCTL_PAGE_READY) == 0;
    case v1::SYMPTOM_NO_PROGRESS:
      return __atomic_load_n(&cell.page->progress, __ATOMIC_RELAXED) == cell.progress;
    default:
      return !beat;
  }
}

void Watch::NoteGap(size_t index, HeartCell& cell, Nanos credited, Findings* findings) {
  // A gap is known to one interval: the beat came somewhere within the last one. What suggests a
  // timeout takes the longest it can have been, what accuses takes what was seen.
  const int64_t longest = cell.silence + credited.count();
  const Slot& slot = *table_->slot_at(index);
  HeartHistory& history = table_->history(slot);
  const auto intervals =
      static_cast<uint64_t>((longest + rules_.interval.count() - 1) / rules_.interval.count());
  const int column =
      std::min(static_cast<int>(std::bit_width(intervals - 1)), HeartHistory::kColumns - 1);
  ++history.gaps[static_cast<size_t>(column)];
  history.worst_gap = std::max(history.worst_gap, longest);
  // Ten times in hundredths: silence * 100 may overflow for a silence of years, this does not.
  if (cell.timeout != 0 &&
      cell.silence / 100 * 100 > cell.timeout * kMillisecond / 100 * rules_.near_miss_percent) {
    ++history.near_misses;
    findings->near_misses.push_back({slot.generation, Nanos(cell.silence)});
  }
}

void Watch::ReadFlags(size_t index, HeartCell& cell, uint32_t flags) {
  cell.flags = static_cast<uint8_t>(flags);
  if (cell.mode == HeartMode::kStarting) {
    if ((flags & PROCCTL_PAGE_READY) == 0) return;
    cell.mode = HeartMode::kPlain;
    cell.special_limit = 0;
    cell.silence = 0;
    cell.progress_silence = 0;
  }
  if ((flags & PROCCTL_PAGE_BUSY) == 0) {
    if (cell.mode == HeartMode::kBusy) {
      cell.mode = HeartMode::kPlain;
      cell.special_limit = 0;
    }
    return;
  }
  // What was announced counts only while the page says BUSY: read after the flag.
  std::atomic_thread_fence(std::memory_order_acquire);
  const uint64_t count = __atomic_load_n(&cell.page->busy_count, __ATOMIC_RELAXED);
  const Slot& slot = *table_->slot_at(index);
  HeartHistory& history = table_->history(slot);
  if (cell.mode == HeartMode::kBusy && history.busy_seen == count) return;
  const uint64_t asked = __atomic_load_n(&cell.page->busy_ms, __ATOMIC_RELAXED);
  const auto most = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(slot.rules.max_busy).count());
  history.busy_seen = count;
  ++history.busy_count;
  if (asked > most) ++history.busy_cut;
  // Announcing long work never shortens what a heart may take anyway.
  cell.special_limit = static_cast<uint32_t>(
      std::min<uint64_t>(std::max<uint64_t>(std::min(asked, most), cell.timeout), UINT32_MAX));
  cell.mode = HeartMode::kBusy;
}

void Watch::Scan(Nanos credited, Findings* findings) {
  findings->Clear();
  const std::span<HeartCell> cells = table_->cells();
  // Pages lie scattered: asked for this many hearts ahead, they are there when their turn comes.
  constexpr size_t kAhead = 8;
  const int64_t credit = credited.count();
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i + kAhead < cells.size()) __builtin_prefetch(cells[i + kAhead].page);
    HeartCell& cell = cells[i];
    const procctl_page* page = cell.page;
    if (page == nullptr) continue;
    const uint64_t beats = __atomic_load_n(&page->beats, __ATOMIC_RELAXED);
    const uint32_t flags = __atomic_load_n(&page->flags, __ATOMIC_RELAXED);
    bool closed = (flags & PROCCTL_PAGE_CLOSED) != 0;
    if (beats != cell.beats) {
      cell.beats = beats;
      if (cell.mode == HeartMode::kStarting) {
        cell.silence += credit;
      } else {
        if (cell.silence == 0) {
          ++cell.steady;
        } else if (cell.mode == HeartMode::kPlain) {
          NoteGap(i, cell, credited, findings);
        }
        cell.silence = 0;
      }
    } else {
      const int64_t before = cell.silence;
      cell.silence += credit;
      if (cell.shadow != 0 && cell.mode == HeartMode::kPlain &&
          before <= cell.shadow * kMillisecond && cell.silence > cell.shadow * kMillisecond) {
        const Slot& slot = *table_->slot_at(i);
        ++table_->history(slot).shadow_kills;
        findings->shadow.push_back(slot.generation);
      }
      closed |= beats == 0 && cell.silence > kUnclaimed.count();
    }
    if (cell.progress_limit != 0) {
      const uint64_t progress = __atomic_load_n(&page->progress, __ATOMIC_RELAXED);
      if (progress != cell.progress) {
        cell.progress = progress;
        cell.progress_silence = 0;
      } else if (cell.mode == HeartMode::kPlain) {
        cell.progress_silence += credit;
      }
    }
    if (static_cast<uint8_t>(flags) != cell.flags || (flags & PROCCTL_PAGE_BUSY) != 0)
      ReadFlags(i, cell, flags);
    const v1::SlotState state = Judge(cell);
    if (state == cell.judged && !closed && !IsDue(state)) continue;
    const int64_t generation = table_->slot_at(i)->generation;
    if (state != cell.judged) {
      cell.judged = static_cast<uint8_t>(state);
      findings->changed.push_back(generation);
    }
    if (closed) {
      findings->closed.push_back(generation);
    } else if (IsDue(state)) {
      findings->due.push_back(generation);
    }
  }
}

SilenceCensus Watch::Census(Nanos window, int least) const {
  struct Silent {
    int64_t silence;
    const Process* process;
    bool is_due;
  };
  SilenceCensus census;
  std::vector<Silent> silent;
  std::set<const Process*> heard;
  std::set<const Process*> unheard;
  const std::span<HeartCell> cells = table_->cells();
  for (size_t i = 0; i < cells.size(); ++i) {
    if (cells[i].page == nullptr) continue;
    const Slot& slot = *table_->slot_at(i);
    if (slot.process->canary) continue;
    // Who need not beat says nothing about the host by not beating.
    if (LimitOf(cells[i]) == 0) {
      unheard.insert(slot.process);
      continue;
    }
    ++census.slots;
    heard.insert(slot.process);
    if (!IsSilent(cells[i])) continue;
    silent.push_back({cells[i].silence, slot.process, cells[i].judged == v1::SLOT_STATE_HUNG});
  }
  census.processes = static_cast<int64_t>(table_->processes().size());
  for (const Process* process : unheard) census.processes -= heard.count(process) == 0 ? 1 : 0;
  census.silent = static_cast<int64_t>(silent.size());
  // The largest group whose silences began within one window, and that holds one that is due.
  std::sort(silent.begin(), silent.end(),
            [](const Silent& a, const Silent& b) { return a.silence < b.silence; });
  size_t dues = 0;
  std::map<const Process*, int> within;
  for (size_t begin = 0, end = 0; begin < silent.size(); ++begin) {
    for (; end < silent.size() && silent[end].silence - silent[begin].silence <= window.count();
         ++end) {
      dues += silent[end].is_due ? 1 : 0;
      ++within[silent[end].process];
    }
    const auto slots = static_cast<int64_t>(end - begin);
    const auto processes = static_cast<int64_t>(within.size());
    // Many hearts of one process must not hide fewer hearts of many.
    const bool enough = processes >= least;
    const bool enough_so_far = census.processes_together >= least;
    if (dues > 0 && (enough == enough_so_far ? slots > census.silent_together : enough)) {
      census.silent_together = slots;
      census.processes_together = processes;
    }
    dues -= silent[begin].is_due ? 1 : 0;
    if (--within[silent[begin].process] == 0) within.erase(silent[begin].process);
  }
  return census;
}

}  // namespace procctl::node

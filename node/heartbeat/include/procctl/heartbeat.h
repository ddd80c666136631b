/* SPDX-License-Identifier: Apache-2.0
 *
 * libprocctl_heartbeat: let procctl guard this process.
 *
 *   procctl_heart heart = PROCCTL_HEART_INIT;
 *   procctl_open(&heart, "encoder", 5000);  // silent for more than 5 s = hung
 *   while (work()) procctl_beat(&heart);    // in the loop that can hang, not in a timer
 *   procctl_close(&heart);
 *
 * What it is: each heart is one page of memory shared with the guardian of this host. The guardian
 * makes the page and seals its size; it learns who the process is from the kernel, never from what
 * the process writes. Where no guardian answers, every call still works and guards nothing:
 * programs run unchanged. Call procctl_tend in the same loop, and a guardian that comes later, or
 * another one in its place, is found.
 *
 * Threads: whatever speaks through an open heart (procctl_beat, _progress, _note, _phase, _ready,
 * _busy, _busy_done, _failed) may be called from any thread and from a signal handler, at any rate.
 * procctl_tend may be called from any thread, also while others speak or tend, but not from a
 * signal handler: it may wait. procctl_open and procctl_close of one heart must not race with each
 * other or with use of that same heart, and are not for signal handlers; different hearts are
 * independent. One heart may be beaten by several threads, but then it only says that one of them
 * lives: give each thread that must not hang a heart of its own.
 *
 * fork: the child's hearts are cut off from the parent's; its beats go nowhere and do no harm, and
 * tending them does nothing. A child that wants to be guarded opens hearts of its own.  exec: the
 * page is gone with the old image; open again under the same name within the timeout and the slot
 * goes on.
 *
 * Usable from C11 and C++.
 */
#ifndef PROCCTL_HEARTBEAT_H_
#define PROCCTL_HEARTBEAT_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ the page
 *
 * An ABI: these offsets never change within PROCCTL_PAGE_VERSION. The page is written by the client
 * only and read by the guardian only. The guardian copies it once per look and believes no byte of
 * it: whatever is written here can at most make the writer itself look hung or alive.
 *
 *   field     who writes       who reads   meaning
 *   magic     guardian, once   client      PROCCTL_PAGE_MAGIC, before the page is handed over
 *   version   guardian, once   client      PROCCTL_PAGE_VERSION
 *   flags     client           guardian    PROCCTL_PAGE_* bits below
 *   beats     client           guardian    any change is a beat; the value itself means nothing
 *   progress  client           guardian    units of work done; any change is progress
 *   note      client           guardian    last words; NUL-terminated or full; shown escaped
 *   busy_ms   client           guardian    while BUSY: how long this piece of work may take
 *   busy_count client          guardian    announcements of long work so far
 *   phase     client           guardian    what it is doing, a word or two; as note
 *
 * Whoever writes BUSY writes busy_ms and busy_count before it. The last three were added within
 * version 1: a guardian that does not know them judges by beats alone, and a library that does not
 * leaves them zero.
 */
#define PROCCTL_PAGE_MAGIC 0x70726f6363746c31ULL /* "procctl1" read as a big-endian number */
#define PROCCTL_PAGE_VERSION 1U
#define PROCCTL_PAGE_BYTES 4096U
#define PROCCTL_NOTE_BYTES 128U
#define PROCCTL_PHASE_BYTES 32U

#define PROCCTL_PAGE_READY 1U  /* start-up is over */
#define PROCCTL_PAGE_FAILED 2U /* the process gives itself up: stop it now */
#define PROCCTL_PAGE_BUSY 4U   /* known long work: busy_ms instead of the timeout */
#define PROCCTL_PAGE_CLOSED 8U /* the process gives the slot back */

typedef struct procctl_page {
  uint64_t magic;
  uint32_t version;
  uint32_t flags;
  uint64_t beats;
  uint64_t progress;
  char note[PROCCTL_NOTE_BYTES];
  uint64_t busy_ms;
  uint64_t busy_count;
  char phase[PROCCTL_PHASE_BYTES];
} procctl_page;

/* ------------------------------------------------------------------ hearts */

/* Longest name, without the NUL. */
#define PROCCTL_NAME_MAX 63U

/* A heart. Fields are for the inline functions below only. page is never NULL: a heart that guards
 * nothing beats into a page of its own; from procctl_open to procctl_close it stays the same. The
 * process owns the memory of the heart; it must stay where it is while the heart is open. A copy of
 * an open heart speaks for the original, but does not tend or close it. */
typedef struct procctl_heart {
  procctl_page* page;
  uint64_t slot;
  int fd;
} procctl_heart;

extern procctl_page procctl_idle_page;

/* A heart that is not open: safe to beat, guards nothing. */
#define PROCCTL_HEART_INIT \
  { &procctl_idle_page, 0, -1 }

/* What a heart asks for, in milliseconds. Zero what you do not ask for, the reserved fields too. */
typedef struct procctl_options {
  /* Silence over this is a hang. The node's policy bounds it (500 ms to 24 h unless configured). */
  uint32_t timeout_ms;
  /* No procctl_progress for over this is a hang too, although it beats. 0: not judged. */
  uint32_t progress_timeout_ms;
  /* Until procctl_ready it may be silent for this long, counted from the registration. 0: judged by
   * timeout_ms from the first beat on. */
  uint32_t start_grace_ms;
  uint32_t reserved[5];
} procctl_options;

/* Registers this process (not the thread) under `name` and opens the heart. The first beat is made
 * here: a page without any beat is one that its process never got hold of.
 *
 * name        1 to 63 bytes; what operators see. Several hearts of one process need several names;
 *             the same name again from the same process takes over the slot (after exec, for
 *             example).
 * timeout_ms  silence over this many milliseconds is a hang. The node's policy bounds it (500 ms to
 *             24 h unless configured).
 *
 * Looks for the guardian's socket in $PROCCTL_HEARTBEAT_SOCKET if that is set (and nowhere if it is
 * set but empty), else /run/procctl/heartbeat.sock, then $XDG_RUNTIME_DIR/procctl/heartbeat.sock.
 * Waits at most 2 s for the guardian's answer.
 *
 * Returns 0 when guarded. Otherwise a negative errno value, and the heart is safe to use and guards
 * nothing:
 *
 *   -ENOENT, -ECONNREFUSED  no guardian here (nothing to worry about on a developer's machine)
 *   -EINVAL                 bad name or timeout, see procctl_open_error
 *   -EACCES                 this user may not register here
 *   -EDQUOT                 too many slots for this user or this node
 *   -EPROTO                 the guardian speaks another version of the page, or no sense at all
 *   -ETIMEDOUT              the guardian did not answer in 2 s
 *   -EBUSY                  this heart is guarded already; it stays so
 *   -EMFILE, -ENOMEM, ...   this process is at a limit of its own
 */
int procctl_open(procctl_heart* heart, const char* name, uint32_t timeout_ms);

/* The same with more to ask for. Also -EINVAL: options is NULL or a reserved field is not 0;
 * -ECONNREFUSED, -EPROTO or -EINVAL: the guardian is older than what was asked of it (one that is
 * asked for a timeout alone understands it whatever its age). */
int procctl_open_with(procctl_heart* heart, const char* name, const procctl_options* options);

/* Looks after a heart that was opened, whether or not a guardian took it: call it now and then,
 * simply where you beat. It is cheap: a coarse clock read, and a look at most once a second.
 *
 * Not guarded: asks again what procctl_open asked, after one second and then every 5 s; a guardian
 * that said no is asked every 60 s.  Guarded: looks at the socket file through which it registered
 * and, if another guardian has put another one there, registers with that one under the same name.
 * Note, phase, progress and what else was said go along; the old slot is given back.
 *
 * Asking waits at most 200 ms for the answer. Tend it from the loop that beats: to be taken by a
 * guardian counts as a beat.
 *
 * Returns 1 if guarded; 0 if not, and nothing was asked for (never opened, closed, a parent's
 * heart); else what the last try met, as procctl_open has it. A copy of a heart, and a heart beyond
 * the first 256 of a process that no guardian took, are not tended: 1 if guarded, else 0. */
int procctl_tend(procctl_heart* heart);

/* What the guardian (for a bad argument: the library) said to the last procctl_open, or the last
 * try of procctl_tend, of this thread that failed; "" if it said nothing. Printable ASCII. Valid
 * until the next of these calls of this thread. */
const char* procctl_open_error(void);

/* Gives the slot back and makes the heart safe to beat again, guarding nothing; it is not tended
 * any more. No-op if it was not opened. */
void procctl_close(procctl_heart* heart);

/* 1 if the heart is guarded, else 0. */
int procctl_is_guarded(const procctl_heart* heart);

/* Says: alive. No system call, no lock, no clock. A load and a store rather than one locked
 * instruction: when two threads collide a count may be lost, but the value has changed all the
 * same, and change is all that counts. */
static inline void procctl_beat(procctl_heart* heart) {
  uint64_t* beats = &heart->page->beats;
  __atomic_store_n(beats, __atomic_load_n(beats, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

/* Counts `units` of work done (and beats). */
static inline void procctl_progress(procctl_heart* heart, uint64_t units) {
  uint64_t* progress = &heart->page->progress;
  __atomic_store_n(progress, __atomic_load_n(progress, __ATOMIC_RELAXED) + units, __ATOMIC_RELAXED);
  procctl_beat(heart);
}

/* Leaves a note: what the process is doing, at most 127 bytes, cut where longer; NULL clears it.
 * Shown with the slot and, should the process be killed, with its kill event. Two threads that
 * write notes on one heart at once may mix their bytes; nothing worse happens. */
void procctl_note(procctl_heart* heart, const char* text);

/* Says what it is doing in a word or two, at most 31 bytes; otherwise as procctl_note. */
void procctl_phase(procctl_heart* heart, const char* phase);

/* Start-up is over: from now on the timeout counts. Beats. Harmless without a start grace. */
void procctl_ready(procctl_heart* heart);

/* Announces one known long piece of work: until procctl_busy_done, or the next announcement,
 * silence up to limit_ms is no hang. Beats. The node's policy bounds the limit and counts how often
 * it is used; a limit of 0 is procctl_busy_done. It does not nest: the last call counts. */
void procctl_busy(procctl_heart* heart, uint32_t limit_ms);

/* The work is done: the timeout counts again. Beats. */
void procctl_busy_done(procctl_heart* heart);

/* The process gives itself up: the guardian stops it now rather than after the timeout. There is no
 * way back. `reason` becomes the note; NULL leaves the note as it is. Returns: end what can still
 * be ended. */
void procctl_failed(procctl_heart* heart, const char* reason);

#ifdef __cplusplus
} /* extern "C" */

#include <chrono>
#include <utility>

namespace procctl {

// What a heart asks for; see procctl_options.
struct Options {
  std::chrono::milliseconds timeout{0};
  std::chrono::milliseconds progress_timeout{0};
  std::chrono::milliseconds start_grace{0};
};

// One heart, closed when it goes out of scope. Same rules as above.
class Heart {
 public:
  Heart() = default;
  Heart(const char* name, std::chrono::milliseconds timeout) { Open(name, timeout); }
  Heart(const char* name, const Options& options) { Open(name, options); }
  ~Heart() { procctl_close(&heart_); }
  Heart(const Heart&) = delete;
  Heart& operator=(const Heart&) = delete;

  // 0, or a negative errno value as procctl_open has it. A time outside 0 to 2^32-1 ms is -EINVAL.
  int Open(const char* name, std::chrono::milliseconds timeout) {
    return procctl_open(&heart_, name, Fits(timeout) ? Milliseconds(timeout) : 0);
  }
  int Open(const char* name, const Options& options) {
    procctl_options asked = {};
    if (Fits(options.timeout) && Fits(options.progress_timeout) && Fits(options.start_grace)) {
      asked.timeout_ms = Milliseconds(options.timeout);
      asked.progress_timeout_ms = Milliseconds(options.progress_timeout);
      asked.start_grace_ms = Milliseconds(options.start_grace);
    }
    return procctl_open_with(&heart_, name, &asked);  // A timeout of 0 is refused.
  }
  int Tend() { return procctl_tend(&heart_); }
  void Close() { procctl_close(&heart_); }
  void Beat() { procctl_beat(&heart_); }
  void Progress(uint64_t units = 1) { procctl_progress(&heart_, units); }
  void Note(const char* text) { procctl_note(&heart_, text); }
  void Phase(const char* text) { procctl_phase(&heart_, text); }
  void Ready() { procctl_ready(&heart_); }
  // Longer than 2^32-1 ms (49 days) counts as that; not longer than 0 is BusyDone.
  void Busy(std::chrono::milliseconds limit) {
    const bool too_long = limit.count() > std::chrono::milliseconds::rep{UINT32_MAX};
    procctl_busy(&heart_, too_long ? UINT32_MAX : Fits(limit) ? Milliseconds(limit) : 0);
  }
  void BusyDone() { procctl_busy_done(&heart_); }
  void Failed(const char* reason) { procctl_failed(&heart_, reason); }
  bool guarded() const { return procctl_is_guarded(&heart_) != 0; }

 private:
  static bool Fits(std::chrono::milliseconds time) {
    return time.count() >= 0 && time.count() <= std::chrono::milliseconds::rep{UINT32_MAX};
  }
  static uint32_t Milliseconds(std::chrono::milliseconds time) {
    return static_cast<uint32_t>(time.count());
  }

  procctl_heart heart_ = PROCCTL_HEART_INIT;
};

// Known long work for as long as this lives. The heart must outlive it. Do not nest two on one
// heart: the inner one's end ends both.
class BusyScope {
 public:
  BusyScope(Heart& heart, std::chrono::milliseconds limit) : heart_(heart) { heart_.Busy(limit); }
  ~BusyScope() { heart_.BusyDone(); }
  BusyScope(const BusyScope&) = delete;
  BusyScope& operator=(const BusyScope&) = delete;

 private:
  Heart& heart_;
};

}  // namespace procctl
#endif

#endif /* PROCCTL_HEARTBEAT_H_ */

// SPDX-License-Identifier: Apache-2.0
#include "node/heartbeat/open_hearts.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace procctl::heartbeat {
namespace {

std::atomic<OpenHeart*> list_head{nullptr};
std::atomic<bool> fork_handler_installed{false};
std::atomic<int> remembered_hearts{0};

struct alignas(64) IdlePage {
  procctl_page page;
};
constexpr unsigned kIdlePages = 32;  // 8 KiB, untouched unless hearts go unguarded
IdlePage idle_pages[kIdlePages];
std::atomic<unsigned> next_idle_page{0};

// Gives the entry back. Its page stays with it, so that page must be private and zeroed by now.
void Untrack(OpenHeart* entry) {
  entry->owner.store(0);
  entry->heart.store(nullptr);
  entry->page_fd.store(-1);
  entry->socket.store(-1);
  entry->coming_page.store(nullptr);
  entry->coming_fd.store(-1);
  entry->state.store(0);
  entry->next_look_ns.store(0);
  entry->last_error.store(0);
  entry->tending.store(false);
  entry->claimed.store(false);
}

void CloseHeld(std::atomic<int>* held) {
  const int fd = held->exchange(-1);
  if (fd >= 0) close(fd);
}

// Runs in the child, in its only thread, before fork returns. Async-signal-safe: the heap and every
// lock may have been in use by a thread that is gone.
void CutOffChild() {
  for (OpenHeart* entry = list_head.load(); entry != nullptr; entry = entry->next) {
    if (!entry->claimed.load()) continue;
    entry->owner.store(0);
    // In place, so that even a copy of the old address beats for nobody. Should the kernel refuse,
    // the heart itself still lets go of the page below, and nobody gets it any more.
    if (procctl_page* page = entry->page.load(); page != nullptr && !MakePrivate(page)) {
      entry->page.store(nullptr);
    }
    // Not unmapped: a signal handler may have forked while its own thread was writing there.
    if (procctl_page* page = entry->coming_page.load(); page != nullptr) (void)MakePrivate(page);
    const bool guarded = entry->page_fd.load() >= 0;
    CloseHeld(&entry->page_fd);
    CloseHeld(&entry->coming_fd);
    CloseHeld(&entry->socket);
    if (guarded) {
      if (procctl_heart* heart = entry->heart.load(); heart != nullptr) MakeIdle(heart);
      Forget(entry);
      Untrack(entry);
      continue;
    }
    // An unguarded heart goes on beating into its page, so the page must not become another's. The
    // entry stays taken, without a wish.
    entry->tending.store(false);
    entry->last_error.store(0);
  }
}

// Installed when the library is loaded, so that it runs before the handlers of the program itself,
// which may beat. Twice (two threads at once) does no harm: the second run finds nothing to do.
bool InstallForkHandler() {
  if (fork_handler_installed.load()) return true;
  if (pthread_atfork(nullptr, nullptr, CutOffChild) != 0) return false;
  fork_handler_installed.store(true);
  return true;
}

__attribute__((constructor)) void OnLoad() {
  (void)InstallForkHandler();  // Track tries again and reports.
}

bool TryClaim(OpenHeart* entry) {
  bool expected = false;
  return entry->claimed.compare_exchange_strong(expected, true);
}

OpenHeart* ClaimOrMake() {
  for (OpenHeart* entry = list_head.load(); entry != nullptr; entry = entry->next) {
    if (TryClaim(entry)) return entry;
  }
  void* memory = malloc(sizeof(OpenHeart));
  if (memory == nullptr) return nullptr;
  OpenHeart* entry = ::new (memory) OpenHeart;
  (void)TryClaim(entry);  // Nobody else knows it yet.
  entry->next = list_head.load();
  while (!list_head.compare_exchange_weak(entry->next, entry)) {
  }
  return entry;
}

}  // namespace

OpenHeart* Track(procctl_heart* heart) {
  if (!InstallForkHandler()) return nullptr;
  OpenHeart* entry = ClaimOrMake();
  if (entry == nullptr) return nullptr;
  if (entry->page.load() == nullptr) {
    void* memory = mmap(nullptr, PROCCTL_PAGE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      Untrack(entry);
      return nullptr;
    }
    entry->page.store(static_cast<procctl_page*>(memory));
  }
  // A try that a fork cut short may have left something in an entry that was free by then.
  entry->page_fd.store(-1);
  entry->next_try_ns = 0;
  entry->refused_until_ns = 0;
  entry->owner.store(getpid());
  entry->heart.store(heart);
  return entry;
}

OpenHeart* FindTracked(const procctl_heart* heart) {
  for (OpenHeart* entry = list_head.load(); entry != nullptr; entry = entry->next) {
    if (entry->claimed.load() && entry->heart.load() == heart) return entry;
  }
  return nullptr;
}

OpenHeart* FindPage(const procctl_page* page) {
  for (OpenHeart* entry = list_head.load(); entry != nullptr; entry = entry->next) {
    if (entry->claimed.load() && entry->page.load() == page) return entry;
  }
  return nullptr;
}

bool TryRemember(OpenHeart* entry) {
  if (entry->remembered) return true;
  if (remembered_hearts.fetch_add(1) >= kMostRemembered) {
    remembered_hearts.fetch_sub(1);
    return false;
  }
  entry->remembered = true;
  return true;
}

void Forget(OpenHeart* entry) {
  if (!entry->remembered) return;
  entry->remembered = false;
  remembered_hearts.fetch_sub(1);
}

void Release(OpenHeart* entry) {
  // The page first: a child forked now has nothing to beat into that is not its own.
  if (procctl_page* page = entry->page.load(); page != nullptr && !MakePrivate(page)) {
    entry->page.store(nullptr);
    munmap(page, PROCCTL_PAGE_BYTES);
  }
  CloseHeld(&entry->page_fd);
  Forget(entry);
  Untrack(entry);
}

bool MakePrivate(procctl_page* page) {
  return mmap(page, PROCCTL_PAGE_BYTES, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

void MakeIdle(procctl_heart* heart) {
  const unsigned turn = next_idle_page.fetch_add(1, std::memory_order_relaxed);
  heart->page = &idle_pages[turn % kIdlePages].page;
  heart->slot = 0;
  heart->fd = -1;
}

}  // namespace procctl::heartbeat

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

struct alignas(64) IdlePage {
  procctl_page page;
};
constexpr unsigned kIdlePages = 32;  // 6 KiB, untouched unless hearts go unguarded
IdlePage idle_pages[kIdlePages];
std::atomic<unsigned> next_idle_page{0};

// Runs in the child, in its only thread, before fork returns. Async-signal-safe: the heap and every
// lock may have been in use by a thread that is gone.
void CutOffChild() {
  for (OpenHeart* entry = list_head.load(); entry != nullptr; entry = entry->next) {
    if (!entry->claimed.load()) continue;
    // In place, so that even a copy of the old address beats for nobody. Should the kernel refuse,
    // the heart itself still lets go of the page below.
    if (procctl_page* page = entry->page.load(); page != nullptr) {
      (void)mmap(page, PROCCTL_PAGE_BYTES, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    }
    if (const int fd = entry->page_fd.load(); fd >= 0) close(fd);
    if (const int fd = entry->socket.load(); fd >= 0) close(fd);
    if (procctl_heart* heart = entry->heart.load(); heart != nullptr) MakeIdle(heart);
    Untrack(entry);
  }
}

// Installed when the library is loaded, so that it runs before the handlers of the program itself,
// which may beat. Twice (two threads at once) does no harm: the second run finds nothing claimed.
bool InstallForkHandler() {
  if (fork_handler_installed.load()) return true;
  if (pthread_atfork(nullptr, nullptr, CutOffChild) != 0) return false;
  fork_handler_installed.store(true);
  return true;
}

__attribute__((constructor)) void OnLoad() {
  (void)InstallForkHandler();  // Track tries again and reports.
}

bool TryClaim(OpenHeart* entry, procctl_heart* heart) {
  bool expected = false;
  if (!entry->claimed.compare_exchange_strong(expected, true)) return false;
  entry->heart.store(heart);
  return true;
}

}  // namespace

OpenHeart* Track(procctl_heart* heart) {
  if (!InstallForkHandler()) return nullptr;
  for (OpenHeart* entry = list_head.load(); entry != nullptr; entry = entry->next) {
    if (TryClaim(entry, heart)) return entry;
  }
  void* memory = malloc(sizeof(OpenHeart));
  if (memory == nullptr) return nullptr;
  OpenHeart* entry = ::new (memory) OpenHeart;
  (void)TryClaim(entry, heart);  // Nobody else knows it yet.
  entry->next = list_head.load();
  while (!list_head.compare_exchange_weak(entry->next, entry)) {
  }
  return entry;
}

OpenHeart* FindTracked(const procctl_heart* heart) {
  for (OpenHeart* entry = list_head.load(); entry != nullptr; entry = entry->next) {
    if (entry->claimed.load() && entry->heart.load() == heart) return entry;
  }
  return nullptr;
}

void Untrack(OpenHeart* entry) {
  entry->heart.store(nullptr);
  entry->page.store(nullptr);
  entry->page_fd.store(-1);
  entry->socket.store(-1);
  entry->claimed.store(false);
}

void MakeIdle(procctl_heart* heart) {
  const unsigned turn = next_idle_page.fetch_add(1, std::memory_order_relaxed);
  heart->page = &idle_pages[turn % kIdlePages].page;
  heart->slot = 0;
  heart->fd = -1;
}

}  // namespace procctl::heartbeat

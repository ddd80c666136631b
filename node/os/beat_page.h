// One page of heartbeat memory: made by the guardian, written by one client, read here.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "node/heartbeat/include/procctl/heartbeat.h"
#include "node/os/unique_fd.h"

namespace procctl::node {

// The guardian's read-only view. The client may write anything at any time: every field is read
// once, by an atomic load, and believed only as far as it concerns the writer itself. The page is
// sealed against shrinking before the client ever sees it, so a read cannot fault.
class BeatPage {
 public:
  // Makes, seals and maps a page. `client_fd` gets the descriptor to pass on. RESOURCE_EXHAUSTED
  // when out of descriptors or memory.
  static absl::StatusOr<BeatPage> Create(UniqueFd* client_fd);

  ~BeatPage();
  BeatPage(BeatPage&& other) noexcept;
  BeatPage& operator=(BeatPage&& other) noexcept;

  uint64_t beats() const { return __atomic_load_n(&page_->beats, __ATOMIC_RELAXED); }
  uint32_t flags() const { return __atomic_load_n(&page_->flags, __ATOMIC_RELAXED); }
  // Up to 128 raw bytes, up to the first NUL. Hostile: escape before use.
  std::string note() const;

 private:
  explicit BeatPage(const procctl_page* page) : page_(page) {}

  const procctl_page* page_ = nullptr;
};

}  // namespace procctl::node

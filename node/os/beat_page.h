// One page of heartbeat memory: made by the guardian, written by one client, read here.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "node/heartbeat/include/procctl/heartbeat.h"
#include "node/os/unique_fd.h"

namespace procctl::node {

// Which memfd it is, in the kernel's words (st_dev, st_ino): how a guardian that takes over knows
// the page again.
struct PageId {
  uint64_t dev = 0;
  uint64_t ino = 0;
  auto operator<=>(const PageId&) const = default;
};

// What the kernel shows as the memfd's name in /proc/<pid>/fd and map_files.
inline constexpr char kBeatPageName[] = "procctl-heart";

// The guardian's read-only view. The client may write anything at any time: every field is read
// once, by an atomic load, and believed only as far as it concerns the writer itself. The page is
// sealed against shrinking before the client ever sees it, so a read cannot fault.
class BeatPage {
 public:
  // Makes, seals and maps a page. `client_fd` gets the descriptor to pass on. RESOURCE_EXHAUSTED
  // when out of descriptors or memory.
  static absl::StatusOr<BeatPage> Create(UniqueFd* client_fd);

  // Maps the page of an earlier guardian; `fd` (node/os/open_pages.h finds it) may be read-only and
  // is closed. FAILED_PRECONDITION: it is not that very page, sealed and sized as Create left it,
  // with magic and version as Create wrote them. RESOURCE_EXHAUSTED as for Create.
  static absl::StatusOr<BeatPage> Reopen(UniqueFd fd, PageId id);

  ~BeatPage();
  BeatPage(BeatPage&& other) noexcept;
  BeatPage& operator=(BeatPage&& other) noexcept;

  uint64_t beats() const { return __atomic_load_n(&page_->beats, __ATOMIC_RELAXED); }
  uint32_t flags() const { return __atomic_load_n(&page_->flags, __ATOMIC_RELAXED); }
  // Up to 128 raw bytes, up to the first NUL. Hostile: escape before use.
  std::string note() const;
  // Likewise, up to 32 bytes.
  std::string phase() const;

  PageId id() const { return id_; }
  // For HeartCell::page: to be read by atomic loads only. Valid as long as this is; moving keeps
  // it.
  const procctl_page* page() const { return page_; }

 private:
  BeatPage(const procctl_page* page, PageId id) : page_(page), id_(id) {}

  const procctl_page* page_ = nullptr;
  PageId id_;
};

}  // namespace procctl::node

// How many bytes of a program were taken from its FIFOs, and how many of them have arrived or were
// told as lost: in a file beside the FIFO, mapped, so that it outlives a logger that is killed. The
// next one knows from it how much died with its predecessor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace procctl::logger {

// Any thread.
class Ledger {
 public:
  // Wants a tmpfs, as the FIFOs do: on a disk that is frozen its pages may make their thread wait.
  // `*died`: what the last owner had taken and not settled.
  static absl::StatusOr<std::shared_ptr<Ledger>> Open(const std::string& path, int64_t* died);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  void Take(size_t bytes);
  // Also what died with the last owner, once the file says so.
  void Settle(int64_t bytes);

 private:
  struct Page;
  explicit Ledger(Page* page) : page_(page) {}

  Page* page_;
};

}  // namespace procctl::logger

// How many bytes of a program were taken from its FIFOs, and how many of them have arrived or were
// told as lost: in a file beside the FIFOs, mapped, so that it outlives a logger that is killed.
// The next one knows from it how much died with its predecessor. One file for all programs: a page
// of memory for each would be most of what an idle program costs.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "node/os/unique_fd.h"

namespace procctl::logger {

class LedgerBook;

// Of one program. Any thread.
class Ledger {
 public:
  // As it stands in the file: three numbers of 64 bits in the host's order. A file of zeros is
  // good.
  struct Row {
    // Of the name of its program; 0: free, 1: of a program that has left.
    std::atomic<uint64_t> key;
    std::atomic<int64_t> taken;
    std::atomic<int64_t> settled;
  };

  Ledger(std::shared_ptr<LedgerBook> book, Row* row) : book_(std::move(book)), row_(row) {}
  // Its row stays for the next logger, unless the program has left.
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  void Take(size_t bytes);
  // Also what died with the last owner, once the file says so.
  void Settle(int64_t bytes);
  // The program has left: what is still to be written is no loss to a later one of this name.
  void Leave();

 private:
  const std::shared_ptr<LedgerBook> book_;
  Row* const row_;
};

// One thread, but for the ledgers. Held by shared_ptr, because each of them needs it.
class LedgerBook : public std::enable_shared_from_this<LedgerBook> {
 public:
  // A program more is written without one: what a killed logger loses of it is not known.
  static constexpr size_t kMostRows = 16384;

  // Wants a tmpfs, as the FIFOs do: on a disk that is frozen its pages may make their thread wait.
  static absl::StatusOr<std::shared_ptr<LedgerBook>> Open(const std::string& path);
  ~LedgerBook();
  LedgerBook(const LedgerBook&) = delete;
  LedgerBook& operator=(const LedgerBook&) = delete;

  // Of a program that has no ledger in this process. `*died`: what the last logger had taken of it
  // and not settled.
  absl::StatusOr<std::shared_ptr<Ledger>> Find(std::string_view name, int64_t* died);

 private:
  LedgerBook(std::string path, node::UniqueFd fd, Ledger::Row* rows, size_t count)
      : path_(std::move(path)), fd_(std::move(fd)), rows_(rows), count_(count) {}

  const std::string path_;
  const node::UniqueFd fd_;
  Ledger::Row* const rows_;
  // Rows that the file has; the memory of those behind must not be touched.
  size_t count_;
};

}  // namespace procctl::logger

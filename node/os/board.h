// The board of hearts: what scans count, in memory that outlives the guardian. It is a file in the
// runtime folder, mapped shared, so whatever was stored before a kill -9 is there for the guardian
// that takes over.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "node/core/heart.h"

namespace procctl::node {

// Layout of the file: a header of 128 bytes, HeartCell[capacity], HeartHistory[capacity].
//
// A guardian may die between any two stores: each field is whole, a cell as such need not be. See
// HeartHistory::generation for how a cell is believed.
//
// One thread. The caller holds the lock of the folder: two boards of one file would write into each
// other. Storing never fails and, where in_memory(), never waits.
class Board {
 public:
  static constexpr size_t kMostCells = 1 << 20;

  // Opens the board at `path` if it is of this boot, of this layout and ours (found() is true then;
  // the page pointers of all cells are cleared: they belong to the guardian that died). Otherwise
  // makes a new, zeroed one. Whatever is not believed (a link, another user's file, a cut or
  // damaged one, another boot's) is replaced by name, never read further and never written to.
  //
  // A board found with more cells than asked for stays as large as it is; one with fewer is copied
  // into a larger one. Either way capacity() >= `capacity` on success.
  //
  // All of the file's memory is claimed here, so that no later store can find the file system full
  // (which would be a SIGBUS). RESOURCE_EXHAUSTED: it is full now, or memory is out; the old file,
  // if any, is untouched, and opening with a smaller `capacity` still finds it. INVALID_ARGUMENT:
  // `capacity` is 0 or over kMostCells, or `boot_id` has over 36 bytes.
  static absl::StatusOr<Board> Open(const std::string& path, std::string_view boot_id,
                                    size_t capacity);

  // Memory that dies with us, for where no file can be made. Ends the program when out of memory.
  static Board Anonymous(size_t capacity);

  ~Board();
  Board(Board&& other) noexcept;
  Board& operator=(Board&& other) noexcept;

  // The cells are those of an earlier guardian of this boot.
  bool found() const { return found_; }
  // No disk is behind it. False: the kernel may make a store wait for a slow or frozen file system,
  // and with it the scan; better to go on with Anonymous.
  bool in_memory() const { return in_memory_; }
  size_t capacity() const { return capacity_; }

  // Cell i and history i belong together. Valid as long as the board is (moving it keeps them).
  std::span<HeartCell> cells();
  std::span<HeartHistory> histories();

 private:
  Board(void* map, size_t capacity, bool found, bool in_memory)
      : map_(map), capacity_(capacity), found_(found), in_memory_(in_memory) {}

  void* map_ = nullptr;
  size_t capacity_ = 0;
  bool found_ = false;
  bool in_memory_ = true;
};

}  // namespace procctl::node

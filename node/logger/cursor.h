// Where a reader of output stands: in which file, by its identity and not by its name, for that
// changes with each rotation. Opaque to everybody else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace procctl::logger {

// Inode numbers are used again at once by many file systems, times of birth are not.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  // Nanoseconds; 0 where the file system does not keep it.
  int64_t born = 0;
  bool operator==(const FileIdentity&) const = default;
};

// "<device>:<inode>:<offset>:<born>".
struct FileCursor {
  FileIdentity file;
  int64_t offset = 0;
  bool operator==(const FileCursor&) const = default;
};
std::string FormatCursor(const FileCursor& cursor);
std::optional<FileCursor> ParseFileCursor(std::string_view text);

// Before the first byte of a file that does not exist yet.
inline constexpr std::string_view kBeginCursor = "begin";

// "memory:<keeper>:<offset>": where output is dropped and only its last bytes are kept. `keeper` is
// another one in each logger.
struct MemoryCursor {
  uint64_t keeper = 0;
  int64_t offset = 0;
  bool operator==(const MemoryCursor&) const = default;
};
std::string FormatCursor(const MemoryCursor& cursor);
std::optional<MemoryCursor> ParseMemoryCursor(std::string_view text);

struct PresentFile {
  // As in FileName.
  int index = 0;
  FileIdentity identity;
  int64_t size = 0;
};

struct ReadStart {
  // Position in the list; -1: there is no file.
  int at = -1;
  int64_t offset = 0;
  // What lay between is gone.
  bool lost = false;
};

// `files`: the youngest first. The cursor's file where it still is, else the oldest.
ReadStart FindStart(const std::vector<PresentFile>& files, const FileCursor& cursor);
ReadStart OldestStart(const std::vector<PresentFile>& files);

// Finds where the last lines begin, given the blocks of a text from its end to its beginning. A
// last line without an end counts.
class TailFinder {
 public:
  explicit TailFinder(int64_t lines) : left_(lines) {}
  // Offset in this block at which the lines begin; none: further to the front.
  std::optional<size_t> Feed(std::string_view block);

 private:
  // Newlines to be passed over yet: the one at the end of the text is the last line's own.
  int64_t left_;
  bool at_end_ = true;
};

}  // namespace procctl::logger

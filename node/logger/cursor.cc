#include "node/logger/cursor.h"

#include <charconv>

#include "spdlog/fmt/fmt.h"

namespace procctl::logger {
namespace {

// Takes a number and, unless it is the last, the colon after it.
template <typename Number>
bool TakeNumber(std::string_view* text, bool last, Number* number) {
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *number);
  if (error != std::errc() || *number < 0) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  if (last) return text->empty();
  if (text->empty() || text->front() != ':') return false;
  text->remove_prefix(1);
  return true;
}

constexpr std::string_view kMemory = "memory:";

}  // namespace

std::string FormatCursor(const FileCursor& cursor) {
  return fmt::format("{}:{}:{}:{}", cursor.file.device, cursor.file.inode, cursor.offset,
                     cursor.file.born);
}

std::optional<FileCursor> ParseFileCursor(std::string_view text) {
  FileCursor cursor;
  if (TakeNumber(&text, false, &cursor.file.device) &&
      TakeNumber(&text, false, &cursor.file.inode) && TakeNumber(&text, false, &cursor.offset) &&
      TakeNumber(&text, true, &cursor.file.born)) {
    return cursor;
  }
  return std::nullopt;
}

std::string FormatCursor(const MemoryCursor& cursor) {
  return fmt::format("{}{}:{}", kMemory, cursor.keeper, cursor.offset);
}

std::optional<MemoryCursor> ParseMemoryCursor(std::string_view text) {
  if (text.substr(0, kMemory.size()) != kMemory) return std::nullopt;
  text.remove_prefix(kMemory.size());
  MemoryCursor cursor;
  if (TakeNumber(&text, false, &cursor.keeper) && TakeNumber(&text, true, &cursor.offset)) {
    return cursor;
  }
  return std::nullopt;
}

ReadStart FindStart(const std::vector<PresentFile>& files, const FileCursor& cursor) {
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i].identity != cursor.file) continue;
    // Somebody truncated it: what follows is new, and what was between is unknown.
    if (cursor.offset > files[i].size) return {static_cast<int>(i), 0, true};
    return {static_cast<int>(i), cursor.offset, false};
  }
  ReadStart start = OldestStart(files);
  start.lost = true;
  return start;
}

ReadStart OldestStart(const std::vector<PresentFile>& files) {
  return {static_cast<int>(files.size()) - 1, 0, false};
}

std::optional<size_t> TailFinder::Feed(std::string_view block) {
  if (block.empty()) return std::nullopt;
  size_t end = block.size();
  if (at_end_) {
    if (left_ <= 0) return end;
    at_end_ = false;
    if (block.back() == '\n') --end;
  }
  while (end > 0) {
    const size_t newline = block.rfind('\n', end - 1);
    if (newline == std::string_view::npos) return std::nullopt;
    if (--left_ == 0) return newline + 1;
    end = newline;
  }
  return std::nullopt;
}

}  // namespace procctl::logger

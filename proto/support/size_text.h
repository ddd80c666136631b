// Sizes in bytes as people write and read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace procctl {

// "512M", "4K", "1.5G", "2T" or plain bytes ("4096"); K, M, G and T are powers of 1024. No sign, no
// blanks, no "MB" or "MiB": which is meant would be a guess. A part of a unit is rounded to bytes.
// INVALID_ARGUMENT says what would be right; also above 8191T.
absl::StatusOr<int64_t> ParseSize(std::string_view text);

// Short, for a table cell or a sentence, in the largest unit that is not above it, with one decimal
// where it needs one: "0", "900", "1.5G", "512M". ParseSize reads what it writes.
std::string FormatSize(int64_t bytes);

}  // namespace procctl

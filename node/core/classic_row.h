// The classic table: what one row means, before anybody is bound to it. Everything in it was
// written by somebody else, perhaps in the middle of our reading.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>

#include "node/core/mono_time.h"

namespace procctl::node {

// As the classic programs declare it. Layout by the C ABI of this machine: on x86-64 and arm64
// offsets 0, 4, 56, 64 and 72 bytes in all.
struct ClassicRow {
  int32_t pid;
  char name[51];
  int32_t timeout;  // seconds
  time_t atime;     // seconds; here only a token that must change
};

inline constexpr int32_t kDefaultClassicKey = 0x5095;

enum class ClassicRowKind {
  // All that matters is zero.
  kFree,
  // Worth binding: the shell must still prove that the process takes part.
  kCandidate,
  // Never to be acted upon. A row whose pid the guardian zeroed keeps its old name and atime and
  // reads as bad
  // too: the shell reports a row only when its atime has changed.
  kBad,
};

struct ClassicReading {
  ClassicRowKind kind = ClassicRowKind::kFree;
  std::string name;  // escaped
  Nanos timeout{};
  // Why kBad, as a sentence.
  std::string problem;
};

// `guardian_pid`: a row that names the guardian is bad.
ClassicReading ReadClassicRow(const ClassicRow& row, int32_t guardian_pid, Nanos max_timeout);

}  // namespace procctl::node

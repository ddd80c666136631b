// The words of a program's configuration: what they mean, and what was probably meant by others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "node/core/program_spec.h"
#include "node/core/schedule.h"
#include "procctl/v1/slot.pb.h"

namespace procctl::node {

// A word, and what it stands for.
template <typename T>
using Words = std::vector<std::pair<std::string, T>>;

const Words<RestartPolicy>& RestartWords();
const Words<v1::Door>& DoorWords();
const Words<Overlap>& OverlapWords();
// Whether all processes of the program may notify.
const Words<bool>& NotifyAccessWords();

// "\"WORD\" is unknown; did you mean X?", or with all that are known where none is near.
std::string UnknownWord(std::string_view word, const std::vector<std::string>& known);

// The first of the known words is not special: what an absent one means is the caller's matter.
template <typename T>
absl::StatusOr<T> ReadWord(std::string_view word, const Words<T>& known) {
  std::vector<std::string> names;
  for (const auto& [name, value] : known) {
    if (name == word) return value;
    names.push_back(name);
  }
  return absl::InvalidArgumentError(UnknownWord(word, names));
}

// TERM, SIGTERM, 15, RTMIN+3. INVALID_ARGUMENT for what is no signal, and for KILL and STOP: they
// ask nobody.
absl::StatusOr<int> ReadStopSignal(std::string_view text);

// NAME=SOFT or NAME=SOFT:HARD; a number, "unlimited", or a size (64K) where bytes are meant.
absl::StatusOr<ResourceLimit> ReadResourceLimit(std::string_view text);

// "0022": at most 0777.
absl::StatusOr<mode_t> ReadUmask(std::string_view text);

// The part before '=' in NAME=VALUE. INVALID_ARGUMENT where there is none, or where it is none that
// a shell could name.
absl::StatusOr<std::string_view> EnvName(std::string_view entry);
// The same of KEY=VALUE: 1 to 63 of A-Z, a-z, 0-9, '.', '_', '-' and '/', and a value without
// blanks and commas, which stand between conditions where labels are selected.
absl::StatusOr<std::string_view> LabelKey(std::string_view entry);

// 1 to 48 of A-Z, a-z, 0-9, '.', '_', '-', and neither "." nor "..": it becomes part of paths.
bool IsProgramName(std::string_view name);

}  // namespace procctl::node

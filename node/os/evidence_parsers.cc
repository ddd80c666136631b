#include "node/os/evidence_parsers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "node/os/proc_text.h"

namespace procctl::node {
namespace {

constexpr size_t kLongestName = 512;  // KSYM_NAME_LEN of the kernel
constexpr uint64_t kFourGiB = uint64_t{1} << 32;

std::string_view FirstLine(std::string_view text) { return text.substr(0, text.find('\n')); }

// "Key:\t  123 kB" in bytes.
std::optional<int64_t> Kilobytes(std::string_view text, std::string_view key) {
  int64_t number = 0;
  const std::string_view line = LineAfter(text, key);
  if (Word(line, 1) != "kB" || !ReadNumber(Word(line), &number)) return std::nullopt;
  if (number < 0 || number > std::numeric_limits<int64_t>::max() / 1024) return std::nullopt;
  return number * 1024;
}

// from_chars would also take "inf" and "nan".
std::optional<double> Measure(std::string_view text) {
  double value = 0;
  if (!ReadNumber(text, &value) || !std::isfinite(value) || value < 0) return std::nullopt;
  return value;
}

std::optional<double> Avg10(std::string_view line) {
  constexpr std::string_view kKey = "avg10=";
  const std::string_view word = Word(line);
  if (word.substr(0, kKey.size()) != kKey) return std::nullopt;
  return Measure(word.substr(kKey.size()));
}

bool ReadAddress(std::string_view text, uint64_t* out) {
  if (text.substr(0, 2) != "0x") return false;
  text.remove_prefix(2);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out, 16);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::optional<MemoryUse> ParseMemoryUse(std::string_view text) {
  const auto resident = Kilobytes(text, "VmRSS:");
  if (!resident) return std::nullopt;
  // A kernel built without swap has no VmSwap.
  return MemoryUse{*resident, Kilobytes(text, "VmSwap:").value_or(0)};
}

std::string ParseWchan(std::string_view text) {
  const std::string_view name = FirstLine(text);
  return name == "0" ? std::string() : std::string(name.substr(0, kLongestName));
}

std::optional<SyscallReading> ParseSyscall(std::string_view text) {
  const std::string_view line = FirstLine(text);
  if (Word(line) == "running") return SyscallReading{};
  SyscallReading reading;
  if (!ReadNumber(Word(line), &reading.number)) return std::nullopt;
  if (reading.number < 0) return SyscallReading{};
  uint64_t stack_pointer = 0;
  if (!ReadAddress(Word(line, 7), &stack_pointer)) return std::nullopt;
  reading.inside = true;
  reading.maybe_compat = stack_pointer < kFourGiB;
  return reading;
}

std::vector<std::string> ParseStack(std::string_view text, size_t most) {
  std::vector<std::string> frames;
  while (!text.empty() && frames.size() < most) {
    const std::string_view line = FirstLine(text);
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty() || line.front() != '[') continue;
    const std::string_view place = Word(line, 1);
    const std::string_view name = place.substr(0, place.find('+'));
    // Older kernels end the list with a bare address.
    if (name.empty() || name.substr(0, 2) == "0x") continue;
    frames.emplace_back(name.substr(0, kLongestName));
  }
  return frames;
}

std::optional<int64_t> ParseFdLimit(std::string_view text) {
  const std::string_view soft = Word(LineAfter(text, "Max open files"));
  if (soft == "unlimited") return -1;
  int64_t limit = 0;
  if (!ReadNumber(soft, &limit) || limit < 0) return std::nullopt;
  return limit;
}

std::optional<PressureReading> ParsePressure(std::string_view text) {
  const auto some = Avg10(LineAfter(text, "some "));
  if (!some) return std::nullopt;
  return PressureReading{*some, Avg10(LineAfter(text, "full ")).value_or(0)};
}

std::optional<double> ParseLoad(std::string_view text) { return Measure(Word(text)); }

std::optional<int64_t> ParseMemoryAvailable(std::string_view text) {
  return Kilobytes(text, "MemAvailable:");
}

}  // namespace procctl::node

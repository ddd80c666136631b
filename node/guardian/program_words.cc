#include "node/guardian/program_words.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>

#include "node/heartbeat/include/procctl/heartbeat.h"
#include "proto/support/nearest_name.h"
#include "proto/support/size_text.h"
#include "spdlog/fmt/fmt.h"
#include "spdlog/fmt/ranges.h"

namespace procctl::node {
namespace {

constexpr size_t kLongestName = 48;
constexpr size_t kLongestLabelKey = 63;
// With "@1000" it is the label of a slot.
static_assert(kLongestName + 5 <= PROCCTL_NAME_MAX);

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kDigits = "0123456789";

bool ConsistsOf(std::string_view text, std::string_view marks) {
  return std::all_of(text.begin(), text.end(), [marks](char c) {
    return kLetters.find(c) != std::string_view::npos ||
           kDigits.find(c) != std::string_view::npos || marks.find(c) != std::string_view::npos;
  });
}

template <typename T>
bool ReadNumber(std::string_view text, int base, T* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out, base);
  return error == std::errc() && end == text.data() + text.size();
}

struct Resource {
  std::string_view name;
  int resource;
  bool bytes;
  // Of some, none at all is a sensible limit (no core files); with the others nothing would run.
  bool may_be_zero;
};

constexpr Resource kResources[] = {
    {"as", RLIMIT_AS, true, false},
    {"core", RLIMIT_CORE, true, true},
    {"cpu", RLIMIT_CPU, false, false},
    {"data", RLIMIT_DATA, true, false},
    {"fsize", RLIMIT_FSIZE, true, true},
    {"locks", RLIMIT_LOCKS, false, true},
    {"memlock", RLIMIT_MEMLOCK, true, true},
    {"msgqueue", RLIMIT_MSGQUEUE, true, true},
    {"nice", RLIMIT_NICE, false, true},
    {"nofile", RLIMIT_NOFILE, false, false},
    {"nproc", RLIMIT_NPROC, false, false},
    {"rss", RLIMIT_RSS, true, false},
    {"rtprio", RLIMIT_RTPRIO, false, true},
    {"rttime", RLIMIT_RTTIME, false, false},
    {"sigpending", RLIMIT_SIGPENDING, false, true},
    {"stack", RLIMIT_STACK, true, false},
};

absl::StatusOr<uint64_t> ReadLimit(std::string_view text, const Resource& resource) {
  if (text == "unlimited") return RLIM_INFINITY;
  uint64_t value = 0;
  if (resource.bytes) {
    const auto size = ParseSize(text);
    if (!size.ok()) return size.status();
    value = static_cast<uint64_t>(*size);
  } else if (!ReadNumber(text, 10, &value) || value == RLIM_INFINITY) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is neither a number nor unlimited", text));
  }
  if (value == 0 && !resource.may_be_zero) {
    return absl::InvalidArgumentError(
        fmt::format("{} must be more than 0, or unlimited", resource.name));
  }
  return value;
}

}  // namespace

const Words<RestartPolicy>& RestartWords() {
  static const auto& words = *new Words<RestartPolicy>{{"always", RestartPolicy::kAlways},
                                                       {"on-failure", RestartPolicy::kOnFailure},
                                                       {"on-hang", RestartPolicy::kOnHang},
                                                       {"never", RestartPolicy::kNever}};
  return words;
}

const Words<v1::Door>& DoorWords() {
  static const auto& words = *new Words<v1::Door>{
      {"native", v1::DOOR_NATIVE}, {"notify", v1::DOOR_NOTIFY}, {"none", v1::DOOR_PROGRAM}};
  return words;
}

const Words<Overlap>& OverlapWords() {
  static const auto& words = *new Words<Overlap>{
      {"skip", Overlap::kSkip}, {"queue", Overlap::kQueue}, {"kill", Overlap::kKill}};
  return words;
}

const Words<bool>& NotifyAccessWords() {
  static const auto& words = *new Words<bool>{{"main", false}, {"all", true}};
  return words;
}

std::string UnknownWord(std::string_view word, const std::vector<std::string>& known) {
  if (const std::string meant = NearestName(known, word); !meant.empty()) {
    return fmt::format("\"{}\" is unknown; did you mean \"{}\"?", word, meant);
  }
  return fmt::format("\"{}\" is unknown; use one of {}", word, fmt::join(known, ", "));
}

absl::StatusOr<int> ReadStopSignal(std::string_view text) {
  const std::string_view name = text.substr(0, 3) == "SIG" ? text.substr(3) : text;
  int number = 0;
  if (!ReadNumber(name, 10, &number)) {
    std::vector<std::string> known = {"RTMIN"};
    if (name.substr(0, 5) == "RTMIN") {
      int above = 0;
      if (name.size() > 5 && (name[5] != '+' || !ReadNumber(name.substr(6), 10, &above)))
        above = -1;
      if (above >= 0 && above <= SIGRTMAX - SIGRTMIN) number = SIGRTMIN + above;
    }
    for (int signal = 1; signal < SIGRTMIN; ++signal) {
      const char* abbreviation = sigabbrev_np(signal);
      if (abbreviation == nullptr) continue;
      if (name == abbreviation) number = signal;
      known.emplace_back(abbreviation);
    }
    if (number == 0) {
      const std::string meant = NearestName(known, name);
      return absl::InvalidArgumentError(
          fmt::format("\"{}\" is no signal; {}", text,
                      meant.empty() ? "use for example TERM, INT or QUIT"
                                    : fmt::format("did you mean \"{}\"?", meant)));
    }
  }
  // Those between the last name and SIGRTMIN are the C library's own.
  if (number < 1 || number > SIGRTMAX || (number < SIGRTMIN && sigabbrev_np(number) == nullptr)) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is no signal; use for example TERM, INT or QUIT", text));
  }
  if (number == SIGKILL || number == SIGSTOP) {
    return absl::InvalidArgumentError(fmt::format(
        "{} leaves a program no choice; use one it can answer, such as TERM (SIGKILL follows after "
        "the grace anyway)",
        text));
  }
  return number;
}

absl::StatusOr<ResourceLimit> ReadResourceLimit(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is not NAME=SOFT or NAME=SOFT:HARD, such as nofile=4096", text));
  }
  const std::string_view name = text.substr(0, equals);
  const auto* const found = std::find_if(std::begin(kResources), std::end(kResources),
                                         [name](const Resource& r) { return r.name == name; });
  if (found == std::end(kResources)) {
    std::vector<std::string> known;
    for (const Resource& resource : kResources) known.emplace_back(resource.name);
    return absl::InvalidArgumentError(UnknownWord(name, known));
  }
  const std::string_view values = text.substr(equals + 1);
  const size_t colon = values.find(':');
  const auto soft = ReadLimit(values.substr(0, colon), *found);
  if (!soft.ok()) return soft.status();
  ResourceLimit out{found->resource, std::string(name), *soft, *soft};
  if (colon == std::string_view::npos) return out;
  const auto hard = ReadLimit(values.substr(colon + 1), *found);
  if (!hard.ok()) return hard.status();
  // RLIM_INFINITY is the highest number.
  if (*soft > *hard) {
    return absl::InvalidArgumentError(
        fmt::format("the soft limit of \"{}\" is above its hard limit", text));
  }
  out.hard = *hard;
  return out;
}

absl::StatusOr<mode_t> ReadUmask(std::string_view text) {
  mode_t mask = 0;
  if (!ReadNumber(text, 8, &mask) || mask > 0777) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is not an octal mask such as \"0027\"", text));
  }
  return mask;
}

absl::StatusOr<std::string_view> EnvName(std::string_view entry) {
  const size_t equals = entry.find('=');
  if (equals == std::string_view::npos) {
    return absl::InvalidArgumentError(fmt::format("\"{}\" is not NAME=VALUE", entry));
  }
  const std::string_view name = entry.substr(0, equals);
  if (name.empty() || kDigits.find(name.front()) != std::string_view::npos ||
      !ConsistsOf(name, "_")) {
    return absl::InvalidArgumentError(fmt::format(
        "\"{}\" is no name of a variable: A-Z, a-z, 0-9 and '_', not starting with a digit", name));
  }
  return name;
}

absl::StatusOr<std::string_view> LabelKey(std::string_view entry) {
  const size_t equals = entry.find('=');
  if (equals == std::string_view::npos) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is not KEY=VALUE, such as app=web", entry));
  }
  const std::string_view key = entry.substr(0, equals);
  if (key.empty() || key.size() > kLongestLabelKey || !ConsistsOf(key, "._-/")) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is no key: 1 to {} of A-Z, a-z, 0-9, '.', '_', '-' and '/'", key,
                    kLongestLabelKey));
  }
  if (entry.find_first_of(" ,", equals) != std::string_view::npos) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" has a blank or a comma, which -l could not select", entry));
  }
  return key;
}

bool IsProgramName(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && ConsistsOf(name, "._-") && name != "." &&
         name != "..";
}

}  // namespace procctl::node

#include "node/run/guarded_heart.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace procctl::run {
namespace {

constexpr std::chrono::seconds kBetweenLooks{1};

}  // namespace

void GuardedHeart::Tend(Clock::time_point now) {
  if (now < next_tend_) return;
  const int error = asked_ ? procctl_tend(&heart_) : Open();
  asked_ = true;
  next_tend_ = Clock::now() + kBetweenLooks;
  Report(error < 0 ? error : 0);
}

int GuardedHeart::Open() {
  procctl_options options = {};
  options.timeout_ms = static_cast<uint32_t>(asks_.timeout.count());
  options.start_grace_ms = static_cast<uint32_t>(asks_.start_grace.count());
  return procctl_open_with(&heart_, asks_.name.c_str(), &options);
}

void GuardedHeart::Report(int error) {
  if (procctl_is_guarded(&heart_)) {
    if (said_unguarded_ && !said_guarded_ && !asks_.quiet)
      std::fprintf(stderr, "procctl-run: guarded as \"%s\" now\n", asks_.name.c_str());
    said_guarded_ = true;
    return;
  }
  if (said_unguarded_) return;
  said_unguarded_ = true;
  if (asks_.quiet) return;
  const char* said = procctl_open_error();
  std::fprintf(stderr, "procctl-run: not guarded yet: %s%s%s; running it, trying again\n",
               std::strerror(-error), *said != '\0' ? ": " : "", said);
}

void GuardedHeart::SetNote(const std::string& note) {
  if (note == note_) return;
  note_ = note;
  procctl_note(&heart_, note_.c_str());
}

void GuardedHeart::SetReady() { procctl_ready(&heart_); }

void GuardedHeart::Close() { procctl_close(&heart_); }

}  // namespace procctl::run

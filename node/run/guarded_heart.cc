#include "node/run/guarded_heart.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace procctl::run {
namespace {

constexpr std::chrono::seconds kBetweenLooks{1};
constexpr std::chrono::hours kNothingToTend{1};

}  // namespace

void GuardedHeart::Tend(Clock::time_point now) {
  if (now < next_tend_) return;
  if (asks_.name.empty()) {
    next_tend_ = now + kNothingToTend;
    return;
  }
  const int error = asked_ ? procctl_tend(&heart_) : Open();
  asked_ = true;
  next_tend_ = Clock::now() + kBetweenLooks;
  Report(error < 0 ? error : 0);
}

int GuardedHeart::Open() {
  procctl_options options = {};
  options.timeout_ms = static_cast<uint32_t>(asks_.timeout.count());
  options.start_grace_ms = static_cast<uint32_t>(asks_.start_grace.count());
  const int error = procctl_open_with(&heart_, asks_.name.c_str(), &options);
  if (!note_.empty()) procctl_note(&heart_, note_.c_str());
  if (!phase_.empty()) procctl_phase(&heart_, phase_.c_str());
  if (ready_) procctl_ready(&heart_);
  return error;
}

void GuardedHeart::Report(int error) {
  if (procctl_is_guarded(&heart_)) {
    if (said_->unguarded && !said_->guarded && !asks_.quiet)
      std::fprintf(stderr, "procctl-run: guarded as \"%s\" now\n", asks_.name.c_str());
    said_->guarded = true;
    return;
  }
  if (said_->unguarded) return;
  said_->unguarded = true;
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

void GuardedHeart::SetPhase(const std::string& phase) {
  if (phase == phase_) return;
  phase_ = phase;
  procctl_phase(&heart_, phase_.c_str());
}

void GuardedHeart::SetReady() {
  ready_ = true;
  procctl_ready(&heart_);
}

void GuardedHeart::Busy(std::chrono::milliseconds limit) {
  procctl_busy(&heart_, static_cast<uint32_t>(limit.count()));
}

void GuardedHeart::BusyDone() { procctl_busy_done(&heart_); }

void GuardedHeart::Failed(const std::string& reason) { procctl_failed(&heart_, reason.c_str()); }

void GuardedHeart::SetTimeout(std::chrono::milliseconds timeout) {
  if (timeout == asks_.timeout) return;
  asks_.timeout = timeout;
  if (!asked_ || asks_.name.empty()) return;
  procctl_close(&heart_);
  Report(Open());
}

void GuardedHeart::Close() { procctl_close(&heart_); }

}  // namespace procctl::run

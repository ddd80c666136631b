// After the end of a program: was it a failure, and is it started again, when. Pure.
#pragma once

#include <string>
#include <vector>

#include "node/core/mono_time.h"
#include "node/core/program_spec.h"
#include "procctl/v1/event.pb.h"

namespace procctl::node {

// How the main process ended. CAUSE of the kill under way where there was one.
struct Ending {
  v1::Cause cause = v1::CAUSE_UNSPECIFIED;
  // exit_code and signal (0: it exited) are what the kernel said.
  bool status_known = false;
  int exit_code = 0;
  int signal = 0;
  Nanos ran{0};
};

// What the next decision needs of those before; kept in the journal.
struct RestartState {
  // Waited before the present start, jitter left out; 0: the end before was no failure.
  Nanos last_delay{0};
  // Oldest first.
  std::vector<MonoTime> recent_starts;
};

struct RestartAnswer {
  enum class What {
    kStart,  // after `delay`
    kPark,   // tried again after `delay`
    kDone,   // not started again by itself
  };
  What what = What::kDone;
  Nanos delay{0};
  // A short phrase to show: "exit code 3; start 4 in 8s".
  std::string why;
};

// An exit code not in success_codes, a signal, a hang, no memory, a limit, a failed start, or an
// end that nobody saw. Whatever its status, one that we wanted (OPERATOR, STOP, CONFIG, SCHEDULE)
// is none.
bool IsFailure(const ProgramSpec& spec, const Ending& ending);

// In this order:
//   CONFIG          starts again at once, whatever the policy; nothing is counted
//   final_codes     done, where the program ended by itself: a code that answers a signal of ours
//                   says nothing about the next run
//   restart policy  always: any end; on-failure: see above; on-hang: HEARTBEAT and SELF_FAILED;
//                   never. Whether a person wants it stopped is not asked here.
//   backoff         after a failure `first`, doubled with each further one up to `most`; `first`
//                   again after it ran for reset_after or longer, and after an end that was no
//                   failure. On top, random01 (0 to 1) of jitter_percent. `first` = 0: no wait
//                   at all, ever
//   intensity       parked, if the next start would be one more than `starts` of them not longer
//                   than `within` ago; never, if `starts` is kNever
RestartAnswer AfterEnd(const ProgramSpec& spec, const Ending& ending, RestartState* state,
                       MonoTime now, double random01);

// Whether intensity can ever park a program, as backoff and it are configured. Jitter, which only
// makes starts fewer, is left out, and so are starts by order and schedule, which make them more.
struct Parking {
  // It can, if the ends come in the worst of all ways. Not with restart: never, nor where intensity
  // says so itself.
  bool possible = false;
  // One that fails at once each time is.
  bool when_failing_at_once = false;
  // The most that `starts` may be for that with this `within`, and the least that `within` may be
  // with these `starts`.
  int most_starts = 0;
  Nanos least_within{0};
};
Parking ParkingOf(const ProgramSpec& spec);

// "set starts to 6 or less, or within to 5m or more, or shorten the backoff".
std::string WordsFor(const IntensityRule& rule, const Parking& parking);

// To be called at each start. Forgets starts longer than `within` ago, and the oldest of more than
// are ever counted.
void NoteStart(const IntensityRule& rule, RestartState* state, MonoTime now);

}  // namespace procctl::node

// Questions for details on their way to the guardian, and which of them still wait for its answer.
// Pure; the caller locks.
//
//   Add -> (queue) -> Front, Asked -> guardian -> Answer -> session
//
// The guardian is asked under numbers of this uplink's own, never used twice: an answer that comes
// after its session has ended must not answer a question of the next one.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "node/uplink/boot_clock.h"
#include "procctl/v1/detail.pb.h"

namespace procctl::uplink {

// A controller waits 5 s, and a guardian 3 s at most before it answers that there is no output yet;
// what is older is asked of the guardian for nobody.
inline constexpr std::chrono::seconds kDetailPatience{6};

class PendingDetails {
 public:
  explicit PendingDetails(std::size_t limit = 256) : limit_(limit) {}

  // False if `limit` are under way, overdue ones not counted: the asker gets no answer.
  bool Add(v1::DetailRequest request, BootTime now);

  // The oldest question that the guardian has not been asked and somebody still waits for. It
  // stays the first until Asked.
  std::optional<v1::DetailRequest> Front(BootTime now);
  // The guardian has it. Harmless for one that was dropped meanwhile.
  void Asked(const v1::DetailRequest& request);

  // The answer under the asker's own number; nullopt if nobody waits for it (any more).
  std::optional<v1::DetailReply> Answer(v1::DetailReply reply, BootTime now);

  // A session ended: nobody waits for anything.
  void Clear();

  std::size_t size() const { return waiting_.size(); }

 private:
  struct Waiting {
    v1::DetailRequest request;  // under the asker's own number
    BootTime asked;
  };
  void DropOverdue(BootTime now);

  std::size_t limit_;
  std::int64_t last_number_ = 0;
  // By our number, and so by age.
  std::map<std::int64_t, Waiting> waiting_;
  std::deque<std::int64_t> to_ask_;
};

}  // namespace procctl::uplink

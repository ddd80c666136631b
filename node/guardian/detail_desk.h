// Answers questions for details. What the guardian knows it tells at once; what must be read (usage
// of processes, output of programs) is answered when it is there.
//
// Threads: all calls on the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "node/core/mono_time.h"
#include "node/core/process_identity.h"
#include "node/guardian/usage_desk.h"
#include "procctl/v1/detail.pb.h"

namespace procctl::node {

class DetailDesk {
 public:
  // More generations in one query are malformed: answered with nothing. Of a thousand, an answer
  // has some 40 KiB, and the link takes 128.
  static constexpr int kMostGenerations = 1000;

  // Who knows.
  struct Sources {
    // Nullopt: no such slot (any more).
    std::function<std::optional<v1::SlotDetail>(int64_t generation)> slot;
    std::function<std::optional<ProcessIdentity>(int64_t generation)> process;
    std::function<v1::NodeDetail()> node;
    // Nullopt: the answer comes by itself.
    std::function<std::optional<v1::DetailReply>(const v1::DetailRequest&)> output;
  };
  // An answer that came later, to whoever was at the other end when it was asked for.
  using Later = std::function<void(v1::DetailReply)>;

  // `usage` outlives the desk.
  DetailDesk(UsageDesk* usage, Sources sources) : usage_(usage), sources_(std::move(sources)) {}

  // Nullopt: `later` gets the answer.
  std::optional<v1::DetailReply> Take(const v1::DetailRequest& request, MonoTime now, Later later);

 private:
  std::optional<v1::DetailReply> TakeUsage(const v1::DetailRequest& request, MonoTime now,
                                           Later later);
  std::optional<v1::DetailReply> TakeSlot(const v1::DetailRequest& request, MonoTime now,
                                          Later later);

  UsageDesk* usage_;
  const Sources sources_;
};

}  // namespace procctl::node

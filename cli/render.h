// What people read, from the protocol's messages. Pure: the same messages give the same text, in
// the process's time zone.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/target.h"
#include "google/protobuf/timestamp.pb.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

// All pages of a list together.
struct SlotList {
  std::vector<v1::FleetSlot> slots;
  v1::FleetSummary summary;
  google::protobuf::Timestamp as_of;
};

struct NodeList {
  std::vector<v1::Node> nodes;
  google::protobuf::Timestamp as_of;
};

struct ProgramList {
  std::vector<v1::FleetProgram> programs;
  google::protobuf::Timestamp as_of;
};

enum class Columns { kUsual, kWide };

// A table and a line that sums it up. `filtered`: not all slots were asked for. The last column is
// a sentence.
std::string RenderSlots(const SlotList& list, bool filtered, bool colour,
                        Columns columns = Columns::kUsual);
std::string RenderNodes(const NodeList& list, bool colour);

// The last column is a sentence.
std::string RenderEvents(const std::vector<v1::StoredEvent>& events, bool colour);

// The command that tells more of the newest verdict of a kill among `events`; empty without one.
std::string NextAfter(const std::vector<v1::StoredEvent>& events);

// The targets of a kill before it begins.
std::string RenderTargets(const std::vector<v1::FleetSlot>& rows,
                          const google::protobuf::Timestamp& as_of, bool colour);

// One line per target of a hold or a release, how it went:
//   web-01/encoder[4182]  held until 2026-11-22T12:30:00
std::string RenderHold(const v1::KillTarget& target, const v1::HoldOutcome& outcome, bool release);

// "2 held, 1 failed."
std::string HoldSummary(const v1::HoldSlotsResponse& response, bool release);

std::string SlotsJson(const SlotList& list);
std::string NodesJson(const NodeList& list);

// One line per target, told as it happens:
//   web-01/encoder[4182]  SIGTERM ... SIGKILL after 5s ... gone in 5.1s
// With one target each step appears when it comes, with several each line when its target is done.
class KillStory {
 public:
  KillStory(std::vector<v1::KillTarget> targets, std::chrono::nanoseconds grace);

  // Text to print now, perhaps none. Progress of a target that does not exist, or is done, is
  // ignored.
  std::string Tell(const v1::TargetProgress& progress);

  // Ends a line that was begun, for what interrupts the story.
  std::string Break();

  // The last progress of each target; without `done` where none came.
  const std::vector<v1::TargetProgress>& outcomes() const { return outcomes_; }
  bool AllDone() const;
  // Anything at all was heard.
  bool Begun() const;

  // "2 stopped, 1 was gone already, 1 failed."
  std::string Summary() const;

 private:
  std::string Line(size_t target) const;

  std::vector<v1::KillTarget> targets_;
  std::chrono::nanoseconds grace_;
  std::vector<v1::TargetProgress> outcomes_;
  std::vector<std::chrono::nanoseconds> kill_sent_after_;
  std::string begun_;
};

}  // namespace procctl::cli

// Keeps what a guardian must know of the one before it: the journal in the runtime folder.
//
// Put gathers; Commit writes all that was gathered as one frame (several beyond 32 MiB). The
// file lies on tmpfs and is never synced: it is to survive this process, not the host, whose boot
// id ends with it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "node/core/seams.h"
#include "node/os/state_log.h"

namespace procctl::node {

// What an earlier guardian of this boot left behind.
struct FoundState {
  v1::StateHead head;
  std::map<int64_t, v1::SlotRecord> slots;
  std::map<int64_t, v1::KillRecord> kills;
  std::vector<std::string> orders;  // oldest first
  std::deque<v1::Event> events;     // not spooled, in order
  std::optional<v1::BrakeRecord> brake;
  std::map<std::string, v1::ProgramRecord> programs;  // by label
  // Highest numbers that were given out.
  int64_t last_seq = 0;
  int64_t last_generation = 0;
  int64_t last_kill = 0;
  // Bytes that could not be read any more.
  int64_t damaged_bytes = 0;

  void Apply(const v1::StateRecord& record);
};

class StateKeeper : public Journal {
 public:
  static constexpr int kVersion = 1;

  // An empty path: keeps nothing. Otherwise reads `path`. found() is set if it is of this boot,
  // node and version. A file that cannot be read or made is no reason not to guard: the keeper then
  // keeps nothing, and says so once.
  StateKeeper(std::string path, const std::string& boot_id, const std::string& node);

  // What is put survives this guardian.
  bool keeping() const { return log_ != nullptr; }
  const std::optional<FoundState>& found() const { return found_; }
  void ForgetFound() { found_.reset(); }

  void Put(v1::StateRecord record) override;
  void Commit() override;

  // All that is true now, head first: what the file is written anew from when it has grown.
  void SetSnapshot(std::function<std::vector<v1::StateRecord>()> snapshot) {
    snapshot_ = std::move(snapshot);
  }
  // Commits, and writes the file anew if it has grown. At the end of a turn of the loop only: a
  // signal that is about to be sent is in no snapshot.
  void Tidy();
  // Writes the file anew now. Where that fails it goes on as it is.
  void Rewrite();

 private:
  absl::Status WriteGathered();
  absl::Status TryRewrite();
  void GiveUp(const absl::Status& why);

  std::string path_;
  std::unique_ptr<StateLog> log_;
  std::optional<FoundState> found_;
  std::function<std::vector<v1::StateRecord>()> snapshot_;
  v1::StateFrame gathered_;
  size_t gathered_bytes_ = 0;
  size_t rewrite_above_ = 0;
};

}  // namespace procctl::node

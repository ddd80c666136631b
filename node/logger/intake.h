// Reads the FIFOs of all programs, promptly: what a program can write without waiting hangs on it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "node/core/mono_time.h"
#include "node/logger/last_words.h"
#include "node/logger/ledger.h"
#include "node/logger/line_splitter.h"
#include "node/logger/outlet.h"
#include "node/logger/writer.h"
#include "node/os/poller.h"
#include "node/os/unique_fd.h"
#include "procctl/v1/logger.pb.h"

namespace procctl::logger {

// One thread, the poller's. Never waits for a disk.
class Intake {
 public:
  static constexpr size_t kMostLabels = 16384;

  struct Listener {
    // A memory outlet has something new.
    std::function<void()> kept;
    std::function<void(const std::string& label, int64_t bytes, const std::string& why)> lost;
    std::function<void(const std::string& label, const std::string& why, bool mended)> trouble;
  };

  Intake(node::Poller* poller, Writer* writer, Listener listener);

  void Attach(const v1::LoggerAttach& attach, node::MonoTime now);
  // Goes on until its FIFOs are empty, kDrain at most.
  void Detach(const std::string& label, node::MonoTime now);

  // Empty for a label that is not attached. `forget`: what is in the FIFOs now still belongs to it,
  // and nothing of it to any later answer.
  std::string StderrTail(const std::string& label, bool forget);
  // Null for a label that is not attached.
  std::shared_ptr<Outlet> OutletOf(const std::string& label, bool of_stderr) const;

  // The writer has room again.
  void Resume();
  // Parts of lines that waited long enough, programs that leave, FIFOs that were left alone.
  void Tend(node::MonoTime now);
  std::optional<node::MonoTime> DueAt(node::MonoTime now) const;

  // For the end: takes what is there, until `deadline` at most, and gives all of it to the writer.
  void DrainAll(node::MonoTime deadline);

 private:
  // A part of a line waits so long for its end: where two streams share a file, and where it only
  // keeps a file from ending within a line.
  static constexpr node::Nanos kHoldShared = std::chrono::seconds(1);
  static constexpr node::Nanos kHoldAlone = std::chrono::milliseconds(20);
  static constexpr node::Nanos kDrain = std::chrono::seconds(1);
  // While something waits for others: looked at again so often.
  static constexpr node::Nanos kTick = std::chrono::milliseconds(50);

  struct Label;
  struct Stream {
    Label* label = nullptr;
    node::UniqueFd fd;
    dev_t device = 0;
    ino_t inode = 0;
    node::Poller::Token token = 0;
    bool paused = false;
    int64_t source = 0;
    LineSplitter splitter;
    node::Nanos hold{0};
    LastWords last_words;
    std::shared_ptr<Outlet> outlet;
    // 0: into memory.
    LaneId lane = 0;
  };
  struct Label {
    std::string name;
    // Each null where it has no FIFO.
    std::unique_ptr<Stream> out;
    std::unique_ptr<Stream> err;
    // Also known while a FIFO is missing: what was written before can still be read.
    std::shared_ptr<Outlet> out_outlet;
    std::shared_ptr<Outlet> err_outlet;
    // One for both, so that trouble is said once. Null until it is needed.
    std::shared_ptr<Outlet> journal;
    std::map<const Outlet*, LaneId> lanes;
    std::shared_ptr<Ledger> ledger;
    std::string fifo_trouble;
    std::optional<node::MonoTime> leaving_until;
  };
  enum class ReadEnd { kEmpty, kMore, kPaused };

  absl::Status Connect(Label* label, const std::string& fifo, std::unique_ptr<Stream>* stream);
  void Disconnect(std::unique_ptr<Stream>* stream);
  std::shared_ptr<Outlet> FindOutlet(const std::string& path, const v1::LoggerAttach& attach,
                                     const std::shared_ptr<Outlet>& present);
  static std::shared_ptr<Outlet> JournalOf(Label* label);
  void Route(Label* label, const v1::LoggerAttach& attach);
  // Returns how many bytes died with the last logger.
  int64_t OpenLedger(Label* label, const std::string& fifo);
  void TellDied(Label* label, int64_t died);
  void UpdateHolds();
  void Remove(const std::string& name);

  ReadEnd ReadSome(Stream* stream, int rounds);
  // The stream whose last bytes are told.
  static Stream* TailStream(const Label& label);
  void Deliver(Stream* stream, std::string_view bytes);
  void SetPaused(Stream* stream, bool paused);
  std::vector<Stream*> Streams() const;

  node::Poller* const poller_;
  Writer* const writer_;
  const Listener listener_;
  std::map<std::string, Label> labels_;
  std::map<std::string, std::weak_ptr<Outlet>> outlets_;
  // By the folder of FIFOs that they are in. Closed with their last program.
  std::map<std::string, std::weak_ptr<LedgerBook>> books_;
  std::set<std::string> leaving_;
  std::set<Stream*> paused_;
  std::set<Stream*> holding_;
  int64_t next_source_ = 1;
  uint64_t next_keeper_;
  std::vector<char> buffer_;
};

}  // namespace procctl::logger

// What a test of the logger has of a node: the guardian's end of the link, FIFOs, and programs that
// write into them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "node/guardian/logger_child.h"
#include "node/os/poller.h"
#include "node/os/unique_fd.h"
#include "procctl/v1/logger.pb.h"
#include "tests/e2e/harness/child.h"

namespace procctl::logger {

// Long, because the machine may be slow; only a failing test waits for it.
inline constexpr std::chrono::seconds kPatience{60};

// A folder that goes with this object.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class NodeSide {
 public:
  // Starts the real program. `journal_socket`: as LoggerChild's.
  explicit NodeSide(const std::string& journal_socket = "");
  // Lets it end in good order.
  ~NodeSide();
  NodeSide(const NodeSide&) = delete;
  NodeSide& operator=(const NodeSide&) = delete;

  const Folder& folder() const { return folder_; }
  node::LoggerChild& logger() { return *logger_; }

  // Makes its FIFOs and holds them open, as the program would. stdout goes to `out`, stderr to
  // `err`, names in the folder or absolute paths; empty: dropped.
  v1::LoggerAttach MakeAttach(const std::string& label, const std::string& out,
                              const std::string& err);
  // The same with one FIFO for both.
  v1::LoggerAttach MakeJointAttach(const std::string& label, const std::string& out);
  // For the program to write into; not blocking.
  int out(const std::string& label) const { return fifos_.at(label + ".out").get(); }
  int err(const std::string& label) const { return fifos_.at(label + ".err").get(); }
  // As a program's end does.
  void CloseFifos(const std::string& label) {
    fifos_.erase(label + ".out");
    fifos_.erase(label + ".err");
  }

  // Lives the guardian's life until `holds`; false after kPatience.
  bool Until(const std::function<bool()>& holds);
  // So long, come what may.
  void For(std::chrono::milliseconds period);
  // Asks and waits for the answer.
  v1::OutputChunk Read(const v1::ReadOutput& read);
  std::string Tail(const std::string& label, bool forget = false);
  // Until the file has this text.
  bool Has(const std::string& path, const std::string& text);

  std::vector<v1::LoggerLost> lost;
  std::vector<v1::LoggerTrouble> troubles;
  std::map<int64_t, v1::OutputChunk> reads;
  std::map<int64_t, std::string> tails;
  int64_t last_request = 1000;

  int64_t Lost() const;
  int Troubles(bool mended) const;

 private:
  std::string Fifo(const std::string& name);
  void Turn();

  Folder folder_;
  node::Poller poller_;
  std::map<std::string, node::UniqueFd> fifos_;
  std::unique_ptr<node::LoggerChild> logger_;
};

const char* LoggerPath();

// Writes all of it, waiting where the FIFO is full.
void Say(int fd, std::string_view text);
// Numbered lines [begin, end), all of one length.
std::string NumberedLine(int number);
inline constexpr size_t kNumberedLine = 20;
// A program that writes them into this FIFO, and ends with 0. `pause_every` lines it rests for a
// millisecond; 0: never.
e2e::Child WriteLines(int fifo, int begin, int end, int pause_every = 0);

// Text of the file and of its older ones, the oldest first.
std::string ReadAll(const std::string& path, int keep);
// How often each number is there; what is no numbered line is in `others`.
struct Lines {
  std::map<int, int> count;
  std::vector<std::string> others;
};
Lines ParseLines(const std::string& text);
// Of the lines that tell a loss.
int64_t LostIn(const std::vector<std::string>& lines);

}  // namespace procctl::logger

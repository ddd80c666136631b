// The journal's end of the native protocol, in the hand of a test.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "node/os/unique_fd.h"

namespace procctl::logger {

// Binary-safe; a field that is there twice is joined by "|".
using JournalFields = std::map<std::string, std::string>;

// Throws what is wrong with it, for journald would drop it.
JournalFields ParseJournalEntry(const std::string& entry);

class FakeJournal {
 public:
  // Takes the place of whatever was at `path`, as a journal that is started anew does.
  explicit FakeJournal(const std::string& path);

  // Takes what there is, and what comes within `wait` of the last. While nobody calls this it is a
  // journal that is stopped.
  void Take(std::chrono::milliseconds wait = std::chrono::milliseconds(2));

  std::vector<JournalFields> entries;
  // How many of them came in a sealed memfd.
  int in_memory = 0;

  bool Has(const std::string& message) const;
  // What of this program was said, in order.
  std::vector<std::string> MessagesOf(const std::string& program) const;

 private:
  bool TakeOne();

  node::UniqueFd socket_;
};

}  // namespace procctl::logger

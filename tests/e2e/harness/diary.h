// What the programs of a test wrote about themselves (tests/programs/diarist.cc): who was started
// as which run, in the order in which it happened, whatever any guardian knows of it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace procctl::e2e {

struct DiaryLine {
  bool start = false;  // otherwise: it is about to end by itself
  std::string run;
  std::string program;  // the label: what stands before the '/' of the run
  pid_t pid = 0;
  int64_t since_boot_ns = 0;
};

class Diary {
 public:
  // A file in memory of this test's own. To be made before the Fleet whose programs write it.
  Diary();
  // Ends every process that still has this diary on its command line, and removes the file.
  ~Diary();
  Diary(const Diary&) = delete;
  Diary& operator=(const Diary&) = delete;

  const std::string& path() const { return path_; }
  // Throws HarnessError on a line that no diarist writes.
  std::vector<DiaryLine> Read() const;
  // The processes that run with this diary on their command line. A pid among them is one of this
  // test's programs, and nobody else.
  std::set<pid_t> Writers() const;

 private:
  std::string path_;
};

}  // namespace procctl::e2e

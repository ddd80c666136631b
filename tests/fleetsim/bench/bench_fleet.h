// A controller and simulated fleets, as processes of their own, in one temporary folder that goes
// with them.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proto/support/tls_files.h"
#include "tests/e2e/harness/child.h"

namespace procctl::bench {

// Numbers of one line that fleetsim --report json wrote; nested objects are flat here.
using Numbers = std::map<std::string, double>;
Numbers ParseNumbers(const std::string& line);

class Simulator {
 public:
  // `arguments` without --dir and --controller, which are added.
  Simulator(const std::string& name, const std::string& folder, const std::string& ca,
            const std::string& controller, std::vector<std::string> arguments);

  // The last line of a second; empty before the first.
  Numbers Latest();
  // All lines that begin with {"`kind`":, in order.
  std::vector<Numbers> Lines(const std::string& kind);
  bool Running() { return child_.Running(); }
  pid_t pid() const { return child_.pid(); }
  // SIGINT, and waits for its end. Returns its last line.
  Numbers End();
  std::string Errors() const { return child_.Err(); }

 private:
  // What was written since the last time.
  void Read();

  e2e::Child child_;
  std::string out_;
  std::size_t read_ = 0;
  std::string partial_;
  Numbers latest_;
  std::vector<std::pair<std::string, Numbers>> others_;
};

class BenchFleet {
 public:
  // Makes a CA and the certificates of a controller and an operator.
  BenchFleet();
  ~BenchFleet();

  void StartController();
  // SIGKILL.
  void KillController();
  e2e::Child& controller() { return controller_; }
  const std::string& address() const { return address_; }
  const std::string& folder() const { return folder_; }
  std::string database() const { return folder_ + "/state/controller.db"; }
  std::string ControllerLog() const;
  const TlsPem& operator_tls() const { return operator_; }

  // Makes certificates before anything is measured.
  void MakeCertificates(const std::vector<std::string>& arguments);
  std::unique_ptr<Simulator> StartSimulator(const std::string& name,
                                            std::vector<std::string> arguments);

 private:
  void WriteConfig() const;
  std::string ca() const { return folder_ + "/ca"; }

  std::string folder_;
  std::string address_;
  TlsPem operator_;
  e2e::Child controller_;
};

// Of a process: what /proc says.
double ResidentMiB(pid_t pid);
std::chrono::nanoseconds ProcessorTime(pid_t pid);
int Descriptors(pid_t pid);

// Path of a program of this build.
std::string Program(const std::string& name);

}  // namespace procctl::bench

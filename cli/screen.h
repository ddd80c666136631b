// Where a command writes and whom it may ask. One per process; used by one thread.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "cli/exit_code.h"
#include "cli/options.h"

namespace procctl::cli {

class Screen {
 public:
  struct Streams {
    std::ostream* out;
    std::ostream* err;
    bool colour;
    // Puts a question to a person and returns true for yes; null where nobody can be asked.
    std::function<bool(const std::string& question)> ask;
    // `out` is a terminal, which acts on what a program wrote.
    bool terminal = false;
    // True once nobody reads `out` any more; null where that cannot be known.
    std::function<bool()> closed = nullptr;
  };

  explicit Screen(Streams streams) : streams_(std::move(streams)) {}

  void set_output(Output output) { output_ = output; }
  bool json() const { return output_ == Output::kJson; }
  bool colour() const { return streams_.colour && !json(); }
  bool can_ask() const { return streams_.ask != nullptr && !json(); }
  bool terminal() const { return streams_.terminal; }
  bool Closed() const { return !streams_.out->good() || (streams_.closed && streams_.closed()); }
  bool Ask(const std::string& question) const { return streams_.ask(question); }

  // Flushed at once, because it may be progress. `text` must be safe to print.
  void Print(std::string_view text) const;

  // To stderr: a sentence, or with JSON {"error": {...}}. Made safe here. Returns `code`.
  ExitCode Fail(ExitCode code, const absl::Status& status, std::string_view request_id = "") const;

  // To stderr, unless JSON was asked for. Made safe here.
  void Note(std::string_view text) const;

 private:
  Streams streams_;
  Output output_ = Output::kTable;
};

}  // namespace procctl::cli

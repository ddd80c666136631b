// The command line, parsed. Pure: arguments and environment in, a struct or a refusal out.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/support/tls_files.h"

namespace procctl::cli {

// The value of an environment variable, empty if it is not set.
using Environment = std::function<std::string(const std::string&)>;

enum class Verb {
  kListSlots,
  kListNodes,
  kKill,
  kEvents,
  kVersion,
  kWhy,
  kDescribe,
  kHold,
  kRelease,
  kListPrograms,
  kHistory,
  kLogs,
  kStart,
  kStop,
  kRestart,
  kRetry,
  kReload,
  kForget,
  kCount,
  kWatch,
  kOrder,
  kOrders
};
// kWide: a table with more columns, where a command has any.
enum class Output { kTable, kWide, kJson };

struct Connection {
  std::string controller;
  TlsFiles tls;
  std::string server_name;
  // This host's own node is asked, not a controller.
  bool local = false;
  // With `local`: empty means the usual one.
  std::string runtime_dir;
};

// A number, or hundredths of all.
struct Share {
  int number = 1;
  bool percent = false;
};

// kill by a plan, order, orders
struct OrderOptions {
  // kill: Options.target_filter says whom, also if it is empty
  bool by_filter = false;
  std::optional<int> max_unavailable;
  std::optional<int> batch;
  std::optional<std::chrono::nanoseconds> between_batches;
  std::optional<std::chrono::nanoseconds> recovery_limit;
  std::optional<int> halt_percent;
  std::optional<int> confirm;
  bool plan_only = false;
  // order
  bool pause = false;
  bool resume = false;
  bool cancel = false;
  bool all = false;
  // orders
  bool only_running = false;
};

struct Options {
  Verb verb = Verb::kListSlots;
  Output output = Output::kTable;
  Connection connection;
  // How long to wait for an answer (of kill: for its end); unset: what the command finds right.
  std::optional<std::chrono::nanoseconds> timeout;
  // Of list, watch and events: all terms together.
  std::string filter;

  // kill, hold, release, forget, and what changes programs; why, describe, history and logs: the
  // one that is asked about
  std::vector<std::string> targets;
  std::string reason;
  std::optional<std::chrono::nanoseconds> grace;
  std::string if_incarnation;
  bool dry_run = false;
  bool yes = false;

  // hold, release, and what changes programs: all that match, instead of `targets`
  std::string target_filter;
  std::optional<std::chrono::nanoseconds> hold_for;

  // count
  std::vector<std::string> group_by;
  int limit = 0;  // 0: what the controller finds right

  OrderOptions order;

  // events; history and orders have `newest`
  std::optional<std::chrono::nanoseconds> since;
  std::optional<int> newest;

  // start, stop, restart, retry
  bool wait = true;
  std::optional<std::chrono::nanoseconds> wait_timeout;
  // restart: one after another, with at most so many not running
  std::optional<Share> max_unavailable;

  // logs; history has `of_stderr`, events `follow`
  bool follow = false;
  int tail = 50;
  bool of_stderr = false;
};

// Exactly one of the three holds: options to act on; text to print on stdout (help), exit 0; or a
// refusal, exit 2.
struct Parsed {
  std::optional<Options> options;
  std::string text;
  absl::Status refusal;
  // Known even when the rest is refused, so that the refusal comes in the form that was asked for.
  Output output = Output::kTable;
};

// `arguments` without the program's name.
Parsed ParseOptions(const std::vector<std::string>& arguments, const Environment& environment);

// FAILED_PRECONDITION, with all that is missing and where it comes from, unless the connection
// names everything it needs; INVALID_ARGUMENT if the address is malformed.
absl::Status CheckConnection(const Connection& connection);

}  // namespace procctl::cli

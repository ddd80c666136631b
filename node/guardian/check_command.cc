#include "node/guardian/check_command.h"

#include <unistd.h>

#include "node/core/reload_plan.h"
#include "node/guardian/program_notes.h"
#include "node/guardian/settings.h"
#include "node/os/journal_socket.h"
#include "procctl/v1/config.pb.h"
#include "proto/support/yaml_config.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {

namespace {

// No fault of the file: a journal may come later, and programs are started without it.
std::string JournalNote(const Settings& settings) {
  std::string programs;
  for (const ProgramSpec& spec : settings.programs) {
    if (!spec.output.stdout_journal && !spec.output.stderr_journal) continue;
    programs += (programs.empty() ? "" : ", ") + spec.name;
  }
  const std::string socket =
      settings.journal_socket.empty() ? kJournalSocket : settings.journal_socket;
  if (programs.empty() || access(socket.c_str(), F_OK) == 0) return "";
  return fmt::format(
      "note: there is no journal on this host ({} is missing): the output of {} would be kept in "
      "memory, 1 MiB for each, until there is one\n",
      socket, programs);
}

}  // namespace

absl::StatusOr<std::string> CheckFile(const std::string& file, const std::string& old,
                                      absl::Time now) {
  v1::NodeConfig config;
  ConfigLines lines;
  ConfigFaults faults(file);
  if (absl::Status s = ReadYamlConfig(file, &config, &lines, &faults); !s.ok()) return s;
  const auto settings = CheckSettings(config, lines, &faults);
  if (!settings.ok()) return settings.status();
  const std::string out =
      fmt::format("{}: good\n{}{}", file, ProgramNotes(file, lines, settings->programs, now),
                  JournalNote(*settings));
  if (old.empty()) return out;
  v1::NodeConfig before;
  ConfigLines old_lines;
  ConfigFaults old_faults(old);
  if (absl::Status s = ReadYamlConfig(old, &before, &old_lines, &old_faults); !s.ok()) return s;
  if (!old_faults.empty()) return old_faults.status();
  return out + Describe(PlanReload(before, config));
}

}  // namespace procctl::node

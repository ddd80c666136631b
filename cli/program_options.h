// The part of the command line that is about programs. For options.cc alone.
#pragma once

#include <CLI/CLI.hpp>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "cli/options_raw.h"

namespace procctl::cli {

using CommandVerb = std::pair<const CLI::App*, Verb>;

// Adds the commands; `raw` must outlive `app`.
std::vector<CommandVerb> AddProgramCommands(CLI::App* app, Raw* raw);

// -l KEY=VALUE, of any command that shows or changes programs.
void AddLabelOption(CLI::App* command, Raw* raw);

// From `raw->labels` to terms of a filter.
absl::Status LabelTerms(const std::vector<std::string>& labels, std::string* terms);

// Fills what belongs to programs in `raw->options`, and refuses what makes no sense. After the
// verb is set and the filter is built.
absl::Status FinishProgramOptions(Raw* raw);

// True for start, stop, restart, retry and reload.
bool ChangesPrograms(Verb verb);

}  // namespace procctl::cli

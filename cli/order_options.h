// The part of the command line that is about orders to stop: whom a kill chooses and how fast, and
// what is done with an order. For options.cc, and what they mean for the commands.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/options_raw.h"
#include "cli/program_options.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

// Whoever follows an order waits for its end, however slow its pace.
inline constexpr std::chrono::hours kMostFollowed{24 * 30};

// The filter and the pace of `kill`.
void AddPlanOptions(CLI::App* kill, Raw* raw);
// `order` and `orders`; `raw` must outlive `app`.
std::vector<CommandVerb> AddOrderCommands(CLI::App* app, Raw* raw);

// Fills `raw->options.order`, and refuses what makes no sense. After the verb is set.
absl::Status FinishOrderOptions(Raw* raw);

// A kill goes by a plan: several targets, a filter, a pace, or a number to confirm. Of one exact
// target nothing is planned.
bool IsPlanned(const Options& options);

// Of a kill: NODE/SLOT and NODE:PID, not a filter.
bool NamesExactTargets(const Options& options);

// Of a kill by filter: -l, or a single word that can be no target ('', '*', 'name=web*').
std::string SelectorOf(const Options& options);

v1::Pace PaceOf(const Options& options);

}  // namespace procctl::cli

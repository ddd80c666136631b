// What is said of a command line that cannot be parsed. For options.cc alone.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace procctl::cli {

// What is wrong, and what to do: the command or option that was meant, an example, or the help.
std::string UsageRefusal(const CLI::App& app, const std::vector<std::string>& arguments,
                         const CLI::ParseError& error);

}  // namespace procctl::cli

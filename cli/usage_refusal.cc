#include "cli/usage_refusal.h"

#include "proto/support/escape.h"
#include "proto/support/nearest_name.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

std::vector<std::string> CommandsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

// The first word with two dashes that is no option here. What CLI11 says of one may be about the
// word after it.
std::string UnknownOption(const CLI::App& app, const CLI::App* command,
                          const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    if (argument == "--") return "";
    const std::string name = argument.substr(0, argument.find('='));
    if (name.rfind("--", 0) != 0 || app.get_option_no_throw(name) != nullptr) continue;
    if (command == nullptr || command->get_option_no_throw(name) == nullptr) return name;
  }
  return "";
}

}  // namespace

std::string UsageRefusal(const CLI::App& app, const std::vector<std::string>& arguments,
                         const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  const CLI::App* command = chosen.empty() ? nullptr : chosen.front();
  const std::string name = command == nullptr ? "" : command->get_name() + " ";
  const std::string see = fmt::format("see: procctl-cli {}--help", name);
  if (const std::string option = UnknownOption(app, command, arguments); !option.empty()) {
    std::vector<std::string> known;
    for (const CLI::App* at : {&app, command}) {
      if (at == nullptr) continue;
      for (const CLI::Option* one : at->get_options()) {
        for (const std::string& text : one->get_lnames()) known.push_back("--" + text);
      }
    }
    const std::string meant = NearestName(known, option);
    return fmt::format("there is no option {}; {}", Printable(option),
                       meant.empty() ? see : fmt::format("did you mean {}?", meant));
  }
  if (const auto left = app.remaining(); command == nullptr && !left.empty()) {
    const std::vector<std::string> known = CommandsOf(app);
    const std::string meant = NearestName(known, left.front());
    return fmt::format("there is no command \"{}\"; {}", Printable(left.front()),
                       meant.empty() ? fmt::format("there are: {}", fmt::join(known, ", "))
                                     : fmt::format("did you mean \"{}\"?", meant));
  }
  const bool takes_target = name == "kill " || name == "why " || name == "describe " ||
                            name == "history " || name == "logs ";
  if ((takes_target || name == "reload " || name == "forget ") &&
      dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    return fmt::format("{}; e.g. procctl-cli {}{}", Printable(error.what()), name,
                       takes_target ? "web-01/encoder" : "web-01");
  }
  return fmt::format("{}; {}", Printable(error.what()), see);
}

}  // namespace procctl::cli

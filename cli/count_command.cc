#include <algorithm>
#include <utility>

#include "cli/cell.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/story_words.h"
#include "cli/table.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

std::string UpperCase(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

// What the controller says of a key, or nothing where it says less than was asked.
std::string ValueOf(const v1::CountSlotsResponse::Group& group, size_t key) {
  const int index = static_cast<int>(key);
  return index < group.values_size() ? group.values(index) : "";
}

std::string RenderCounts(const v1::CountSlotsResponse& counts, const std::vector<std::string>& keys,
                         bool colour) {
  std::string out;
  if (!keys.empty()) {
    std::vector<std::string> headers;
    headers.reserve(keys.size() + 1);
    for (const std::string& key : keys) headers.push_back(UpperCase(key));
    headers.emplace_back("SLOTS");
    Table table(std::move(headers));
    for (const auto& group : counts.groups()) {
      std::vector<TableCell> cells;
      for (size_t i = 0; i < keys.size(); ++i) cells.push_back({Cell(ValueOf(group, i))});
      cells.push_back({std::to_string(group.slots())});
      table.Add(std::move(cells));
    }
    out = table.Render(colour);
    if (!out.empty()) out += "\n";
  }
  out += CountText(counts.total(), "slot");
  if (counts.others() > 0) {
    out += fmt::format(", {} of them in smaller groups (--limit shows more)", counts.others());
  }
  return out + "\n";
}

std::string CountsJson(const v1::CountSlotsResponse& counts, const std::vector<std::string>& keys) {
  std::string out =
      fmt::format("{{\"apiVersion\":\"{}\",\"total\":{},\"others\":{},\"summary\":{},\"groups\":[",
                  kApiVersion, counts.total(), counts.others(), JsonObject(counts.summary()));
  for (int i = 0; i < counts.groups_size(); ++i) {
    const auto& group = counts.groups(i);
    out += i == 0 ? "\n{" : ",\n{";
    for (size_t key = 0; key < keys.size(); ++key) {
      out += fmt::format("{}:{},", JsonString(keys[key]), JsonString(ValueOf(group, key)));
    }
    out += fmt::format("\"slots\":{}}}", group.slots());
  }
  return out + "]}\n";
}

}  // namespace

ExitCode CountCommand(const Options& options, const Screen& screen, Client* client) {
  v1::CountSlotsRequest request;
  request.set_filter(options.filter);
  for (const std::string& key : options.group_by) request.add_group_by(key);
  request.set_limit(options.limit);
  const auto counts = client->CountSlots(request, AnswerTime(options));
  if (!counts.ok()) return screen.Fail(ExitCodeFor(counts.status()), counts.status());
  screen.Print(screen.json() ? CountsJson(*counts, options.group_by)
                             : RenderCounts(*counts, options.group_by, screen.colour()));
  return ExitCode::kOk;
}

}  // namespace procctl::cli

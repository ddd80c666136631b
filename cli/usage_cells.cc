#include "cli/usage_cells.h"

#include "cli/story_words.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

std::string Tight(std::string text) {
  std::erase(text, ' ');
  return text;
}

}  // namespace

std::vector<std::string> UsageHeaders() { return {"CPU", "RSS", "THREADS", "FDS"}; }

std::vector<TableCell> UsageCells(const v1::Usage* usage) {
  if (usage == nullptr) return std::vector<TableCell>(UsageHeaders().size(), TableCell{"-"});
  return {{fmt::format("{}%", usage->cpu_percent())},
          {Tight(BytesText(usage->resident()))},
          {std::to_string(usage->threads())},
          {std::to_string(usage->descriptors())}};
}

std::string UsageText(const v1::Usage& usage) {
  return fmt::format("{} resident, {} % CPU, {}, {}", BytesText(usage.resident()),
                     usage.cpu_percent(), CountText(usage.threads(), "thread"),
                     CountText(usage.descriptors(), "descriptor"));
}

}  // namespace procctl::cli

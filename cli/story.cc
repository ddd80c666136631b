#include "cli/story.h"

#include "cli/cell.h"
#include "cli/names.h"
#include "cli/story_course.h"
#include "cli/story_parts.h"
#include "cli/story_words.h"
#include "cli/time_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// Something that happened, but is no part of a kill.
std::vector<std::string> TellEvent(const v1::Event& event) {
  std::string where = event.slot().empty() ? Cell(event.node()) : Who(event);
  if (event.slot().empty() && !event.program().empty()) where += "/" + Cell(event.program());
  std::string text =
      fmt::format("At {} on {}: {}", DateText(event.at()), where, Word(event.kind()));
  if (!event.issuer().empty()) text += " by " + Cell(event.issuer());
  if (!event.reason().empty()) text += ", reason: " + Quote(event.reason());
  if (event.has_hold_until()) text += ", until " + DateText(event.hold_until());
  std::vector<std::string> out = {text + "."};
  if (!event.message().empty()) {
    out.push_back(fmt::format("Its record says: {}.", Quote(event.message())));
  }
  out.push_back("It belongs to no kill.");
  return out;
}

bool IsOfAKill(const v1::Event& event) {
  switch (event.kind()) {
    case v1::EVENT_KIND_HUNG:
    case v1::EVENT_KIND_HELD:
    case v1::EVENT_KIND_TERM_SENT:
    case v1::EVENT_KIND_KILL_SENT:
    case v1::EVENT_KIND_VERDICT:
    case v1::EVENT_KIND_EVIDENCE:
    case v1::EVENT_KIND_WOULD_KILL:
      return true;
    default:
      return event.kill() != 0;
  }
}

}  // namespace

std::vector<std::string> TellKill(const StoryFacts& facts) {
  const KillCourse course = TakeApart(facts.events);
  const v1::Event& first = *course.first;
  if (!IsOfAKill(first)) return TellEvent(first);
  Sentences out;
  TellCause(course, &out);
  if (course.evidence != nullptr) {
    const v1::Evidence& evidence = course.evidence->evidence();
    TellProcess(evidence, first.name(), first.incarnation().pid(), &out);
    TellMissing(evidence, &out);
    TellGuardian(evidence, &out);
  } else if (course.term != nullptr) {
    out.push_back("No evidence of the process is recorded.");
  }
  TellHeld(course, &out);
  TellOrders(course, &out);
  TellSignals(course, &out);
  TellNext(facts, course, &out);
  return out;
}

std::string Paragraph(const std::vector<std::string>& sentences, size_t columns) {
  std::string out;
  size_t used = 0;
  for (const std::string& sentence : sentences) {
    std::string_view rest = sentence;
    while (!rest.empty()) {
      const size_t blank = rest.find(' ');
      const std::string_view word = rest.substr(0, blank);
      rest.remove_prefix(blank == std::string_view::npos ? rest.size() : blank + 1);
      const size_t width = DisplayWidth(word);
      if (used > 0) {
        const bool fits = used + 1 + width <= columns;
        out += fits ? ' ' : '\n';
        used = fits ? used + 1 : 0;
      }
      out += word;
      used += width;
    }
  }
  return out + "\n";
}

}  // namespace procctl::cli

#include "cli/last_words.h"

#include <map>
#include <string>
#include <utility>

namespace procctl::cli {

void JoinLastWords(std::vector<v1::StoredEvent>* events) {
  std::map<std::pair<std::string, std::string>, v1::Death*> deaths;
  for (v1::StoredEvent& stored : *events) {
    v1::Event& event = *stored.mutable_event();
    if (event.kind() == v1::EVENT_KIND_PROGRAM_ENDED)
      deaths[{event.node(), event.run()}] = event.mutable_death();
  }
  for (const v1::StoredEvent& stored : *events) {
    const v1::Event& event = stored.event();
    if (event.kind() != v1::EVENT_KIND_PROGRAM_LAST_WORDS) continue;
    const auto death = deaths.find({event.node(), event.run()});
    if (death != deaths.end()) death->second->set_stderr_tail(event.death().stderr_tail());
  }
  std::erase_if(*events, [](const v1::StoredEvent& stored) {
    return stored.event().kind() == v1::EVENT_KIND_PROGRAM_LAST_WORDS;
  });
}

}  // namespace procctl::cli

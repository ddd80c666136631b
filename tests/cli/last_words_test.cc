// What a program wrote last is shown with its end.
#include "cli/last_words.h"

#include <gtest/gtest.h>

namespace procctl::cli {
namespace {

v1::StoredEvent Of(v1::EventKind kind, const char* node, const char* run, const char* tail = "") {
  v1::StoredEvent stored;
  stored.mutable_event()->set_kind(kind);
  stored.mutable_event()->set_node(node);
  stored.mutable_event()->set_run(run);
  stored.mutable_event()->mutable_death()->set_stderr_tail(tail);
  return stored;
}

TEST(LastWords, GoToTheEndOfTheSameLifeOnTheSameNode) {
  std::vector<v1::StoredEvent> events = {
      Of(v1::EVENT_KIND_PROGRAM_ENDED, "n1", "web/1"),
      Of(v1::EVENT_KIND_PROGRAM_ENDED, "n2", "web/1"),
      Of(v1::EVENT_KIND_PROGRAM_LAST_WORDS, "n1", "web/1", "oh no\n"),
      Of(v1::EVENT_KIND_PROGRAM_ENDED, "n1", "web/2"),
      Of(v1::EVENT_KIND_PROGRAM_LAST_WORDS, "n1", "web/3", "nobody's"),
  };
  JoinLastWords(&events);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].event().death().stderr_tail(), "oh no\n");
  EXPECT_EQ(events[1].event().death().stderr_tail(), "");
  EXPECT_EQ(events[2].event().death().stderr_tail(), "");
}

}  // namespace
}  // namespace procctl::cli

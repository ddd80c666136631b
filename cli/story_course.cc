#include "cli/story_course.h"

#include <algorithm>

namespace procctl::cli {
namespace {

bool IsAbout(const v1::Event& event) {
  return event.kind() == v1::EVENT_KIND_STATE_TAKEN_UP ||
         event.kind() == v1::EVENT_KIND_HOLD_PLACED || event.kind() == v1::EVENT_KIND_HOLD_ENDED;
}

void AddOrder(const v1::Event& event, KillCourse* course) {
  if (event.order_id().empty()) return;
  const bool known =
      std::any_of(course->orders.begin(), course->orders.end(),
                  [&](const v1::Event* other) { return other->order_id() == event.order_id(); });
  if (!known) course->orders.push_back(&event);
}

// An order that came while the kill was withheld is answered at once; the kill itself goes on.
bool AnswersAnOrderOnly(const v1::Event& event, const KillCourse& course) {
  return event.verdict() == v1::VERDICT_HELD && !event.order_id().empty() &&
         course.first->order_id() != event.order_id();
}

void Add(const v1::Event& event, KillCourse* course) {
  if (course->first == nullptr) course->first = &event;
  if (event.id().epoch() != course->first->id().epoch()) course->several_guardians = true;
  AddOrder(event, course);
  const bool open_hold = !course->held.empty() && course->held.back().end == nullptr;
  const bool ends_hold =
      event.kind() == v1::EVENT_KIND_HELD || event.kind() == v1::EVENT_KIND_TERM_SENT ||
      event.kind() == v1::EVENT_KIND_KILL_SENT ||
      (event.kind() == v1::EVENT_KIND_VERDICT && !AnswersAnOrderOnly(event, *course));
  if (open_hold && ends_hold) course->held.back().end = &event;
  switch (event.kind()) {
    case v1::EVENT_KIND_HUNG:
      if (course->hung == nullptr) course->hung = &event;
      break;
    case v1::EVENT_KIND_WOULD_KILL:
      course->would_kill = &event;
      break;
    case v1::EVENT_KIND_HELD:
      course->held.push_back({&event, nullptr});
      break;
    case v1::EVENT_KIND_EVIDENCE:
      course->evidence = &event;
      break;
    case v1::EVENT_KIND_TERM_SENT:
      if (course->term == nullptr) course->term = &event;
      break;
    case v1::EVENT_KIND_KILL_SENT:
      if (course->kill == nullptr) course->kill = &event;
      break;
    case v1::EVENT_KIND_VERDICT:
      if (AnswersAnOrderOnly(event, *course)) break;
      if (event.verdict() == v1::VERDICT_UNKILLABLE) course->was_unkillable = true;
      course->verdict = &event;
      break;
    default:  // the open set of what a newer guardian may add to a kill
      break;
  }
}

}  // namespace

KillCourse TakeApart(const std::vector<v1::Event>& events) {
  KillCourse course;
  for (const v1::Event& event : events) {
    if (!IsAbout(event)) Add(event, &course);
  }
  for (const v1::Event& event : events) {
    if (event.kind() == v1::EVENT_KIND_STATE_TAKEN_UP) course.taken_up = &event;
    if (event.kind() == v1::EVENT_KIND_HOLD_PLACED) course.hold = &event;
    if (course.first == nullptr) course.first = &event;
  }
  return course;
}

bool IsOver(const KillCourse& course) {
  if (course.verdict != nullptr) return course.verdict->verdict() != v1::VERDICT_UNKILLABLE;
  // What is only observed has no ladder.
  return course.would_kill != nullptr && course.term == nullptr && course.held.empty();
}

}  // namespace procctl::cli

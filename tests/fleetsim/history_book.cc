#include "tests/fleetsim/history_book.h"

#include <charconv>

#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::fleetsim {
namespace {

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t space = std::min(line.find(' '), line.size());
    if (space > 0) words.push_back(line.substr(0, space));
    line.remove_prefix(std::min(space + 1, line.size()));
  }
  return words;
}

bool ReadNumber(std::string_view word, std::int64_t* number) {
  const auto read = std::from_chars(word.data(), word.data() + word.size(), *number);
  return read.ec == std::errc() && read.ptr == word.data() + word.size();
}

std::string Show(const std::pair<std::string, std::int64_t>& key, const NumberSet::Range& range) {
  const std::string node = Printable(key.first);
  return range.first == range.second
             ? fmt::format("{}/{}/{}", node, key.second, range.first)
             : fmt::format("{}/{}/{} to {}", node, key.second, range.first, range.second);
}

}  // namespace

absl::Status HistoryBook::AddJournalLine(std::string_view line) {
  const auto words = Words(line);
  const auto bad = [&] {
    return absl::InvalidArgumentError(
        fmt::format("no line of a journal: \"{}\"", Printable(line.substr(0, 80))));
  };
  if (words.empty()) return bad();
  const std::string_view verb = words[0];
  std::int64_t epoch = 0;
  std::int64_t first = 0;
  std::int64_t last = 0;
  if (verb == "end" && words.size() == 1) {
    ended_ = true;
    return absl::OkStatus();
  }
  if (verb == "run" && words.size() == 2 && ReadNumber(words[1], &epoch)) {
    ended_ = false;
    return absl::OkStatus();
  }
  if (verb == "hostile" && words.size() == 2) {
    hostile_.emplace(words[1]);
    return absl::OkStatus();
  }
  if (verb == "order" && words.size() == 4) {
    known_.emplace(words[1]);
    return absl::OkStatus();
  }
  const bool range = verb == "sent" || verb == "lost";
  if (!(range && words.size() == 5) && !(verb == "acked" && words.size() == 4)) return bad();
  if (!ReadNumber(words[2], &epoch) || !ReadNumber(words[3], &first)) return bad();
  if (range && (!ReadNumber(words[4], &last) || last < first)) return bad();
  known_.emplace(words[1]);
  Handed& handed = handed_[{std::string(words[1]), epoch}];
  if (verb == "acked") {
    handed.acked = std::max(handed.acked, first);
  } else {
    // Again after every reconnect: what was not acknowledged is handed over anew.
    (void)(verb == "sent" ? handed.events : handed.lost).Add(first, last);
  }
  return absl::OkStatus();
}

void HistoryBook::AddStored(const StoredRow& row) {
  ++stored_;
  const v1::Event& event = row.event;
  const Key key{row.origin, row.epoch};
  const v1::EventId& id = event.id();
  if (id.origin() != row.origin || id.epoch() != row.epoch || id.seq() != row.seq) {
    Note(fmt::format("position {}: stored as {}, but its body says {}", row.position,
                     Show(key, {row.seq, row.seq}),
                     Show({id.origin(), id.epoch()}, {id.seq(), id.seq()})));
  }
  Stored& stored = stored_by_origin_[key];
  if (row.seq < stored.last_seq) {
    Note(fmt::format("{} is stored after {}", Show(key, {row.seq, row.seq}), stored.last_seq));
  }
  stored.last_seq = std::max(stored.last_seq, row.seq);
  const bool own_loss = event.kind() == v1::EVENT_KIND_EVENTS_LOST && event.has_lost();
  if (own_loss) {
    // Some of them may have come before they were folded: that is no contradiction.
    (void)stored.lost.Add(event.lost().first_seq(), event.lost().last_seq());
  } else if (!stored.events.Add(row.seq, row.seq)) {
    Note(fmt::format("{} is stored twice", Show(key, {row.seq, row.seq})));
  }
  if (event.kind() == v1::EVENT_KIND_GAP && event.has_lost()) {
    (void)stored_by_origin_[{event.node(), event.lost().epoch()}].gaps.Add(event.lost().first_seq(),
                                                                           event.lost().last_seq());
  }
  // A kill that could not be done may be done after all: UNKILLABLE is followed by another verdict.
  if (event.kind() == v1::EVENT_KIND_VERDICT && !event.order_id().empty() &&
      event.verdict() != v1::VERDICT_UNKILLABLE) {
    if (++verdicts_[event.order_id()] == 2) {
      Note(fmt::format("order {} has two verdicts, the second is {}", Printable(event.order_id()),
                       Show(key, {row.seq, row.seq})));
    }
  }
}

void HistoryBook::JudgeHanded(const Key& key, const Handed& handed,
                              std::vector<std::string>* faults) const {
  if (handed.acked == 0) return;
  NumberSet sent = handed.events;
  sent.AddAll(handed.lost);
  if (handed.acked > sent.Greatest()) {
    faults->push_back(fmt::format("{} was acknowledged, but only numbers up to {} were handed over",
                                  Show(key, {handed.acked, handed.acked}), sent.Greatest()));
  }
  NumberSet there;
  if (const auto it = stored_by_origin_.find(key); it != stored_by_origin_.end()) {
    there = it->second.events;
    there.AddAll(it->second.lost);
    there.AddAll(it->second.gaps);
  }
  for (const auto& range : there.Missing(1, handed.acked)) {
    faults->push_back(
        fmt::format("{} was acknowledged and is not in the history", Show(key, range)));
  }
}

void HistoryBook::JudgeStored(const Key& key, const Stored& stored, bool others,
                              std::vector<std::string>* faults) const {
  NumberSet there = stored.events;
  there.AddAll(stored.lost);
  there.AddAll(stored.gaps);
  for (const auto& range : there.Missing(1, there.Greatest())) {
    faults->push_back(fmt::format("{} is missing, and no record says so", Show(key, range)));
  }
  const std::string& origin = key.first;
  if (origin.starts_with("@") || hostile_.count(origin) > 0) return;
  if (known_.count(origin) == 0) {
    if (!others) faults->push_back(fmt::format("{} is in no journal", Printable(origin)));
    return;
  }
  const auto it = handed_.find(key);
  const Handed none;
  const Handed& handed = it == handed_.end() ? none : it->second;
  for (const auto& [first, last] : stored.events.Ranges()) {
    for (const auto& range : handed.events.Missing(first, last)) {
      faults->push_back(
          fmt::format("{} is in the history and was never handed over", Show(key, range)));
    }
  }
  for (const auto& [first, last] : stored.lost.Ranges()) {
    for (const auto& range : handed.lost.Missing(first, last)) {
      faults->push_back(
          fmt::format("{} is recorded as lost, which its node never said", Show(key, range)));
    }
  }
}

std::vector<std::string> HistoryBook::Faults(bool others) const {
  std::vector<std::string> faults = noted_;
  for (const auto& [key, stored] : stored_by_origin_) JudgeStored(key, stored, others, &faults);
  for (const auto& [key, handed] : handed_) JudgeHanded(key, handed, &faults);
  return faults;
}

std::int64_t HistoryBook::lost() const {
  std::int64_t sum = 0;
  for (const auto& [key, stored] : stored_by_origin_) {
    NumberSet records = stored.lost;
    records.AddAll(stored.gaps);
    for (const auto& [first, last] : records.Ranges()) {
      for (const auto& range : stored.events.Missing(first, last)) {
        sum += range.second - range.first + 1;
      }
    }
  }
  return sum;
}

}  // namespace procctl::fleetsim

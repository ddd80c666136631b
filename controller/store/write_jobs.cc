#include "controller/store/write_jobs.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "controller/core/event_cursor.h"
#include "controller/core/event_gap.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

absl::Status Superseded(const std::string& node, std::int64_t session, std::int64_t by) {
  return absl::AbortedError(
      fmt::format("session {} of node {} was superseded by session {}", session, node, by));
}

class ClaimJob : public WriteJob {
 public:
  ClaimJob(std::string node, std::int64_t at_least, Coordinator::Claimed done)
      : node_(std::move(node)), at_least_(at_least), done_(std::move(done)) {}

  absl::Status Run(WriterTables* tables) override {
    auto known = tables->SessionEpoch(node_);
    if (!known.ok()) return known.status();
    epoch_ = std::max(*known, at_least_) + 1;
    return tables->SetSessionEpoch(node_, epoch_);
  }
  void Committed() override { done_(epoch_); }
  void Abandoned(const absl::Status& why) override { done_(why); }
  std::size_t Bytes() const override { return sizeof(*this); }
  std::size_t Rows() const override { return 1; }

 private:
  std::string node_;
  std::int64_t at_least_;
  Coordinator::Claimed done_;
  std::int64_t epoch_ = 0;
};

// Events of one origin, against its cursors.
class EventsJob : public WriteJob {
 public:
  EventsJob(std::string origin, std::vector<v1::Event> events, CommitLog::Appended done)
      : origin_(std::move(origin)), events_(std::move(events)), done_(std::move(done)) {
    for (const v1::Event& event : events_) bytes_ += event.ByteSizeLong();
  }

  void Committed() override {
    if (!refused_.ok()) return done_(refused_);
    for (const std::size_t index : fresh_) result_.fresh.push_back(std::move(events_[index]));
    done_(std::move(result_));
  }
  void Abandoned(const absl::Status& why) override { done_(why); }
  std::size_t Bytes() const override { return bytes_; }
  std::size_t Rows() const override { return events_.size() + 1; }

 protected:
  // First judges all events, then writes: a refused batch leaves nothing behind.
  absl::Status Commit(WriterTables* tables) {
    refused_ = absl::OkStatus();
    result_ = Committed_();
    fresh_.clear();
    if (absl::Status judged = Judge(tables); !judged.ok() || !refused_.ok()) return judged;
    const WallTime now = std::chrono::system_clock::now();
    for (const std::size_t index : fresh_) {
      if (absl::Status done = tables->InsertEvent(events_[index], now, skew_); !done.ok()) {
        return done;
      }
      result_.positions.push_back(tables->LastPosition());
    }
    result_.received_at = now;
    result_.skew = skew_;
    for (const Cursor& cursor : result_.cursors) {
      if (fresh_.empty()) break;
      if (absl::Status done = tables->SetCursor(origin_, cursor); !done.ok()) return done;
    }
    return absl::OkStatus();
  }

  void Refuse(absl::Status why) { refused_ = std::move(why); }

  std::string origin_;
  std::vector<v1::Event> events_;
  std::optional<std::chrono::nanoseconds> skew_;

 private:
  using Committed_ = procctl::controller::Committed;

  absl::Status Judge(WriterTables* tables) {
    for (std::size_t i = 0; i < events_.size(); ++i) {
      const v1::Event& event = events_[i];
      refused_ = CheckEventIdentity(event, origin_);
      if (!refused_.ok()) return absl::OkStatus();
      auto cursor = std::find_if(result_.cursors.begin(), result_.cursors.end(),
                                 [&](const Cursor& c) { return c.epoch == event.id().epoch(); });
      if (cursor == result_.cursors.end()) {
        auto seq = tables->CursorOf(origin_, event.id().epoch());
        if (!seq.ok()) return seq.status();
        cursor = result_.cursors.insert(cursor, {event.id().epoch(), *seq});
      }
      switch (JudgeArrival(cursor->seq, event)) {
        case Arrival::kDuplicate:
          break;
        case Arrival::kNext:
          cursor->seq = event.id().seq();
          fresh_.push_back(i);
          break;
        case Arrival::kGap:
          refused_ = absl::AbortedError(
              fmt::format("event {}/{} of {} after {}: a gap; start again from the cursors",
                          event.id().epoch(), event.id().seq(), origin_, cursor->seq));
          return absl::OkStatus();
      }
    }
    for (Cursor& cursor : result_.cursors) {
      if (cursor.seq == WriterTables::kAllCommitted) cursor.seq = LastOf(cursor.epoch);
    }
    return absl::OkStatus();
  }

  std::int64_t LastOf(std::int64_t epoch) const {
    std::int64_t last = 0;
    for (const v1::Event& event : events_) {
      if (event.id().epoch() == epoch) last = std::max(last, event.id().seq());
    }
    return last;
  }

  CommitLog::Appended done_;
  std::size_t bytes_ = 0;
  absl::Status refused_;
  Committed_ result_;
  std::vector<std::size_t> fresh_;
};

class AppendJob : public EventsJob {
 public:
  AppendJob(NodeBatch batch, CommitLog::Appended done)
      : EventsJob(std::move(batch.node), std::move(batch.events), std::move(done)),
        session_epoch_(batch.session_epoch) {
    // A node speaks only for itself, whatever it writes into its events.
    for (v1::Event& event : events_) event.set_node(origin_);
    skew_ = batch.skew;
  }

  absl::Status Run(WriterTables* tables) override {
    auto current = tables->SessionEpoch(origin_);
    if (!current.ok()) return current.status();
    if (*current != session_epoch_) {
      Refuse(Superseded(origin_, session_epoch_, *current));
      return absl::OkStatus();
    }
    return Commit(tables);
  }

 private:
  std::int64_t session_epoch_;
};

class OwnEventsJob : public EventsJob {
 public:
  OwnEventsJob(std::string origin, std::int64_t epoch, std::vector<v1::Event> events,
               CommitLog::Appended done)
      : EventsJob(std::move(origin), std::move(events), std::move(done)), epoch_(epoch) {}

  absl::Status Run(WriterTables* tables) override {
    auto seq = tables->CursorOf(origin_, epoch_);
    if (!seq.ok()) return seq.status();
    std::int64_t next = *seq;
    for (v1::Event& event : events_) {
      event.mutable_id()->set_origin(origin_);
      event.mutable_id()->set_epoch(epoch_);
      event.mutable_id()->set_seq(++next);
    }
    return Commit(tables);
  }

 private:
  std::int64_t epoch_;
};

class LoadCursorsJob : public WriteJob {
 public:
  LoadCursorsJob(std::string node, CommitLog::Loaded done)
      : node_(std::move(node)), done_(std::move(done)) {}

  absl::Status Run(WriterTables* tables) override {
    auto cursors = tables->NewestCursors(node_, CommitLog::kMostCursors);
    if (!cursors.ok()) return cursors.status();
    cursors_ = *std::move(cursors);
    return absl::OkStatus();
  }
  void Committed() override { done_(std::move(cursors_)); }
  void Abandoned(const absl::Status& why) override { done_(why); }
  std::size_t Bytes() const override { return sizeof(*this); }
  std::size_t Rows() const override { return 1; }

 private:
  std::string node_;
  CommitLog::Loaded done_;
  std::vector<Cursor> cursors_;
};

class AcceptGapsJob : public WriteJob {
 public:
  AcceptGapsJob(std::string origin, std::int64_t own_epoch, std::string node,
                std::int64_t session_epoch, std::vector<HeldRange> held, CommitLog::Appended told,
                CommitLog::Loaded done)
      : origin_(std::move(origin)),
        own_epoch_(own_epoch),
        node_(std::move(node)),
        session_epoch_(session_epoch),
        held_(std::move(held)),
        told_(std::move(told)),
        done_(std::move(done)) {}

  absl::Status Run(WriterTables* tables) override {
    auto current = tables->SessionEpoch(node_);
    if (!current.ok()) return current.status();
    refused_ =
        *current == session_epoch_ ? CheckRanges() : Superseded(node_, session_epoch_, *current);
    gaps_ = procctl::controller::Committed();
    if (!refused_.ok()) return absl::OkStatus();
    for (const HeldRange& held : held_) {
      if (absl::Status done = Accept(held, tables); !done.ok()) return done;
    }
    auto cursors = tables->NewestCursors(node_, CommitLog::kMostCursors);
    if (!cursors.ok()) return cursors.status();
    cursors_ = *std::move(cursors);
    return absl::OkStatus();
  }
  void Committed() override {
    if (!refused_.ok()) return done_(refused_);
    if (!gaps_.fresh.empty()) told_(std::move(gaps_));
    done_(std::move(cursors_));
  }
  void Abandoned(const absl::Status& why) override { done_(why); }
  std::size_t Bytes() const override { return sizeof(*this) + held_.size() * sizeof(HeldRange); }
  std::size_t Rows() const override { return 1 + held_.size(); }

 private:
  absl::Status CheckRanges() const {
    if (held_.size() > CommitLog::kMostCursors) {
      return absl::InvalidArgumentError(
          fmt::format("node {} names {} epochs that it holds events of; at most {} are taken",
                      node_, held_.size(), CommitLog::kMostCursors));
    }
    for (const HeldRange& held : held_) {
      if (held.epoch > 0 && held.first > 0 && held.last >= held.first) continue;
      return absl::InvalidArgumentError(
          fmt::format("node {} says that it holds events {} to {} of epoch {}; numbers begin with "
                      "1 and go up",
                      node_, held.first, held.last, held.epoch));
    }
    return absl::OkStatus();
  }

  absl::Status Accept(const HeldRange& held, WriterTables* tables) {
    auto cursor = tables->CursorOf(node_, held.epoch);
    if (!cursor.ok()) return cursor.status();
    // Not cursor + 1 < first: the cursor may be the largest number there is.
    if (*cursor >= held.first - 1) return absl::OkStatus();
    const WallTime now = std::chrono::system_clock::now();
    v1::Event event = MakeGap({node_, held.epoch, *cursor + 1, held.first - 1}, now);
    auto own = tables->CursorOf(origin_, own_epoch_);
    if (!own.ok()) return own.status();
    event.mutable_id()->set_origin(origin_);
    event.mutable_id()->set_epoch(own_epoch_);
    event.mutable_id()->set_seq(*own + 1);
    if (absl::Status done = tables->InsertEvent(event, now, std::nullopt); !done.ok()) return done;
    gaps_.fresh.push_back(std::move(event));
    gaps_.positions.push_back(tables->LastPosition());
    gaps_.received_at = now;
    if (absl::Status done = tables->SetCursor(origin_, {own_epoch_, *own + 1}); !done.ok()) {
      return done;
    }
    return tables->SetCursor(node_, {held.epoch, held.first - 1});
  }

  std::string origin_;
  std::int64_t own_epoch_;
  std::string node_;
  std::int64_t session_epoch_;
  std::vector<HeldRange> held_;
  CommitLog::Appended told_;
  CommitLog::Loaded done_;
  absl::Status refused_;
  procctl::controller::Committed gaps_;
  std::vector<Cursor> cursors_;
};

class ForgetJob : public WriteJob {
 public:
  ForgetJob(std::string node, Coordinator::Forgotten done)
      : node_(std::move(node)), done_(std::move(done)) {}

  absl::Status Run(WriterTables* tables) override {
    auto known = tables->ForgetNode(node_);
    if (!known.ok()) return known.status();
    result_ = *known ? absl::OkStatus()
                     : absl::NotFoundError(fmt::format("node {} was never seen", node_));
    return absl::OkStatus();
  }
  void Committed() override { done_(result_); }
  void Abandoned(const absl::Status& why) override { done_(why); }
  std::size_t Bytes() const override { return sizeof(*this); }
  std::size_t Rows() const override { return 1; }

 private:
  std::string node_;
  Coordinator::Forgotten done_;
  absl::Status result_;
};

class RecordRequestJob : public WriteJob {
 public:
  RecordRequestJob(OrderRequest request, WallTime at, History::Recorded done)
      : request_(std::move(request)), at_(at), done_(std::move(done)) {}

  absl::Status Run(WriterTables* tables) override {
    auto inserted = tables->InsertRequest(request_, at_);
    if (!inserted.ok()) return inserted.status();
    result_ =
        *inserted
            ? absl::OkStatus()
            : absl::AlreadyExistsError(fmt::format("request {} is recorded already", request_.id));
    return absl::OkStatus();
  }
  void Committed() override { done_(result_); }
  void Abandoned(const absl::Status& why) override { done_(why); }
  std::size_t Bytes() const override { return sizeof(*this) + 256 * request_.targets.size(); }
  std::size_t Rows() const override { return 1 + request_.targets.size(); }

 private:
  OrderRequest request_;
  WallTime at_;
  History::Recorded done_;
  absl::Status result_;
};

class RecordSentJob : public WriteJob {
 public:
  RecordSentJob(std::string request_id, std::vector<size_t> targets, bool sent,
                History::Recorded done)
      : request_id_(std::move(request_id)),
        targets_(std::move(targets)),
        sent_(sent),
        done_(std::move(done)) {}

  absl::Status Run(WriterTables* tables) override {
    return tables->SetSent(request_id_, targets_, sent_);
  }
  void Committed() override { done_(absl::OkStatus()); }
  void Abandoned(const absl::Status& why) override { done_(why); }
  std::size_t Bytes() const override { return sizeof(*this) + sizeof(size_t) * targets_.size(); }
  std::size_t Rows() const override { return targets_.size(); }

 private:
  std::string request_id_;
  std::vector<size_t> targets_;
  bool sent_;
  History::Recorded done_;
};

class RecordStateJob : public WriteJob {
 public:
  RecordStateJob(std::string request_id, v1::OrderState state, std::string message,
                 History::Recorded done)
      : request_id_(std::move(request_id)),
        state_(state),
        message_(std::move(message)),
        done_(std::move(done)) {}

  absl::Status Run(WriterTables* tables) override {
    return tables->SetOrderState(request_id_, state_, message_);
  }
  void Committed() override { done_(absl::OkStatus()); }
  void Abandoned(const absl::Status& why) override { done_(why); }
  std::size_t Bytes() const override { return sizeof(*this) + message_.size(); }
  std::size_t Rows() const override { return 1; }

 private:
  std::string request_id_;
  v1::OrderState state_;
  std::string message_;
  History::Recorded done_;
};

}  // namespace

std::unique_ptr<WriteJob> MakeClaimJob(std::string node, std::int64_t at_least,
                                       Coordinator::Claimed done) {
  return std::make_unique<ClaimJob>(std::move(node), at_least, std::move(done));
}

std::unique_ptr<WriteJob> MakeAppendJob(NodeBatch batch, CommitLog::Appended done) {
  return std::make_unique<AppendJob>(std::move(batch), std::move(done));
}

std::unique_ptr<WriteJob> MakeOwnEventsJob(std::string origin, std::int64_t epoch,
                                           std::vector<v1::Event> events,
                                           CommitLog::Appended done) {
  return std::make_unique<OwnEventsJob>(std::move(origin), epoch, std::move(events),
                                        std::move(done));
}

std::unique_ptr<WriteJob> MakeLoadCursorsJob(std::string node, CommitLog::Loaded done) {
  return std::make_unique<LoadCursorsJob>(std::move(node), std::move(done));
}

std::unique_ptr<WriteJob> MakeAcceptGapsJob(std::string origin, std::int64_t own_epoch,
                                            std::string node, std::int64_t session_epoch,
                                            std::vector<HeldRange> held, CommitLog::Appended told,
                                            CommitLog::Loaded done) {
  return std::make_unique<AcceptGapsJob>(std::move(origin), own_epoch, std::move(node),
                                         session_epoch, std::move(held), std::move(told),
                                         std::move(done));
}

std::unique_ptr<WriteJob> MakeForgetJob(std::string node, Coordinator::Forgotten done) {
  return std::make_unique<ForgetJob>(std::move(node), std::move(done));
}

std::unique_ptr<WriteJob> MakeRecordRequestJob(OrderRequest request, WallTime at,
                                               History::Recorded done) {
  return std::make_unique<RecordRequestJob>(std::move(request), at, std::move(done));
}

std::unique_ptr<WriteJob> MakeRecordSentJob(std::string request_id, std::vector<size_t> targets,
                                            bool sent, History::Recorded done) {
  return std::make_unique<RecordSentJob>(std::move(request_id), std::move(targets), sent,
                                         std::move(done));
}

std::unique_ptr<WriteJob> MakeRecordStateJob(std::string request_id, v1::OrderState state,
                                             std::string message, History::Recorded done) {
  return std::make_unique<RecordStateJob>(std::move(request_id), state, std::move(message),
                                          std::move(done));
}

}  // namespace procctl::controller

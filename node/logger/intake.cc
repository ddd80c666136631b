#include "node/logger/intake.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "node/logger/attach_check.h"
#include "node/os/clock.h"
#include "spdlog/spdlog.h"

namespace procctl::logger {

using node::MonoNow;
using node::MonoTime;

namespace {

// What a FIFO holds.
constexpr size_t kRead = 64 * 1024;
// Of one FIFO before the others have their turn.
constexpr int kTurn = 4;
constexpr int kWhole = 16;

uint64_t RandomKeeper() {
  std::random_device random;
  return (uint64_t{random()} << 31) ^ random();
}

}  // namespace

Intake::Intake(node::Poller* poller, Writer* writer, Listener listener)
    : poller_(poller),
      writer_(writer),
      listener_(std::move(listener)),
      next_keeper_(RandomKeeper()),
      buffer_(kRead) {}

absl::Status Intake::Connect(Label* label, const std::string& fifo,
                             std::unique_ptr<Stream>* stream) {
  // For writing too: so it never ends, whoever comes and goes at the other side.
  node::UniqueFd fd(open(fifo.c_str(), O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY));
  struct stat facts {};
  if (!fd || fstat(fd.get(), &facts) != 0)
    return absl::UnavailableError(fmt::format("open {}: {}", fifo, std::strerror(errno)));
  if (!S_ISFIFO(facts.st_mode))
    return absl::FailedPreconditionError(fmt::format("{} is no FIFO", fifo));
  if (*stream && (*stream)->device == facts.st_dev && (*stream)->inode == facts.st_ino)
    return absl::OkStatus();
  if (*stream) {
    (void)ReadSome(stream->get(), kWhole);
    poller_->Remove((*stream)->token);
    SetPaused(stream->get(), false);
  } else {
    *stream = std::make_unique<Stream>();
    (*stream)->label = label;
    (*stream)->source = next_source_++;
  }
  Stream* const raw = stream->get();
  raw->fd = std::move(fd);
  raw->device = facts.st_dev;
  raw->inode = facts.st_ino;
  raw->last_words.FifoChanged();
  auto token =
      poller_->Add(raw->fd.get(), EPOLLIN, [this, raw](uint32_t) { (void)ReadSome(raw, kTurn); });
  if (!token.ok()) {
    paused_.erase(raw);
    holding_.erase(raw);
    stream->reset();
    return token.status();
  }
  raw->token = *token;
  return absl::OkStatus();
}

void Intake::Disconnect(std::unique_ptr<Stream>* stream) {
  Stream* const raw = stream->get();
  if (raw == nullptr) return;
  (void)ReadSome(raw, kWhole);
  Deliver(raw, raw->splitter.Flush());
  if (int left = 0; ioctl(raw->fd.get(), FIONREAD, &left) == 0 && left > 0)
    listener_.lost(raw->label->name, left, "left in its FIFO when that was closed");
  poller_->Remove(raw->token);
  paused_.erase(raw);
  holding_.erase(raw);
  stream->reset();
}

std::shared_ptr<Outlet> Intake::FindOutlet(const std::string& path, const v1::LoggerAttach& attach,
                                           const std::shared_ptr<Outlet>& present) {
  if (path.empty()) {
    if (present && !present->is_file() && !present->is_journal()) return present;
    return std::make_shared<Outlet>(next_keeper_++);
  }
  // Programs that write to one file share all that is known of it, or their rotations would meet.
  std::weak_ptr<Outlet>& known = outlets_[path];
  std::shared_ptr<Outlet> outlet = known.lock();
  if (!outlet) known = outlet = std::make_shared<Outlet>(path);
  outlet->SetLimits(attach.max_size(), attach.keep());
  return outlet;
}

std::shared_ptr<Outlet> Intake::JournalOf(Label* label) {
  if (!label->journal) label->journal = std::make_shared<Outlet>(Outlet::Journal{label->name});
  return label->journal;
}

int64_t Intake::OpenLedger(Label* label, const std::string& fifo) {
  if (label->ledger) return 0;
  const std::string folder = fifo.substr(0, fifo.rfind('/'));
  std::shared_ptr<LedgerBook> book = books_[folder].lock();
  int64_t died = 0;
  absl::Status status;
  if (!book) {
    auto opened = LedgerBook::Open(folder + "/ledger");
    status = opened.status();
    if (status.ok()) books_[folder] = book = *std::move(opened);
  }
  if (status.ok()) {
    auto ledger = book->Find(label->name, &died);
    status = ledger.status();
    if (status.ok()) label->ledger = *std::move(ledger);
  }
  if (!status.ok()) {
    spdlog::warn("{}; what a killed logger loses of {} will not be known",
                 std::string(status.message()), label->name);
  }
  return died;
}

void Intake::TellDied(Label* label, int64_t died) {
  if (died == 0) return;
  listener_.lost(label->name, died, "the logger ended before it had written them");
  // Of which stream they were is not known: the file of stdout says so, where there is one.
  auto lane = label->lanes.find(label->out_outlet.get());
  if (lane == label->lanes.end()) lane = label->lanes.begin();
  if (lane == label->lanes.end()) {
    label->ledger->Settle(died);
  } else {
    writer_->AddLost(lane->second, died);
  }
}

void Intake::Route(Label* label, const v1::LoggerAttach& attach) {
  label->out_outlet = attach.stdout_journal()
                          ? JournalOf(label)
                          : FindOutlet(attach.stdout_path(), attach, label->out_outlet);
  if (attach.stderr_fifo().empty()) {
    label->err_outlet = nullptr;
  } else if (attach.stderr_journal()) {
    label->err_outlet = JournalOf(label);
    if (label->err) label->journal->SetStderrSource(label->err->source);
  } else {
    label->err_outlet = FindOutlet(attach.stderr_path(), attach, label->err_outlet);
  }
  // And the journal, which is written in the same way.
  std::set<std::shared_ptr<Outlet>> files;
  for (const auto& outlet : {label->out_outlet, label->err_outlet}) {
    if (outlet && (outlet->is_file() || outlet->is_journal())) files.insert(outlet);
  }
  for (auto lane = label->lanes.begin(); lane != label->lanes.end();) {
    const bool used = std::any_of(files.begin(), files.end(),
                                  [&](const auto& file) { return file.get() == lane->first; });
    if (used) {
      ++lane;
    } else {
      writer_->Close(lane->second);
      lane = label->lanes.erase(lane);
    }
  }
  const size_t limit = Writer::kLabelLimit / std::max<size_t>(1, files.size());
  for (const auto& file : files) {
    const auto [lane, fresh] = label->lanes.try_emplace(file.get(), 0);
    if (fresh) {
      lane->second = writer_->Open(label->name, file, limit, label->ledger);
    } else {
      writer_->SetLimit(lane->second, limit);
    }
  }
  const auto route = [&](Stream* stream, const std::shared_ptr<Outlet>& outlet) {
    if (stream == nullptr) return;
    stream->outlet = outlet;
    const auto lane = label->lanes.find(outlet.get());
    stream->lane = lane == label->lanes.end() ? 0 : lane->second;
    SetPaused(stream, false);
  };
  route(label->out.get(), label->out_outlet);
  route(label->err.get(), label->err_outlet);
}

void Intake::UpdateHolds() {
  std::map<const Outlet*, int> users;
  const std::vector<Stream*> streams = Streams();
  for (const Stream* stream : streams) ++users[stream->outlet.get()];
  for (Stream* stream : streams) {
    // In the journal a part of a line is an entry of its own.
    const bool shared = users[stream->outlet.get()] > 1 || stream->outlet->is_journal();
    stream->hold = shared ? kHoldShared : kHoldAlone;
  }
  for (auto known = outlets_.begin(); known != outlets_.end();) {
    known = known->second.expired() ? outlets_.erase(known) : std::next(known);
  }
}

void Intake::Attach(const v1::LoggerAttach& attach, MonoTime now) {
  absl::Status status = CheckAttach(attach);
  if (status.ok() && labels_.count(attach.label()) == 0 && labels_.size() >= kMostLabels)
    status = absl::ResourceExhaustedError(fmt::format("over {} programs", kMostLabels));
  if (!status.ok()) {
    listener_.trouble(attach.label(), std::string(status.message()), false);
    return;
  }
  Label& label = labels_[attach.label()];
  label.name = attach.label();
  label.leaving_until.reset();
  leaving_.erase(label.name);
  // Before its lanes, which write into it.
  const int64_t died = OpenLedger(&label, attach.stdout_fifo());
  const absl::Status out = Connect(&label, attach.stdout_fifo(), &label.out);
  absl::Status err;
  if (attach.stderr_fifo().empty()) {
    Disconnect(&label.err);
  } else {
    err = Connect(&label, attach.stderr_fifo(), &label.err);
  }
  Route(&label, attach);
  TellDied(&label, died);
  UpdateHolds();
  status = out.ok() ? err : out;
  const std::string was = std::exchange(label.fifo_trouble, std::string(status.message()));
  if (!status.ok() && was.empty()) listener_.trouble(label.name, label.fifo_trouble, false);
  if (status.ok() && !was.empty()) listener_.trouble(label.name, was, true);
  Tend(now);
}

void Intake::Detach(const std::string& label, MonoTime now) {
  const auto known = labels_.find(label);
  if (known == labels_.end()) return;
  known->second.leaving_until = now + kDrain;
  leaving_.insert(label);
  Tend(now);
}

void Intake::Remove(const std::string& name) {
  Label& label = labels_.at(name);
  Disconnect(&label.out);
  Disconnect(&label.err);
  for (const auto& [outlet, lane] : label.lanes) writer_->Close(lane);
  // What is still to be written must not look like a loss to whoever attaches this label next.
  if (label.ledger) label.ledger->Leave();
  leaving_.erase(name);
  labels_.erase(name);
  UpdateHolds();
}

Intake::Stream* Intake::TailStream(const Label& label) {
  return label.err ? label.err.get() : label.out.get();
}

std::string Intake::StderrTail(const std::string& label, bool forget) {
  const auto known = labels_.find(label);
  if (known == labels_.end()) return {};
  Stream* const stream = TailStream(known->second);
  if (stream == nullptr) return {};
  if (!forget) return stream->last_words.All();
  // Where there is no room for what is in the FIFO it stays there, and is told all the same: the
  // end of it is what tells most.
  if (ReadSome(stream, kWhole) == ReadEnd::kPaused) stream->last_words.Peek(stream->fd.get());
  std::string words = stream->last_words.All();
  stream->last_words.Forget();
  return words;
}

std::shared_ptr<Outlet> Intake::OutletOf(const std::string& label, bool of_stderr) const {
  const auto known = labels_.find(label);
  if (known == labels_.end()) return nullptr;
  return of_stderr && known->second.err_outlet ? known->second.err_outlet
                                               : known->second.out_outlet;
}

Intake::ReadEnd Intake::ReadSome(Stream* stream, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    if (stream->lane != 0 && !writer_->Wants(stream->lane)) {
      SetPaused(stream, true);
      return ReadEnd::kPaused;
    }
    const ssize_t n = read(stream->fd.get(), buffer_.data(), buffer_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return ReadEnd::kEmpty;
    const std::string_view bytes(buffer_.data(), static_cast<size_t>(n));
    if (stream->label->ledger) stream->label->ledger->Take(bytes.size());
    // Nobody asks for those of stdout where stderr is apart.
    if (stream == TailStream(*stream->label)) stream->last_words.Add(bytes);
    if (stream->lane == 0) {
      Deliver(stream, bytes);
      continue;
    }
    Deliver(stream, stream->splitter.Take(bytes, MonoNow()));
    if (stream->splitter.held_since()) {
      holding_.insert(stream);
    } else {
      holding_.erase(stream);
    }
  }
  return ReadEnd::kMore;
}

void Intake::Deliver(Stream* stream, std::string_view bytes) {
  if (bytes.empty()) return;
  if (stream->lane != 0) {
    writer_->Put(stream->lane, stream->source, bytes);
    return;
  }
  if (stream->label->ledger) stream->label->ledger->Settle(static_cast<int64_t>(bytes.size()));
  stream->outlet->Keep(bytes);
  stream->outlet->Written();
  listener_.kept();
}

void Intake::SetPaused(Stream* stream, bool paused) {
  if (stream->paused == paused) return;
  stream->paused = paused;
  poller_->Change(stream->token, paused ? 0U : uint32_t{EPOLLIN});
  if (paused) {
    paused_.insert(stream);
  } else {
    paused_.erase(stream);
  }
}

void Intake::Resume() {
  const std::set<Stream*> streams = paused_;
  for (Stream* stream : streams) {
    if (writer_->Wants(stream->lane)) SetPaused(stream, false);
  }
}

void Intake::Tend(MonoTime now) {
  Resume();
  const std::set<Stream*> holding = holding_;
  for (Stream* stream : holding) {
    const auto since = stream->splitter.held_since();
    if (since && now - *since < stream->hold) continue;
    Deliver(stream, stream->splitter.Flush());
    holding_.erase(stream);
  }
  const std::set<std::string> leaving = leaving_;
  for (const std::string& name : leaving) {
    const Label& label = labels_.at(name);
    bool empty = true;
    for (Stream* stream : {label.out.get(), label.err.get()}) {
      if (stream != nullptr && ReadSome(stream, kTurn) != ReadEnd::kEmpty) empty = false;
    }
    if (empty || now >= *label.leaving_until) Remove(name);
  }
}

std::optional<MonoTime> Intake::DueAt(MonoTime now) const {
  std::optional<MonoTime> due;
  const auto at = [&](MonoTime time) { due = due ? std::min(*due, time) : time; };
  if (!paused_.empty() || !leaving_.empty()) at(now + kTick);
  for (const Stream* stream : holding_) {
    if (const auto since = stream->splitter.held_since()) at(*since + stream->hold);
  }
  return due;
}

std::vector<Intake::Stream*> Intake::Streams() const {
  std::vector<Stream*> streams;
  for (const auto& [name, label] : labels_) {
    for (Stream* stream : {label.out.get(), label.err.get()}) {
      if (stream != nullptr) streams.push_back(stream);
    }
  }
  return streams;
}

void Intake::DrainAll(MonoTime deadline) {
  bool empty = false;
  while (!empty && MonoNow() < deadline) {
    empty = true;
    for (Stream* stream : Streams()) {
      if (ReadSome(stream, kTurn) != ReadEnd::kEmpty) empty = false;
    }
    // Where it is the writer that has no room.
    if (!empty) (void)writer_->Finish(std::chrono::milliseconds(10));
  }
  for (Stream* stream : Streams()) Deliver(stream, stream->splitter.Flush());
}

}  // namespace procctl::logger

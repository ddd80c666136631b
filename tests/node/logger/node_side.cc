#include "tests/node/logger/node_side.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <utility>

#include "node/logger/rotation_plan.h"
#include "node/os/clock.h"
#include "node/os/output_fifo.h"
#include "spdlog/fmt/fmt.h"
#include "tests/e2e/harness/wait.h"

namespace procctl::logger {

using e2e::HarnessError;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

Folder::Folder() {
  char path[] = "/tmp/procctl-logger-XXXXXX";
  if (mkdtemp(path) == nullptr) throw HarnessError("mkdtemp");
  path_ = path;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

const char* LoggerPath() { return PROCCTL_LOGGER; }

namespace {

node::Poller MakePoller() {
  auto poller = node::Poller::Create();
  if (!poller.ok()) throw HarnessError("epoll");
  return *std::move(poller);
}

}  // namespace

NodeSide::NodeSide(const std::string& journal_socket) : poller_(MakePoller()) {
  logger_ = std::make_unique<node::LoggerChild>(
      LoggerPath(), journal_socket, &poller_,
      node::LoggerChild::Callbacks{
          .lost = [this](const v1::LoggerLost& message) { lost.push_back(message); },
          .trouble = [this](const v1::LoggerTrouble& message) { troubles.push_back(message); },
          .tail = [this](int64_t request, const std::string& tail) { tails[request] = tail; },
          .read = [this](int64_t request,
                         const v1::OutputChunk& chunk) { reads[request] = chunk; }});
  if (!Until([&] { return logger_->running(); })) throw HarnessError("the logger does not start");
}

NodeSide::~NodeSide() {
  logger_->LetGo();
  (void)Until([&] { return !logger_->running(); });
}

std::string NodeSide::Fifo(const std::string& name) {
  std::string path = folder_ / ("fifo." + name);
  if (const absl::Status made = node::MakeOutputFifo(path); !made.ok())
    throw HarnessError(std::string(made.message()));
  fifos_[name] = node::UniqueFd(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  return path;
}

v1::LoggerAttach NodeSide::MakeAttach(const std::string& label, const std::string& out,
                                      const std::string& err) {
  const auto path = [&](const std::string& name) {
    return name.empty() || name.front() == '/' ? name : folder_ / name;
  };
  v1::LoggerAttach attach;
  attach.set_label(label);
  attach.set_stdout_fifo(Fifo(label + ".out"));
  attach.set_stderr_fifo(Fifo(label + ".err"));
  attach.set_stdout_path(path(out));
  attach.set_stderr_path(path(err));
  attach.set_max_size(int64_t{16} << 20);
  attach.set_keep(5);
  return attach;
}

v1::LoggerAttach NodeSide::MakeJointAttach(const std::string& label, const std::string& out) {
  v1::LoggerAttach attach = MakeAttach(label, out, "");
  attach.clear_stderr_fifo();
  return attach;
}

void NodeSide::Turn() {
  logger_->Tend(node::MonoNow());
  (void)poller_.Wait(5);
}

bool NodeSide::Until(const std::function<bool()>& holds) {
  const auto deadline = Clock::now() + kPatience;
  while (!holds()) {
    if (Clock::now() > deadline) return false;
    Turn();
  }
  return true;
}

void NodeSide::For(milliseconds period) {
  const auto end = Clock::now() + period;
  while (Clock::now() < end) Turn();
}

v1::OutputChunk NodeSide::Read(const v1::ReadOutput& read) {
  const int64_t request = ++last_request;
  (void)Until([&] { return logger_->Read(request, read); });
  if (!Until([&] { return reads.count(request) != 0; })) throw HarnessError("no answer to a read");
  v1::OutputChunk chunk = std::move(reads[request]);
  reads.erase(request);
  return chunk;
}

std::string NodeSide::Tail(const std::string& label, bool forget) {
  int64_t request = 0;
  (void)Until([&] { return (request = logger_->AskTail(label, forget)) != 0; });
  if (!Until([&] { return tails.count(request) != 0; })) throw HarnessError("no answer: tail");
  return tails[request];
}

bool NodeSide::Has(const std::string& path, const std::string& text) {
  return Until([&] { return e2e::ReadFile(path).find(text) != std::string::npos; });
}

int64_t NodeSide::Lost() const {
  int64_t bytes = 0;
  for (const auto& message : lost) bytes += message.bytes();
  return bytes;
}

int NodeSide::Troubles(bool mended) const {
  int count = 0;
  for (const auto& message : troubles) count += message.mended() == mended ? 1 : 0;
  return count;
}

void Say(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n > 0) {
      text.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      pollfd room = {fd, POLLOUT, 0};
      (void)poll(&room, 1, -1);
    } else if (errno != EINTR) {
      throw HarnessError("write to a FIFO");
    }
  }
}

std::string NumberedLine(int number) { return fmt::format("line {:014}\n", number); }

e2e::Child WriteLines(int fifo, int begin, int end, int pause_every) {
  return e2e::Child::Fork([=] {
    std::string lines;
    for (int i = begin; i < end; ++i) {
      lines += NumberedLine(i);
      const bool pause = pause_every > 0 && i % pause_every == 0;
      // Not line by line only: a program that buffers writes parts of lines.
      if (!pause && lines.size() < 1000 && i + 1 < end) continue;
      Say(fifo, lines);
      lines.clear();
      if (pause) std::this_thread::sleep_for(milliseconds(1));
    }
    return 0;
  });
}

std::string ReadAll(const std::string& path, int keep) {
  std::string text;
  for (int i = keep; i >= 0; --i) {
    if (const std::string name = FileName(path, i); std::filesystem::exists(name))
      text += e2e::ReadFile(name);
  }
  return text;
}

Lines ParseLines(const std::string& text) {
  Lines lines;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    end = end == std::string::npos ? text.size() : end + 1;
    const std::string line = text.substr(at, end - at);
    int number = 0;
    if (std::sscanf(line.c_str(), "line %d", &number) == 1 && line == NumberedLine(number)) {
      ++lines.count[number];
    } else {
      lines.others.push_back(line);
    }
    at = end;
  }
  return lines;
}

int64_t LostIn(const std::vector<std::string>& lines) {
  int64_t sum = 0;
  for (const std::string& line : lines) {
    long long bytes = 0;
    if (std::sscanf(line.c_str(), "[procctl: %lld bytes lost]", &bytes) == 1) sum += bytes;
  }
  return sum;
}

}  // namespace procctl::logger

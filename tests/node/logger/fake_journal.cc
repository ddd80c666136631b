#include "tests/node/logger/fake_journal.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tests/e2e/harness/wait.h"

namespace procctl::logger {

using e2e::HarnessError;

namespace {

constexpr size_t kMostDatagram = size_t{1} << 20;

std::string ReadSealed(int fd) {
  const int seals = fcntl(fd, F_GET_SEALS);
  constexpr int kNeeded = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (seals < 0 || (seals & kNeeded) != kNeeded) throw HarnessError("an entry that is not sealed");
  struct stat facts {};
  if (fstat(fd, &facts) != 0) throw HarnessError("stat of an entry");
  std::string bytes(static_cast<size_t>(facts.st_size), '\0');
  if (pread(fd, bytes.data(), bytes.size(), 0) != facts.st_size)
    throw HarnessError("an entry that cannot be read");
  return bytes;
}

}  // namespace

JournalFields ParseJournalEntry(const std::string& entry) {
  JournalFields fields;
  size_t at = 0;
  while (at < entry.size()) {
    const size_t end = entry.find('\n', at);
    if (end == std::string::npos) throw HarnessError("a field without an end");
    const std::string line = entry.substr(at, end - at);
    std::string name = line;
    std::string value;
    at = end + 1;
    if (const size_t equals = line.find('='); equals != std::string::npos) {
      name = line.substr(0, equals);
      value = line.substr(equals + 1);
    } else {
      if (entry.size() < at + 8) throw HarnessError("no length");
      uint64_t size = 0;
      for (size_t i = 8; i-- > 0;) size = size << 8 | static_cast<unsigned char>(entry[at + i]);
      at += 8;
      if (size >= entry.size() - at || entry[at + size] != '\n')
        throw HarnessError("a length that is not true");
      value = entry.substr(at, size);
      at += size + 1;
    }
    const auto [field, fresh] = fields.try_emplace(name, value);
    if (!fresh) field->second += "|" + value;
  }
  return fields;
}

FakeJournal::FakeJournal(const std::string& path)
    : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw HarnessError("a path that is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  (void)unlink(path.c_str());
  if (bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw HarnessError("bind");
}

bool FakeJournal::TakeOne() {
  std::string bytes(kMostDatagram, '\0');
  iovec io{bytes.data(), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0) return false;
  bytes.resize(static_cast<size_t>(n));
  if (const cmsghdr* const header = CMSG_FIRSTHDR(&message); header != nullptr) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    const node::UniqueFd memory(fd);
    if (!bytes.empty()) throw HarnessError("a datagram with an entry and a descriptor");
    bytes = ReadSealed(memory.get());
    ++in_memory;
  }
  entries.push_back(ParseJournalEntry(bytes));
  return true;
}

void FakeJournal::Take(std::chrono::milliseconds wait) {
  pollfd ready = {socket_.get(), POLLIN, 0};
  while (poll(&ready, 1, static_cast<int>(wait.count())) > 0) {
    if (!TakeOne()) return;
  }
}

bool FakeJournal::Has(const std::string& message) const {
  return std::any_of(entries.begin(), entries.end(),
                     [&](const JournalFields& entry) { return entry.at("MESSAGE") == message; });
}

std::vector<std::string> FakeJournal::MessagesOf(const std::string& program) const {
  std::vector<std::string> messages;
  for (const JournalFields& entry : entries) {
    if (entry.at("PROCCTL_PROGRAM") == program) messages.push_back(entry.at("MESSAGE"));
  }
  return messages;
}

}  // namespace procctl::logger

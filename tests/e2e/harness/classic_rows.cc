#include "tests/e2e/harness/classic_rows.h"

#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "tests/e2e/harness/wait.h"

namespace procctl::e2e {

ClassicKey::ClassicKey() : key_(0x50960000 + (getpid() & 0x7fff)) {
  while (shmget(key_, 0, 0) >= 0 || errno == EACCES) key_ += 0x8000;
}

ClassicKey::~ClassicKey() {
  const int segment = shmget(key_, 0, 0);
  if (segment >= 0) shmctl(segment, IPC_RMID, nullptr);
}

std::string ClassicKey::text() const {
  char text[16];
  snprintf(text, sizeof text, "0x%x", static_cast<unsigned>(key_));
  return text;
}

ClassicRows::ClassicRows(const ClassicKey& key, int rows) : rows_(nullptr) {
  const int segment = shmget(key.value(), sizeof(ClassicRow) * static_cast<size_t>(rows), 0);
  void* memory = segment < 0 ? reinterpret_cast<void*>(-1) : shmat(segment, nullptr, 0);
  if (memory == reinterpret_cast<void*>(-1)) {
    throw HarnessError("no classic table " + key.text() + ": " + strerror(errno));
  }
  rows_ = static_cast<volatile ClassicRow*>(memory);
}

ClassicRows::~ClassicRows() { shmdt(const_cast<ClassicRow*>(rows_)); }

void ClassicRows::Put(int row, pid_t pid, const std::string& name, int timeout_s) {
  volatile ClassicRow& place = rows_[row];
  for (size_t i = 0; i < sizeof place.name; ++i) {
    place.name[i] = i < name.size() && i + 1 < sizeof place.name ? name[i] : '\0';
  }
  place.timeout = timeout_s;
  place.atime = time(nullptr);
  __atomic_store_n(&place.pid, pid, __ATOMIC_RELEASE);
}

}  // namespace procctl::e2e

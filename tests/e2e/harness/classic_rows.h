// The classic System V table as a program that writes into it sees it: the struct of the original
// modules, byte for byte, under a key of this test's own.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <string>

namespace procctl::e2e {

struct ClassicRow {
  int pid;
  char name[51];
  int timeout;
  time_t atime;
};

// A key that no segment has now. The segment that appears under it is removed with this object.
class ClassicKey {
 public:
  ClassicKey();
  ~ClassicKey();
  ClassicKey(const ClassicKey&) = delete;
  ClassicKey& operator=(const ClassicKey&) = delete;

  key_t value() const { return key_; }
  std::string text() const;  // "0x50a7"

 private:
  key_t key_;
};

// An attached table.
class ClassicRows {
 public:
  // Throws HarnessError if no such segment exists.
  ClassicRows(const ClassicKey& key, int rows);
  ~ClassicRows();
  ClassicRows(const ClassicRows&) = delete;
  ClassicRows& operator=(const ClassicRows&) = delete;

  volatile ClassicRow& operator[](int row) { return rows_[row]; }
  // Fills a row as a program would: name, timeout and time first, the pid last.
  void Put(int row, pid_t pid, const std::string& name, int timeout_s);

 private:
  volatile ClassicRow* rows_;
};

}  // namespace procctl::e2e

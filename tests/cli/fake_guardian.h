// A guardian's local socket that says what a test wants.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "procctl/v1/local.pb.h"
#include "proto/support/unique_fd.h"

namespace procctl::cli::testing {

// One connection after another, on a thread of its own.
class FakeGuardian {
 public:
  using Say = std::function<void(const v1::LocalReply&)>;

  // Answers a request by what it says; false: ends the connection. Called on the guardian's thread.
  using Answer = std::function<bool(const v1::LocalRequest& request, const Say& say)>;

  // The greeting of a node web-01.
  static v1::LocalReply Hello();

  // Without a greeting it is silent.
  explicit FakeGuardian(Answer answer, std::optional<v1::LocalReply> greeting = Hello());
  ~FakeGuardian();
  FakeGuardian(const FakeGuardian&) = delete;
  FakeGuardian& operator=(const FakeGuardian&) = delete;

  // To be named as --runtime-dir.
  const std::string& folder() const { return folder_; }
  int connections() const { return connections_; }

 private:
  void Serve();
  // False: the test is over.
  bool Await(int fd);

  const Answer answer_;
  const std::optional<v1::LocalReply> greeting_;
  std::string folder_;
  UniqueFd listener_;
  UniqueFd end_;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

}  // namespace procctl::cli::testing

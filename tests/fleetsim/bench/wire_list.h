// Lists by a client that does not read what it gets: rows are counted on the wire.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proto/support/tls_files.h"
#include "tests/fleetsim/bench/samples.h"

namespace procctl::bench {

struct PageFacts {
  std::int64_t rows = 0;
  std::string next_page_token;
};

// Counts fields 1 (a row) and takes field 2 (the token) of a list's response. Throws if the bytes
// are no message.
PageFacts ReadPage(std::string_view bytes);

struct FirstPages {
  Samples times;
  std::int64_t rows = 0;
};

class WireLister {
 public:
  WireLister(const std::string& address, const TlsPem& tls);
  ~WireLister();

  // `calls` first pages of ListSlots with that filter. Throws on an error.
  FirstPages MeasureFirstPages(const std::string& filter, int calls);

  struct Full {
    std::int64_t rows = 0;
    std::int64_t bytes = 0;
    std::int64_t pages = 0;
    std::chrono::nanoseconds took{0};
  };
  Full MeasureFull(int page_size);

 private:
  struct Call;
  std::string Page(const std::string& filter, int page_size, const std::string& token);

  std::unique_ptr<Call> call_;
};

}  // namespace procctl::bench

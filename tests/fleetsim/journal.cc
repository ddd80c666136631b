#include "tests/fleetsim/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "spdlog/fmt/fmt.h"

namespace procctl::fleetsim {

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!file.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("the journal {} cannot be written: {}", path, std::strerror(errno)));
  }
  return std::unique_ptr<Journal>(new Journal(std::move(file)));
}

void Journal::Write(std::string_view line) const {
  const ssize_t written = write(file_.get(), line.data(), line.size());
  if (written == static_cast<ssize_t>(line.size())) return;
  // A journal with holes would accuse the controller of what the simulator forgot.
  std::fprintf(stderr, "fleetsim: the journal cannot be written: %s\n", std::strerror(errno));
  std::_Exit(1);
}

void Journal::Run(std::int64_t epoch) const { Write(fmt::format("run {}\n", epoch)); }

void Journal::Hostile(std::string_view node) const { Write(fmt::format("hostile {}\n", node)); }

void Journal::Sent(std::string_view node, std::int64_t epoch, std::int64_t first,
                   std::int64_t last) const {
  Write(fmt::format("sent {} {} {} {}\n", node, epoch, first, last));
}

void Journal::Lost(std::string_view node, std::int64_t epoch, std::int64_t first,
                   std::int64_t last) const {
  Write(fmt::format("lost {} {} {} {}\n", node, epoch, first, last));
}

void Journal::Acked(std::string_view node, std::int64_t epoch, std::int64_t seq) const {
  Write(fmt::format("acked {} {} {}\n", node, epoch, seq));
}

void Journal::Order(std::string_view node, std::string_view order_id, std::int64_t mono_ns) const {
  Write(fmt::format("order {} {} {}\n", node, order_id, mono_ns));
}

void Journal::End() const { Write("end\n"); }

}  // namespace procctl::fleetsim

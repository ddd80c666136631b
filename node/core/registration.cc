#include "node/core/registration.h"

#include <cerrno>
#include <cstring>
#include <string_view>

#include "node/heartbeat/include/procctl/heartbeat.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

RegistrationAnswer Refuse(int error, std::string text) { return {error, std::move(text), "", {}}; }

}  // namespace

RegistrationAnswer ReadRequest(const void* bytes, size_t size, const RegistrationLimits& limits) {
  // A short one is a long one that asks for nothing more.
  procctl_register_request_more more{};
  procctl_register_request& request = more.head;
  if (size != sizeof request && size != sizeof more) {
    return Refuse(EPROTO, fmt::format("a registration is {} or {} bytes, not {}", sizeof request,
                                      sizeof more, size));
  }
  std::memcpy(&more, bytes, size);
  if (request.magic != PROCCTL_FRAME_MAGIC || request.reserved != 0 || more.reserved[0] != 0 ||
      more.reserved[1] != 0) {
    return Refuse(EPROTO, "this is no registration frame");
  }
  if (request.page_version != PROCCTL_PAGE_VERSION) {
    return Refuse(EPROTO,
                  fmt::format("this guardian speaks page version {}, the program was built with {}",
                              PROCCTL_PAGE_VERSION, request.page_version));
  }
  const char* raw = reinterpret_cast<const char*>(request.name);
  const size_t length = strnlen(raw, sizeof request.name);
  if (length == 0 || length > PROCCTL_NAME_MAX) {
    return Refuse(EINVAL, fmt::format("a name has 1 to {} bytes", PROCCTL_NAME_MAX));
  }
  const Nanos timeout = std::chrono::milliseconds(request.timeout_ms);
  if (timeout < limits.min_timeout || timeout > limits.max_timeout) {
    return Refuse(EINVAL, fmt::format("timeout {} ms is outside this node's policy ({} to {})",
                                      request.timeout_ms, FormatDuration(limits.min_timeout),
                                      FormatDuration(limits.max_timeout)));
  }
  const Nanos progress = std::chrono::milliseconds(more.progress_timeout_ms);
  if (progress != Nanos(0) && (progress < limits.min_timeout || progress > limits.max_timeout)) {
    return Refuse(EINVAL,
                  fmt::format("progress timeout {} ms is outside this node's policy ({} to {})",
                              more.progress_timeout_ms, FormatDuration(limits.min_timeout),
                              FormatDuration(limits.max_timeout)));
  }
  const Nanos start = std::chrono::milliseconds(more.start_grace_ms);
  if (start > limits.max_start_grace) {
    return Refuse(EINVAL, fmt::format("start grace {} ms is over this node's limit of {}",
                                      more.start_grace_ms, FormatDuration(limits.max_start_grace)));
  }
  return {0, "", Escape(std::string_view(raw, length)), {timeout, progress, start}};
}

RegistrationAnswer Admit(RegistrationAnswer parsed, const RegistrationFacts& facts,
                         const RegistrationLimits& limits) {
  if (parsed.error != 0) return parsed;
  if (facts.pid <= 1) {
    return Refuse(EACCES, "the guardian cannot see this process (another pid namespace?)");
  }
  if (limits.guardian_uid != 0 && facts.uid != limits.guardian_uid) {
    return Refuse(EACCES,
                  fmt::format("this guardian runs as user {} and guards only that user's processes",
                              limits.guardian_uid));
  }
  if (facts.takes_over) return parsed;
  if (facts.slots >= limits.max_slots) {
    return Refuse(EDQUOT, fmt::format("all {} slots of this node are taken", limits.max_slots));
  }
  if (facts.slots_of_user >= limits.max_slots_per_user) {
    return Refuse(EDQUOT, fmt::format("user {} holds all {} slots a user may have", facts.uid,
                                      limits.max_slots_per_user));
  }
  return parsed;
}

}  // namespace procctl::node

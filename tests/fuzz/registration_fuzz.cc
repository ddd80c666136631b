// Registration frames: whoever may connect to heartbeat.sock may send any bytes.
#include <cstring>
#include <string>

#include "node/core/registration.h"
#include "node/heartbeat/include/procctl/heartbeat.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/text_oracle.h"

namespace procctl::fuzz {
namespace {

using node::Nanos;
using node::RegistrationAnswer;

// The answer's text travels in a field of fixed size and ends on the client's terminal.
void CheckRefusal(const RegistrationAnswer& answer) {
  PROCCTL_MUST(answer.error > 0);
  PROCCTL_MUST(!answer.text.empty());
  PROCCTL_MUST(answer.text.size() < PROCCTL_FRAME_TEXT_BYTES);
  PROCCTL_MUST(IsPrintableAscii(answer.text));
  PROCCTL_MUST(answer.name.empty());
}

void CheckAccepted(const RegistrationAnswer& answer, std::string_view frame,
                   const node::RegistrationLimits& limits) {
  PROCCTL_MUST(answer.text.empty());
  const node::HeartTerms& terms = answer.terms;
  PROCCTL_MUST(terms.timeout >= limits.min_timeout && terms.timeout <= limits.max_timeout);
  PROCCTL_MUST(terms.progress_limit == Nanos(0) || (terms.progress_limit >= limits.min_timeout &&
                                                    terms.progress_limit <= limits.max_timeout));
  PROCCTL_MUST(terms.start_grace >= Nanos(0) && terms.start_grace <= limits.max_start_grace);
  PROCCTL_MUST(IsSafe(answer.name));
  const auto name = Unescape(answer.name);
  PROCCTL_MUST(name && !name->empty() && name->size() <= PROCCTL_NAME_MAX);
  PROCCTL_MUST(name->find('\0') == std::string::npos);

  procctl_register_request request;
  PROCCTL_MUST(frame.size() >= sizeof request);
  std::memcpy(&request, frame.data(), sizeof request);
  PROCCTL_MUST(request.magic == PROCCTL_FRAME_MAGIC);
  PROCCTL_MUST(request.page_version == PROCCTL_PAGE_VERSION);
  PROCCTL_MUST(terms.timeout == std::chrono::milliseconds(request.timeout_ms));
  // Only the long frame asks for more.
  PROCCTL_MUST(frame.size() == sizeof request ||
               frame.size() == sizeof(procctl_register_request_more));
  if (frame.size() == sizeof request)
    PROCCTL_MUST(terms.progress_limit == Nanos(0) && terms.start_grace == Nanos(0));
  PROCCTL_MUST(std::memcmp(request.name, name->c_str(), name->size() + 1) == 0);
}

}  // namespace
}  // namespace procctl::fuzz

// int32 pid, uint8 uid, uint8 slots, uint8 slots of the user, uint8 bits, then the frame.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace procctl::fuzz;
  Input input(data, size);
  procctl::node::RegistrationFacts facts;
  facts.pid = input.Take<int32_t>();
  facts.uid = input.Take<uint8_t>();
  facts.slots = input.Take<uint8_t>();
  facts.slots_of_user = input.Take<uint8_t>();
  const auto bits = input.Take<uint8_t>();
  facts.takes_over = (bits & 1) != 0;
  procctl::node::RegistrationLimits limits;
  if ((bits & 2) != 0) {
    limits.min_timeout = std::chrono::milliseconds(40);
    limits.max_timeout = std::chrono::seconds(60);
    limits.max_slots = 200;
    limits.max_slots_per_user = 100;
  }
  if ((bits & 4) != 0) limits.guardian_uid = 77;

  const std::string_view frame = input.rest();
  const auto parsed = procctl::node::ReadRequest(frame.data(), frame.size(), limits);
  const auto answer = procctl::node::Admit(parsed, facts, limits);
  if (parsed.error != 0) {
    CheckRefusal(parsed);
    // Nothing that is known of the peer heals a bad frame.
    PROCCTL_MUST(answer.error == parsed.error && answer.text == parsed.text);
    return 0;
  }
  CheckAccepted(parsed, frame, limits);
  if (answer.error != 0) {
    CheckRefusal(answer);
    return 0;
  }
  CheckAccepted(answer, frame, limits);
  PROCCTL_MUST(answer.name == parsed.name && answer.terms.timeout == parsed.terms.timeout);
  PROCCTL_MUST(facts.pid > 1);
  PROCCTL_MUST(limits.guardian_uid == 0 || facts.uid == limits.guardian_uid);
  PROCCTL_MUST(facts.takes_over ||
               (facts.slots < limits.max_slots && facts.slots_of_user < limits.max_slots_per_user));
  return 0;
}

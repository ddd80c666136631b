#include "cli/answer_words.h"

#include "cli/names.h"
#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

std::string RefusalText(v1::Refusal refusal, const std::string& message) {
  switch (refusal) {
    case v1::REFUSAL_NODE_UNREACHABLE:
      return Reason(message, "its node cannot be reached now");
    case v1::REFUSAL_NO_SUCH_NODE:
      return Reason(message, "no node of that name was ever seen");
    case v1::REFUSAL_UNSPECIFIED:
      return fmt::format("refused: {}", Reason(message, "no reason was given"));
    default:
      return fmt::format("refused ({}): {}", Word(refusal), Reason(message, "no reason was given"));
  }
}

}  // namespace

std::string Reason(const std::string& message, std::string_view otherwise) {
  return message.empty() ? std::string(otherwise) : Printable(message);
}

std::string WhyNot(v1::Verdict verdict, v1::Refusal refusal, const std::string& message,
                   std::string_view look) {
  switch (verdict) {
    case v1::VERDICT_UNSPECIFIED:
      return fmt::format("{}; it may come about later, look with: {}",
                         Reason(message, "no answer came from its node"), look);
    case v1::VERDICT_IDENTITY_MISMATCH:
      return "it is no longer the process you saw" +
             (message.empty() ? "" : ": " + Printable(message));
    case v1::VERDICT_EXPIRED:
      return Reason(message, "the order came after its time to live");
    case v1::VERDICT_REFUSED:
      return RefusalText(refusal, message);
    default:
      return fmt::format("ended as {}: {}", Word(verdict), Reason(message, "no reason was given"));
  }
}

}  // namespace procctl::cli

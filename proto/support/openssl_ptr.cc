#include "proto/support/openssl_ptr.h"

#include <openssl/err.h>
#include <openssl/pem.h>

namespace procctl {
namespace {

// Without a callback of ours OpenSSL would ask on the terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

}  // namespace

BioPtr ReadingBio(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

X509Ptr ParseCertificate(std::string_view pem) {
  const BioPtr bio = ReadingBio(pem);
  X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  return certificate;
}

EvpPkeyPtr ParsePrivateKey(std::string_view pem) {
  const BioPtr bio = ReadingBio(pem);
  EvpPkeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  return key;
}

std::string TakeOpensslError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no detail";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

}  // namespace procctl

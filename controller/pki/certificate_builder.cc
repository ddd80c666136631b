#include "controller/pki/certificate_builder.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <algorithm>
#include <string_view>

#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr int kSerialBits = 127;  // 128 with the sign: positive in DER without a padding byte

using ExtensionPtr = std::unique_ptr<X509_EXTENSION, OpensslFree<X509_EXTENSION_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, OpensslFree<BN_free>>;

absl::Status Failed(std::string_view what) {
  return absl::InternalError(fmt::format("OpenSSL cannot {}: {}", what, TakeOpensslError()));
}

bool AddName(GENERAL_NAMES* names, int type, ASN1_STRING* value) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (name == nullptr || value == nullptr) return false;
  GENERAL_NAME_set0_value(name, type, value);
  return sk_GENERAL_NAME_push(names, name) > 0;
}

ASN1_STRING* Ia5(std::string_view text) {
  ASN1_IA5STRING* value = ASN1_IA5STRING_new();
  if (value != nullptr) ASN1_STRING_set(value, text.data(), static_cast<int>(text.size()));
  return value;
}

bool AddHost(GENERAL_NAMES* names, const std::string& host) {
  // The address parser of OpenSSL reads v4 and v6 alike.
  if (ASN1_OCTET_STRING* address = a2i_IPADDRESS(host.c_str()); address != nullptr) {
    return AddName(names, GEN_IPADD, address);
  }
  return AddName(names, GEN_DNS, Ia5(host));
}

bool AddAlternativeNames(X509* certificate, const std::string& uri,
                         const std::vector<std::string>& hosts) {
  const GeneralNamesPtr names(GENERAL_NAMES_new());
  bool ok = AddName(names.get(), GEN_URI, Ia5(uri));
  for (const std::string& host : hosts) ok = ok && AddHost(names.get(), host);
  return ok && X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), /*crit=*/0,
                                 X509V3_ADD_DEFAULT) == 1;
}

// `value` is a constant of ours in OpenSSL's configuration syntax, never text from outside.
bool AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509V3_set_ctx_nodb(&context);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool SetSerial(X509* certificate) {
  const BignumPtr number(BN_new());
  return BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool SetTimes(X509* certificate, const Validity& validity) {
  const auto set = [](ASN1_TIME* out, std::chrono::system_clock::time_point time) {
    return ASN1_TIME_set(out, std::chrono::system_clock::to_time_t(time)) != nullptr;
  };
  return set(X509_getm_notBefore(certificate), validity.not_before) &&
         set(X509_getm_notAfter(certificate), validity.not_after);
}

bool AddSubject(X509_NAME* subject, const char* field, const std::string& value) {
  return X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

}  // namespace

absl::StatusOr<EvpPkeyPtr> MakeKey() {
  EvpPkeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("make a P-256 key");
  return key;
}

absl::StatusOr<X509Ptr> MakeCaCertificate(const std::string& fleet, EVP_PKEY* key,
                                          const Validity& validity) {
  X509Ptr ca(X509_new());
  X509_NAME* subject = X509_get_subject_name(ca.get());
  const bool ok =
      X509_set_version(ca.get(), X509_VERSION_3) == 1 && SetSerial(ca.get()) &&
      SetTimes(ca.get(), validity) && AddSubject(subject, "O", "procctl") &&
      AddSubject(subject, "CN", "procctl CA of " + fleet) &&
      X509_set_issuer_name(ca.get(), subject) == 1 && X509_set_pubkey(ca.get(), key) == 1 &&
      AddExtension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
      AddExtension(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign") &&
      AddExtension(ca.get(), ca.get(), NID_subject_key_identifier, "hash") &&
      AddAlternativeNames(ca.get(), std::string(kScheme) + fleet, {}) &&
      X509_sign(ca.get(), key, EVP_sha256()) > 0;
  if (!ok) return Failed("make the CA certificate");
  return ca;
}

absl::StatusOr<X509Ptr> MakeLeafCertificate(const Identity& identity,
                                            const std::vector<std::string>& hosts, EVP_PKEY* key,
                                            X509* ca, EVP_PKEY* ca_key, const Validity& validity) {
  X509Ptr leaf(X509_new());
  const std::string uri = fmt::format("{}{}/{}", kScheme, identity.fleet, identity.ToString());
  const char* purposes =
      identity.role == Role::kController ? "serverAuth,clientAuth" : "clientAuth";
  const bool ok = X509_set_version(leaf.get(), X509_VERSION_3) == 1 && SetSerial(leaf.get()) &&
                  SetTimes(leaf.get(), validity) &&
                  AddSubject(X509_get_subject_name(leaf.get()), "CN", identity.id) &&
                  X509_set_issuer_name(leaf.get(), X509_get_subject_name(ca)) == 1 &&
                  X509_set_pubkey(leaf.get(), key) == 1 &&
                  AddExtension(leaf.get(), ca, NID_basic_constraints, "critical,CA:FALSE") &&
                  AddExtension(leaf.get(), ca, NID_key_usage, "critical,digitalSignature") &&
                  AddExtension(leaf.get(), ca, NID_ext_key_usage, purposes) &&
                  AddExtension(leaf.get(), ca, NID_subject_key_identifier, "hash") &&
                  AddExtension(leaf.get(), ca, NID_authority_key_identifier, "keyid:always") &&
                  AddAlternativeNames(leaf.get(), uri, hosts) &&
                  X509_sign(leaf.get(), ca_key, EVP_sha256()) > 0;
  if (!ok) return Failed("make the certificate of " + identity.ToString());
  return leaf;
}

bool IsValidHost(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  if (inet_pton(AF_INET, host.c_str(), bytes) == 1) return true;
  if (inet_pton(AF_INET6, host.c_str(), bytes) == 1) return true;
  std::string_view name = host;
  if (name.substr(0, 2) == "*.") name.remove_prefix(2);
  if (name.empty() || name.size() > 253 || name.front() == '.' || name.front() == '-') return false;
  if (name.find("..") != std::string_view::npos || name.back() == '.') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

absl::StatusOr<std::string> FleetOf(const X509* ca) {
  const GeneralNamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(ca, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_STRING* value = name->d.uniformResourceIdentifier;
    const std::string_view uri(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                               static_cast<size_t>(ASN1_STRING_length(value)));
    if (uri.substr(0, kScheme.size()) != kScheme) continue;
    const std::string_view fleet = uri.substr(kScheme.size());
    if (IsValidNodeId(fleet)) return std::string(fleet);
  }
  return absl::InvalidArgumentError("the CA certificate names no fleet (spiffe://<fleet>)");
}

std::string ToPem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

std::string ToPem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

}  // namespace procctl

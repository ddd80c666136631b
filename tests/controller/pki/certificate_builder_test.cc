#include "controller/pki/certificate_builder.h"

#include <gtest/gtest.h>

namespace procctl {
namespace {

TEST(CertificateBuilder, TheFleetCanBeReadBackFromTheCa) {
  const auto key = MakeKey();
  ASSERT_TRUE(key.ok());
  const auto now = std::chrono::system_clock::now();
  const auto ca = MakeCaCertificate("prod", key->get(), {now, now + std::chrono::hours(1)});
  ASSERT_TRUE(ca.ok()) << ca.status();
  const auto fleet = FleetOf(ca->get());
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  EXPECT_EQ(*fleet, "prod");
  EXPECT_EQ(X509_check_ca(ca->get()), 1);
  EXPECT_EQ(X509_get_pathlen(ca->get()), 0);
  EXPECT_EQ(X509_get_key_usage(ca->get()), static_cast<uint32_t>(KU_KEY_CERT_SIGN | KU_CRL_SIGN));
}

TEST(CertificateBuilder, DatesAfter2050AreWrittenRight) {
  const auto key = MakeKey();
  ASSERT_TRUE(key.ok());
  const auto far = std::chrono::system_clock::from_time_t(4'000'000'000);  // 2096
  const auto ca = MakeCaCertificate("prod", key->get(), {far, far + std::chrono::hours(1)});
  ASSERT_TRUE(ca.ok());
  EXPECT_EQ(ASN1_TIME_cmp_time_t(X509_get0_notBefore(ca->get()), 4'000'000'000), 0);
}

TEST(CertificateBuilder, PemIsReadBack) {
  const auto key = MakeKey();
  ASSERT_TRUE(key.ok());
  const EvpPkeyPtr again = ParsePrivateKey(ToPem(key->get()));
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(EVP_PKEY_eq(key->get(), again.get()), 1);
}

}  // namespace
}  // namespace procctl

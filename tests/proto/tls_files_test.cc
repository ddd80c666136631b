#include "proto/support/tls_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/proto/test_fleet.h"

namespace procctl {
namespace {

using ::testing::HasSubstr;
using testing::Read;
using testing::TemporaryFolder;
using testing::TestFleet;

class TlsFilesTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { fleet_ = new TestFleet("prod"); }
  static void TearDownTestSuite() { delete fleet_; }

  static TestFleet* fleet_;
  TemporaryFolder folder_;
};
TestFleet* TlsFilesTest::fleet_ = nullptr;

TEST_F(TlsFilesTest, ReadsWhatTheAuthorityWrites) {
  const auto pem = ReadTls(fleet_->Issue(Role::kOperator, "alice"));
  ASSERT_TRUE(pem.ok()) << pem.status();
  const auto facts = ReadCertificate(pem->cert);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->identity, (Identity{"prod", Role::kOperator, "alice"}));
  const auto now = std::chrono::system_clock::now();
  EXPECT_LT(facts->not_before, now - std::chrono::minutes(4));
  EXPECT_GT(facts->not_after, now + std::chrono::minutes(59));
}

TEST_F(TlsFilesTest, AnExpiredCertificateIsReadSoThatItCanBeReported) {
  EXPECT_TRUE(ReadTls(fleet_->Expired(Role::kNode, "web-01")).ok());
}

TEST_F(TlsFilesTest, AMissingFileIsNamed) {
  TlsFiles files = fleet_->Issue(Role::kNode, "web-01");
  files.cert = folder_.path() + "/none.pem";
  const auto pem = ReadTls(files);
  EXPECT_TRUE(absl::IsNotFound(pem.status()));
  EXPECT_THAT(std::string(pem.status().message()), HasSubstr(files.cert));
}

TEST_F(TlsFilesTest, AKeyThatOthersCanReadIsRefusedWithTheCommandToMendIt) {
  const TlsFiles files = fleet_->Issue(Role::kNode, "web-01");
  for (const mode_t mode : {0640, 0604, 0644, 0660}) {
    ASSERT_EQ(chmod(files.key.c_str(), mode), 0);
    const auto pem = ReadTls(files);
    EXPECT_TRUE(absl::IsFailedPrecondition(pem.status())) << mode;
    EXPECT_THAT(std::string(pem.status().message()), HasSubstr("chmod 600 " + files.key));
  }
  ASSERT_EQ(chmod(files.key.c_str(), 0400), 0);
  EXPECT_TRUE(ReadTls(files).ok());
}

TEST_F(TlsFilesTest, AnotherCertificatesKeyIsRefused) {
  TlsFiles files = fleet_->Issue(Role::kNode, "web-01");
  files.key = fleet_->Issue(Role::kNode, "web-02").key;
  const auto pem = ReadTls(files);
  EXPECT_TRUE(absl::IsInvalidArgument(pem.status()));
  EXPECT_THAT(std::string(pem.status().message()), HasSubstr("does not belong"));
}

TEST_F(TlsFilesTest, WhatIsNotPemIsRefused) {
  const TlsFiles good = fleet_->Issue(Role::kNode, "web-01");
  const std::string noise = folder_.Write("noise", "-----BEGIN CERTIFICATE-----\nxx\n");
  for (std::string TlsFiles::*field : {&TlsFiles::ca, &TlsFiles::cert, &TlsFiles::key}) {
    TlsFiles files = good;
    files.*field = noise;
    EXPECT_TRUE(absl::IsInvalidArgument(ReadTls(files).status()));
  }
}

TEST_F(TlsFilesTest, AFolderOrAPipeIsRefusedAtOnce) {
  TlsFiles files = fleet_->Issue(Role::kNode, "web-01");
  files.ca = folder_.path();
  EXPECT_FALSE(ReadTls(files).ok());
  files.ca = folder_.path() + "/pipe";
  ASSERT_EQ(mkfifo(files.ca.c_str(), 0600), 0);
  EXPECT_FALSE(ReadTls(files).ok());
}

TEST_F(TlsFilesTest, AFileOfAnotherUserIsNamedAsSuch) {
  TlsFiles files = fleet_->Issue(Role::kNode, "web-01");
  ASSERT_EQ(chmod(files.cert.c_str(), 0), 0);
  // Root may read every file, so it looks with another user's eyes.
  const uid_t self = geteuid();
  if (self == 0) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  const absl::Status status = ReadTls(files).status();
  ASSERT_EQ(seteuid(self), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
}

TEST_F(TlsFilesTest, ACaCertificateIsNobodysIdentity) {
  const TlsPem pem = Read(fleet_->Issue(Role::kNode, "web-01"));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadCertificate(pem.ca).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadCertificate("").status()));
}

}  // namespace
}  // namespace procctl

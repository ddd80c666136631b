// The real procctl-uplink between a fake guardian and a fake controller.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>

#include "tests/node/uplink/fixture_run.h"

namespace procctl::uplink {

class UplinkTest : public ::testing::Test {
 protected:
  UplinkTest()
      : controller_(procctl::testing::Read(Fleet().Controller())),
        hello_(MakeHello(folder_.path())) {}

  // Controller first, so that its port is known.
  void Run() {
    controller_.Start();
    RunWithoutController();
  }
  void RunWithoutController() {
    if (controller_.address() != "127.0.0.1:0")
      hello_.set_controller_address(controller_.address());
    MakeGuardian();
    guardian_->Start();
  }
  void MakeGuardian() {
    guardian_ = std::make_unique<FakeGuardian>(hello_, folder_.path() + "/log");
  }
  // Reserves a port, without a controller on it.
  void ControllerIsAway() {
    controller_.Start();
    controller_.Stop();
  }

  bool Soon(const std::function<bool()>& done) { return guardian_->Pump(done); }
  bool Logged(const std::string& text) {
    return Soon([&] { return guardian_->Log().find(text) != std::string::npos; });
  }

  void TearDown() override {
    EXPECT_EQ(controller_.Breaches(), "");
    if (HasFailure() && guardian_ != nullptr) std::fputs(guardian_->Log().c_str(), stderr);
  }

  procctl::testing::TemporaryFolder folder_;
  FakeController controller_;
  v1::LinkHello hello_;
  std::unique_ptr<FakeGuardian> guardian_;
};

}  // namespace procctl::uplink

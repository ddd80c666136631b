// A disk that neither works nor fails: fsfreeze. Root only, on a loop device of the test's own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "absl/synchronization/mutex.h"
#include "proto/support/unique_fd.h"
#include "tests/node/uplink/fixture_run.h"

namespace procctl::uplink {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// A small ext4 in a file, mounted; thawed, unmounted and gone at the end.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& folder) : mount_(folder + "/disk") {
    const std::string image = folder + "/image";
    const std::string make = "truncate -s 32M " + image + " && mkfs.ext4 -q -F " + image +
                             " && mount -o loop " + image + " " + mount_ + " 2>/dev/null";
    mounted_ = mkdir(mount_.c_str(), 0700) == 0 && std::system(make.c_str()) == 0;
  }
  ~SmallDisk() {
    Thaw();
    if (mounted_) (void)umount2(mount_.c_str(), MNT_DETACH);
  }
  bool ok() const { return mounted_; }
  const std::string& path() const { return mount_; }
  bool Freeze() {
    fd_.Reset(open(mount_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return ioctl(fd_.get(), FIFREEZE, 0) == 0;
  }
  void Thaw() {
    if (fd_.ok()) (void)ioctl(fd_.get(), FITHAW, 0);
    fd_.Reset();
  }

 private:
  std::string mount_;
  bool mounted_ = false;
  UniqueFd fd_;
};

TEST(FrozenDisk, HoldsUpNeitherEventsNorOrdersNorTheSession) {
  if (geteuid() != 0) GTEST_SKIP() << "freezing a file system needs root";
  procctl::testing::TemporaryFolder folder;
  SmallDisk disk(folder.path());
  if (!disk.ok()) GTEST_SKIP() << "this machine gives no loop device";
  FakeController controller(procctl::testing::Read(Fleet().Controller()));
  controller.Set({.heartbeat = milliseconds(200)});
  controller.Start();
  v1::LinkHello hello = MakeHello(disk.path());
  hello.set_controller_address(controller.address());
  FakeGuardian guardian(hello, folder.path() + "/log");
  guardian.Start();
  guardian.SetSlots({MakeSlot(1)});
  guardian.Record(10);
  ASSERT_TRUE(guardian.Pump([&] {
    return guardian.spooled() == 10 && controller.Committed(1) == 10;
  })) << guardian.Log();

  ASSERT_TRUE(disk.Freeze());
  const Clock::time_point frozen = Clock::now();
  for (int i = 0; i < 5; ++i) {
    controller.SendOrder(MakeOrder("r/" + std::to_string(i)));
    guardian.RecordVerdict("r/" + std::to_string(i));
  }
  guardian.Record(500);
  EXPECT_TRUE(guardian.Pump([&] {
    return controller.Committed(1) == 515 && guardian.orders().size() >= 5;
  })) << guardian.Log();
  // Each order waits 100 ms for its intent at most, and they wait together.
  EXPECT_LT(Clock::now() - frozen, milliseconds(1'500));
  const int heartbeats = controller.Heartbeats();
  EXPECT_TRUE(guardian.Pump([&] { return controller.Heartbeats() >= heartbeats + 3; }));
  EXPECT_EQ(controller.Welcomed(), 1);

  // Not on disk: the guardian keeps them.
  controller.Set({.commits = false});
  guardian.Record(5);
  EXPECT_TRUE(guardian.Pump([&] { return controller.ReceivedInSession().size() == 520; }));
  EXPECT_EQ(guardian.spooled(), 10);
  disk.Thaw();
  EXPECT_TRUE(guardian.Pump([&] { return guardian.spooled() == 520; })) << guardian.Log();
  EXPECT_EQ(controller.Breaches(), "");
  EXPECT_EQ(guardian.Close(std::chrono::seconds(10)), 0);
}

}  // namespace
}  // namespace procctl::uplink

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

#include "node/os/own_cgroup.h"

#include <gtest/gtest.h>

#include <string>

namespace procctl::node {
namespace {

constexpr std::string_view kPure =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr std::string_view kHybrid =
    "31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "32 30 0:28 / /sys/fs/cgroup/unified rw shared:10 master:3 - cgroup2 cgroup2 rw\n";

std::string Folder(std::string_view mounts, std::string_view cgroups) {
  const auto folder = OwnCgroupFolder(mounts, cgroups);
  return folder.ok() ? *folder : "not: " + std::string(folder.status().message());
}

TEST(OwnCgroupFolder, IsBelowWhereverItIsMounted) {
  EXPECT_EQ(Folder(kPure, "0::/system.slice/procctl-node.service\n"),
            "/sys/fs/cgroup/system.slice/procctl-node.service");
  EXPECT_EQ(Folder(kHybrid, "4:memory:/a\n0::/b c\n"), "/sys/fs/cgroup/unified/b c");
  EXPECT_EQ(Folder(kHybrid, "0::/\n"), "/sys/fs/cgroup/unified");
}

TEST(OwnCgroupFolder, KnowsThatItMovedItself) {
  EXPECT_EQ(Folder(kPure, "0::/system.slice/procctl-node.service/guardian\n"),
            "/sys/fs/cgroup/system.slice/procctl-node.service");
  EXPECT_EQ(Folder(kPure, "0::/guardian\n"), "/sys/fs/cgroup");
  EXPECT_EQ(Folder(kPure, "0::/the-guardian\n"), "/sys/fs/cgroup/the-guardian");
}

TEST(OwnCgroupFolder, APartMayBeMounted) {
  constexpr std::string_view kPart =
      "30 22 0:26 /docker/abc /mnt/my\\040groups ro - cgroup2 cgroup2 rw\n";
  EXPECT_EQ(Folder(kPart, "0::/docker/abc/x\n"), "/mnt/my groups/x");
  EXPECT_EQ(Folder(kPart, "0::/docker/abc\n"), "/mnt/my groups");
  EXPECT_EQ(
      Folder(kPart, "0::/docker/abcd\n"),
      "not: procctl-node is in the cgroup /docker/abcd, which is outside of what is mounted at "
      "/mnt/my groups (/docker/abc)");
  EXPECT_EQ(Folder(kPure, "0::/../other\n").substr(0, 4), "not:");
}

TEST(OwnCgroupFolder, SaysWhyThereIsNone) {
  EXPECT_EQ(Folder("31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "0::/\n"),
            "not: no cgroup v2 hierarchy is mounted on this host");
  EXPECT_EQ(Folder(kHybrid, "4:memory:/a\n"), "not: this kernel has no cgroup v2");
  EXPECT_EQ(Folder("", "").substr(0, 4), "not:");
  EXPECT_EQ(Folder("- cgroup2\n - cgroup2", "0::/\n").substr(0, 4), "not:");
}

TEST(FindOwnCgroup, GivesAFolderOrTheReason) {
  const OwnCgroup own = FindOwnCgroup();
  EXPECT_NE(own.folder.empty(), own.why_not.empty());
}

}  // namespace
}  // namespace procctl::node

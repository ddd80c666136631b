#include "tests/e2e/harness/cgroup_view.h"

#include <sched.h>
#include <sys/mount.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/e2e/harness/cgroup.h"

namespace procctl::e2e {
namespace {

// Nothing that is mounted from here on is seen outside.
bool LeaveMountNamespace() {
  return unshare(CLONE_NEWNS) == 0 &&
         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

}  // namespace

bool HideCgroupV2() {
  if (!LeaveMountNamespace()) return false;
  const std::vector<std::string> places = CgroupV2Places();
  // The last one first: it may lie on another.
  return std::all_of(places.rbegin(), places.rend(), [](const std::string& where) {
    return umount2(where.c_str(), MNT_DETACH) == 0;
  });
}

bool MakeCgroupV2ReadOnly() {
  if (!LeaveMountNamespace()) return false;
  const std::vector<std::string> places = CgroupV2Places();
  return std::all_of(places.begin(), places.end(), [](const std::string& where) {
    return mount("none", where.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  });
}

}  // namespace procctl::e2e

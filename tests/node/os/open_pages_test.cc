#include "node/os/open_pages.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

// A child of this test. It does `work` (after fork: system calls only), says so, and waits to be
// killed.
class Client {
 public:
  explicit Client(const std::function<void()>& work) {
    int ready[2];
    EXPECT_EQ(pipe2(ready, O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      work();
      (void)!write(ready[1], "x", 1);
      for (;;) pause();
    }
    close(ready[1]);
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1) << "the child did not come up";
    close(ready[0]);
  }
  ~Client() { End(); }
  void End() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

// A page whose guardian is gone: nothing of it is mapped here, so a child inherits the descriptor
// alone.
struct Page {
  UniqueFd fd;
  PageId id;
};

Page MakePage() {
  Page page;
  auto made = BeatPage::Create(&page.fd);
  EXPECT_TRUE(made.ok()) << made.status();
  if (made.ok()) page.id = made->id();
  return page;
}

void MapAndClose(const Page& page) {
  void* map =
      mmap(nullptr, PROCCTL_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, page.fd.get(), 0);
  if (map == MAP_FAILED || close(page.fd.get()) != 0) _exit(1);
  static_cast<procctl_page*>(map)->beats = 7;
}

// Empty if this process may open what is in /proc/<pid>/map_files, else why not.
std::string WhyNoMapFiles() {
  DIR* dir = opendir("/proc/self/map_files");
  if (dir == nullptr) return std::strerror(errno);
  std::string why = "it is empty";
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] == '.') continue;
    const UniqueFd fd(openat(dirfd(dir), entry->d_name, O_PATH | O_CLOEXEC));
    why = fd ? "" : std::strerror(errno);
    break;
  }
  closedir(dir);
  return why;
}

TEST(FindPage, InAProcessThatKeptTheDescriptor) {
  Page page = MakePage();
  const Client client([] {});
  page.fd.reset();
  for (const PageSearch where : {PageSearch::kDescriptors, PageSearch::kDescriptorsAndMaps}) {
    auto fd = FindPage(client.pid(), page.id, where);
    ASSERT_TRUE(fd.ok()) << fd.status();
    EXPECT_EQ(fcntl(fd->get(), F_GETFL) & O_ACCMODE, O_RDONLY);
    EXPECT_EQ(fcntl(fd->get(), F_GETFD), FD_CLOEXEC);
    EXPECT_TRUE(BeatPage::Reopen(*std::move(fd), page.id).ok());
  }
}

TEST(FindPage, InAProcessThatOnlyHasItMapped) {
  Page page = MakePage();
  const Client client([&page] { MapAndClose(page); });
  page.fd.reset();
  EXPECT_TRUE(absl::IsNotFound(FindPage(client.pid(), page.id, PageSearch::kDescriptors).status()));
  auto fd = FindPage(client.pid(), page.id);
  if (const std::string why = WhyNoMapFiles(); !why.empty()) {
    EXPECT_FALSE(fd.ok());
    GTEST_SKIP() << "/proc/self/map_files: " << why;
  }
  ASSERT_TRUE(fd.ok()) << fd.status();
  auto reopened = BeatPage::Reopen(*std::move(fd), page.id);
  ASSERT_TRUE(reopened.ok()) << reopened.status();
  EXPECT_EQ(reopened->beats(), 7u);
}

TEST(FindPage, NotInAProcessThatHasItNot) {
  const Page page = MakePage();
  const Client client([&page] { close(page.fd.get()); });
  EXPECT_TRUE(absl::IsNotFound(FindPage(client.pid(), page.id, PageSearch::kDescriptors).status()));
  if (const std::string why = WhyNoMapFiles(); !why.empty())
    GTEST_SKIP() << "/proc/self/map_files: " << why;
  EXPECT_TRUE(absl::IsNotFound(FindPage(client.pid(), page.id).status()));
}

TEST(FindPage, NotInAProcessThatIsGone) {
  Page page = MakePage();
  Client client([] {});
  client.End();
  EXPECT_TRUE(absl::IsNotFound(FindPage(client.pid(), page.id).status()));
  EXPECT_TRUE(absl::IsNotFound(FindPage(-1, page.id).status()));
  // A zombie has no descriptors any more.
  const Client zombie([] {});
  kill(zombie.pid(), SIGKILL);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(zombie.pid()), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(FindPage(zombie.pid(), page.id).ok());
}

TEST(FindPage, AnotherPageOfTheSameNameIsNotTaken) {
  Page page = MakePage();
  Page other = MakePage();
  const Client client([&page, &other] {
    close(page.fd.get());
    MapAndClose(other);
    (void)memfd_create(kBeatPageName, 0);
  });
  const Client owner([&other] { close(other.fd.get()); });
  page.fd.reset();
  other.fd.reset();
  EXPECT_FALSE(FindPage(client.pid(), page.id).ok());
  EXPECT_TRUE(FindPage(owner.pid(), page.id).ok());
  EXPECT_FALSE(FindPage(owner.pid(), other.id).ok());
}

TEST(FindPages, AllOfAProcessInOnePass) {
  // Half keeps its descriptor, half is only mapped; some wanted ones are nobody's.
  constexpr size_t kPages = 60;
  std::vector<Page> pages;
  std::set<PageId> wanted;
  for (size_t i = 0; i < kPages; ++i) {
    pages.push_back(MakePage());
    wanted.insert(pages.back().id);
  }
  const Client client([&pages] {
    for (size_t i = 0; i < kPages; i += 2) MapAndClose(pages[i]);
  });
  for (Page& page : pages) page.fd.reset();
  const PageId nobodys = MakePage().id;
  wanted.insert(nobodys);

  absl::Status incomplete;
  auto found = FindPages(client.pid(), wanted, PageSearch::kDescriptors, &incomplete);
  EXPECT_TRUE(incomplete.ok()) << incomplete;
  EXPECT_EQ(found.size(), kPages / 2);
  for (size_t i = 0; i < kPages; ++i) EXPECT_EQ(found.contains(pages[i].id), i % 2 == 1) << i;
  found = FindPages(client.pid(), wanted, PageSearch::kDescriptorsAndMaps, &incomplete);
  if (const std::string why = WhyNoMapFiles(); !why.empty()) {
    EXPECT_TRUE(absl::IsPermissionDenied(incomplete)) << incomplete;
    GTEST_SKIP() << "/proc/self/map_files: " << why;
  }
  EXPECT_TRUE(incomplete.ok()) << incomplete;
  EXPECT_EQ(found.size(), kPages);
  EXPECT_FALSE(found.contains(nobodys));
  for (auto& [id, fd] : found) EXPECT_TRUE(BeatPage::Reopen(std::move(fd), id).ok());
}

TEST(FindPages, ALackOfDescriptorsIsSaid) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer itself needs descriptors to look at memory";
#endif
  Page page = MakePage();
  const Client client([] {});
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // Room for the folder, none for what is in it.
  const UniqueFd next(dup(page.fd.get()));
  const rlimit tight{static_cast<rlim_t>(next.get()) + 2, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  absl::Status incomplete;
  const auto found = FindPages(client.pid(), {page.id}, PageSearch::kDescriptors, &incomplete);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(found.empty());
  EXPECT_TRUE(absl::IsResourceExhausted(incomplete)) << incomplete;
}

TEST(FindPages, AProcessOfAnotherUserNeedsTheRight) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can start somebody else's process";
  Page page = MakePage();
  const Client client([] {});  // root's
  page.fd.reset();
  // Somebody else looks: in a child, because a user once given up does not come back.
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(2);
    absl::Status incomplete;
    const auto found = FindPages(client.pid(), {page.id}, PageSearch::kDescriptors, &incomplete);
    _exit(found.empty() && absl::IsPermissionDenied(incomplete) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace procctl::node

// Registration against a guardian that answers well, badly, late or not at all.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "procctl/heartbeat.h"
#include "tests/node/heartbeat/fake_guardian.h"

namespace procctl::heartbeat {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

milliseconds Since(steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

TEST(Registration, GuardianSeesNameTimeoutAndVersion) {
  FakeGuardian guardian;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "encoder", 5000), 0);
  const procctl_register_request request = guardian.request(1);
  EXPECT_EQ(request.magic, PROCCTL_FRAME_MAGIC);
  EXPECT_EQ(request.page_version, PROCCTL_PAGE_VERSION);
  EXPECT_EQ(request.timeout_ms, 5000U);
  EXPECT_EQ(request.reserved, 0U);
  EXPECT_STREQ(reinterpret_cast<const char*>(request.name), "encoder");
  EXPECT_TRUE(procctl_is_guarded(&heart));
  EXPECT_EQ(heart.slot, 1U);
  procctl_close(&heart);
}

TEST(Registration, AskedForATimeoutAloneItSendsTheShortRequest) {
  FakeGuardian guardian;
  procctl_options options = {};
  options.timeout_ms = 5000;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open_with(&heart, "encoder", &options), 0);
  EXPECT_EQ(guardian.request_bytes(1), sizeof(procctl_register_request));
  EXPECT_EQ(guardian.request(1).timeout_ms, 5000U);
  procctl_close(&heart);
}

TEST(Registration, AskedForMoreItSendsTheLongRequest) {
  FakeGuardian guardian;
  procctl::Heart progressing("encoder",
                             {.timeout = milliseconds(5000), .progress_timeout = milliseconds(60)});
  procctl::Heart starting("loader",
                          {.timeout = milliseconds(4000), .start_grace = milliseconds(90)});
  ASSERT_EQ(guardian.slots(), 2U);
  for (size_t slot : {1, 2}) {
    EXPECT_EQ(guardian.request_bytes(slot), sizeof(procctl_register_request_more));
    EXPECT_EQ(guardian.request(slot).reserved, 0U);
    EXPECT_EQ(guardian.long_request(slot).reserved[0], 0U);
    EXPECT_EQ(guardian.long_request(slot).reserved[1], 0U);
  }
  EXPECT_EQ(guardian.request(1).timeout_ms, 5000U);
  EXPECT_EQ(guardian.long_request(1).progress_timeout_ms, 60U);
  EXPECT_EQ(guardian.long_request(1).start_grace_ms, 0U);
  EXPECT_EQ(guardian.request(2).timeout_ms, 4000U);
  EXPECT_EQ(guardian.long_request(2).progress_timeout_ms, 0U);
  EXPECT_EQ(guardian.long_request(2).start_grace_ms, 90U);
  EXPECT_STREQ(reinterpret_cast<const char*>(guardian.request(2).name), "loader");
}

TEST(Registration, OpenMakesTheFirstBeat) {
  FakeGuardian guardian;
  procctl::Heart heart("encoder", milliseconds(5000));
  EXPECT_EQ(BeatsOf(guardian.page(1)), 1U);
}

TEST(Registration, BeatProgressAndNoteShowOnTheGuardiansPage) {
  FakeGuardian guardian;
  procctl::Heart heart("encoder", milliseconds(5000));
  const uint64_t before = BeatsOf(guardian.page(1));
  heart.Beat();
  EXPECT_EQ(BeatsOf(guardian.page(1)), before + 1);
  heart.Progress(40);
  EXPECT_EQ(BeatsOf(guardian.page(1)), before + 2);
  EXPECT_EQ(guardian.page(1).progress, 40U);
  heart.Note("frame 12");
  EXPECT_STREQ(guardian.page(1).note, "frame 12");
}

TEST(Registration, ReadyBeatsAndStays) {
  FakeGuardian guardian;
  procctl::Heart heart("encoder", milliseconds(5000));
  const procctl_page& page = guardian.page(1);
  EXPECT_EQ(page.flags, 0U);
  heart.Ready();
  EXPECT_EQ(page.flags, PROCCTL_PAGE_READY);
  EXPECT_EQ(BeatsOf(page), 2U);
  heart.Busy(milliseconds(10));
  heart.BusyDone();
  EXPECT_EQ(page.flags, PROCCTL_PAGE_READY);
}

TEST(Registration, BusyCountsEachAnnouncementAndTheLastLimitHolds) {
  FakeGuardian guardian;
  procctl::Heart heart("encoder", milliseconds(5000));
  const procctl_page& page = guardian.page(1);
  heart.Busy(milliseconds(60'000));
  EXPECT_EQ(page.flags, PROCCTL_PAGE_BUSY);
  EXPECT_EQ(page.busy_ms, 60'000U);
  EXPECT_EQ(page.busy_count, 1U);
  EXPECT_EQ(BeatsOf(page), 2U);
  heart.Busy(milliseconds(90'000));
  EXPECT_EQ(page.busy_ms, 90'000U);
  EXPECT_EQ(page.busy_count, 2U);
  heart.BusyDone();
  EXPECT_EQ(page.flags, 0U);
  EXPECT_EQ(page.busy_count, 2U);
  EXPECT_EQ(BeatsOf(page), 4U);
}

TEST(Registration, BusyForNoTimeIsBusyDoneAndForTooLongIsTheLongest) {
  FakeGuardian guardian;
  procctl::Heart heart("encoder", milliseconds(5000));
  const procctl_page& page = guardian.page(1);
  heart.Busy(milliseconds(int64_t{UINT32_MAX} + 1));
  EXPECT_EQ(page.busy_ms, UINT32_MAX);
  for (int none : {0, -5}) {
    heart.Busy(milliseconds(1000));
    EXPECT_EQ(page.flags, PROCCTL_PAGE_BUSY);
    heart.Busy(milliseconds(none));
    EXPECT_EQ(page.flags, 0U);
  }
}

TEST(Registration, BusyScopeEndsWithItsBlock) {
  FakeGuardian guardian;
  procctl::Heart heart("encoder", milliseconds(5000));
  {
    const procctl::BusyScope busy(heart, milliseconds(60'000));
    EXPECT_EQ(guardian.page(1).flags, PROCCTL_PAGE_BUSY);
    EXPECT_EQ(guardian.page(1).busy_ms, 60'000U);
  }
  EXPECT_EQ(guardian.page(1).flags, 0U);
}

TEST(Registration, FailedLeavesItsReasonAndNothingTakesItBack) {
  FakeGuardian guardian;
  procctl::Heart heart("encoder", milliseconds(5000));
  const procctl_page& page = guardian.page(1);
  heart.Failed("lost the device");
  EXPECT_EQ(page.flags, PROCCTL_PAGE_FAILED);
  EXPECT_STREQ(page.note, "lost the device");
  EXPECT_EQ(BeatsOf(page), 1U) << "giving up is no sign of life";
  heart.Failed(nullptr);
  heart.Ready();
  EXPECT_EQ(page.flags, PROCCTL_PAGE_FAILED | PROCCTL_PAGE_READY);
  EXPECT_STREQ(page.note, "lost the device");
}

TEST(Registration, PhaseShowsBesideTheNote) {
  FakeGuardian guardian;
  procctl::Heart heart("encoder", milliseconds(5000));
  heart.Note("frame 12");
  heart.Phase("encoding");
  EXPECT_STREQ(guardian.page(1).phase, "encoding");
  EXPECT_STREQ(guardian.page(1).note, "frame 12");
}

TEST(Registration, ClosedHeartLeavesWhatItSaidAndTheNextOneStartsClean) {
  FakeGuardian guardian;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "encoder", 5000), 0);
  procctl_busy(&heart, 1000);
  procctl_ready(&heart);
  procctl_note(&heart, "last words");
  procctl_close(&heart);
  EXPECT_EQ(guardian.page(1).flags, PROCCTL_PAGE_BUSY | PROCCTL_PAGE_READY | PROCCTL_PAGE_CLOSED);
  EXPECT_STREQ(guardian.page(1).note, "last words");
  ASSERT_EQ(procctl_open(&heart, "encoder", 5000), 0);
  EXPECT_EQ(guardian.page(2).flags, 0U);
  EXPECT_STREQ(guardian.page(2).note, "");
  procctl_close(&heart);
}

TEST(Registration, CopyOfAHeartSpeaksForItButDoesNotGiveItBack) {
  FakeGuardian guardian;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "encoder", 5000), 0);
  procctl_heart copy = heart;
  procctl_busy(&copy, 1000);
  procctl_ready(&heart);
  EXPECT_EQ(guardian.page(1).flags, PROCCTL_PAGE_BUSY | PROCCTL_PAGE_READY);
  EXPECT_EQ(procctl_tend(&copy), 1);
  procctl_close(&copy);
  EXPECT_EQ(FlagsOf(guardian.page(1)) & PROCCTL_PAGE_CLOSED, 0U);
  EXPECT_TRUE(procctl_is_guarded(&heart));
  procctl_close(&heart);
  EXPECT_EQ(FlagsOf(guardian.page(1)) & PROCCTL_PAGE_CLOSED, PROCCTL_PAGE_CLOSED);
}

TEST(Registration, CloseMarksThePageClosedAndLeavesNothingBehind) {
  FakeGuardian guardian;
  const DescriptorCount descriptors;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "encoder", 5000), 0);
  EXPECT_EQ(guardian.page(1).flags & PROCCTL_PAGE_CLOSED, 0U);
  procctl_close(&heart);
  EXPECT_EQ(guardian.page(1).flags & PROCCTL_PAGE_CLOSED, PROCCTL_PAGE_CLOSED);
  EXPECT_FALSE(procctl_is_guarded(&heart));
  EXPECT_EQ(heart.page, &procctl_idle_page);
  EXPECT_TRUE(descriptors.IsBack());
  const uint64_t beats = BeatsOf(guardian.page(1));
  procctl_beat(&heart);
  EXPECT_EQ(BeatsOf(guardian.page(1)), beats);
  procctl_close(&heart);
}

TEST(Registration, ClosedHeartOpensAgainWithASlotOfItsOwn) {
  FakeGuardian guardian;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "encoder", 5000), 0);
  procctl_close(&heart);
  ASSERT_EQ(procctl_open(&heart, "encoder", 5000), 0);
  EXPECT_EQ(heart.slot, 2U);
  procctl_close(&heart);
}

TEST(Registration, OpenHeartIsBusyAndStaysOpen) {
  FakeGuardian guardian;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "encoder", 5000), 0);
  EXPECT_EQ(procctl_open(&heart, "encoder", 5000), -EBUSY);
  EXPECT_TRUE(procctl_is_guarded(&heart));
  EXPECT_EQ(guardian.slots(), 1U);
  procctl_close(&heart);
}

TEST(Registration, ManyHeartsOfOneProcessAreIndependent) {
  FakeGuardian guardian;
  std::vector<procctl_heart> hearts(100, procctl_heart PROCCTL_HEART_INIT);
  for (procctl_heart& heart : hearts) ASSERT_EQ(procctl_open(&heart, "one of many", 5000), 0);
  procctl_beat(&hearts[41]);
  procctl_close(&hearts[7]);
  for (size_t i = 0; i < hearts.size(); ++i) {
    EXPECT_EQ(BeatsOf(guardian.page(i + 1)), i == 41 ? 2U : 1U);
    EXPECT_EQ(guardian.page(i + 1).flags, i == 7 ? PROCCTL_PAGE_CLOSED : 0U);
    procctl_close(&hearts[i]);
  }
}

TEST(Registration, DescriptorIsNotInheritedByExec) {
  FakeGuardian guardian;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "encoder", 5000), 0);
  EXPECT_EQ(fcntl(heart.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  procctl_close(&heart);
}

TEST(Registration, NobodyCanShrinkThePageOrWriteItAnew) {
  FakeGuardian guardian;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "encoder", 5000), 0);
  EXPECT_EQ(ftruncate(heart.fd, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(fcntl(heart.fd, F_GET_SEALS) & (F_SEAL_FUTURE_WRITE | F_SEAL_SEAL),
            F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
  EXPECT_EQ(mmap(nullptr, PROCCTL_PAGE_BYTES, PROT_WRITE, MAP_SHARED, heart.fd, 0), MAP_FAILED);
  // The guardian must still be able to take the page up again from /proc.
  void* read_only = mmap(nullptr, PROCCTL_PAGE_BYTES, PROT_READ, MAP_SHARED, heart.fd, 0);
  ASSERT_NE(read_only, MAP_FAILED);
  procctl_beat(&heart);
  EXPECT_EQ(BeatsOf(*static_cast<procctl_page*>(read_only)), 2U);
  munmap(read_only, PROCCTL_PAGE_BYTES);
  procctl_close(&heart);
}

TEST(Registration, ManyThreadsBeatOneHeart) {
  FakeGuardian guardian;
  procctl::Heart heart("encoder", milliseconds(5000));
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&heart] {
      for (int n = 0; n < 10'000; ++n) heart.Progress();
      heart.Note("done");
    });
  }
  for (std::thread& thread : threads) thread.join();
  const uint64_t beats = BeatsOf(guardian.page(1));
  EXPECT_NE(beats, 1U);  // It has changed; how many counts were lost is nobody's concern.
  EXPECT_LE(beats, 80'001U);
  EXPECT_STREQ(guardian.page(1).note, "done");
}

TEST(Registration, SignalsDoNotDisturbIt) {
  FakeGuardian guardian;
  struct sigaction quiet = {};
  quiet.sa_handler = [](int) {};
  struct sigaction before;
  sigaction(SIGALRM, &quiet, &before);
  itimerval often = {{0, 200}, {0, 200}};
  setitimer(ITIMER_REAL, &often, nullptr);
  for (int i = 0; i < 200; ++i) {
    procctl::Heart heart;
    EXPECT_EQ(heart.Open("encoder", milliseconds(5000)), 0);
  }
  itimerval never = {};
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
}

TEST(Registration, PageNeverBecomesAStandardStream) {
  FakeGuardian guardian;
  const int status = ExitStatusOfChild([] {
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    procctl_heart heart = PROCCTL_HEART_INIT;
    if (procctl_open(&heart, "daemon", 5000) != 0) return 1;
    return heart.fd > STDERR_FILENO && fcntl(STDIN_FILENO, F_GETFD) == -1 &&
                   fcntl(STDOUT_FILENO, F_GETFD) == -1
               ? 0
               : 2;
  });
  EXPECT_EQ(status, 0);
}

TEST(Registration, FindsTheUsersOwnGuardianWhereTheSystemHasNone) {
  if (std::filesystem::exists("/run/procctl/heartbeat.sock")) {
    GTEST_SKIP() << "a guardian of the system runs here and comes first";
  }
  FakeGuardian guardian;
  const std::filesystem::path runtime_dir =
      std::filesystem::path(guardian.socket_path()).parent_path();
  std::filesystem::create_directory(runtime_dir / "procctl");
  std::filesystem::rename(guardian.socket_path(), runtime_dir / "procctl" / "heartbeat.sock");
  const int status = ExitStatusOfChild([&runtime_dir] {
    unsetenv("PROCCTL_HEARTBEAT_SOCKET");
    setenv("XDG_RUNTIME_DIR", runtime_dir.c_str(), 1);
    procctl_heart heart = PROCCTL_HEART_INIT;
    return -procctl_open(&heart, "encoder", 5000);
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(guardian.slots(), 1U);
}

// ---------------------------------------------------------------- refusals

int OpenAgainst(FakeGuardian::Answerer answerer) {
  FakeGuardian guardian(std::move(answerer));
  const DescriptorCount descriptors;
  procctl_heart heart = PROCCTL_HEART_INIT;
  const int error = procctl_open(&heart, "encoder", 5000);
  EXPECT_FALSE(procctl_is_guarded(&heart));
  procctl_beat(&heart);
  procctl_note(&heart, "still alive");
  procctl_close(&heart);
  EXPECT_TRUE(descriptors.IsBack());
  return error;
}

int OpenAnsweredBy(const procctl_register_answer& answer, const std::vector<PageMaking>& pages) {
  return OpenAgainst([&](int connection, const procctl_register_request&) {
    std::vector<int> fds;
    for (const PageMaking& page : pages) fds.push_back(MakePageFd(page));
    EXPECT_EQ(SendAnswer(connection, &answer, sizeof(answer), fds), 0);
    for (int fd : fds) close(fd);
  });
}

TEST(Refusal, ErrorAndTextOfTheGuardianReachTheProgram) {
  EXPECT_EQ(OpenAnsweredBy(RefusedAnswer(EDQUOT, "64 slots of uid 1000 are in use; limit 64"), {}),
            -EDQUOT);
  EXPECT_STREQ(procctl_open_error(), "64 slots of uid 1000 are in use; limit 64");
  EXPECT_EQ(OpenAnsweredBy(RefusedAnswer(EACCES, "not you"), {}), -EACCES);
  EXPECT_EQ(OpenAnsweredBy(RefusedAnswer(EINVAL, ""), {}), -EINVAL);
  EXPECT_STREQ(procctl_open_error(), "");
}

TEST(Refusal, TextIsMadePrintableAndEnds) {
  EXPECT_EQ(OpenAnsweredBy(RefusedAnswer(EINVAL, "a\x1b[31m\nb"), {}), -EINVAL);
  EXPECT_STREQ(procctl_open_error(), "a?[31m?b");
  EXPECT_EQ(OpenAnsweredBy(RefusedAnswer(EINVAL, std::string(500, 'x')), {}), -EINVAL);
  EXPECT_EQ(std::strlen(procctl_open_error()), PROCCTL_FRAME_TEXT_BYTES - 1);
}

TEST(Refusal, NumberThatIsNoErrnoIsEPROTO) {
  EXPECT_EQ(OpenAnsweredBy(RefusedAnswer(-5, ""), {}), -EPROTO);
  EXPECT_EQ(OpenAnsweredBy(RefusedAnswer(1 << 20, ""), {}), -EPROTO);
}

TEST(Refusal, TextSentBeforeTheRequestWasReadIsNotLostWithTheConnection) {
  // Hangs up without reading: the kernel resets the connection.
  Listener listener(1);
  std::thread guardian([&listener] {
    const int connection = accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    pollfd request = {connection, POLLIN, 0};
    poll(&request, 1, -1);
    const procctl_register_answer answer = RefusedAnswer(EDQUOT, "too many at once");
    EXPECT_EQ(SendAnswer(connection, &answer, sizeof(answer), {}), 0);
    close(connection);
  });
  procctl_heart heart = PROCCTL_HEART_INIT;
  EXPECT_EQ(procctl_open(&heart, "encoder", 5000), -EDQUOT);
  EXPECT_STREQ(procctl_open_error(), "too many at once");
  guardian.join();
}

TEST(Refusal, GuardianThatHangsUpIsECONNREFUSED) {
  EXPECT_EQ(OpenAgainst([](int, const procctl_register_request&) {}), -ECONNREFUSED);
}

TEST(Refusal, SocketFileWithoutListenerIsECONNREFUSED) {
  Listener listener(1);
  listener.StopListening();
  procctl_heart heart = PROCCTL_HEART_INIT;
  EXPECT_EQ(procctl_open(&heart, "encoder", 5000), -ECONNREFUSED);
}

// ---------------------------------------------------------------- garbage

TEST(Garbage, ShortOrLongAnswerIsEPROTO) {
  const procctl_register_answer answer = AcceptedAnswer(1);
  EXPECT_EQ(OpenAgainst([&](int connection, const procctl_register_request&) {
              const int fd = MakePageFd();
              SendAnswer(connection, &answer, 20, {fd});
              close(fd);
            }),
            -EPROTO);
  EXPECT_EQ(OpenAgainst([&](int connection, const procctl_register_request&) {
              const std::string longer =
                  std::string(reinterpret_cast<const char*>(&answer), sizeof(answer)) + "more";
              const int fd = MakePageFd();
              SendAnswer(connection, longer.data(), longer.size(), {fd});
              close(fd);
            }),
            -EPROTO);
}

TEST(Garbage, WrongFrameMagicIsEPROTO) {
  procctl_register_answer answer = AcceptedAnswer(1);
  answer.magic = 0;
  EXPECT_EQ(OpenAnsweredBy(answer, {{}}), -EPROTO);
}

TEST(Garbage, AcceptedWithoutADescriptorIsEPROTO) {
  EXPECT_EQ(OpenAnsweredBy(AcceptedAnswer(1), {}), -EPROTO);
}

TEST(Garbage, TwoOrTenDescriptorsAreEPROTOAndAllAreClosed) {
  EXPECT_EQ(OpenAnsweredBy(AcceptedAnswer(1), std::vector<PageMaking>(2)), -EPROTO);
  EXPECT_EQ(OpenAnsweredBy(AcceptedAnswer(1), std::vector<PageMaking>(10)), -EPROTO);
}

TEST(Garbage, RefusalWithADescriptorIsARefusalAndTheDescriptorIsClosed) {
  EXPECT_EQ(OpenAnsweredBy(RefusedAnswer(EACCES, "no"), {{}}), -EACCES);
}

TEST(Garbage, PageOfAnotherSizeIsEPROTO) {
  EXPECT_EQ(OpenAnsweredBy(AcceptedAnswer(1), {{.bytes = 100}}), -EPROTO);
  EXPECT_EQ(OpenAnsweredBy(AcceptedAnswer(1), {{.bytes = 8192}}), -EPROTO);
}

TEST(Garbage, PageThatCouldBeCutUnderUsIsEPROTO) {
  EXPECT_EQ(OpenAnsweredBy(AcceptedAnswer(1), {{.sealed = false}}), -EPROTO);
}

TEST(Garbage, PageOfAnotherMagicOrVersionIsEPROTO) {
  EXPECT_EQ(OpenAnsweredBy(AcceptedAnswer(1), {{.magic = 1}}), -EPROTO);
  EXPECT_EQ(OpenAnsweredBy(AcceptedAnswer(1), {{.version = 2}}), -EPROTO);
}

TEST(Garbage, DescriptorThatIsNoMemoryFileIsEPROTO) {
  EXPECT_EQ(OpenAgainst([](int connection, const procctl_register_request&) {
              const procctl_register_answer answer = AcceptedAnswer(1);
              SendAnswer(connection, &answer, sizeof(answer), {connection});
            }),
            -EPROTO);
}

TEST(Garbage, NoPlaceForTheDescriptorIsEMFILE) {
  FakeGuardian guardian;
  const int status = ExitStatusOfChild([] {
    const int lowest_free = dup(STDERR_FILENO);
    close(lowest_free);
    // Room for the socket and nothing else.
    const rlimit limit = {static_cast<rlim_t>(lowest_free) + 1,
                          static_cast<rlim_t>(lowest_free) + 1};
    setrlimit(RLIMIT_NOFILE, &limit);
    procctl_heart heart = PROCCTL_HEART_INIT;
    return -procctl_open(&heart, "encoder", 5000);
  });
  EXPECT_EQ(status, EMFILE);
  ASSERT_EQ(guardian.slots(), 1U);
  EXPECT_EQ(BeatsOf(guardian.page(1)), 0U) << "a page nobody got hold of has no beat";
}

// ---------------------------------------------------------------- silence

TEST(Silence, GuardianThatDoesNotAnswerIsETIMEDOUTAndCannotAnswerAfterwards) {
  std::atomic<int> late_send_error{-1};
  const auto start = steady_clock::now();
  const int error = OpenAgainst([&](int connection, const procctl_register_request&) {
    pollfd client_gone = {connection, POLLRDHUP, 0};
    poll(&client_gone, 1, 10'000);
    const procctl_register_answer answer = AcceptedAnswer(1);
    const int fd = MakePageFd();
    late_send_error = SendAnswer(connection, &answer, sizeof(answer), {fd});
    close(fd);
  });
  EXPECT_EQ(error, -ETIMEDOUT);
  EXPECT_GE(Since(start), milliseconds(1990));
  EXPECT_LT(Since(start), milliseconds(3000));
  // Else it would take our silence for a hang.
  EXPECT_EQ(late_send_error, EPIPE);
}

TEST(Silence, StoppedGuardianWithAFullBacklogIsETIMEDOUT) {
  const Listener listener(0);
  std::vector<int> waiting;
  int error = 0;
  while (error == 0 && waiting.size() < 16) {
    const int fd = listener.TryConnect();
    if (fd < 0) {
      error = -fd;
    } else {
      waiting.push_back(fd);
    }
  }
  ASSERT_EQ(error, EAGAIN) << "the backlog is not full";

  const auto start = steady_clock::now();
  procctl_heart heart = PROCCTL_HEART_INIT;
  EXPECT_EQ(procctl_open(&heart, "encoder", 5000), -ETIMEDOUT);
  EXPECT_GE(Since(start), milliseconds(1900));
  EXPECT_LT(Since(start), milliseconds(3000));
  for (int fd : waiting) close(fd);
}

}  // namespace
}  // namespace procctl::heartbeat

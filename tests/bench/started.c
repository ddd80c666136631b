/* What the supervisors of programs_bench run: it says when it began to run, and waits for its end.

   The same small program for all of them, so that what differs is how soon it is started. It writes
   a struct mark (tests/bench/supervisors.h) to the FIFO "started" in its working directory. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

int main(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now); /* before all else */
  struct {
    int64_t nanoseconds;
    int64_t pid;
  } mark;
  memset(&mark, 0, sizeof mark);
  mark.nanoseconds = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
  mark.pid = getpid();
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* a bench that is killed leaves nothing behind */
  const int fifo = open("started", O_WRONLY | O_CLOEXEC);
  if (fifo < 0 || write(fifo, &mark, sizeof mark) != (ssize_t)sizeof mark) return 1;
  close(fifo);
  while (1) pause();
}

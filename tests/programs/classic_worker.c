/* A program of the old kind, which knows nothing of procctl: it beats in the classic heartbeat
 * table, a System V segment of rows that every program writes itself. SIGUSR1 makes it stop
 * updating its time; SIGTERM has its default action and leaves the row behind; SIGINT ends it
 * cleanly, with its row cleared. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

struct st_procinfo {
  int pid;
  char name[51];
  int timeout;
  time_t atime;
};

static volatile sig_atomic_t hung;
static volatile sig_atomic_t stopping;

static void hang(int sig) {
  (void)sig;
  hung = 1;
}

static void stop(int sig) {
  (void)sig;
  stopping = 1;
}

static void usage(const char* program) {
  fprintf(stderr, "usage: %s --key K --slots S --name N --timeout SEC\n", program);
  exit(2);
}

static long number(const char* program, const char* text) {
  char* end;
  errno = 0;
  long value = strtol(text, &end, 0); /* base 0: keys are written as 0x5095 */
  if (errno != 0 || end == text || *end != '\0') usage(program);
  return value;
}

/* Our own row if a process with our pid left one behind, else the first free one; -1 if all are
 * taken. A row is taken by its pid, atomically: two programs may start at once. */
static int take_row(struct st_procinfo* table, int slots, int pid) {
  for (int i = 0; i < slots; i++) {
    if (table[i].pid == pid) return i;
  }
  for (int i = 0; i < slots; i++) {
    if (__sync_bool_compare_and_swap(&table[i].pid, 0, pid)) return i;
  }
  return -1;
}

int main(int argc, char** argv) {
  key_t key = 0x5095;
  int slots = 1000;
  int timeout = 5;
  const char* name = NULL;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) usage(argv[0]);
    if (strcmp(argv[i], "--key") == 0)
      key = (key_t)number(argv[0], argv[i + 1]);
    else if (strcmp(argv[i], "--slots") == 0)
      slots = (int)number(argv[0], argv[i + 1]);
    else if (strcmp(argv[i], "--timeout") == 0)
      timeout = (int)number(argv[0], argv[i + 1]);
    else if (strcmp(argv[i], "--name") == 0)
      name = argv[i + 1];
    else
      usage(argv[0]);
  }
  if (name == NULL || slots <= 0) usage(argv[0]);

  signal(SIGUSR1, hang);
  signal(SIGINT, stop);

  int shmid = shmget(key, slots * sizeof(struct st_procinfo), 0640 | IPC_CREAT);
  if (shmid == -1) {
    fprintf(stderr, "%s: shmget(0x%x) failed: %s\n", argv[0], (unsigned)key, strerror(errno));
    return 1;
  }
  struct st_procinfo* table = shmat(shmid, NULL, 0);
  if (table == (void*)-1) {
    fprintf(stderr, "%s: shmat(0x%x) failed: %s\n", argv[0], (unsigned)key, strerror(errno));
    return 1;
  }

  struct st_procinfo info;
  memset(&info, 0, sizeof(info));
  info.pid = getpid();
  strncpy(info.name, name, sizeof(info.name) - 1);
  info.timeout = timeout;
  info.atime = time(0);
  int row = take_row(table, slots, info.pid);
  if (row == -1) {
    fprintf(stderr, "%s: all %d rows are taken\n", argv[0], slots);
    return 1;
  }
  memcpy(&table[row], &info, sizeof(info));
  printf("ready\n");
  fflush(stdout);

  while (!stopping) {
    if (!hung) table[row].atime = time(0);
    sleep(1);
  }
  memset(&table[row], 0, sizeof(struct st_procinfo));
  shmdt(table);
  return 0;
}

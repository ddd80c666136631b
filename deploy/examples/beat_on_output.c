/* SPDX-License-Identifier: Apache-2.0
 *
 * Guards a program that nobody can change, a shell script for example: every time it prints
 * something, that is a beat.
 *
 *   beat_on_output NAME TIMEOUT_MS COMMAND [ARGUMENT...]
 *   cc beat_on_output.c $(pkg-config --cflags --libs procctl_heartbeat) -o beat_on_output
 *
 * Its output passes through, its exit code is this program's. When procctl stops this process, the
 * command goes with it: SIGTERM is passed on, and should this process be killed, the kernel kills
 * the command.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <procctl/heartbeat.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t command_pid;

static void PassOn(int number) {
  if (command_pid > 1) kill((pid_t)command_pid, number);
}

static int WriteAll(const char* bytes, ssize_t count) {
  while (count > 0) {
    const ssize_t written = write(STDOUT_FILENO, bytes, (size_t)count);
    if (written < 0 && errno != EINTR) return -1;
    if (written > 0) bytes += written, count -= written;
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: beat_on_output NAME TIMEOUT_MS COMMAND [ARGUMENT...]\n");
    return 2;
  }
  int output[2];
  if (pipe(output) != 0) return 1;
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    dup2(output[1], STDOUT_FILENO);
    close(output[0]);
    close(output[1]);
    execvp(argv[3], argv + 3);
    fprintf(stderr, "beat_on_output: %s: %s\n", argv[3], strerror(errno));
    _exit(127);
  }
  command_pid = child;
  close(output[1]);
  signal(SIGTERM, PassOn);
  signal(SIGINT, PassOn);

  procctl_heart heart = PROCCTL_HEART_INIT;
  const int error = procctl_open(&heart, argv[1], (uint32_t)strtoul(argv[2], NULL, 10));
  if (error != 0)
    fprintf(stderr, "beat_on_output: not guarded: %s %s\n", strerror(-error), procctl_open_error());

  procctl_phase(&heart, "reading its output");
  char bytes[4096];
  ssize_t count;
  while ((count = read(output[0], bytes, sizeof bytes)) > 0 || (count < 0 && errno == EINTR)) {
    if (count < 0) continue;
    procctl_beat(&heart);
    procctl_tend(&heart); /* a guardian that starts later, or is replaced, finds it all the same */
    if (WriteAll(bytes, count) != 0) break;
  }
  procctl_close(
      &heart); /* its output has ended; how long it takes to end itself is its own affair */
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

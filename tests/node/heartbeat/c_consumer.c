/* The public header in C11, linked by the C compiler against the library alone: every call, guarded
 * or not, depending on the machine. Without a guardian it must do the same and end the same. */
#include <procctl/heartbeat.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(procctl_page) == 208, "the page is an ABI");
_Static_assert(offsetof(procctl_page, note) == 32, "the page is an ABI");
_Static_assert(offsetof(procctl_page, busy_ms) == 160, "the page is an ABI");
_Static_assert(offsetof(procctl_page, phase) == 176, "the page is an ABI");
_Static_assert(sizeof(procctl_options) == 32, "an ABI too");
_Static_assert(sizeof(procctl_heart) == 24, "programs hold hearts by value");

static procctl_heart heart = PROCCTL_HEART_INIT;

static int speak(int error) {
  procctl_page* page = heart.page;
  uint64_t before = page->beats;
  procctl_beat(&heart);
  procctl_progress(&heart, 3);
  procctl_note(&heart, "from C");
  procctl_phase(&heart, "testing");
  if (page->beats != before + 2 || page->progress != 3) return 1;
  if (strcmp(page->note, "from C") != 0 || strcmp(page->phase, "testing") != 0) return 2;
  procctl_busy(&heart, 60000);
  if (page->flags != PROCCTL_PAGE_BUSY || page->busy_ms != 60000) return 3;
  procctl_busy_done(&heart);
  procctl_ready(&heart);
  if (page->flags != PROCCTL_PAGE_READY || page->busy_count != 1) return 4;
  if (procctl_is_guarded(&heart) != (error == 0)) return 5;
  if (procctl_tend(&heart) != (error == 0 ? 1 : error)) return 6;
  if (heart.page != page) return 7;
  return 0;
}

int main(void) {
  int error = procctl_open(&heart, "c_consumer", 5000);
  int step = speak(error);
  if (step != 0) return step;
  procctl_close(&heart);
  if (procctl_is_guarded(&heart) || procctl_tend(&heart) != 0) return 8;

  procctl_options options = {.timeout_ms = 5000, .progress_timeout_ms = 60000};
  error = procctl_open_with(&heart, "c_consumer", &options);
  step = speak(error);
  if (step != 0) return 10 + step;
  procctl_close(&heart);
  procctl_failed(&heart, "closed: nobody is stopped for this");
  printf("%d %s\n", error, procctl_open_error());
  return 0;
}

/* The public header in C11, linked by the C compiler against the static library alone. */
#include <procctl/heartbeat.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(procctl_page) == 208, "the page is an ABI");
_Static_assert(offsetof(procctl_page, note) == 32, "the page is an ABI");

static procctl_heart heart = PROCCTL_HEART_INIT;

int main(void) {
  /* Guarded or not, depending on the machine; the calls work either way. */
  int error = procctl_open(&heart, "c_consumer", 5000);
  procctl_page* page = heart.page;
  uint64_t before = page->beats;
  procctl_beat(&heart);
  procctl_progress(&heart, 3);
  procctl_note(&heart, "from C");
  if (page->beats != before + 2 || strcmp(page->note, "from C") != 0) return 1;
  if (procctl_is_guarded(&heart) != (error == 0)) return 2;
  procctl_close(&heart);
  if (procctl_is_guarded(&heart)) return 3;
  printf("%d %s\n", error, procctl_open_error());
  return 0;
}

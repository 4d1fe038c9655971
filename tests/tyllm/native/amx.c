/* Opens a session and prints why it was refused, if it was; with SMALL after a signal stack too small for tiles was set. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>

#include "needs.h"

static int nothing(void *self, const tyllm_any *arguments, int32_t count, tyllm_any *result) {
  (void)self, (void)arguments, (void)count, (void)result;
  return 0;
}

const tyllm_needs tyllm_needs_table[] = {{"nothing", "nothing", "", 0, 0, 0, 0, 0, 0}};
const uint32_t tyllm_needs_count = 1;

int main(int argc, char **argv) {
  static char small[8192];
  (void)argv;
  if (argc > 1 && sigaltstack(&(stack_t){.ss_sp = small, .ss_size = sizeof small}, NULL)) return 2;
  tyllm_program program = {nothing, nothing, tyllm_program_error, NULL, 0, 64, 64, tyllm_needs_table};
  tyllm_die die = {NULL, 0, 64, 64, &program, NULL};
  tyllm_config config = {TYLLM_RUNTIME_ABI, 1, 1, 1, 1, 0, 0, &die};
  char error[256] = "";
  tyllm_session *session = tyllm_create(&config, error, sizeof error);
  if (!session) return puts(error), 1;
  return tyllm_destroy(session), 0;
}

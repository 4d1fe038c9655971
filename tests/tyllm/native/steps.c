/* Moments that are over too soon to be met from outside, set up by hand in a session of two dies of one thread each.
 *
 * Usage: steps WHICH. Prints how often compiled code was entered in die 0 by its own thread, and then
 * "begun": the same after a thread looked for a step while the next one was being written;
 * "failed": whether after a failure a thread that looks for the step still finds it, and what is left of its sum;
 * "sum": whether a step waited for blocks of a sum that another thread held.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "needs.h"
#include "session.h"

#define COUNT 100
#define BLOCKS 7
#define LONG_ENOUGH_US 20000

static atomic_int entered, failing, reported;

static int body(void *self, const tyllm_any *a, int32_t count, tyllm_any *result) {
  (void)self, (void)count, (void)result;
  die_state *die = a[5].value.pointer;
  int32_t worker = (int32_t)a[6].value.integer;
  if (die->index == 0 && worker == 0) atomic_fetch_add(&entered, 1);
  if (tyllm_all_reduce(die, worker, a[3].value.pointer, COUNT)) return -1;
  for (int64_t piece; (piece = tyllm_next(die, worker, 1, 1)) >= 0;)
    if (atomic_load(&failing)) return TVMFFIErrorSetRaisedFromCStr("RuntimeError", "on purpose"), -1;
  return 0;
}

static int begun(struct tyllm_session *s) {
  if (tyllm_step(s, 0, 0, TYLLM_BODY)) return 1;
  printf("%d ", entered);
  atomic_fetch_add(&s->opening, 1);
  run_step(&s->thread[0], event_value(&s->start));
  return printf("%d\n", entered), 0;
}

static int failed(struct tyllm_session *s) {
  atomic_store(&failing, 1);
  if (!tyllm_step(s, 0, 0, TYLLM_BODY)) return 1;
  printf("%d %d ", entered, atomic_load(&s->opening) == event_value(&s->start));
  return printf("%d\n", atomic_load(&s->summed) != 0 || atomic_load(&s->sum_mark) != 0), 0;
}

static void *report_late(void *session) {
  struct tyllm_session *s = session;
  usleep(LONG_ENOUGH_US);
  atomic_store(&reported, 1);
  atomic_store(&s->summed, (uint64_t)1 << 32 | BLOCKS);
  event_advance(&s->sum_made);
  return NULL;
}

static int sum(struct tyllm_session *s) {
  pthread_t other;
  atomic_store(&s->sum_mark, (uint64_t)1 << 32 | BLOCKS); /* all blocks of the first meeting are taken */
  if (pthread_create(&other, NULL, report_late, s) || tyllm_step(s, 0, 0, TYLLM_BODY)) return 1;
  printf("%d %d\n", entered, reported);
  return pthread_join(other, NULL);
}

const tyllm_needs tyllm_needs_table[] = {{"body", "", "", 0, 0, 0, 0, 0, 0}};
const uint32_t tyllm_needs_count = 1;

int main(int argc, char **argv) {
  tyllm_program program = {body, NULL, tyllm_program_error, NULL, 0, COUNT * sizeof(float), 64, tyllm_needs_table};
  tyllm_die die[2] = {{NULL, 0, 64, 64, &program, NULL}, {NULL, 0, 64, 64, &program, NULL}};
  tyllm_config config = {TYLLM_RUNTIME_ABI, 2, 1, 1, 1, 0, 20000, die};
  char error[256] = "";
  struct tyllm_session *s = argc == 2 ? tyllm_create(&config, error, sizeof error) : NULL;
  if (!s) return 2;
  int wrong = !strcmp(argv[1], "begun") ? begun(s) : !strcmp(argv[1], "failed") ? failed(s) : sum(s);
  return tyllm_destroy(s), wrong;
}

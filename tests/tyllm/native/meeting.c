/* Two dies of one thread each; the thread of die 1 is late: prints who did how much of die 1's work, and what went wrong.
 *
 * Usage: meeting WHERE. In step 0 the latecomer holds still: "outside", before it asks for work, until the host has had all
 * steps; "inside", with its first piece in hand, until all others are taken, and then long enough to end a step too early.
 * Output: iterations of die 1 done by its own thread, and by the guest from die 0; wrong sums; whether a step ended too early.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "needs.h"

#define STEPS 20
#define ROUNDS 5 /* all_reduces of a step */
#define COUNT 1000
#define LONG_ENOUGH_US 20000

static struct {
  int inside;
  atomic_int late, held, released, ended, wrong, early, done[2]; /* done: in die 1, by worker */
} record;

static void hold_still(void) {
  atomic_store(&record.late, 0);
  atomic_store(&record.held, 1);
  while (!record.inside && !atomic_load(&record.released)) usleep(100);
  while (record.inside && record.done[0] + record.done[1] < COUNT) usleep(100);
  if (record.inside) usleep(LONG_ENOUGH_US);
  if (record.inside && atomic_load(&record.ended)) atomic_store(&record.early, 1);
}

static void add_one(float *data, int64_t die, void *context, int32_t worker) {
  for (int64_t piece; (piece = tyllm_next(context, worker, COUNT, 1)) >= 0;) {
    int64_t first = piece >> 32, stop = piece & 0xffffffff;
    if (die == 1) atomic_fetch_add(&record.done[worker], (int)(stop - first));
    if (die == 1 && worker == 0 && record.inside && atomic_load(&record.late)) hold_still();
    for (int64_t i = first; i < stop; i++) data[i] += 1;
  }
}

static void check(const float *data, float expected, void *context, int32_t worker) {
  for (int64_t piece; (piece = tyllm_next(context, worker, COUNT, 1)) >= 0;)
    for (int64_t i = piece >> 32; i < (piece & 0xffffffff); i++)
      if (data[i] != expected) atomic_fetch_add(&record.wrong, 1);
}

static void clear(float *data, void *context, int32_t worker) {
  for (int64_t piece; (piece = tyllm_next(context, worker, COUNT, 1)) >= 0;)
    for (int64_t i = piece >> 32; i < (piece & 0xffffffff); i++) data[i] = 0;
}

/* Rounds of "add one, sum over the dies": 0, 2, 6, 14 … */
static int body(void *self, const tyllm_any *a, int32_t count, tyllm_any *result) {
  (void)self, (void)count, (void)result;
  float *data = a[3].value.pointer, expected = 0;
  int64_t die = *(const int64_t *)a[4].value.pointer;
  void *context = a[5].value.pointer;
  int32_t worker = (int32_t)a[6].value.integer;
  if (die == 1 && worker == 0 && !record.inside && atomic_load(&record.late)) hold_still();
  while (die == 0 && worker == 0 && !atomic_load(&record.held)) usleep(100);
  clear(data, context, worker);
  for (int round = 0; round < ROUNDS; round++) {
    if (tyllm_barrier(context, worker)) return -1;
    add_one(data, die, context, worker);
    if (tyllm_all_reduce(context, worker, data, COUNT)) return -1;
    expected = 2 * (expected + 1);
    check(data, expected, context, worker);
  }
  return 0;
}

static int run(tyllm_session *session, int steps) {
  for (int step = 0; step < steps; step++) {
    if (tyllm_step(session, 0, 0, TYLLM_BODY)) return -1;
    atomic_store(&record.ended, 1);
  }
  return 0;
}

const tyllm_needs tyllm_needs_table[] = {{"body", "", "", 0, 0, 0, 0, 0, 0}};
const uint32_t tyllm_needs_count = 1;

int main(int argc, char **argv) {
  record.inside = argc == 2 && !strcmp(argv[1], "inside");
  record.late = 1;
  tyllm_program program = {body, NULL, tyllm_program_error, NULL, 0, COUNT * sizeof(float), sizeof(int64_t), tyllm_needs_table};
  tyllm_die die[2] = {{NULL, 0, 64, 64, &program, NULL}, {NULL, 0, 64, 64, &program, NULL}};
  tyllm_config config = {TYLLM_RUNTIME_ABI, 2, 1, 1, 1, 0, 20000, die};
  char error[256] = "";
  tyllm_session *session = tyllm_create(&config, error, sizeof error);
  if (!session) return 2;
  *(int64_t *)tyllm_io(session, 1, 0) = 1;
  if (run(session, STEPS)) return 3;
  printf("%d %d ", record.done[0], record.done[1]);
  atomic_store(&record.released, 1); /* it goes through its old step, finds nothing, and comes to the newest */
  if (run(session, STEPS)) return 3;
  tyllm_destroy(session);
  printf("%d %d\n", record.wrong, record.early);
  return 0;
}

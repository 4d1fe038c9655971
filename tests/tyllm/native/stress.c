/* Many short steps on many threads, some of which fail: run under ThreadSanitizer, and with more threads than cores.
 *
 * Usage: stress DIES WORKERS STEPS SPIN_NS [FAIL]. Every step does ROUNDS all_reduces of what the workers shared out and
 * checks each sum; with FAIL, every third step fails in a piece of work that changes from step to step, now before and now
 * after a barrier or an all_reduce.
 *
 * The order lies where the host writes the next one when a step has ended: only who holds a piece may read it.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "needs.h"

#define ROUNDS 8
#define COUNT 100

typedef struct {
  int64_t step, die, dies, fail_round, fail_part, fail_at; /* a round of -1 never comes */
} order;

enum { CLEAR, FILL, CHECK, PARTS };

static float value(int64_t step, int64_t round, int64_t die, int64_t i) {
  return 1.0f / (float)(1 + step % 7 + 3 * round + 5 * die + i);
}

static int64_t next(void *context, int32_t worker, int32_t n, int32_t least, int64_t *stop) {
  int64_t piece = tyllm_next(context, worker, n, least);
  *stop = piece & 0xffffffff;
  return piece < 0 ? -1 : piece >> 32;
}

static int raise_error(const char *message) {
  TVMFFIErrorSetRaisedFromCStr("RuntimeError", message);
  return -1;
}

static int fails(const order *o, int64_t round, int part, int64_t first, int64_t stop) {
  return o->fail_round == round && o->fail_part == part && first <= o->fail_at && o->fail_at < stop;
}

static int clear(const order *o, int64_t round, float *data, void *context, int32_t worker) {
  for (int64_t i, stop; (i = next(context, worker, COUNT, 8, &stop)) >= 0;) {
    if (fails(o, round, CLEAR, i, stop)) return raise_error("on purpose");
    for (; i < stop; i++) data[i] = 0;
  }
  return 0;
}

/* Fills [start, start + n), each element once; now and then a worker rests, so that others take from it and run ahead. */
static int fill(const order *o, int64_t round, float *data, int64_t start, int32_t n, void *context, int32_t worker) {
  for (int64_t i, stop; (i = next(context, worker, n, 1 + (int32_t)(round % 3), &stop)) >= 0;) {
    if (fails(o, round, FILL, start + i, start + stop)) return raise_error("on purpose");
    if ((o->step + worker + i) % 11 == 0) usleep(20);
    for (; i < stop; i++) data[start + i] = data[start + i] == 0 ? value(o->step, round, o->die, start + i) : -1;
  }
  return 0;
}

static int check(const order *o, int64_t round, const float *data, void *context, int32_t worker) {
  for (int64_t i, stop; (i = next(context, worker, COUNT, 1, &stop)) >= 0;) {
    if (fails(o, round, CHECK, i, stop)) return raise_error("on purpose");
    for (; i < stop; i++) {
      float sum = value(o->step, round, 0, i);
      for (int64_t die = 1; die < o->dies; die++) sum += value(o->step, round, die, i);
      if (data[i] != sum) return raise_error("wrong sum");
    }
  }
  return 0;
}

static int body(void *self, const tyllm_any *a, int32_t count, tyllm_any *result) {
  (void)self, (void)count, (void)result;
  float *data = a[3].value.pointer;
  const order *o = a[4].value.pointer;
  void *context = a[5].value.pointer;
  int32_t worker = (int32_t)a[6].value.integer;
  for (int64_t round = 0; round < ROUNDS; round++) {
    if (clear(o, round, data, context, worker) || tyllm_barrier(context, worker)) return -1;
    if (fill(o, round, data, 0, COUNT / 2, context, worker)) return -1;
    if (fill(o, round, data, COUNT / 2, COUNT - COUNT / 2, context, worker)) return -1;
    if (tyllm_all_reduce(context, worker, data, COUNT)) return -1;
    if (check(o, round, data, context, worker) || tyllm_barrier(context, worker)) return -1;
  }
  return 0;
}

static int head(void *self, const tyllm_any *a, int32_t count, tyllm_any *result) {
  (void)self, (void)a, (void)count, (void)result;
  return 0;
}

static int run(tyllm_session *session, uint32_t dies, int64_t step, int failing) {
  for (uint32_t die = 0; die < dies; die++) {
    order *o = tyllm_io(session, die, 0);
    *o = (order){step, die, dies, -1, 0, 0};
    if (failing && step % dies == die) o->fail_round = step % ROUNDS, o->fail_part = step / 3 % PARTS, o->fail_at = step % COUNT;
  }
  int failed = tyllm_step(session, 0, 0, TYLLM_BODY | TYLLM_HEAD);
  if (failed && !(failing && strstr(tyllm_last_error(session), "on purpose"))) return 1;
  return !failed != !failing;
}

const tyllm_needs tyllm_needs_table[] = {{"body", "head", "", 0, 0, 0, 0, 0, 0}};
const uint32_t tyllm_needs_count = 1;

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  uint32_t dies = (uint32_t)atoi(argv[1]), workers = (uint32_t)atoi(argv[2]);
  tyllm_program program = {body, head, tyllm_program_error, NULL, 0, COUNT * sizeof(float), sizeof(order), tyllm_needs_table};
  tyllm_die *die = calloc(dies, sizeof *die);
  for (uint32_t d = 0; d < dies; d++) die[d] = (tyllm_die){NULL, 0, 64, 64, &program, NULL};
  tyllm_config config = {TYLLM_RUNTIME_ABI, dies, workers, 1, 1, 0, (uint64_t)atoll(argv[4]), die};
  char error[256] = "";
  tyllm_session *session = tyllm_create(&config, error, sizeof error);
  if (!session) return fprintf(stderr, "%s\n", error), 3;
  for (int64_t step = 0; step < atoll(argv[3]); step++)
    if (run(session, dies, step, argc > 5 && step % 3 == 1)) {
      fprintf(stderr, "step %lld: %s\n", (long long)step, tyllm_last_error(session));
      return 4;
    }
  tyllm_destroy(session);
  free(die);
  return 0;
}

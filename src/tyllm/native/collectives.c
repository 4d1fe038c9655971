/* What compiled code calls where dies meet: a sum over all of them. */
#include "session.h"

#define BLOCK 16 /* floats in a cache line: workers never write to the same one */

static int meet(die_state *die, worker_state *me) {
  return barrier_wait(&die->session->everyone, &die->session->failed, &me->at_barriers);
}

/* Element `i` of the sum is d0 + d1 + d2 … in float32, made once and copied: the same bits on every die. */
static void sum_block(struct tyllm_session *s, int64_t first, int64_t count) {
  float sum[BLOCK];
  for (int64_t i = 0; i < count; i++) sum[i] = s->die[0].reduced[first + i];
  for (uint32_t d = 1; d < s->dies; d++) {
    const float *data = s->die[d].reduced + first;
    for (int64_t i = 0; i < count; i++) sum[i] += data[i];
  }
  for (uint32_t d = 0; d < s->dies; d++) {
    float *data = s->die[d].reduced + first;
    for (int64_t i = 0; i < count; i++) data[i] = sum[i];
  }
}

/* The blocks [n*g/G, n*(g+1)/G) are the part of global worker g of G. */
static void sum_part(struct tyllm_session *s, int64_t g, int64_t count) {
  int64_t all = (int64_t)s->dies * s->workers, blocks = (count + BLOCK - 1) / BLOCK;
  for (int64_t b = blocks * g / all; b < blocks * (g + 1) / all; b++) {
    int64_t left = count - b * BLOCK;
    if (left >= BLOCK) { /* the constant lets the compiler unroll it */
      sum_block(s, b * BLOCK, BLOCK);
    } else {
      sum_block(s, b * BLOCK, left);
    }
  }
}

static int counts_agree(const struct tyllm_session *s) {
  for (uint32_t d = 1; d < s->dies; d++)
    if (s->die[d].reduced_count != s->die[0].reduced_count) return 0;
  return 1;
}

int32_t tyllm_all_reduce(void *context, int32_t worker, float *data, int64_t count) {
  die_state *die = context;
  struct tyllm_session *s = die->session;
  if (s->dies == 1) return tyllm_barrier(context, worker);
  if (worker == 0) {
    die->reduced = data;
    die->reduced_count = count;
  }
  worker_state *me = worker_of(die, (uint32_t)worker);
  report_done(me);
  if (meet(die, me)) return -1;
  if (!counts_agree(s)) return session_fail(s, "all_reduce", "the dies pass different lengths");
  sum_part(s, (int64_t)die->index * s->workers + worker, count);
  return meet(die, me);
}

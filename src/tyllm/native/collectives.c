/* What compiled code calls where dies meet: a sum over all of them. */
#include "session.h"

#define BLOCK 16        /* floats in a cache line: workers never write to the same one */
#define LEAST_BLOCKS 64 /* worth to be asked for: about two microseconds */

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

static void sum_blocks(struct tyllm_session *s, int64_t first, int64_t stop, int64_t count) {
  for (int64_t b = first; b < stop; b++) {
    int64_t left = count - b * BLOCK;
    if (left >= BLOCK) { /* the constant lets the compiler unroll it */
      sum_block(s, b * BLOCK, BLOCK);
    } else {
      sum_block(s, b * BLOCK, left);
    }
  }
}

/* Asked with a piece in hand: no die goes on before it is done. */
static int counts_agree(const struct tyllm_session *s) {
  for (uint32_t d = 1; d < s->dies; d++)
    if (s->die[d].reduced_count != s->die[0].reduced_count) return 0;
  return 1;
}

/* `summed` is a meeting's number (high half) and how many of its blocks are done. */
static void report_blocks(struct tyllm_session *s, uint32_t meeting, uint32_t done, uint32_t blocks) {
  uint64_t before = atomic_load(&s->summed), after;
  do after = (before >> 32 == meeting ? before : (uint64_t)meeting << 32) + done;
  while (!atomic_compare_exchange_weak(&s->summed, &before, after));
  if ((uint32_t)after == blocks) event_advance(&s->sum_made);
}

static int is_summed(struct tyllm_session *s, uint32_t meeting, uint32_t blocks) {
  uint64_t summed = atomic_load(&s->summed);
  int32_t age = (int32_t)((uint32_t)(summed >> 32) - meeting);
  return age > 0 || (age == 0 && (uint32_t)summed == blocks);
}

static int await_sum(worker_state *me, uint32_t blocks) {
  struct tyllm_session *s = me->thread->session;
  for (;;) {
    unsigned seen = event_value(&s->sum_made);
    if (atomic_load(&s->failed)) return -1;
    if (is_summed(s, me->meeting, blocks)) return 0;
    event_wait(&s->sum_made, seen, &me->at_barriers);
  }
}

/* The blocks of a sum belong to no die: all threads share them. */
int32_t tyllm_all_reduce(void *context, int32_t worker, float *data, int64_t count) {
  die_state *die = context;
  struct tyllm_session *s = die->session;
  if (s->dies == 1) return tyllm_barrier(context, worker);
  worker_state *me = worker_of(die, (uint32_t)worker);
  uint32_t blocks = (uint32_t)((count + BLOCK - 1) / BLOCK);
  span all = {0, blocks};
  if (meet(me, data, count)) return -1;
  for (int64_t piece; (piece = take_piece(&s->sum_mark, me->meeting, all, LEAST_BLOCKS, s->threads)) >= 0;) {
    uint32_t first = (uint32_t)(piece >> 32), stop = (uint32_t)piece;
    if (!counts_agree(s)) return session_fail(s, "all_reduce", "the dies pass different lengths");
    sum_blocks(s, first, stop, count);
    report_blocks(s, me->meeting, stop - first, blocks);
  }
  return blocks ? await_sum(me, blocks) : 0;
}

/* Work sharing: each worker at home has a slice of a step's iterations; who has finished its own takes pieces of the others',
 * and guests (meeting.c) do nothing else.
 *
 * All workers of a die go through the same steps, so that the count of steps gone through names one. A worker's mark is the
 * latest step in which something of its slice was taken (high half), and the iteration after that (low half): one word, so
 * that both change together and nothing has to be reset. A worker leaves a step when all of it is taken, perhaps not done.
 *
 * A barrier opens when everything before it is done, whoever did it: nobody waits for a worker that holds no piece, be it
 * asleep or robbed of its core. The latecomer finds marks of later steps, takes nothing, and catches up.
 */
#include "session.h"

/* A piece is this part of what is left of its slice: few are asked for, and the last are small. Where one worker is at home it
 * shares with guests only, who come seldom. */
#define PART_OF_REST 4
#define PART_FOR_GUESTS 2

/* After this step has been gone through 2^31 times without a piece of some slice, its mark would seem new: days. */
static int32_t age(uint64_t mark, uint32_t step) { return (int32_t)((uint32_t)(mark >> 32) - step); }

static uint32_t bound(uint32_t iterations, uint32_t worker, uint32_t workers) {
  return (uint32_t)((uint64_t)iterations * worker / workers);
}

static uint32_t piece_of(uint32_t left, uint32_t least, uint32_t part) {
  uint32_t piece = left / part;
  if (piece < least) piece = least;
  return left < piece + least ? left : piece;
}

int64_t take_piece(atomic_uint_fast64_t *mark, uint32_t step, span all, uint32_t least, uint32_t part) {
  uint64_t seen = atomic_load(mark);
  for (;;) {
    if (age(seen, step) > 0) return -1;
    uint32_t first = age(seen, step) ? all.first : (uint32_t)seen;
    if (first >= all.stop) return -1;
    uint32_t stop = first + piece_of(all.stop - first, least, part);
    if (atomic_compare_exchange_weak(mark, &seen, (uint64_t)step << 32 | stop))
      return (int64_t)((uint64_t)first << 32 | stop);
  }
}

/* A piece of `owner`'s slice. */
static int64_t take(worker_state *owner, uint32_t step, uint32_t iterations, uint32_t least) {
  uint32_t workers = owner->die->session->workers, threads = owner->die->session->threads;
  span slice = {bound(iterations, owner->index, workers), bound(iterations, owner->index + 1, workers)};
  uint32_t part = threads == 1 ? 1 : workers == 1 ? PART_FOR_GUESTS : PART_OF_REST;
  return take_piece(&owner->mark, step, slice, least, part);
}

worker_state *worker_of(die_state *die, uint32_t index) {
  return &die->session->worker[die->index * die->session->threads + index];
}

int64_t tyllm_next(void *context, int32_t worker, int32_t iterations, int32_t least) {
  die_state *die = context;
  struct tyllm_session *s = die->session;
  worker_state *me = worker_of(die, (uint32_t)worker);
  if (me->leaving) return -1;
  for (; me->visited < s->workers && !atomic_load(&s->failed); me->visited++) {
    worker_state *owner = worker_of(die, (me->index + me->visited) % s->workers);
    int64_t piece = take(owner, me->step, (uint32_t)iterations, (uint32_t)least);
    if (piece < 0) continue;
    me->unreported += (uint32_t)piece - (uint32_t)(piece >> 32);
    return piece;
  }
  me->visited = 0;
  me->step++;
  me->due += (uint32_t)iterations;
  return -1;
}

static void report_done(worker_state *me) {
  if (!me->unreported) return;
  uint32_t done = atomic_fetch_add(&me->die->done, me->unreported) + me->unreported;
  me->unreported = 0;
  if (done == me->due) event_advance(&me->die->opened); /* the one who makes it whole opens, and only once */
}

int32_t tyllm_barrier(void *context, int32_t worker) {
  die_state *die = context;
  worker_state *me = worker_of(die, (uint32_t)worker);
  if (me->leaving) return -1;
  report_done(me);
  for (;;) {
    unsigned seen = event_value(&die->opened); /* before the looks at `failed` and `done`, which change ahead of it */
    if (atomic_load(&die->session->failed)) return -1;
    if ((int32_t)(atomic_load(&die->done) - me->due) >= 0) return 0;
    event_wait(&die->opened, seen, &me->at_barriers);
  }
}

void sharing_break(die_state *die) { event_advance(&die->opened); }

void sharing_mend(die_state *die) {
  uint32_t latest = die->last_step;
  for (uint32_t w = 0; w < die->session->threads; w++)
    if ((int32_t)(worker_of(die, w)->step - latest) > 0) latest = worker_of(die, w)->step;
  die->last_step = latest + 1; /* what was half taken in `latest` stays so */
  die->last_due = 0;
  atomic_store(&die->done, 0);
}

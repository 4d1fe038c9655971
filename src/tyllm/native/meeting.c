/* Meetings of all dies: at each all_reduce, and at the end of a step.
 *
 * A die has come to a meeting when all that its program does before is done, whoever did it; the first of its workers to see
 * that says so for the die. Meetings are counted, so that a latecomer knows which ones are past.
 *
 * A thread that waits for another die for longer than a short spin goes there as a guest: it works through that die's program
 * from the start of the step, as a latecomer would, takes what is left before the meeting, and goes home. So nobody waits for
 * a thread that holds no piece of work, be it asleep or robbed of its core. All dies have been at the earlier meetings, for
 * the guest was there at home: it waits for pieces that others hold, and for nothing else.
 */
#include "session.h"

static int has_come(unsigned met, uint32_t meeting) { return (int32_t)(met - meeting) >= 0; }

/* Says, once for each die and meeting, that this die has come, and leaves what the others need to know of it. */
static void come(worker_state *me, float *data, int64_t count) {
  die_state *die = me->die;
  unsigned before = me->meeting++;
  if (!atomic_compare_exchange_strong(&die->claimed, &before, me->meeting)) return; /* another says it */
  if (data) {
    die->reduced = data;
    die->reduced_count = count;
  }
  die->last_step = me->step;
  die->last_due = me->due;
  event_advance(&die->met);
}

static void help(worker_state *me, die_state *other) {
  uint32_t threads = me->thread->session->threads, workers = me->thread->session->workers;
  uint32_t index = (me->thread->index + threads - other->index * workers) % threads;
  run_program(worker_of(other, index), me->meeting);
}

static int is_guest(const worker_state *me) { return me->thread->home != me->die->index; }

static int await(worker_state *me, die_state *other) {
  for (;;) {
    unsigned met = event_value(&other->met); /* before the look at `failed`, which changes ahead of it */
    if (atomic_load(&me->thread->session->failed)) return -1;
    if (has_come(met, me->meeting)) return 0;
    if (event_spin(&other->met, met, &me->thread->at_meetings)) continue;
    if (other != me->die && !is_guest(me)) help(me, other);
    event_sleep(&other->met, met); /* returns at once, but where someone has claimed the meeting and not yet said so */
  }
}

int meet(worker_state *me, float *data, int64_t count) {
  struct tyllm_session *s = me->thread->session;
  if (tyllm_barrier(me->die, (int32_t)me->index)) return -1;
  come(me, data, count);
  if (is_guest(me) && me->meeting == me->until) {
    me->leaving = 1;
    return -1;
  }
  for (uint32_t d = 0; d < s->dies; d++)
    if (await(me, &s->die[(me->die->index + d) % s->dies])) return -1;
  return 0;
}

void meeting_break(struct tyllm_session *s) {
  for (uint32_t d = 0; d < s->dies; d++) event_advance(&s->die[d].met);
  event_advance(&s->sum_made);
}

void meeting_mend(struct tyllm_session *s) {
  for (uint32_t d = 0; d < s->dies; d++) {
    atomic_store(&s->die[d].claimed, 0);
    atomic_store(&s->die[d].met.value, 0);
  }
  atomic_store(&s->sum_mark, 0);
  atomic_store(&s->summed, 0);
}

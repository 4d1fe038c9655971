/* Sense-reversing barrier: the last to come sets the count back and opens it. */
#include "barrier.h"

int barrier_wait(barrier *b, atomic_int *failed, patience *p) {
  /* The generation is read before `failed`: a break after this look changes the generation that we wait on. */
  unsigned generation = event_value(&b->opened);
  if (atomic_load(failed)) return -1;
  if (atomic_fetch_add(&b->arrived, 1) + 1 == b->count) {
    atomic_store(&b->arrived, 0);
    event_advance(&b->opened);
  } else {
    event_wait(&b->opened, generation, p);
  }
  return atomic_load(failed) ? -1 : 0;
}

void barrier_break(barrier *b) { event_advance(&b->opened); }

void barrier_mend(barrier *b) { atomic_store(&b->arrived, 0); }

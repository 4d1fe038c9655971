/* A barrier that a failed worker can open for the others, so that nobody waits for one who will not come. */
#ifndef TYLLM_BARRIER_H
#define TYLLM_BARRIER_H

#include "event.h"

typedef struct {
  _Alignas(64) atomic_uint arrived;
  unsigned count;
  event opened; /* its value is the barrier's generation (the sense, for ever growing) */
} barrier;

/* 0 when all `count` threads have come; -1 once `failed` is set. */
__attribute__((visibility("hidden"))) int barrier_wait(barrier *b, atomic_int *failed, patience *p);

/* For the one who has set `failed`. */
__attribute__((visibility("hidden"))) void barrier_break(barrier *b);

/* While no thread is inside: ready for use again after a break. */
__attribute__((visibility("hidden"))) void barrier_mend(barrier *b);

#endif

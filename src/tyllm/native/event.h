/* A counter on which threads wait: they spin for a while, then sleep in the kernel (futex). */
#ifndef TYLLM_EVENT_H
#define TYLLM_EVENT_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct {
  _Alignas(64) atomic_uint value;
  atomic_uint sleepers;
} event;

__attribute__((visibility("hidden"))) unsigned event_value(event *e);

/* How long one thread spins: longer while that pays, hardly at all while others want its core. */
typedef struct {
  uint64_t most_ns, now_ns;
  unsigned waits;
} patience;

/* Return once the value differs from `seen`: spin, then sleep. */
__attribute__((visibility("hidden"))) void event_wait(event *e, unsigned seen, patience *p);

/* The two halves of it: whether the value changed while it was worth to spin; the sleep. */
__attribute__((visibility("hidden"))) int event_spin(event *e, unsigned seen, patience *p);
__attribute__((visibility("hidden"))) void event_sleep(event *e, unsigned seen);

/* Add one and wake all who wait. */
__attribute__((visibility("hidden"))) void event_advance(event *e);

#endif

/* Waiting: a short spin is cheaper than a sleep when all threads have a core; the sleep keeps a crowded machine moving. */
#define _GNU_SOURCE
#include "event.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAUSES_PER_LOOK_AT_THE_CLOCK 32
#define LEAST_NS 500
#define WAITS_PER_TRIAL 16 /* now and then spin for long again: the neighbor may have gone */

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory"); /* `yield` is a no-op on most cores */
#else
  __asm__ volatile("" ::: "memory");
#endif
}

static uint64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

unsigned event_value(event *e) { return atomic_load(&e->value); }

static int changed_while_spinning(event *e, unsigned seen, uint64_t spin_ns) {
  if (spin_ns == 0) return 0;
  uint64_t end = nanoseconds() + spin_ns;
  do {
    for (int i = 0; i < PAUSES_PER_LOOK_AT_THE_CLOCK; i++) {
      if (atomic_load_explicit(&e->value, memory_order_acquire) != seen) return 1;
      pause_briefly();
    }
  } while (nanoseconds() < end);
  return 0;
}

/* Half as long after a spin that did not pay; in full again after a trial that did. Sleeping makes the sleeper late, and the
 * others' spins in vain: by small steps upwards two threads that have a core each would hardly come out of that. */
int event_spin(event *e, unsigned seen, patience *p) {
  if (event_value(e) != seen) return 1;
  int trial = ++p->waits % WAITS_PER_TRIAL == 0;
  int paid = changed_while_spinning(e, seen, trial ? p->most_ns : p->now_ns);
  p->now_ns = !paid ? p->now_ns / 2 : trial ? p->most_ns : p->now_ns * 2;
  if (p->now_ns < LEAST_NS) p->now_ns = LEAST_NS;
  if (p->now_ns > p->most_ns) p->now_ns = p->most_ns;
  return paid;
}

void event_sleep(event *e, unsigned seen) {
  /* Counted before the last look at the value, which the kernel takes: event_advance cannot miss a sleeper. */
  atomic_fetch_add(&e->sleepers, 1);
  while (event_value(e) == seen) syscall(SYS_futex, &e->value, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
  atomic_fetch_sub(&e->sleepers, 1);
}

void event_wait(event *e, unsigned seen, patience *p) {
  if (!event_spin(e, seen, p)) event_sleep(e, seen);
}

void event_advance(event *e) {
  atomic_fetch_add(&e->value, 1);
  if (atomic_load(&e->sleepers)) syscall(SYS_futex, &e->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* What this machine can do at most: a probe on several threads at once, each of which looks at the clock itself. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "amx.h"
#include "probes.h"
#include "tyllm_runtime.h"

#define ROUNDS 8
#define ROUND_S 0.02
#define READ_BYTES ((size_t)256 << 20) /* of each thread: more than its share of any cache */
#define LARGE_PAGE ((size_t)2 << 20)

typedef struct {
  const probe *probe;
  long passes; /* of a round */
  uint32_t count, refused;
  pthread_barrier_t gate;
  pthread_mutex_t starting;
} trial;

typedef struct {
  trial *of;
  void *memory;
  pthread_t thread;
  double done, start[ROUNDS], end[ROUNDS]; /* done: in a round */
} runner;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* How many passes take about ROUND_S. */
static long passes_a_round(const probe *p, const void *memory) {
  for (long passes = 1;; passes *= 2) {
    double start = now();
    p->run(memory, READ_BYTES, passes);
    if (now() - start > ROUND_S / 2) return passes;
  }
}

static void *run_rounds(void *argument) {
  runner *r = argument;
  trial *t = r->of;
  pthread_mutex_lock(&t->starting); /* until it is known whether all threads are there */
  pthread_mutex_unlock(&t->starting);
  for (int round = 0; round < ROUNDS && !t->refused; round++) {
    pthread_barrier_wait(&t->gate);
    r->start[round] = now();
    r->done = t->probe->run(r->memory, READ_BYTES, t->passes);
    r->end[round] = now();
  }
  return NULL;
}

/* All that was done, over the time from the first one's start to the last one's end. */
static double rate(const runner *all, uint32_t count, int round) {
  double start = all[0].start[round], end = all[0].end[round], done = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (all[i].start[round] < start) start = all[i].start[round];
    if (all[i].end[round] > end) end = all[i].end[round];
    done += all[i].done;
  }
  return done / (end - start);
}

static double best_rate(const runner *all, uint32_t count) {
  double best = 0;
  for (int round = 0; round < ROUNDS; round++)
    if (rate(all, count, round) > best) best = rate(all, count, round);
  return best;
}

/* Starts and joins the threads; -1 where the system refuses one. */
static int run_all(trial *t, runner *all) {
  uint32_t started = 0;
  pthread_barrier_init(&t->gate, NULL, t->count);
  pthread_mutex_init(&t->starting, NULL);
  pthread_mutex_lock(&t->starting);
  while (started < t->count && !t->refused)
    if (pthread_create(&all[started].thread, NULL, run_rounds, &all[started])) t->refused = 1;
    else started++;
  pthread_mutex_unlock(&t->starting);
  for (uint32_t i = 0; i < started; i++) pthread_join(all[i].thread, NULL);
  pthread_barrier_destroy(&t->gate);
  pthread_mutex_destroy(&t->starting);
  return t->refused ? -1 : 0;
}

/* Every thread's own memory, all of it touched; -1 where there is not enough. */
static int give_memory(trial *t, runner *all) {
  for (uint32_t i = 0; i < t->count; i++) {
    all[i].of = t;
    if (!t->probe->reads) continue;
    all[i].memory = aligned_alloc(LARGE_PAGE, READ_BYTES);
    if (!all[i].memory) return -1;
    madvise(all[i].memory, READ_BYTES, MADV_HUGEPAGE); /* a wish: small pages may read a third slower */
    memset(all[i].memory, 1, READ_BYTES);
  }
  return 0;
}

double tyllm_limit(const char *name, uint32_t threads) {
  trial t = {.probe = probe_named(name), .count = threads};
  if (!t.probe || !threads || amx_request()) return 0;
  runner *all = calloc(threads, sizeof *all);
  if (!all) return -1;
  int failed = give_memory(&t, all);
  if (!failed) {
    t.passes = passes_a_round(t.probe, all[0].memory);
    failed = run_all(&t, all);
  }
  double best = failed ? -1 : best_rate(all, threads);
  for (uint32_t i = 0; i < threads; i++) free(all[i].memory);
  free(all);
  return best;
}

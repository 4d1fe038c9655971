/* The threads of a session: made once, each runs its share of every step, and sleeps in between.
 *
 * A step ends when all dies are through with it, whether or not every thread has come: a latecomer still finds the step that
 * it knows, takes nothing, and goes on to the newest one.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "session.h"

#define TYPE_INTEGER 1 /* tvm-ffi type indices */
#define TYPE_POINTER 4

static tyllm_any pointer(const void *p) {
  return (tyllm_any){.type_index = TYPE_POINTER, .value.pointer = (void *)p};
}

static tyllm_any integer(int64_t i) { return (tyllm_any){.type_index = TYPE_INTEGER, .value.integer = i}; }

/* A function that ends because another worker failed, or its guest goes home, raises nothing; the first failure is kept. */
static int call(worker_state *w, tyllm_function function, const char *name) {
  thread_state *thread = w->thread;
  struct tyllm_session *s = thread->session;
  die_state *die = w->die;
  const tyllm_program *program = &die->programs[thread->program];
  tyllm_any result = {0};
  tyllm_any arguments[8] = {
      pointer(die->params),      pointer(program->constants),
      pointer(kv_of(die, program->needs->slot_bytes ? 0 : thread->slot)), pointer(die->arena.start),
      pointer(die->io[thread->program].start), pointer(die),
      integer(w->index),         integer(s->threads),
  };
  if (function(NULL, arguments, 8, &result) == 0) return 0;
  if (w->leaving || atomic_load(&s->failed)) return -1;
  char where[64];
  snprintf(where, sizeof where, "%s of die %u, worker %u", name, die->index, w->index);
  return session_fail(s, where, program->error());
}

/* To where the step begins, however much of it is done. */
static void enter(worker_state *w, uint32_t until) {
  uint64_t first = w->thread->first[w->die->index];
  w->step = (uint32_t)(first >> 32);
  w->due = (uint32_t)first;
  w->visited = w->unreported = 0;
  w->meeting = w->thread->meeting;
  w->until = until;
  w->leaving = 0;
}

int run_program(worker_state *w, uint32_t until) {
  enter(w, until);
  const tyllm_program *program = &w->die->programs[w->thread->program];
  uint32_t flags = w->thread->flags;
  if ((flags & TYLLM_BODY) && call(w, program->body, "body")) return -1;
  /* The head reads hidden states that other workers wrote. */
  if ((flags & TYLLM_BODY) && (flags & TYLLM_HEAD) && tyllm_barrier(w->die, (int32_t)w->index)) return -1;
  if ((flags & TYLLM_HEAD) && call(w, program->head, "head")) return -1;
  return meet(w, NULL, 0);
}

/* Copies the step under way; -1 where the next one was begun meanwhile, and the copy may be of both. */
static int look_up_step(thread_state *t, unsigned number) {
  struct tyllm_session *s = t->session;
  t->program = atomic_load(&s->program);
  t->slot = atomic_load(&s->slot);
  t->flags = atomic_load(&s->flags);
  t->meeting = atomic_load(&s->meeting);
  for (uint32_t d = 0; d < s->dies; d++) t->first[d] = atomic_load(&s->die[d].first);
  return atomic_load(&s->opening) == number ? 0 : -1;
}

void run_step(thread_state *t, unsigned number) {
  struct tyllm_session *s = t->session;
  atomic_fetch_add(&s->inside, 1); /* before the look at `opening`: see mend */
  if (look_up_step(t, number) == 0) run_program(worker_of(&s->die[t->home], t->index % s->workers), 0);
  if (atomic_fetch_sub(&s->inside, 1) == 1) event_advance(&s->left);
}

static void pin(int32_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  sched_setaffinity(0, sizeof set, &set); /* a wish: a CPU that went away is no reason to fail */
}

static void *thread_main(void *argument) {
  thread_state *t = argument;
  struct tyllm_session *s = t->session;
  if (t->cpu >= 0) pin(t->cpu);
  for (unsigned seen = 0;;) {
    event_wait(&s->start, seen, &t->between_steps);
    if (atomic_load(&s->stopping)) return NULL;
    seen = event_value(&s->start);
    run_step(t, seen);
  }
}

static void name_thread(const thread_state *t) {
  char name[16];
  snprintf(name, sizeof name, "die%u/%u", t->home % 1000, t->index % t->session->workers % 1000);
  pthread_setname_np(t->thread, name);
}

int workers_start(struct tyllm_session *s) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* they inherit it: signals go to the caller's threads */
  int refused = 0;
  for (uint32_t i = 1; i < s->threads && !refused; i++) {
    refused = pthread_create(&s->thread[i].thread, NULL, thread_main, &s->thread[i]);
    if (refused) break;
    s->started = i;
    name_thread(&s->thread[i]);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return refused;
}

void workers_stop(struct tyllm_session *s) {
  atomic_store(&s->stopping, 1);
  event_advance(&s->start);
  for (uint32_t i = 1; i <= s->started; i++) pthread_join(s->thread[i].thread, NULL);
}

/* The threads of a session: made once, each runs its share of every step, and sleeps in between. */
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

/* A function that failed because another worker did raises nothing; session_fail keeps the first failure only. */
static int call(worker_state *w, tyllm_function function, const char *name) {
  struct tyllm_session *s = w->session;
  die_state *die = w->die;
  const tyllm_program *program = &die->programs[s->program];
  tyllm_any result = {0};
  tyllm_any arguments[8] = {
      pointer(die->params),      pointer(program->constants),
      pointer(die->kv[s->slot].start), pointer(die->arena.start),
      pointer(die->io[s->program].start), pointer(die),
      integer(w->index),         integer(s->workers),
  };
  if (function(NULL, arguments, 8, &result) == 0) return 0;
  if (atomic_load(&s->failed)) return -1;
  char where[64];
  snprintf(where, sizeof where, "%s of die %u, worker %u", name, die->index, w->index);
  return session_fail(s, where, program->error());
}

static void run_program(worker_state *w) {
  struct tyllm_session *s = w->session;
  const tyllm_program *program = &w->die->programs[s->program];
  if ((s->flags & TYLLM_BODY) && call(w, program->body, "body")) return;
  /* The head reads hidden states that other workers wrote. */
  if ((s->flags & TYLLM_BODY) && (s->flags & TYLLM_HEAD) && tyllm_barrier(w->die, (int32_t)w->index)) return;
  if (s->flags & TYLLM_HEAD) call(w, program->head, "head");
}

void worker_run(worker_state *w) {
  run_program(w);
  if (atomic_fetch_sub(&w->session->running, 1) == 1) event_advance(&w->session->done);
}

static void pin(int32_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  sched_setaffinity(0, sizeof set, &set); /* a wish: a CPU that went away is no reason to fail */
}

static void *worker_main(void *argument) {
  worker_state *w = argument;
  struct tyllm_session *s = w->session;
  if (w->cpu >= 0) pin(w->cpu);
  for (unsigned seen = 0;; seen++) {
    event_wait(&s->start, seen, &w->between_steps);
    if (s->stopping) return NULL;
    worker_run(w);
  }
}

static void name_thread(const worker_state *w) {
  char name[16];
  snprintf(name, sizeof name, "die%u/%u", w->die->index % 1000, w->index % 1000);
  pthread_setname_np(w->thread, name);
}

int workers_start(struct tyllm_session *s) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* workers inherit it: signals go to the caller's threads */
  uint32_t count = s->dies * s->workers;
  int refused = 0;
  for (uint32_t i = 1; i < count && !refused; i++) {
    refused = pthread_create(&s->worker[i].thread, NULL, worker_main, &s->worker[i]);
    if (refused) break;
    s->started = i;
    name_thread(&s->worker[i]);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return refused;
}

void workers_stop(struct tyllm_session *s) {
  s->stopping = 1;
  event_advance(&s->start);
  for (uint32_t i = 1; i <= s->started; i++) pthread_join(s->worker[i].thread, NULL);
}

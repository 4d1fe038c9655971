/* The state of a session: dies with their memory and programs, and what their threads share. */
#ifndef TYLLM_SESSION_H
#define TYLLM_SESSION_H

#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>

#include "barrier.h"
#include "tyllm_runtime.h"

#define ERROR_BYTES 512

typedef struct {
  void *start;
  size_t bytes;
} region;

/* A die at run time: the `context` that compiled code hands back. */
typedef struct {
  struct tyllm_session *session;
  uint32_t index;
  const void *params;
  tyllm_program *programs;
  region arena; /* shared by the programs, which run one after the other */
  region *io;   /* [programs] */
  region *kv;   /* [slots] */
  float *reduced; /* this die's operand of the all_reduce under way, and its length */
  int64_t reduced_count;
  _Alignas(64) atomic_uint done; /* iterations that its workers have reported */
  event opened;                  /* advances when a barrier opens */
} die_state;

typedef struct {
  _Alignas(64) struct tyllm_session *session;
  die_state *die;
  uint32_t index; /* within the die */
  int32_t cpu;    /* -1: not pinned */
  patience at_barriers, between_steps;
  pthread_t thread;
  uint32_t step, visited;   /* steps gone through; slices found empty in this one */
  uint32_t unreported, due; /* iterations: done since the last report; all of the steps gone through */
  _Alignas(64) atomic_uint_fast64_t mark; /* the others look here too; see work_stealing.c */
} worker_state;

struct tyllm_session {
  uint32_t dies, workers, programs, slots;
  pid_t process;
  die_state *die;       /* [dies] */
  worker_state *worker; /* [dies * workers], the caller's own first */
  uint32_t started;     /* threads that run: worker[1] .. worker[started] */

  uint32_t program, slot, flags; /* the step under way */
  int stopping;
  event start, done;
  atomic_uint running; /* workers that have not finished the step */
  barrier everyone;
  atomic_int failed;
  char error[ERROR_BYTES];
};

TYLLM_INSIDE int workers_start(struct tyllm_session *session);
TYLLM_INSIDE void workers_stop(struct tyllm_session *session);
TYLLM_INSIDE void worker_run(worker_state *worker);

/* work_stealing.c: a worker by its number within the die; its finished work counted; for the one who has set `failed`; while no
 * worker runs, ready for use again after that. */
TYLLM_INSIDE worker_state *worker_of(die_state *die, uint32_t index);
TYLLM_INSIDE void report_done(worker_state *worker);
TYLLM_INSIDE void sharing_break(die_state *die);
TYLLM_INSIDE void sharing_mend(die_state *die);

/* The first failure of a step is kept; all barriers open, and everybody's next one says so. Returns -1. */
TYLLM_INSIDE int session_fail(struct tyllm_session *session, const char *where, const char *text);

#endif

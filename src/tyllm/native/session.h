/* The state of a session: dies with their memory and programs, and the threads that work on them.
 *
 * Every thread is a worker of every die: at home in one, a guest in the others, where it helps when those at home are late.
 */
#ifndef TYLLM_SESSION_H
#define TYLLM_SESSION_H

#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>

#include "event.h"
#include "tyllm_runtime.h"

#define ERROR_BYTES 512

typedef struct {
  void *start;
  size_t bytes;
} region;

typedef struct {
  uint32_t first, stop;
} span;

/* A die at run time: the `context` that compiled code hands back. */
typedef struct {
  struct tyllm_session *session;
  uint32_t index;
  const void *params;
  tyllm_program *programs;
  region arena; /* shared by the programs, which run one after the other */
  region *io;   /* [programs] */
  region kv;    /* of all slots, `slot_bytes` apart */
  size_t kv_bytes, slot_bytes;

  atomic_uint_fast64_t first; /* `step` << 32 | `due` of its workers where the session's step begins */
  _Alignas(64) atomic_uint done; /* iterations that its workers have reported */
  event opened;                  /* advances when a barrier opens */

  /* Meetings with the other dies, see meeting.c: whoever claims one writes the four after it. */
  _Alignas(64) atomic_uint claimed;
  float *reduced; /* this die's operand of the all_reduce under way, and its length */
  int64_t reduced_count;
  uint32_t last_step, last_due; /* `step` and `due` of its workers there */
  event met;                    /* its value is the number of the latest meeting to which this die has come */
} die_state;

/* A thread as a worker of a die. */
typedef struct {
  _Alignas(64) struct thread_state *thread;
  die_state *die;
  uint32_t index; /* within the die: guests come after those at home */
  patience at_barriers;
  uint32_t step, visited;   /* steps gone through; slices found empty in this one */
  uint32_t unreported, due; /* iterations: done since the last report; all of the steps gone through */
  uint32_t meeting;         /* the latest to which it has come */
  uint32_t until;           /* a guest goes home after this one */
  int leaving;              /* a guest on its way home: compiled code finds nothing to do up to its end */
  _Alignas(64) atomic_uint_fast64_t mark; /* the others look here too; see work_stealing.c */
} worker_state;

typedef struct thread_state {
  _Alignas(64) struct tyllm_session *session;
  uint32_t index, home; /* its number, and that of the die where it is at home */
  int32_t cpu;          /* -1: not pinned */
  patience between_steps, at_meetings;
  pthread_t thread;
  uint32_t program, slot, flags, meeting; /* the step that it goes through, and the meeting before it */
  uint64_t *first;                        /* [dies] */
} thread_state;

struct tyllm_session {
  uint32_t dies, workers, threads, programs, slots;
  pid_t process;
  die_state *die;       /* [dies] */
  thread_state *thread; /* [threads], the caller's own first; those of a die side by side */
  worker_state *worker; /* [dies * threads] */
  uint64_t *first;      /* [threads * dies] */
  uint32_t started;     /* threads that run: thread[1] .. thread[started] */

  /* The step under way; `start` is its number. While the next one is written `opening` is ahead. */
  atomic_uint opening;
  atomic_uint program, slot, flags, meeting;
  event start;
  atomic_int stopping;
  atomic_uint inside; /* threads that may be in compiled code */
  event left;         /* advances when there are none */

  _Alignas(64) atomic_uint_fast64_t sum_mark; /* the sum of an all_reduce under way, by its meeting: see collectives.c */
  _Alignas(64) atomic_uint_fast64_t summed;
  event sum_made;

  atomic_int failed;
  char error[ERROR_BYTES];
};

/* Where a slot's KV cache lies. */
TYLLM_INSIDE void *kv_of(const die_state *die, uint32_t slot);

TYLLM_INSIDE int workers_start(struct tyllm_session *session);
TYLLM_INSIDE void workers_stop(struct tyllm_session *session);

/* A thread's part in the step of this number, unless the next one is being written; ends when all dies are through. */
TYLLM_INSIDE void run_step(thread_state *thread, unsigned number);

/* What a thread does in a die, up to the end of the step or, for a guest, to the meeting `until`. */
TYLLM_INSIDE int run_program(worker_state *worker, uint32_t until);

/* work_stealing.c: a worker by its number within the die; a piece of the iterations that this mark shares, as tyllm_next gives
 * it, that part of what is left; for the one who has set `failed`; while no thread is inside, ready for use again after that. */
TYLLM_INSIDE worker_state *worker_of(die_state *die, uint32_t index);
TYLLM_INSIDE int64_t take_piece(atomic_uint_fast64_t *mark, uint32_t step, span all, uint32_t least, uint32_t part);
TYLLM_INSIDE void sharing_break(die_state *die);
TYLLM_INSIDE void sharing_mend(die_state *die);

/* meeting.c: the next meeting of all dies, once this die has done what comes before it; `data` is what it brings, or NULL.
 * Returns 0 when all dies have come; -1 after a failure, and for a guest who has to go home. */
TYLLM_INSIDE int meet(worker_state *me, float *data, int64_t count);
TYLLM_INSIDE void meeting_break(struct tyllm_session *session);
TYLLM_INSIDE void meeting_mend(struct tyllm_session *session);

/* The first failure of a step is kept; all that is waited for opens, and everybody's next wait says so. Returns -1. */
TYLLM_INSIDE int session_fail(struct tyllm_session *session, const char *where, const char *text);

#endif

/* What the shared library of a die exports: the control functions for the host, the collectives for the compiled code.
 *
 * A session runs one program at a time on `dies` groups of `workers` threads, which help one another: any thread may come
 * into any die's code as one more worker. The thread that calls tyllm_step is worker 0 of die 0, all others are made once by
 * tyllm_create. Every state lives in the session, so that each library of a package may carry its own copy of this code: one
 * library's copy drives, the others' copies serve the code beside them.
 *
 * A step is over when its pieces (tyllm_next) are done. Threads that hold none may still be on their way through its code:
 * what that does outside of pieces must have no effect.
 *
 * Not safe: two steps of one session at once. After fork() the child has no workers: tyllm_step fails there and says so.
 */
#ifndef TYLLM_RUNTIME_H
#define TYLLM_RUNTIME_H

#include <stdint.h>

#define TYLLM_RUNTIME_ABI 3

#define TYLLM_NAME_BYTES 256

#define TYLLM_BODY 1u /* everything up to the final hidden states */
#define TYLLM_HEAD 2u /* the logits of the rows io.row of the last body */

#define TYLLM_EXPORT __attribute__((visibility("default")))
#define TYLLM_INSIDE __attribute__((visibility("hidden"))) /* bound within the library, whatever else is loaded */

/* An argument in the tvm-ffi C ABI: 16 bytes. */
typedef struct {
  int32_t type_index;
  uint32_t zero_padding;
  union {
    int64_t integer;
    void *pointer;
  } value;
} tyllm_any;

/* f(self, {params, constants, kv, arena, io, context, worker, workers}, 8, result): 0, or an error was raised. Workers are
 * all threads, those of other dies after the die's own. */
typedef int (*tyllm_function)(void *self, const tyllm_any *arguments, int32_t count, tyllm_any *result);

/* What the code of one program was compiled for; each library has one for each of its programs. */
typedef struct {
  char body[TYLLM_NAME_BYTES]; /* the exported symbols, without __tvm_ffi_ */
  char head[TYLLM_NAME_BYTES]; /* "" without a head */
  char layout[72];             /* SHA-256 of where all lies in its memory, as the package says it too (code_needs.py) */
  uint64_t params_bytes;       /* all of the die's parameters, in a module with all constants behind them */
  uint64_t constants_bytes;    /* the least that it reads and writes within, of these and what follows */
  uint64_t kv_bytes;
  uint64_t slot_bytes; /* of a batch, whose rows name their slots: from a slot's cache to the next one's; else 0 */
  uint64_t arena_bytes;
  uint64_t io_bytes;
} tyllm_needs;

/* The compiled code of one die for one shape of step. */
typedef struct {
  tyllm_function body;
  tyllm_function head;
  const char *(*error)(void); /* tyllm_program_error of the same library */
  const void *constants;
  uint64_t constants_bytes; /* that may be read there */
  uint64_t arena_bytes;
  uint64_t io_bytes;
  const tyllm_needs *needs; /* tyllm_needs_of of the same library */
} tyllm_program;

typedef struct {
  const void *params;
  uint64_t params_bytes; /* that may be read there */
  uint64_t kv_bytes;
  uint64_t slot_bytes;           /* from a slot's KV cache to the next one's */
  const tyllm_program *programs; /* one per shape of step */
  const int32_t *cpus;           /* the CPU of each worker, or NULL: the system chooses */
} tyllm_die;

typedef struct {
  uint32_t abi;
  uint32_t dies;
  uint32_t workers; /* threads for each die */
  uint32_t programs;
  uint32_t slots; /* conversations, each with a KV cache of its own */
  uint32_t reserved;
  uint64_t spin_ns; /* how long a thread spins at most before it sleeps */
  const tyllm_die *die;
} tyllm_config;

typedef struct tyllm_session tyllm_session;

TYLLM_EXPORT uint32_t tyllm_abi(void);

/* What the code for a body needs; NULL where the library has no such program. */
TYLLM_EXPORT const tyllm_needs *tyllm_needs_of(const char *body);

/* 0, or -1 and in `error` what the package gives too little or too much of. */
TYLLM_EXPORT int32_t tyllm_check(const tyllm_config *config, char *error, uint64_t error_bytes);

/* Memory and threads; NULL and a sentence in `error` where tyllm_check or the system refuses. `config` is copied. */
TYLLM_EXPORT tyllm_session *tyllm_create(const tyllm_config *config, char *error, uint64_t error_bytes);

/* Run a program's body and/or head on the KV cache of `slot`, a batch on those that its rows name in io.slot; 0, or -1 and
 * tyllm_last_error. */
TYLLM_EXPORT int32_t tyllm_step(tyllm_session *session, uint32_t program, uint32_t slot, uint32_t flags);

TYLLM_EXPORT void *tyllm_io(tyllm_session *session, uint32_t die, uint32_t program);

/* Give a slot's KV cache back to the system: it is zeros, and takes no memory, until it is written again. */
TYLLM_EXPORT void tyllm_release(tyllm_session *session, uint32_t slot);

TYLLM_EXPORT void *tyllm_kv(tyllm_session *session, uint32_t die, uint32_t slot);
TYLLM_EXPORT const char *tyllm_last_error(const tyllm_session *session);
TYLLM_EXPORT void tyllm_destroy(tyllm_session *session);

/* The text of the error that this library's code raised last in the calling thread. */
TYLLM_EXPORT const char *tyllm_program_error(void);

/* Bytes or operations per second that so many threads reach together, with the instructions of the target: name is "read",
 * "int8", "float32", "tile_int8" or "tile_bfloat16". 0 where there is no such instruction; -1 without memory or threads. */
TYLLM_EXPORT double tyllm_limit(const char *name, uint32_t threads);

/* Called by compiled code; nonzero when a worker failed or this one has to leave, and then every later call of it is nonzero
 * (tyllm_next: negative) until the code has ended. */
TYLLM_INSIDE int32_t tyllm_barrier(void *context, int32_t worker); /* all that tyllm_next gave before is done */
TYLLM_INSIDE int32_t tyllm_all_reduce(void *context, int32_t worker, float *data, int64_t count);

/* A piece of a step's iterations for this worker, first << 32 | stop, of `least` or more where so many are left; negative
 * when all are taken: this ends the step. All workers of a die ask in the same steps with the same numbers. */
TYLLM_INSIDE int64_t tyllm_next(void *context, int32_t worker, int32_t iterations, int32_t least);
TYLLM_INSIDE void TVMFFIErrorSetRaisedFromCStr(const char *kind, const char *message);
TYLLM_INSIDE void TVMFFIErrorSetRaisedFromCStrParts(const char *kind, const char **parts, int32_t count);

#endif

/* A toy language model in the place of compiled code: whole numbers only, so that any split gives the same bits.
 *
 * Token t at position p is the pair (t, p + 1) in the KV cache. Hidden value h is a sum of ((h+3)·t + (h+1)·(p+1)) mod 251
 * over all positions up to one's own; die d of D sums the positions p with p mod D = d, all_reduce joins them.
 * In a batch every row is of a sequence of its own, at its own position in the cache of its own slot.
 * A token's logit is a hash of (hidden values, token), and the token's bias from the die's params.
 */
#include <stdint.h>

#include "needs.h"

/* Sizes and the layout are written into the library later (fake_package.with_needs). */
const tyllm_needs tyllm_needs_table[] = {{"llm_body", "llm_head", "", 0, 0, 0, 0, 0, 0}};
const uint32_t tyllm_needs_count = 1;

#define UNLUCKY 259 /* a token at which the last die fails, in whoever holds the piece */

enum { DIE, DIES, SEQ_LEN, ROWS, CAPACITY, HIDDEN, EMBEDDED, IO_INPUT, IO_POSITIONS, IO_POSITION, IO_ROW, IO_FIRST, IO_LOGITS,
       SLOT_BYTES, IO_SLOT, IO_ROW_COUNT, IO_LOGIT_COUNT };

typedef struct {
  const float *bias;
  const int64_t *setup;
  uint16_t *keys;
  float *hidden;
  char *io;
  void *context;
  int32_t worker;
} frame;

static frame unpack(const tyllm_any *a) {
  return (frame){a[0].value.pointer, a[1].value.pointer, a[2].value.pointer, a[3].value.pointer,
                 a[4].value.pointer, a[5].value.pointer, (int32_t)a[6].value.integer};
}

/* The next piece [*first, *stop) of n iterations; 0 when there is none. */
static int next(const frame *f, int64_t n, int64_t *first, int64_t *stop) {
  int64_t piece = tyllm_next(f->context, f->worker, (int32_t)n, 1);
  *first = piece >> 32, *stop = piece & 0xffffffff;
  return piece >= 0;
}

static int64_t io_at(const frame *f, int name, int64_t at) { return ((int64_t *)(f->io + f->setup[name]))[at]; }

static int64_t io_int(const frame *f, int name) { return io_at(f, name, 0); }

/* Rows in use, or rows of logits: of a batch those that it is told, else all, or one. */
static int64_t rows_in_use(const frame *f) { return f->setup[SLOT_BYTES] ? io_int(f, IO_ROW_COUNT) : f->setup[SEQ_LEN]; }
static int64_t rows_of_logits(const frame *f) { return f->setup[SLOT_BYTES] ? io_int(f, IO_LOGIT_COUNT) : 1; }

static int64_t place_of(const frame *f, int64_t s) {
  return f->setup[SLOT_BYTES] ? io_at(f, IO_POSITION, s) : io_int(f, IO_POSITION) + s;
}

/* The keys of a row's slot; `values` lie as far behind them as those of the first slot. */
static uint16_t *keys_of(const frame *f, int64_t s) {
  return f->setup[SLOT_BYTES] ? f->keys + io_at(f, IO_SLOT, s) * f->setup[SLOT_BYTES] / 2 : f->keys;
}

static int64_t token_at(const frame *f, int64_t s) {
  const char *input = f->io + f->setup[IO_INPUT];
  return f->setup[EMBEDDED] ? (int64_t)((const float *)input)[s * f->setup[HIDDEN]] : ((const int64_t *)input)[s];
}

/* Only who holds a piece may fail: nobody waits for a worker that holds none. */
static int unlucky(const frame *f, int64_t first, int64_t stop) {
  for (int64_t s = first; s < stop; s++)
    if (token_at(f, s) == UNLUCKY) return f->setup[DIE] == f->setup[DIES] - 1;
  return 0;
}

static int append(const frame *f) {
  const int64_t *positions = (const int64_t *)(f->io + f->setup[IO_POSITIONS]);
  const char *parts[] = {"a token ", "is unlucky"};
  for (int64_t s, stop; next(f, f->setup[SEQ_LEN], &s, &stop);) {
    if (stop > rows_in_use(f)) stop = rows_in_use(f);
    if (unlucky(f, s, stop)) return TVMFFIErrorSetRaisedFromCStrParts("ValueError", parts, 2), -1;
    for (; s < stop; s++) {
      uint16_t *keys = keys_of(f, s);
      keys[place_of(f, s)] = (uint16_t)token_at(f, s);
      keys[f->setup[CAPACITY] + place_of(f, s)] = (uint16_t)(positions[s] + 1);
    }
  }
  return 0;
}

static float partial(const frame *f, int64_t s, int64_t h) {
  const uint16_t *keys = keys_of(f, s), *values = keys + f->setup[CAPACITY];
  int64_t sum = 0;
  for (int64_t p = f->setup[DIE]; p <= place_of(f, s); p += f->setup[DIES])
    sum += (keys[p] * (h + 3) + values[p] * (h + 1)) % 251;
  return (float)sum;
}

TYLLM_EXPORT int __tvm_ffi_llm_body(void *self, const tyllm_any *arguments, int32_t count, tyllm_any *result) {
  (void)self, (void)result;
  frame f = unpack(arguments);
  if (count != 8) return TVMFFIErrorSetRaisedFromCStr("TypeError", "not 8 arguments"), -1;
  int64_t n = f.setup[SEQ_LEN], hidden = f.setup[HIDDEN];
  if (append(&f) || tyllm_barrier(f.context, f.worker)) return -1;
  for (int64_t s, stop; next(&f, n, &s, &stop);)
    for (; s < stop && s < rows_in_use(&f); s++)
      for (int64_t h = 0; h < hidden; h++) f.hidden[s * hidden + h] = partial(&f, s, h);
  return tyllm_all_reduce(f.context, f.worker, f.hidden, n * hidden);
}

static uint64_t mixed_row(const frame *f, int64_t row) {
  const float *hidden = f->hidden + row * f->setup[HIDDEN];
  uint64_t mixed = 0;
  for (int64_t h = 0; h < f->setup[HIDDEN]; h++) mixed = mixed * 31 + (uint64_t)hidden[h];
  return mixed;
}

static float score(uint64_t mixed, int64_t token) {
  uint64_t x = mixed * 6364136223846793005u + (uint64_t)token * 1442695040888963407u;
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdu;
  return (float)((x ^ (x >> 33)) % 4096) / 256.0f;
}

TYLLM_EXPORT int __tvm_ffi_llm_head(void *self, const tyllm_any *arguments, int32_t count, tyllm_any *result) {
  (void)self, (void)result, (void)count;
  frame f = unpack(arguments);
  float *logits = (float *)(f.io + f.setup[IO_LOGITS]);
  for (int64_t first, stop; next(&f, f.setup[ROWS], &first, &stop);)
    for (int64_t n = 0; n < rows_of_logits(&f); n++) {
      uint64_t mixed = mixed_row(&f, io_at(&f, IO_ROW, n));
      for (int64_t r = first; r < stop; r++)
        logits[n * f.setup[ROWS] + r] = score(mixed, io_int(&f, IO_FIRST) + r) + f.bias[r];
    }
  return 0;
}

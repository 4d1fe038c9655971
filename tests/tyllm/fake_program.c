/* A toy language model in the place of compiled code: whole numbers only, so that any split gives the same bits.
 *
 * Token t at position p is the pair (t, p + 1) in the KV cache. Hidden value h is a sum of ((h+3)·t + (h+1)·(p+1)) mod 251
 * over all positions up to one's own; die d of D sums the positions p with p mod D = d, all_reduce joins them.
 * A token's logit is a hash of (hidden values, token), and the token's bias from the die's params.
 */
#include <stdint.h>

#include "needs.h"

/* Sizes and the layout are written into the library later (fake_package.with_needs). */
const tyllm_needs tyllm_needs_table[] = {{"llm_body", "llm_head", "", 0, 0, 0, 0, 0}};
const uint32_t tyllm_needs_count = 1;

#define UNLUCKY 259 /* a token at which the last die fails, in whoever holds the piece */

enum { DIE, DIES, SEQ_LEN, ROWS, CAPACITY, HIDDEN, EMBEDDED, IO_INPUT, IO_POSITIONS, IO_POSITION, IO_ROW, IO_FIRST, IO_LOGITS };

typedef struct {
  const float *bias;
  const int64_t *setup;
  uint16_t *keys, *values;
  float *hidden;
  char *io;
  void *context;
  int32_t worker;
} frame;

static frame unpack(const tyllm_any *a) {
  frame f = {a[0].value.pointer, a[1].value.pointer, a[2].value.pointer, 0,
             a[3].value.pointer, a[4].value.pointer, a[5].value.pointer, (int32_t)a[6].value.integer};
  f.values = f.keys + f.setup[CAPACITY];
  return f;
}

/* The next piece [*first, *stop) of n iterations; 0 when there is none. */
static int next(const frame *f, int64_t n, int64_t *first, int64_t *stop) {
  int64_t piece = tyllm_next(f->context, f->worker, (int32_t)n, 1);
  *first = piece >> 32, *stop = piece & 0xffffffff;
  return piece >= 0;
}

static int64_t io_int(const frame *f, int name) { return *(int64_t *)(f->io + f->setup[name]); }

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

static int append(const frame *f, int64_t position) {
  const int64_t *positions = (const int64_t *)(f->io + f->setup[IO_POSITIONS]);
  const char *parts[] = {"a token ", "is unlucky"};
  for (int64_t s, stop; next(f, f->setup[SEQ_LEN], &s, &stop);) {
    if (unlucky(f, s, stop)) return TVMFFIErrorSetRaisedFromCStrParts("ValueError", parts, 2), -1;
    for (; s < stop; s++) {
      f->keys[position + s] = (uint16_t)token_at(f, s);
      f->values[position + s] = (uint16_t)(positions[s] + 1);
    }
  }
  return 0;
}

static float partial(const frame *f, int64_t end, int64_t h) {
  int64_t sum = 0;
  for (int64_t p = f->setup[DIE]; p <= end; p += f->setup[DIES])
    sum += (f->keys[p] * (h + 3) + f->values[p] * (h + 1)) % 251;
  return (float)sum;
}

TYLLM_EXPORT int __tvm_ffi_llm_body(void *self, const tyllm_any *arguments, int32_t count, tyllm_any *result) {
  (void)self, (void)result;
  frame f = unpack(arguments);
  if (count != 8) return TVMFFIErrorSetRaisedFromCStr("TypeError", "not 8 arguments"), -1;
  int64_t position = io_int(&f, IO_POSITION), n = f.setup[SEQ_LEN], hidden = f.setup[HIDDEN];
  if (append(&f, position) || tyllm_barrier(f.context, f.worker)) return -1;
  for (int64_t s, stop; next(&f, n, &s, &stop);)
    for (; s < stop; s++)
      for (int64_t h = 0; h < hidden; h++) f.hidden[s * hidden + h] = partial(&f, position + s, h);
  return tyllm_all_reduce(f.context, f.worker, f.hidden, n * hidden);
}

static float score(uint64_t mixed, int64_t token) {
  uint64_t x = mixed * 6364136223846793005u + (uint64_t)token * 1442695040888963407u;
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdu;
  return (float)((x ^ (x >> 33)) % 4096) / 256.0f;
}

TYLLM_EXPORT int __tvm_ffi_llm_head(void *self, const tyllm_any *arguments, int32_t count, tyllm_any *result) {
  (void)self, (void)result, (void)count;
  frame f = unpack(arguments);
  const float *hidden = f.hidden + io_int(&f, IO_ROW) * f.setup[HIDDEN];
  float *logits = (float *)(f.io + f.setup[IO_LOGITS]);
  uint64_t mixed = 0;
  for (int64_t h = 0; h < f.setup[HIDDEN]; h++) mixed = mixed * 31 + (uint64_t)hidden[h];
  for (int64_t r, stop; next(&f, f.setup[ROWS], &r, &stop);)
    for (; r < stop; r++) logits[r] = score(mixed, io_int(&f, IO_FIRST) + r) + f.bias[r];
  return 0;
}

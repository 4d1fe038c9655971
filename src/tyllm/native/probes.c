/* The accumulators are written in assembly, since compilers spill an array of them; twelve hide the latency. */
#include "probes.h"

#include <stdint.h>
#include <string.h>

#if defined(__AMX_INT8__) || defined(__AMX_BF16__)
#include <immintrin.h>
#endif

static double read_memory(const void *memory, size_t bytes, long passes) {
  const uint64_t *data = memory;
  uint64_t lanes[32] = {0}, total = 0;
  for (long pass = 0; pass < passes; pass++)
    for (size_t i = 0; i < bytes / sizeof *data; i += 32)
      for (int lane = 0; lane < 32; lane++) lanes[lane] += data[i + lane];
  for (int lane = 0; lane < 32; lane++) total += lanes[lane];
  __asm__ volatile("" : : "r"(total)); /* wanted, for all that the compiler knows */
  return (double)bytes * (double)passes;
}

#if defined(__x86_64__)
#define TWELVE(step, r) \
  step(r, 0) step(r, 1) step(r, 2) step(r, 3) step(r, 4) step(r, 5) step(r, 6) step(r, 7) step(r, 8) step(r, 9) \
  step(r, 10) step(r, 11)
#define CLEAR(r, i) "pxor %%xmm" #i ", %%xmm" #i "\n\t"
#define DOT(r, i) "vpdpbusd %%" r "14, %%" r "15, %%" r #i "\n\t"
#define VEX_DOT(r, i) "%{vex%} " DOT(r, i)
#define DOT_IN_THREE(r, i) \
  "vpmaddubsw %%" r "14, %%" r "15, %%" r "12\n\tvpmaddwd %%" r "12, %%" r "13, %%" r "12\n\t" \
  "vpaddd %%" r "12, %%" r #i ", %%" r #i "\n\t"
#define DOT_OF_WORDS(r, i) "movdqa %%xmm14, %%xmm12\n\tpmaddwd %%xmm15, %%xmm12\n\tpaddd %%xmm12, %%xmm" #i "\n\t"
#define MULTIPLY_ADD(r, i) "movaps %%xmm14, %%xmm12\n\tmulps %%xmm15, %%xmm12\n\taddps %%xmm12, %%xmm" #i "\n\t"
#define FMA(r, i) "vfmadd231ps %%" r "14, %%" r "15, %%" r #i "\n\t"
/* Twelve times `step` on registers of class r, each of so many operations. */
#define VECTOR_PROBE(name, step, r, operations)                                                                       \
  static double name(const void *memory, size_t bytes, long passes) {                                                 \
    double done = 12.0 * operations * (double)passes;                                                                 \
    (void)memory, (void)bytes;                                                                                        \
    __asm__ volatile(TWELVE(CLEAR, ) CLEAR(, 12) CLEAR(, 13) CLEAR(, 14) CLEAR(, 15)                                  \
                     "1:\n\t" TWELVE(step, r) "dec %0\n\tjnz 1b\n\t"                                                  \
                     : "+r"(passes) : : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");                                 \
    return done;                                                                                                      \
  }
#endif

#if defined(__AVX512VNNI__)
VECTOR_PROBE(int8_dots, DOT, "zmm", 128)
#elif defined(__AVXVNNI__)
VECTOR_PROBE(int8_dots, VEX_DOT, "ymm", 64)
#elif defined(__AVX2__)
VECTOR_PROBE(int8_dots, DOT_IN_THREE, "ymm", 64)
#elif defined(__x86_64__)
VECTOR_PROBE(int8_dots, DOT_OF_WORDS, "xmm", 16)
#else /* what the compiler makes of it */
static double int8_dots(const void *memory, size_t bytes, long passes) {
  static const int8_t factors[2][64];
  const int8_t *left = factors[0], *right = factors[1];
  int32_t sums[64] = {0}, total = 0;
  (void)memory, (void)bytes;
  for (long pass = 0; pass < passes; pass++) {
    __asm__ volatile("" : "+r"(left), "+r"(right));
    for (int i = 0; i < 64; i++) sums[i] += (int16_t)(left[i] * right[i]);
  }
  for (int i = 0; i < 64; i++) total += sums[i];
  __asm__ volatile("" : : "r"(total));
  return 128.0 * (double)passes;
}
#endif

#if defined(__AVX512F__)
VECTOR_PROBE(float32_products, FMA, "zmm", 32)
#elif defined(__FMA__)
VECTOR_PROBE(float32_products, FMA, "ymm", 16)
#elif defined(__x86_64__)
VECTOR_PROBE(float32_products, MULTIPLY_ADD, "xmm", 8)
#else
static double float32_products(const void *memory, size_t bytes, long passes) {
  static const float factors[2][32];
  const float *left = factors[0], *right = factors[1];
  float sums[32] = {0}, total = 0;
  (void)memory, (void)bytes;
  for (long pass = 0; pass < passes; pass++) {
    __asm__ volatile("" : "+r"(left), "+r"(right));
    for (int i = 0; i < 32; i++) sums[i] += left[i] * right[i];
  }
  for (int i = 0; i < 32; i++) total += sums[i];
  __asm__ volatile("" : : "m"(total));
  return 64.0 * (double)passes;
}
#endif

#if defined(__AMX_INT8__) || defined(__AMX_BF16__)
/* Four accumulators and two of each operand: all eight tiles of 16 rows × 64 bytes. */
static void load_tiles(void) {
  static const uint8_t zeros[1024];
  struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } shape = {.palette = 1};
  for (int tile = 0; tile < 8; tile++) shape.row_bytes[tile] = 64, shape.rows[tile] = 16;
  __asm__ volatile("" : : "r"(&shape) : "memory"); /* gcc 12 does not see that the next line reads it */
  _tile_loadconfig(&shape);
  _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
  _tile_loadd(4, zeros, 64); _tile_loadd(5, zeros, 64); _tile_loadd(6, zeros, 64); _tile_loadd(7, zeros, 64);
}

#define TILE_PROBE(name, dot, operations)                                                                             \
  static double name(const void *memory, size_t bytes, long passes) {                                                 \
    (void)memory, (void)bytes;                                                                                        \
    load_tiles();                                                                                                     \
    for (long pass = 0; pass < passes; pass++) {                                                                      \
      dot(0, 4, 6); dot(1, 4, 7); dot(2, 5, 6); dot(3, 5, 7);                                                         \
    }                                                                                                                 \
    _tile_release();                                                                                                  \
    return 4.0 * operations * (double)passes;                                                                         \
  }
#endif
#if defined(__AMX_INT8__)
TILE_PROBE(tile_int8_dots, _tile_dpbusd, 16 * 16 * 64 * 2)
#endif
#if defined(__AMX_BF16__)
TILE_PROBE(tile_bfloat16_dots, _tile_dpbf16ps, 16 * 16 * 32 * 2)
#endif

const probe *probe_named(const char *name) {
  static const probe all[] = {
      {"read", read_memory, 1},
      {"int8", int8_dots, 0},
      {"float32", float32_products, 0},
#if defined(__AMX_INT8__)
      {"tile_int8", tile_int8_dots, 0},
#endif
#if defined(__AMX_BF16__)
      {"tile_bfloat16", tile_bfloat16_dots, 0},
#endif
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (!strcmp(all[i].name, name)) return &all[i];
  return NULL;
}

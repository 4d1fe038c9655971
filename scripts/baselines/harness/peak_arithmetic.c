/* Operations per second (a multiplication and an addition are two) that dot products reach with all operands in registers.
   cc -O3 -march=native -pthread peak_arithmetic.c -o peak_arithmetic && ./peak_arithmetic KIND THREADS
   KIND: vpdpbusd (int8, vectors), amx_int8, amx_bf16, fp32 (FMA). Exit code 3: this machine, or this compiler, has none. */
#define _GNU_SOURCE
#include <immintrin.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 8, MOST_THREADS = 1024, ABSENT = 3 };
enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
enum { VECTOR_PASSES = 16000000, TILE_PASSES = 1500000 };
static pthread_barrier_t gate;

typedef struct {
    const char *name;
    void (*run)(long passes);
    double operations; /* of a pass */
    long passes;       /* of a round: some 50 ms */
} Kind;

typedef struct {
    const Kind *kind;
    double start[ROUNDS], end[ROUNDS];
} Worker;

/* Written in assembly, since compilers spill an array of accumulators. Twelve hide a latency of 4 to 5 cycles on two ports. */
#define TWELVE(op, r) \
    op(r, 0) op(r, 1) op(r, 2) op(r, 3) op(r, 4) op(r, 5) op(r, 6) op(r, 7) op(r, 8) op(r, 9) op(r, 10) op(r, 11)
#define CLEAR(r, i) "vpxor %%xmm" #i ", %%xmm" #i ", %%xmm" #i "\n\t"
#define DOT(r, i) "vpdpbusd %%" r "14, %%" r "15, %%" r #i "\n\t"
#define VEX_DOT(r, i) "%{vex%} " DOT(r, i)
#define FMA(r, i) "vfmadd231ps %%" r "14, %%" r "15, %%" r #i "\n\t"
#define REGISTERS \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm14", "xmm15"
#define ZERO TWELVE(CLEAR, ) CLEAR(, 14) CLEAR(, 15)
#define RUN(op, r, passes) \
    __asm__ volatile(ZERO "1:\n\t" TWELVE(op, r) "dec %0\n\tjnz 1b\n\t" : "+r"(passes) : : REGISTERS, "cc")

#if defined(__AVX512VNNI__)
static void vpdpbusd(long passes) { RUN(DOT, "zmm", passes); }
static const double VPDPBUSD = 12 * 64 * 2;
#elif defined(__AVXVNNI__)
static void vpdpbusd(long passes) { RUN(VEX_DOT, "ymm", passes); }
static const double VPDPBUSD = 12 * 32 * 2;
#endif

#if defined(__AVX512F__)
static void fp32(long passes) { RUN(FMA, "zmm", passes); }
static const double FP32 = 12 * 16 * 2;
#elif defined(__FMA__)
static void fp32(long passes) { RUN(FMA, "ymm", passes); }
static const double FP32 = 12 * 8 * 2;
#endif

#if defined(__AMX_TILE__)
/* Four accumulator tiles of 16 rows × 64 bytes, two of each operand: all eight tiles. */
static void load_tiles(void) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int tile = 0; tile < 8; tile++) config.row_bytes[tile] = 64, config.rows[tile] = 16;
    __asm__ volatile("" : : "r"(&config) : "memory"); /* gcc does not see that the intrinsic reads all of it */
    _tile_loadconfig(&config);
    static const uint8_t ones[1024];
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    _tile_loadd(4, ones, 64); _tile_loadd(5, ones, 64); _tile_loadd(6, ones, 64); _tile_loadd(7, ones, 64);
}
#endif

#if defined(__AMX_INT8__)
static void amx_int8(long passes) {
    load_tiles();
    for (long pass = 0; pass < passes; pass++) {
        _tile_dpbusd(0, 4, 6); _tile_dpbusd(1, 4, 7);
        _tile_dpbusd(2, 5, 6); _tile_dpbusd(3, 5, 7);
    }
    _tile_release();
}
static const double AMX_INT8 = 4.0 * 16 * 16 * 64 * 2;
#endif

#if defined(__AMX_BF16__)
static void amx_bf16(long passes) {
    load_tiles();
    for (long pass = 0; pass < passes; pass++) {
        _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6); _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
}
static const double AMX_BF16 = 4.0 * 16 * 16 * 32 * 2;
#endif

/* Whether the machine for which this program was compiled has the kind, and the kernel lends it. */
static int find(const char *name, Kind *kind) {
    memset(kind, 0, sizeof *kind);
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
    if (!strcmp(name, "vpdpbusd")) *kind = (Kind){name, vpdpbusd, VPDPBUSD, VECTOR_PASSES};
#endif
#if defined(__AVX512F__) || defined(__FMA__)
    if (!strcmp(name, "fp32")) *kind = (Kind){name, fp32, FP32, VECTOR_PASSES};
#endif
#if defined(__AMX_INT8__)
    if (!strcmp(name, "amx_int8")) *kind = (Kind){name, amx_int8, AMX_INT8, TILE_PASSES};
#endif
#if defined(__AMX_BF16__)
    if (!strcmp(name, "amx_bf16")) *kind = (Kind){name, amx_bf16, AMX_BF16, TILE_PASSES};
#endif
    int tiles = !strncmp(name, "amx", 3);
    if (tiles && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)) return 0;
    return kind->run != NULL;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* The workers look at the clock: a main thread that wakes late would see too short a time. */
static void *worker(void *argument) {
    Worker *self = argument;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&gate);
        self->start[round] = now();
        self->kind->run(self->kind->passes);
        self->end[round] = now();
    }
    return NULL;
}

static double seconds(const Worker *workers, int count, int round) {
    double start = workers[0].start[round], end = workers[0].end[round];
    for (int i = 1; i < count; i++) {
        if (workers[i].start[round] < start) start = workers[i].start[round];
        if (workers[i].end[round] > end) end = workers[i].end[round];
    }
    return end - start;
}

int main(int argc, char **argv) {
    int threads = argc > 2 ? atoi(argv[2]) : 1;
    if (argc < 2 || threads < 1 || threads > MOST_THREADS) return 2;
    Kind kind;
    if (!find(argv[1], &kind)) return ABSENT;
    static Worker workers[MOST_THREADS];
    pthread_t thread[MOST_THREADS];
    double best = 0;
    pthread_barrier_init(&gate, NULL, threads);
    for (int i = 0; i < threads; i++) {
        workers[i].kind = &kind;
        pthread_create(&thread[i], NULL, worker, &workers[i]);
    }
    for (int i = 0; i < threads; i++) pthread_join(thread[i], NULL);
    for (int round = 0; round < ROUNDS; round++) {
        double rate = threads * kind.operations * kind.passes / seconds(workers, threads, round);
        if (rate > best) best = rate;
    }
    printf("%.0f\n", best);
    return 0;
}

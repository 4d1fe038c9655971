/* Read 512 MiB per thread, eight times, and print the best rate in bytes per second: the wall that decoding runs into.
   cc -O3 -march=native -pthread read_bandwidth.c -o read_bandwidth && ./read_bandwidth THREADS */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { ROUNDS = 8, MOST_THREADS = 1024 };
static const size_t BYTES = (size_t)512 << 20, LARGE_PAGE = (size_t)2 << 20;
static pthread_barrier_t gate;

typedef struct {
    double start[ROUNDS], end[ROUNDS];
    uint64_t sum;
} Reader;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static uint64_t sum(const uint64_t *data, size_t count) {
    uint64_t lanes[32] = {0}, total = 0;
    for (size_t i = 0; i < count; i += 32)
        for (int lane = 0; lane < 32; lane++) lanes[lane] += data[i + lane];
    for (int lane = 0; lane < 32; lane++) total += lanes[lane];
    return total;
}

/* The readers look at the clock: a main thread that wakes late would see too short a time. */
static void *read_rounds(void *argument) {
    Reader *self = argument;
    uint64_t *data = aligned_alloc(LARGE_PAGE, BYTES);
    if (!data) exit(1);
    madvise(data, BYTES, MADV_HUGEPAGE); /* a wish: small pages may read a third slower */
    memset(data, 1, BYTES);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&gate);
        self->start[round] = now();
        self->sum += sum(data, BYTES / sizeof *data);
        self->end[round] = now();
    }
    free(data);
    return NULL;
}

static double seconds(const Reader *readers, int count, int round) {
    double start = readers[0].start[round], end = readers[0].end[round];
    for (int i = 1; i < count; i++) {
        if (readers[i].start[round] < start) start = readers[i].start[round];
        if (readers[i].end[round] > end) end = readers[i].end[round];
    }
    return end - start;
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    if (threads < 1 || threads > MOST_THREADS) return 2;
    static Reader readers[MOST_THREADS];
    pthread_t thread[MOST_THREADS];
    uint64_t total = 0;
    double best = 0;
    pthread_barrier_init(&gate, NULL, threads);
    for (int i = 0; i < threads; i++) pthread_create(&thread[i], NULL, read_rounds, &readers[i]);
    for (int i = 0; i < threads; i++) pthread_join(thread[i], NULL), total += readers[i].sum;
    for (int round = 0; round < ROUNDS; round++) {
        double rate = threads * (double)BYTES / seconds(readers, threads, round);
        if (rate > best) best = rate;
    }
    fprintf(stderr, "%llu\n", (unsigned long long)total);
    printf("%.0f\n", best);
    return 0;
}

/* Read 512 MiB per thread, eight times, and print the best rate in bytes per second: the wall that decoding runs into.
   cc -O3 -march=native -pthread read_bandwidth.c -o read_bandwidth && ./read_bandwidth THREADS */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 8 };
static const size_t BYTES = (size_t)512 << 20;
static pthread_barrier_t gate;

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

static void *reader(void *result) {
    uint64_t *data = aligned_alloc(64, BYTES);
    if (!data) exit(1);
    memset(data, 1, BYTES);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&gate);
        *(uint64_t *)result += sum(data, BYTES / sizeof *data);
        pthread_barrier_wait(&gate);
    }
    free(data);
    return NULL;
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    if (threads < 1 || threads > 1024) return 2;
    pthread_t thread[1024];
    uint64_t sums[1024] = {0}, total = 0;
    double best = 0;
    pthread_barrier_init(&gate, NULL, threads + 1);
    for (int i = 0; i < threads; i++) pthread_create(&thread[i], NULL, reader, &sums[i]);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&gate);
        double start = now();
        pthread_barrier_wait(&gate);
        double rate = threads * (double)BYTES / (now() - start);
        if (rate > best) best = rate;
    }
    for (int i = 0; i < threads; i++) pthread_join(thread[i], NULL), total += sums[i];
    fprintf(stderr, "%llu\n", (unsigned long long)total);
    printf("%.0f\n", best);
    return 0;
}

/* Two workers, one of whom lags: prints how many iterations each did, and how often worker 0 went ahead too early.
 *
 * Usage: sharing WHERE. The laggard holds still once: "outside", before it asks for work, until worker 0 is through with
 * everything; "inside", with its first piece in hand, until worker 0 finds nothing more to do in that step.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "needs.h"

#define STEPS 20
#define COUNT 1000
#define LONG_ENOUGH_US 20000 /* to pass a barrier that should not have opened */

typedef struct {
  int64_t inside, done[2], early;
  atomic_int begun, emptied, passed; /* the laggard has a piece; steps that worker 0 emptied; barriers that it passed */
} record;

static void await(atomic_int *count, int wanted) {
  while (atomic_load(count) < wanted) usleep(100);
}

static void work(record *r, void *context, int32_t worker, int *lagging) {
  if (worker == 0 && r->inside) await(&r->begun, 1);
  if (*lagging && !r->inside) await(&r->passed, STEPS), *lagging = 0;
  for (int64_t piece; (piece = tyllm_next(context, worker, COUNT, 1)) >= 0;) {
    r->done[worker] += (piece & 0xffffffff) - (piece >> 32);
    usleep(10); /* as if it worked: the other has time to come */
    if (!*lagging) continue;
    atomic_store(&r->begun, 1);
    int passed = atomic_load(&r->passed);
    await(&r->emptied, passed + 1);
    usleep(LONG_ENOUGH_US);
    r->early += atomic_load(&r->passed) != passed;
    *lagging = 0;
  }
}

static int body(void *self, const tyllm_any *a, int32_t count, tyllm_any *result) {
  (void)self, (void)count, (void)result;
  record *r = a[4].value.pointer;
  void *context = a[5].value.pointer;
  int32_t worker = (int32_t)a[6].value.integer;
  int lagging = worker == 1;
  for (int step = 0; step < STEPS; step++) {
    work(r, context, worker, &lagging);
    if (worker == 0) atomic_fetch_add(&r->emptied, 1);
    if (tyllm_barrier(context, worker)) return -1;
    if (worker == 0) atomic_fetch_add(&r->passed, 1);
  }
  return 0;
}

const tyllm_needs tyllm_needs_table[] = {{"body", "body", "", 0, 0, 0, 0, 0, 0}};
const uint32_t tyllm_needs_count = 1;

int main(int argc, char **argv) {
  tyllm_program program = {body, body, tyllm_program_error, NULL, 0, 64, sizeof(record), tyllm_needs_table};
  tyllm_die die = {NULL, 0, 64, 64, &program, NULL};
  tyllm_config config = {TYLLM_RUNTIME_ABI, 1, 2, 1, 1, 0, 20000, &die};
  char error[256] = "";
  tyllm_session *session = argc == 2 ? tyllm_create(&config, error, sizeof error) : NULL;
  if (!session) return 2;
  record *r = tyllm_io(session, 0, 0);
  r->inside = !strcmp(argv[1], "inside");
  if (tyllm_step(session, 0, 0, TYLLM_BODY)) return 1;
  printf("%lld %lld %lld\n", (long long)r->done[0], (long long)r->done[1], (long long)r->early);
  return tyllm_destroy(session), 0;
}

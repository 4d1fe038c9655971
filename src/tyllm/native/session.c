/* A session from create to destroy: its memory, and the steps that it runs. */
#define _GNU_SOURCE
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "amx.h"

#define MEETING_SPIN_NS 30000 /* a guest's way through a program takes a few microseconds: then rather help than wait */

uint32_t tyllm_abi(void) { return TYLLM_RUNTIME_ABI; }

/* Zeroed pages that cost memory only once they are touched. */
static int map_region(region *r, uint64_t bytes) {
  r->bytes = bytes ? bytes : 64;
  r->start = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (r->start != MAP_FAILED) return 0;
  r->start = NULL;
  return -1;
}

static void unmap_region(region *r) {
  if (r->start) munmap(r->start, r->bytes);
}

static int copy_programs(die_state *die, const tyllm_die *config, uint32_t count) {
  die->programs = calloc(count, sizeof *die->programs);
  if (!die->programs) return -1;
  memcpy(die->programs, config->programs, count * sizeof *die->programs);
  return 0;
}

static int map_memory(struct tyllm_session *s, die_state *die) {
  uint64_t arena = 0;
  die->io = calloc(s->programs, sizeof *die->io);
  if (!die->io) return -1;
  for (uint32_t p = 0; p < s->programs; p++) {
    if (die->programs[p].arena_bytes > arena) arena = die->programs[p].arena_bytes;
    if (map_region(&die->io[p], die->programs[p].io_bytes)) return -1;
  }
  return map_region(&die->kv, s->slots * die->slot_bytes) || map_region(&die->arena, arena) ? -1 : 0;
}

static void make_thread(struct tyllm_session *s, uint32_t index, const tyllm_config *all) {
  uint32_t home = index / s->workers;
  const int32_t *cpus = all->die[home].cpus;
  uint64_t most = all->spin_ns, at_meetings = most < MEETING_SPIN_NS ? most : MEETING_SPIN_NS;
  patience fresh = {.most_ns = most, .now_ns = most}, brief = {.most_ns = at_meetings, .now_ns = at_meetings};
  s->thread[index] = (thread_state){.session = s, .index = index, .home = home,
                                    .cpu = cpus ? cpus[index % s->workers] : -1, .between_steps = fresh,
                                    .at_meetings = brief, .first = s->first + (size_t)index * s->dies};
  for (uint32_t d = 0; d < s->dies; d++) {
    uint32_t within = (index + s->threads - d * s->workers) % s->threads;
    *worker_of(&s->die[d], within) =
        (worker_state){.thread = &s->thread[index], .die = &s->die[d], .index = within, .at_barriers = fresh};
  }
}

static int make_die(struct tyllm_session *s, uint32_t index, const tyllm_config *all) {
  const tyllm_die *config = &all->die[index];
  die_state *die = &s->die[index];
  die->session = s;
  die->index = index;
  die->params = config->params;
  die->last_step = 1;
  die->kv_bytes = config->kv_bytes;
  die->slot_bytes = config->slot_bytes;
  return copy_programs(die, config, s->programs) || map_memory(s, die) ? -1 : 0;
}

/* calloc aligns to 16 bytes, the barriers want 64. */
static void *zeroed(size_t bytes) {
  bytes = (bytes + 63) / 64 * 64;
  void *memory = aligned_alloc(64, bytes);
  return memory ? memset(memory, 0, bytes) : NULL;
}

static int fill_session(struct tyllm_session *s, const tyllm_config *config) {
  s->process = getpid();
  s->dies = config->dies;
  s->workers = config->workers;
  s->programs = config->programs;
  s->slots = config->slots;
  s->threads = s->dies * s->workers;
  s->die = zeroed(s->dies * sizeof *s->die);
  s->thread = zeroed(s->threads * sizeof *s->thread);
  s->worker = zeroed((size_t)s->dies * s->threads * sizeof *s->worker);
  s->first = zeroed((size_t)s->dies * s->threads * sizeof *s->first);
  if (!s->die || !s->thread || !s->worker || !s->first) return -1;
  for (uint32_t d = 0; d < s->dies; d++)
    if (make_die(s, d, config)) return -1;
  for (uint32_t i = 0; i < s->threads; i++) make_thread(s, i, config);
  return 0;
}

tyllm_session *tyllm_create(const tyllm_config *config, char *error, uint64_t error_bytes) {
  if (tyllm_check(config, error, error_bytes)) return NULL;
  if (amx_request()) {
    snprintf(error, error_bytes, "the AMX tile registers that this program uses (%s); compile the model for a plainer "
             "target", strerror(errno));
    return NULL;
  }
  struct tyllm_session *s = zeroed(sizeof *s);
  if (!s) snprintf(error, error_bytes, "memory for a session");
  if (s && fill_session(s, config)) {
    snprintf(error, error_bytes, "memory for %u dies and %u slots (%s); ask for fewer slots, or allow this process more memory "
             "(ulimit -v)", config->dies, config->slots, strerror(errno));
  } else if (s && (errno = workers_start(s))) {
    snprintf(error, error_bytes, "thread %u of %u (%s); ask for fewer threads, or allow more (ulimit -u, or the container's "
             "limit of processes)", s->started + 1, s->threads - 1, strerror(errno));
  } else if (s) {
    return s;
  }
  if (s) tyllm_destroy(s);
  return NULL;
}

int session_fail(struct tyllm_session *s, const char *where, const char *text) {
  if (!atomic_exchange(&s->failed, 1)) snprintf(s->error, sizeof s->error, "%s: %s", where, text);
  for (uint32_t d = 0; d < s->dies; d++) sharing_break(&s->die[d]);
  meeting_break(s);
  return -1;
}

static int refuse(struct tyllm_session *s, const char *text) {
  snprintf(s->error, sizeof s->error, "%s", text);
  return -1;
}

/* After a failure, once all threads have come out: who goes in later sees `opening` ahead and comes out again. */
static int mend(struct tyllm_session *s) {
  atomic_fetch_add(&s->opening, 1);
  for (;;) {
    unsigned left = event_value(&s->left);
    if (atomic_load(&s->inside) == 0) break;
    event_wait(&s->left, left, &s->thread[0].between_steps);
  }
  for (uint32_t d = 0; d < s->dies; d++) sharing_mend(&s->die[d]);
  meeting_mend(s);
  atomic_store(&s->failed, 0);
  return -1;
}

/* The step begins where the last one ended: what the dies left at its last meeting. */
static void write_step(struct tyllm_session *s, uint32_t program, uint32_t slot, uint32_t flags) {
  atomic_store(&s->opening, event_value(&s->start) + 1);
  atomic_store(&s->program, program);
  atomic_store(&s->slot, slot);
  atomic_store(&s->flags, flags);
  atomic_store(&s->meeting, event_value(&s->die[0].met));
  for (uint32_t d = 0; d < s->dies; d++)
    atomic_store(&s->die[d].first, (uint64_t)s->die[d].last_step << 32 | s->die[d].last_due);
  event_advance(&s->start);
}

int32_t tyllm_step(tyllm_session *s, uint32_t program, uint32_t slot, uint32_t flags) {
  if (getpid() != s->process) return refuse(s, "the session was opened before a fork and its threads stayed behind");
  if (program >= s->programs || slot >= s->slots) return refuse(s, "there is no such program or slot");
  write_step(s, program, slot, flags);
  run_step(&s->thread[0], event_value(&s->start));
  return atomic_load(&s->failed) ? mend(s) : 0;
}

void *tyllm_io(tyllm_session *s, uint32_t die, uint32_t program) {
  return die < s->dies && program < s->programs ? s->die[die].io[program].start : NULL;
}

void *kv_of(const die_state *die, uint32_t slot) { return (char *)die->kv.start + slot * die->slot_bytes; }

void *tyllm_kv(tyllm_session *s, uint32_t die, uint32_t slot) {
  return die < s->dies && slot < s->slots ? kv_of(&s->die[die], slot) : NULL;
}

void tyllm_release(tyllm_session *s, uint32_t slot) {
  for (uint32_t d = 0; slot < s->slots && d < s->dies; d++)
    madvise(kv_of(&s->die[d], slot), s->die[d].kv_bytes, MADV_DONTNEED); /* refused, the memory stays in use */
}

const char *tyllm_last_error(const tyllm_session *s) { return s->error; }

static void free_die(struct tyllm_session *s, die_state *die) {
  unmap_region(&die->arena);
  for (uint32_t p = 0; die->io && p < s->programs; p++) unmap_region(&die->io[p]);
  unmap_region(&die->kv);
  free(die->io);
  free(die->programs);
}

void tyllm_destroy(tyllm_session *s) {
  if (s->started && getpid() == s->process) workers_stop(s); /* a forked child has no threads to wait for */
  for (uint32_t d = 0; s->die && d < s->dies; d++) free_die(s, &s->die[d]);
  free(s->die);
  free(s->thread);
  free(s->worker);
  free(s->first);
  free(s);
}

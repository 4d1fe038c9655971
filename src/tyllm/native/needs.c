/* What compiled code needs of memory, against what it is given: a number that was forged or lost is a sentence, not a crash. */
#include "needs.h"

#include <stdio.h>
#include <string.h>

#define MOST_DIES 64u
#define MOST_THREADS (1u << 16)
#define MOST_PROGRAMS (1u << 16)
#define MOST_SLOTS (1u << 20)
#define MOST_BYTES (1ull << 46) /* of one region; all of a die's together fit into 64 bits */

typedef struct {
  char *text;
  uint64_t size;
} sentence;

static int small(const sentence *error, uint32_t die, const char *program, const char *what, uint64_t given, uint64_t needed) {
  if (given >= needed && given <= MOST_BYTES) return 0;
  snprintf(error->text, error->size, "%llu bytes of %s for %.64s on die %u, whose code needs %llu", (unsigned long long)given,
           what, program, die, (unsigned long long)needed);
  return -1;
}

/* All of a die's parameters: a header of another length would move them. */
static int other(const sentence *error, uint32_t die, const char *program, uint64_t given, uint64_t needed) {
  if (given == needed) return 0;
  snprintf(error->text, error->size, "%llu bytes of parameters for %.64s on die %u, whose code was compiled for %llu",
           (unsigned long long)given, program, die, (unsigned long long)needed);
  return -1;
}

/* A batch computes with the distance of the slots, which must not overlap. */
static int apart(const sentence *error, uint32_t index, const char *program, const tyllm_die *die, const tyllm_needs *needs) {
  if (die->slot_bytes >= die->kv_bytes && (!needs->slot_bytes || needs->slot_bytes == die->slot_bytes)) return 0;
  snprintf(error->text, error->size, "%llu bytes for a slot of %.64s on die %u, whose code was compiled for %llu",
           (unsigned long long)die->slot_bytes, program, index, (unsigned long long)needs->slot_bytes);
  return -1;
}

static int check_program(const sentence *error, uint32_t index, const tyllm_die *die, const tyllm_program *program) {
  const tyllm_needs *needs = program->needs;
  if (!program->body || !program->error || !needs) {
    snprintf(error->text, error->size, "a program on die %u without code, or without what its code needs", index);
    return -1;
  }
  return other(error, index, needs->body, die->params_bytes, needs->params_bytes) ||
                 small(error, index, needs->body, "constants", program->constants_bytes, needs->constants_bytes) ||
                 small(error, index, needs->body, "KV cache", die->kv_bytes, needs->kv_bytes) ||
                 apart(error, index, needs->body, die, needs) ||
                 small(error, index, needs->body, "arena", program->arena_bytes, needs->arena_bytes) ||
                 small(error, index, needs->body, "io", program->io_bytes, needs->io_bytes)
             ? -1
             : 0;
}

static int check_numbers(const sentence *error, const tyllm_config *c) {
  int fits = c->dies && c->dies <= MOST_DIES && c->workers && c->workers <= MOST_THREADS / c->dies && c->programs &&
             c->programs <= MOST_PROGRAMS && c->slots && c->slots <= MOST_SLOTS && c->die;
  if (c->abi == TYLLM_RUNTIME_ABI && fits) return 0;
  snprintf(error->text, error->size, "a configuration of ABI %u with %u dies, %u workers, %u programs and %u slots", c->abi,
           c->dies, c->workers, c->programs, c->slots);
  return -1;
}

int32_t tyllm_check(const tyllm_config *config, char *text, uint64_t text_bytes) {
  sentence error = {text, text_bytes};
  if (check_numbers(&error, config)) return -1;
  for (uint32_t d = 0; d < config->dies; d++) {
    const tyllm_die *die = &config->die[d];
    if (!die->programs || die->slot_bytes > MOST_BYTES || die->slot_bytes > UINT64_MAX / 2 / config->slots) {
      snprintf(text, text_bytes, "die %u with %llu bytes of KV cache for each of %u slots", d,
               (unsigned long long)die->slot_bytes, config->slots);
      return -1;
    }
    for (uint32_t p = 0; p < config->programs; p++)
      if (check_program(&error, d, die, &die->programs[p])) return -1;
  }
  return 0;
}

const tyllm_needs *tyllm_needs_of(const char *body) {
  for (uint32_t i = 0; i < tyllm_needs_count; i++)
    if (!strcmp(tyllm_needs_table[i].body, body)) return &tyllm_needs_table[i];
  return NULL;
}

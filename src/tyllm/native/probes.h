/* Loops that do nothing but read memory, or multiply and add what is in registers, as fast as the target can. */
#ifndef TYLLM_PROBES_H
#define TYLLM_PROBES_H

#include <stddef.h>

typedef struct {
  const char *name;
  /* Goes `passes` times over `bytes` of memory, or does that many steps; returns the bytes read, or the operations done,
   * of which a multiplication and an addition are two. */
  double (*run)(const void *memory, size_t bytes, long passes);
  int reads;
} probe;

/* "read", "int8", "float32", "tile_int8", "tile_bfloat16"; NULL where the target has no such instruction. */
__attribute__((visibility("hidden"))) const probe *probe_named(const char *name);

#endif

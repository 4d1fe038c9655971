/* Memory for what a kernel keeps to itself while it runs, one piece for each thread; nothing in it outlives the call. */
#include <stdint.h>

#define BYTES (1 << 20) /* tytvm/kernels/primitives/scratch.py says so too */

void *tyllm_scratch(void) {
  static _Thread_local _Alignas(64) char memory[BYTES];
  return memory;
}

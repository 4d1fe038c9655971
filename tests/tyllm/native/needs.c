/* Asks tyllm_check and tyllm_create about a session with one number changed: prints each one's sentence, or "taken". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "needs.h"

const tyllm_needs tyllm_needs_table[] = {{"first", "head", "ab", 1, 2, 3, 0, 4, 5},
                                         {"second", "", "cd", 256, 128, 1024, 1 << 16, 2048, 512}};
const uint32_t tyllm_needs_count = 2;

static int nothing(void *self, const tyllm_any *arguments, int32_t count, tyllm_any *result) {
  (void)self, (void)arguments, (void)count, (void)result;
  return 0;
}

typedef struct {
  const char *name;
  void *field;
  size_t size;
} number;

int main(int argc, char **argv) {
  static char memory[512];
  tyllm_program program = {nothing, NULL, tyllm_program_error, memory, 128, 2048, 512, tyllm_needs_of("second")};
  tyllm_die die = {memory, 256, 1024, 1 << 16, &program, NULL};
  tyllm_config config = {TYLLM_RUNTIME_ABI, 1, 1, 1, 2, 0, 0, &die};
  const number numbers[] = {
      {"abi", &config.abi, 4}, {"dies", &config.dies, 4}, {"workers", &config.workers, 4}, {"programs", &config.programs, 4},
      {"slots", &config.slots, 4}, {"die", &config.die, 8}, {"params_bytes", &die.params_bytes, 8}, {"kv_bytes", &die.kv_bytes, 8},
      {"slot_bytes", &die.slot_bytes, 8},
      {"of_die", &die.programs, 8}, {"constants_bytes", &program.constants_bytes, 8}, {"arena_bytes", &program.arena_bytes, 8},
      {"io_bytes", &program.io_bytes, 8}, {"needs", &program.needs, 8}, {"body", &program.body, 8}, {"error", &program.error, 8}};
  uint64_t value = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
  for (size_t n = 0; argc > 2 && n < sizeof numbers / sizeof *numbers; n++)
    if (!strcmp(argv[1], numbers[n].name)) memcpy(numbers[n].field, &value, numbers[n].size);
  char check[256] = "taken", create[256] = "taken";
  tyllm_check(&config, check, sizeof check);
  tyllm_session *session = tyllm_create(&config, create, sizeof create);
  if (session) tyllm_destroy(session);
  return printf("%s\n%s\n", check, create) < 0 || tyllm_needs_of("third") != NULL;
}

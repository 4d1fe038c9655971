/* How compiled code says what went wrong: the tvm-ffi calls for it, kept per thread until the worker asks. */
#include <stdio.h>
#include <string.h>

#include "tyllm_runtime.h"

static _Thread_local char raised[384];

static void append(const char *text) {
  size_t used = strlen(raised);
  if (text) snprintf(raised + used, sizeof raised - used, "%s", text);
}

void TVMFFIErrorSetRaisedFromCStrParts(const char *kind, const char **parts, int32_t count) {
  raised[0] = 0;
  append(kind);
  append(": ");
  for (int32_t i = 0; i < count; i++) append(parts[i]);
}

void TVMFFIErrorSetRaisedFromCStr(const char *kind, const char *message) {
  TVMFFIErrorSetRaisedFromCStrParts(kind, &message, 1);
}

const char *tyllm_program_error(void) { return raised; }

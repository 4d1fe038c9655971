/* The table of needs, which is generated and linked into each library beside its programs. */
#ifndef TYLLM_NEEDS_H
#define TYLLM_NEEDS_H

#include "tyllm_runtime.h"

/* One for each program of the library. */
extern TYLLM_INSIDE const tyllm_needs tyllm_needs_table[];
extern TYLLM_INSIDE const uint32_t tyllm_needs_count;

#endif

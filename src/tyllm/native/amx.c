/* The request is Linux's own (Documentation/arch/x86/xstate.rst); a second one is granted again and costs nothing. */
#define _GNU_SOURCE
#include "amx.h"

#if defined(__AMX_TILE__)
#include <sys/syscall.h>
#include <unistd.h>

#define REQUEST_PERMISSION 0x1023 /* ARCH_REQ_XCOMP_PERM */
#define TILE_DATA 18              /* the state component */

int amx_request(void) { return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) ? -1 : 0; }
#else
int amx_request(void) { return 0; }
#endif

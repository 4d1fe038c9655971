/* AMX: tile registers of 8 KiB a thread, which Linux gives only to a process that asks. */
#ifndef TYLLM_AMX_H
#define TYLLM_AMX_H

/* Ask for this process and all its threads; 0, or -1 and errno. Nothing to do in a program built without AMX. */
__attribute__((visibility("hidden"))) int amx_request(void);

#endif

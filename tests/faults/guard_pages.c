/* To be preloaded: what a session maps lies between two pages that trap, and its end at the second.
 *
 * A session's regions are known by MAP_NORESERVE. Parameters and constants are copied to such a place by guarded_copy.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALIGNMENT 64 /* of what compiled code reads and writes */

static atomic_int guarded;

static void *map(void *address, size_t length, int protection, int flags, int file, off_t offset) {
  return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}

static void *between_guards(size_t length) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (length + page - 1) / page * page;
  char *start = map(NULL, whole + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) return MAP_FAILED;
  if (mprotect(start + page, whole, PROT_READ | PROT_WRITE)) return MAP_FAILED;
  atomic_fetch_add(&guarded, 1);
  return start + page + (whole - length) / ALIGNMENT * ALIGNMENT;
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
  int of_session = (flags & MAP_NORESERVE) && (flags & MAP_ANONYMOUS) && (protection & PROT_WRITE) && !address;
  return of_session ? between_guards(length) : map(address, length, protection, flags, file, offset);
}

void *guarded_copy(const void *source, size_t length) {
  void *copy = between_guards(length);
  return copy == MAP_FAILED ? NULL : memcpy(copy, source, length);
}

int guarded_regions(void) { return atomic_load(&guarded); }

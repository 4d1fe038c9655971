/* A compiled module in small: y = 2 · x + constant of three values; it fails for x[0] = 13. */
#include <stdint.h>

#include "needs.h"

/* Sizes and the layout are written into the library later (fake_package.with_needs). */
const tyllm_needs tyllm_needs_table[] = {{"edgex_double", "", "", 0, 0, 0, 0, 0, 0}};
const uint32_t tyllm_needs_count = 1;

TYLLM_EXPORT int __tvm_ffi_edgex_double(void *self, const tyllm_any *arguments, int32_t count, tyllm_any *result) {
  (void)self, (void)result, (void)count;
  const float *constant = arguments[1].value.pointer;
  float *io = arguments[4].value.pointer;
  const char *parts[] = {"thirteen ", "is unlucky"};
  for (int64_t piece; (piece = tyllm_next(arguments[5].value.pointer, (int32_t)arguments[6].value.integer, 3, 1)) >= 0;) {
    if (io[0] == 13) return TVMFFIErrorSetRaisedFromCStrParts("ValueError", parts, 2), -1;
    for (int64_t i = piece >> 32; i < (piece & 0xffffffff); i++) io[16 + i] = 2 * io[i] + *constant;
  }
  return 0;
}

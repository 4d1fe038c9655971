/* A compiled module in small: y = 2 · x + constant of three values, computed by a die's last worker; it fails for x[0] = 13. */
#include <stdint.h>

#include "needs.h"

/* Sizes and the layout are written into the library later (fake_package.with_needs). */
const tyllm_needs tyllm_needs_table[] = {{"edgex_double", "", "", 0, 0, 0, 0, 0}};
const uint32_t tyllm_needs_count = 1;

TYLLM_EXPORT int __tvm_ffi_edgex_double(void *self, const tyllm_any *arguments, int32_t count, tyllm_any *result) {
  (void)self, (void)result, (void)count;
  const float *constant = arguments[1].value.pointer;
  float *io = arguments[4].value.pointer;
  if (arguments[6].value.integer != arguments[7].value.integer - 1) return 0;
  const char *parts[] = {"thirteen ", "is unlucky"};
  if (io[0] == 13) return TVMFFIErrorSetRaisedFromCStrParts("ValueError", parts, 2), -1;
  for (int i = 0; i < 3; i++) io[16 + i] = 2 * io[i] + *constant;
  return 0;
}

/* support/check.h - what cmocka lacks: its own includes in the right order, and checks that print
 * bytes.  Assert on the thread that runs the case: cmocka fails by longjmp. */
#ifndef NPRI_SUPPORT_CHECK_H
#define NPRI_SUPPORT_CHECK_H

/* cmocka.h needs the four before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "nprocreg/types.h"

/* Reads "83616a..." into `out`; fails the case on anything else or when it does not fit. */
size_t check_unhex(const char *hex, uint8_t *out, size_t out_size);

/* Both as hexadecimal text in the failure. */
void check_bytes_equal(struct npr_bytes actual,
                       struct npr_bytes expected,
                       const char *file,
                       int line);
#define CHECK_BYTES_EQUAL(actual, expected) check_bytes_equal(actual, expected, __FILE__, __LINE__)

#endif /* NPRI_SUPPORT_CHECK_H */

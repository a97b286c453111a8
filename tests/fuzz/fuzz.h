/* fuzz/fuzz.h - what a fuzzer defines, and its check: on in every build, unlike assert(). */
#ifndef NPRI_FUZZ_FUZZ_H
#define NPRI_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

#define FUZZ_CHECK(condition) NPRI_ASSERT(condition)

/* One run on one input; returns 0.  The name is libFuzzer's. */
/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* NPRI_FUZZ_FUZZ_H */

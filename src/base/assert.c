#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void npri_assert_failed(const char *file, int line, const char *text)
{
    (void)fprintf(stderr, "nprocreg: %s:%d: assertion failed: %s\n", file, line, text);
    abort();
}

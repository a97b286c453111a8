/* base/fail.h - filling a struct npr_error. */
#ifndef NPRI_BASE_FAIL_H
#define NPRI_BASE_FAIL_H

#include "nprocreg/error.h"

/* Writes `status` and the text into `err` (which may be NULL) and returns `status`, so that a
 * failing line reads `return npri_fail(err, NPR_EINVAL, "port %u is taken", port);`. */
npr_status npri_fail(struct npr_error *err, npr_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts the text in front of the one already in `err`: "join b@h: " + "connection refused". */
npr_status npri_fail_prefix(struct npr_error *err, npr_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif /* NPRI_BASE_FAIL_H */

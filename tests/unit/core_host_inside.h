/* core_host_inside.h - for the files of core_host.h: core_host.c steps the core, core_host_terms.c
 * makes the terms that it is told, core_host_trace.c writes down what it does. */
#ifndef NPRI_TESTS_CORE_HOST_INSIDE_H
#define NPRI_TESTS_CORE_HOST_INSIDE_H

#include "core_host.h"

#include "base/bytes.h"

/* Borrowed until the 16th call after this one. */
struct npri_buffer *host_next_buffer(void);
struct npr_term host_term_in(const struct npri_buffer *buffer);

/* A copy of `term` in such a buffer.  Pids as text have no creation; in the copy they have 1. */
struct npr_term host_with_creations(struct npr_term term);

/* One effect, into the trace. */
void host_narrate(struct core_host *host, const struct npri_core_effect *effect);

#endif /* NPRI_TESTS_CORE_HOST_INSIDE_H */

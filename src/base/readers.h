/* base/readers.h - who still reads what was taken out of a shared structure, told without locks and
 * without anybody waiting.
 *
 * One writer changes the structure; any thread reads it between enter and leave.  What the writer
 * has taken out it must keep until every reader that may have seen it has left: a grace period.
 *
 *      operation                        | thread                       | cost
 *      ---------------------------------+------------------------------+--------------------------
 *      npri_readers_enter(), _leave()   | any; never waits; nests      | one atomic addition each,
 *                                       |                              | on a line of its own
 *      npri_readers_begin(), _passed()  | the writer                   | passed: looks at all
 *                                       |                              | lines; never waits
 *
 * Each reader counts itself in under one of two phases, and out again; threads share few lines.
 * A grace period waits until the phase that new readers do not use is empty (of those that came
 * late into it), turns the phases, and waits until the other one is empty, which nobody enters any
 * more but those who had read the phase before and come late.  So it ends however many new readers
 * there are, and each reader that was there when it began has left.
 *
 * Why not liburcu: docs/decisions/readers.md. */
#ifndef NPRI_BASE_READERS_H
#define NPRI_BASE_READERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define NPRI_READERS_LINES 32u

struct npri_readers_line {
    atomic_uint_fast64_t entered[2]; /* by phase */
    atomic_uint_fast64_t left[2];
    uint8_t apart[96]; /* keeps the next one off this cache line, and the one that comes with it */
};

struct npri_readers {
    struct npri_readers_line lines[NPRI_READERS_LINES];
    atomic_uint phase; /* written by the writer; a reader that has an old one is a late comer */
    /* The writer's. */
    uint64_t passed; /* grace periods */
    bool turned;     /* the next one has turned the phases */
};

/* Where a reader has counted itself in. */
struct npri_reading {
    struct npri_readers_line *line;
    unsigned phase;
};

/* A zeroed struct is ready. */
struct npri_reading npri_readers_enter(struct npri_readers *readers);
void npri_readers_leave(struct npri_reading reading);

/* The number of the grace period that is over when every reader has left that is here now. */
uint64_t npri_readers_begin(const struct npri_readers *readers);

/* Whether that one is over.  Goes as far as the readers let it. */
bool npri_readers_passed(struct npri_readers *readers, uint64_t number);

#endif /* NPRI_BASE_READERS_H */

#include "base/readers.h"

/* Threads take lines in turn.  relaxed: it only spreads them. */
static atomic_uint threads_count;

/* Found without a call: the library is there before its threads are.  0: none yet, else one more
 * than the line. */
static _Thread_local unsigned own_line __attribute__((tls_model("initial-exec")));

static unsigned line_of_thread(void)
{
    if (own_line == 0) {
        own_line = 1 + atomic_fetch_add_explicit(&threads_count, 1, memory_order_relaxed) %
                           NPRI_READERS_LINES;
    }
    return own_line - 1;
}

struct npri_reading npri_readers_enter(struct npri_readers *readers)
{
    /* relaxed: an old phase is as good, see is_empty(). */
    const unsigned phase = atomic_load_explicit(&readers->phase, memory_order_relaxed) % 2;
    struct npri_readers_line *line = &readers->lines[line_of_thread()];

    /* acquire: pairs with the addition of 0 in is_empty().  Whoever it did not count sees all that
     * the writer had taken out before. */
    (void)atomic_fetch_add_explicit(&line->entered[phase], 1, memory_order_acq_rel);
    return (struct npri_reading){.line = line, .phase = phase};
}

void npri_readers_leave(struct npri_reading reading)
{
    /* release: pairs with the load in is_empty(): what was read was read before it is freed. */
    (void)atomic_fetch_add_explicit(&reading.line->left[reading.phase], 1, memory_order_release);
}

/* Whether all who have entered under that phase have left.  Those who left are counted first: who
 * is counted among them is counted among those who entered, too, so the numbers are equal only if
 * everybody counted has left.  Who enters later than it was counted sees the structure as it is
 * now: the addition of 0 is in one order with his own. */
static bool is_empty(struct npri_readers *readers, unsigned phase)
{
    uint64_t entered = 0;
    uint64_t left = 0;

    for (unsigned i = 0; i < NPRI_READERS_LINES; i++) {
        left += atomic_load_explicit(&readers->lines[i].left[phase], memory_order_acquire);
    }
    for (unsigned i = 0; i < NPRI_READERS_LINES; i++) {
        entered +=
            atomic_fetch_add_explicit(&readers->lines[i].entered[phase], 0, memory_order_acq_rel);
    }
    return entered == left;
}

/* relaxed: the writer reads what it has written. */
static unsigned phase_of(const struct npri_readers *readers)
{
    return atomic_load_explicit(&readers->phase, memory_order_relaxed) % 2;
}

static void advance(struct npri_readers *readers)
{
    if (!readers->turned && is_empty(readers, 1 - phase_of(readers))) {
        /* relaxed: as in npri_readers_enter(). */
        atomic_store_explicit(&readers->phase, 1 - phase_of(readers), memory_order_relaxed);
        readers->turned = true;
    }
    if (readers->turned && is_empty(readers, 1 - phase_of(readers))) {
        readers->turned = false;
        readers->passed++;
    }
}

/* One that has turned already does not count: readers that are here may be in the phase that it has
 * found empty.  One that has not looks at both phases from now on. */
uint64_t npri_readers_begin(const struct npri_readers *readers)
{
    return readers->passed + (readers->turned ? 2 : 1);
}

bool npri_readers_passed(struct npri_readers *readers, uint64_t number)
{
    uint64_t before;

    do {
        before = readers->passed;
        if (before < number) {
            advance(readers);
        }
    } while (readers->passed != before);
    return readers->passed >= number;
}

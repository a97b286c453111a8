#include "runtime/lookout.h"

#include "base/alloc.h"
#include "runtime/internal.h"

/* Looks in the time that is too long. */
#define LOOKS 4u

/* The same when only rests are looked for. */
#define RESTS_NS UINT64_C(100000000)

/* Ended processes whose memory is worth a trim: a megabyte or two. */
#define TRIM_PROCESSES 4096u

npr_status npri_lookout_init(struct npri_lookout *lookout, struct npri_runtime *runtime)
{
    lookout->runtime = runtime;
    lookout->period_ns = RESTS_NS / LOOKS;
    if (runtime->options.long_callback_ms == 0 || runtime->options.slow == NULL) {
        return NPR_OK;
    }
    lookout->long_ns = runtime->options.long_callback_ms * NPRI_NS_PER_MS;
    lookout->period_ns = lookout->long_ns / LOOKS;
    lookout->seen = npri_alloc_zeroed(runtime->scheduler.workers_count, sizeof(*lookout->seen));
    return lookout->seen == NULL ? NPR_ENOMEM : NPR_OK;
}

void npri_lookout_fini(struct npri_lookout *lookout)
{
    npri_free(lookout->seen);
    lookout->seen = NULL;
}

static void tell(const struct npri_lookout *lookout,
                 const struct npri_lookout_seen *seen,
                 uint64_t now_ns,
                 bool returned)
{
    const struct npri_runtime_options *options = &lookout->runtime->options;
    const struct npri_local local = {.id = (uint32_t)seen->process,
                                     .serial = (uint32_t)(seen->process >> 32)};
    const struct npr_pid pid = npri_runtime_pid(lookout->runtime, local);

    options->slow(options->user,
                  &(struct npri_slow){.pid = &pid,
                                      .function = seen->origin->function,
                                      .ms = (now_ns - seen->since_ns) / NPRI_NS_PER_MS,
                                      .returned = returned});
}

static void look_at(struct npri_lookout *lookout, unsigned index, uint64_t now_ns)
{
    const struct npri_pulse *pulse = &lookout->runtime->scheduler.workers[index].pulse;
    struct npri_lookout_seen *seen = &lookout->seen[index];
    /* acquire: pairs with the release in npri_pulse_beat(). */
    const uint64_t beat = atomic_load_explicit(&pulse->beat, memory_order_acquire);
    /* acquire: pairs with the release in npri_pulse_begin().  A turn that begins meanwhile shows in
     * the next look. */
    const uint64_t process = atomic_load_explicit(&pulse->process, memory_order_acquire);

    if (process == seen->process && beat == seen->beat) {
        if (process != 0 && !seen->told && now_ns - seen->since_ns >= lookout->long_ns) {
            seen->told = true;
            tell(lookout, seen, now_ns, false);
        }
        return;
    }
    if (seen->told) {
        tell(lookout, seen, now_ns, true);
    }
    *seen = (struct npri_lookout_seen){
        .beat = beat,
        .process = process,
        /* relaxed: it comes with the process. */
        .origin = atomic_load_explicit(&pulse->origin, memory_order_relaxed),
        .since_ns = now_ns,
    };
}

/* Nobody is at work.  True: nobody was when `parked` could be seen. */
static bool park(struct npri_lookout *lookout)
{
    const struct npri_scheduler *scheduler = &lookout->runtime->scheduler;

    /* seq_cst both, see the header. */
    atomic_store_explicit(&lookout->parked, true, memory_order_seq_cst);
    if (atomic_load_explicit(&scheduler->sleeping, memory_order_seq_cst) ==
        scheduler->workers_count) {
        return true;
    }
    /* One that has seen it already makes the next tick come, too: one too many. */
    atomic_store_explicit(&lookout->parked, false, memory_order_seq_cst);
    return false;
}

static void trim(struct npri_lookout *lookout)
{
    const uint64_t finished = npri_scheduler_finished(&lookout->runtime->scheduler);

    if (finished - lookout->trimmed >= TRIM_PROCESSES) {
        lookout->trimmed = finished;
        npri_alloc_trim();
    }
}

uint64_t npri_lookout_tick(struct npri_lookout *lookout, uint64_t now_ns)
{
    const struct npri_scheduler *scheduler = &lookout->runtime->scheduler;

    for (unsigned i = 0; lookout->seen != NULL && i < scheduler->workers_count; i++) {
        look_at(lookout, i, now_ns);
    }
    /* relaxed: park() looks again. */
    if (atomic_load_explicit(&scheduler->sleeping, memory_order_relaxed) ==
        scheduler->workers_count) {
        trim(lookout);
        if (park(lookout)) {
            return UINT64_MAX;
        }
    }
    return now_ns + lookout->period_ns;
}

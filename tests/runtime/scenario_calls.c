/* Calls between processes: each is answered exactly once, with its own answer, whatever the one who
 * was called does: answers at once, or with the next call, never, or ends. */
#include "scenario.h"
#include "world.h"

#include <stdatomic.h>

enum {
    CALLEES = 3,
    CALLERS = 3,
    CALLS = 16, /* of each caller */
    OPEN_MAX = 3,
    TIMEOUT_MS = 2,
};

static struct world *world_here;
static struct npr_pid callees[CALLEES];
static atomic_uint errors_count;
static atomic_uint outcomes[3]; /* answered, overdue, ended */

static void count_error(bool is_right)
{
    if (!is_right) {
        (void)atomic_fetch_add(&errors_count, 1);
    }
}

/* ---- Who is called. */

struct callee {
    struct npr_caller *waiting; /* to be answered with the next call, by what it asked */
    uint64_t asked;
};

static npr_status reply_with(struct npr_process *self, const struct npr_from *from, uint64_t number)
{
    struct npr_builder *scratch = npr_scratch(self);
    struct npr_term term;
    npr_status status;

    npr_build_uint(scratch, number);
    status = npr_builder_finish(scratch, &term, NULL);
    return status == NPR_OK ? npr_reply(self, from, term) : status;
}

static npr_status callee_call(struct npr_process *self,
                              void *state,
                              const struct npr_from *from,
                              struct npr_term request)
{
    struct callee *callee = state;
    npr_status status = NPR_OK;
    uint64_t number = 0;

    count_error(npr_term_get_uint64(request, &number));
    if (callee->waiting != NULL) {
        status = reply_with(self, npr_caller_from(callee->waiting), callee->asked);
        npr_caller_destroy(callee->waiting);
        callee->waiting = NULL;
    }
    if (status != NPR_OK) {
        return status;
    }
    switch (number % 16) {
    case 13:
        return npr_stop(self, NPRI_WORD_SHUTDOWN);
    case 0:
    case 8:
        return NPR_OK; /* and never */
    case 3:
    case 6:
    case 11:
        callee->waiting = npr_caller_create(from);
        callee->asked = number;
        return callee->waiting == NULL ? NPR_ENOMEM : NPR_OK;
    default:
        return reply_with(self, from, number);
    }
}

static void callee_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    struct callee *callee = state;

    (void)self;
    (void)reason;
    npr_caller_destroy(callee->waiting);
}

static const struct npr_behaviour callee_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct callee),
    .call = callee_call,
    .terminate = callee_terminate,
};

/* ---- Who calls. */

struct call {
    uint64_t call;
    uint64_t number; /* that it asked with */
};

struct caller {
    struct call open[OPEN_MAX];
    uint32_t open_count;
    uint32_t begun;
    uint32_t answered;
    uint64_t next_number;
};

/* As many as may be open. */
static npr_status caller_call(struct npr_process *self, struct caller *caller)
{
    npr_status status = NPR_OK;

    while (status == NPR_OK && caller->open_count < OPEN_MAX && caller->begun < CALLS) {
        struct call *call = &caller->open[caller->open_count];
        struct npr_builder *scratch = npr_scratch(self);
        struct npr_term term;

        call->number = caller->next_number++;
        npr_build_uint(scratch, call->number);
        status = npr_builder_finish(scratch, &term, NULL);
        if (status == NPR_OK) {
            status =
                npr_call(self, &callees[call->number % CALLEES], term, TIMEOUT_MS, &call->call);
        }
        caller->open_count++;
        caller->begun++;
    }
    return status;
}

static npr_status caller_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct caller *caller = state;

    (void)args;
    caller->next_number = (uint64_t)npr_self(self).id * 1000;
    return caller_call(self, caller);
}

static npr_status caller_answer(struct npr_process *self,
                                void *state,
                                const struct npr_answer *answer)
{
    struct caller *caller = state;
    uint32_t i = 0;
    uint64_t number;
    npr_status status;

    while (i < caller->open_count && caller->open[i].call != answer->call) {
        i++;
    }
    count_error(i < caller->open_count); /* answered twice, or never asked */
    if (i == caller->open_count) {
        return NPR_OK;
    }
    if (answer->status == NPR_OK) {
        count_error(npr_term_get_uint64(answer->term, &number) && number == caller->open[i].number);
        (void)atomic_fetch_add(&outcomes[0], 1);
    } else if (answer->status == NPR_ETIMEDOUT) {
        (void)atomic_fetch_add(&outcomes[1], 1);
    } else {
        count_error(answer->status == NPR_EEXIT || answer->status == NPR_ENOPROC);
        (void)atomic_fetch_add(&outcomes[2], 1);
    }
    caller->open[i] = caller->open[--caller->open_count];
    caller->answered++;
    status = caller_call(self, caller);
    return status == NPR_OK && caller->answered == CALLS
               ? npr_send(self, &world_here->probe, NPRI_WORD_OK)
               : status;
}

static const struct npr_behaviour caller_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct caller),
    .init = caller_init,
    .answer = caller_answer,
};

void scenario_calls(uint64_t seed)
{
    const struct npri_spawn callee = {.behaviour = &callee_behaviour};
    const struct npri_spawn caller = {.behaviour = &caller_behaviour};
    struct world world;

    world_here = &world;
    atomic_store(&errors_count, 0);
    for (size_t i = 0; i < 3; i++) {
        atomic_store(&outcomes[i], 0);
    }
    world_open(&world, 1 + (unsigned)(seed % 3));
    for (int i = 0; i < CALLEES; i++) {
        callees[i] = world_puppet_with(&world, &callee);
    }
    for (int i = 0; i < CALLERS; i++) {
        (void)world_puppet_with(&world, &caller);
    }
    for (int i = 0; i < CALLERS; i++) {
        npri_signal_destroy(world_take(&world, &world.probed));
    }
    world_close(&world);
    assert_int_equal(atomic_load(&errors_count), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_true(atomic_load(&outcomes[i]) != 0); /* else this is no test of it */
    }
}

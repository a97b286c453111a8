/* Registering by way of this node, as functions for peers (node/functions.h).
 *
 *     nprocreg:register_pid(Key, Pid)                           -> ok
 *     nprocreg:unregister_key(Key)                              -> ok
 *     nprocreg_native:register(Key, Pid, Replaces, TimeoutMs)   -> ok | {error, Status, Text}
 *     nprocreg_native:unregister(Key, TimeoutMs)                -> ok | {error, Status, Text}
 *
 * The original's replace what is there, and fail with an exception.  The native ones are
 * npr_register(), with Replaces npr_reregister(), and npr_unregister(), with another time. */
#include "base/alloc.h"
#include "base/limits.h"
#include "node/claiming.h"
#include "node/failure.h"
#include "node/functions.h"
#include "node/node.h"
#include "term/write.h"

/* gen_server:call's five seconds, less what the way back takes. */
#define REGISTER_MS UINT64_C(4900)
#define NS_PER_MS   UINT64_C(1000000)

struct asked {
    struct npri_claiming claiming;
    struct npri_evaluation *evaluation;
    bool natively;
};

static void done(struct npri_claiming *claiming, npr_status status, struct npr_bytes text)
{
    struct asked *asked = NPRI_CONTAINER_OF(claiming, struct asked, claiming);
    struct npri_evaluation *evaluation = asked->evaluation;
    struct npri_buffer value;

    if (text.size == 0) {
        text = npr_bytes_of(npr_status_text(status));
    }
    if (status == NPR_OK) {
        npri_evaluation_return_atom(evaluation, "ok");
    } else if (asked->natively) {
        npri_buffer_init(&value, 0);
        npri_put_error(&value, status, text);
        npri_evaluation_return_built(evaluation, &value);
    } else {
        npri_evaluation_fail(evaluation, status, text);
    }
    npri_free(asked);
}

/* The first arguments, where they live as long as the evaluation: Key, and Pid. */
static void take_terms(struct asked *asked)
{
    struct npri_core_event *event = &asked->claiming.event;
    struct npr_term_walk walk;

    if (npr_term_list(asked->evaluation->apply.args, &walk)) {
        (void)npr_term_next(&walk, &event->key);
        if (event->kind == NPRI_EVENT_REGISTER) {
            (void)npr_term_next(&walk, &event->term);
        }
    }
}

static void begin(struct npri_evaluation *evaluation,
                  const struct npri_core_event *event,
                  uint64_t timeout_ms,
                  bool natively)
{
    struct npr_node *node = evaluation->node;
    struct asked *asked = npri_alloc_zeroed(1, sizeof(*asked));

    if (asked == NULL) {
        npri_evaluation_fail(evaluation, NPR_ENOMEM, npr_bytes_of("out of memory"));
        return;
    }
    asked->evaluation = npri_evaluation_keep(evaluation);
    if (asked->evaluation == NULL) {
        npri_free(asked);
        return;
    }
    timeout_ms = timeout_ms < NPRI_GET_MS_MAX ? timeout_ms : NPRI_GET_MS_MAX;
    asked->natively = natively;
    asked->claiming.node = node;
    asked->claiming.done = done;
    asked->claiming.event = *event;
    asked->claiming.event.deadline_ns = npri_loop_now_ns(node->loop) + timeout_ms * NS_PER_MS;
    take_terms(asked);
    npri_claiming_begin(&asked->claiming);
}

void npri_function_register_pid(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    if (npr_term_kind(args[1]) != NPR_TERM_PID || evaluation->node->client) {
        npri_evaluation_raise(evaluation, "badarg");
        return;
    }
    begin(evaluation, &(struct npri_core_event){.kind = NPRI_EVENT_REGISTER}, REGISTER_MS, false);
}

void npri_function_unregister_key(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    (void)args;
    begin(evaluation, &(struct npri_core_event){.kind = NPRI_EVENT_UNREGISTER}, REGISTER_MS, false);
}

void npri_function_native_register(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    const bool replaces = npr_term_is_atom(args[2], "true");
    uint64_t timeout_ms;

    if (npr_term_kind(args[1]) != NPR_TERM_PID ||
        (!replaces && !npr_term_is_atom(args[2], "false")) ||
        !npr_term_get_uint64(args[3], &timeout_ms)) {
        npri_evaluation_raise(evaluation, "badarg");
        return;
    }
    begin(evaluation, &(struct npri_core_event){.kind = NPRI_EVENT_REGISTER, .keep = !replaces},
          timeout_ms, true);
}

void npri_function_native_unregister(struct npri_evaluation *evaluation,
                                     const struct npr_term *args)
{
    uint64_t timeout_ms;

    if (!npr_term_get_uint64(args[1], &timeout_ms)) {
        npri_evaluation_raise(evaluation, "badarg");
        return;
    }
    begin(evaluation, &(struct npri_core_event){.kind = NPRI_EVENT_UNREGISTER}, timeout_ms, true);
}

/* nprocreg_native:drain/1, drain_status/0, conflicts/0, as functions for peers (node/functions.h).
 */
#include "node/failure.h"
#include "node/functions.h"
#include "node/node.h"
#include "term/write.h"

#define NS_PER_MS UINT64_C(1000000)

/* (DeadlineMs): `ok`, or {error, Status, Text}. */
void npri_function_native_drain(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npr_node *node = evaluation->node;
    struct npri_buffer value;
    uint64_t deadline_ms;
    npr_status status;

    if (!npr_term_get_uint64(args[0], &deadline_ms) || deadline_ms > UINT32_MAX) {
        npri_evaluation_raise(evaluation, "badarg");
        return;
    }
    status = npri_registry_step(
        node, &(struct npri_core_event){.kind = NPRI_EVENT_DRAIN,
                                        .deadline_ns = npri_loop_now_ns(node->loop) +
                                                       deadline_ms * NS_PER_MS});
    if (status == NPR_OK) {
        npri_evaluation_return_atom(evaluation, "ok");
        return;
    }
    npri_buffer_init(&value, 0);
    npri_put_error(&value, status,
                   npr_bytes_of(status == NPR_EREFUSED
                                    ? "no other node is there to take its keys over"
                                    : npr_status_text(status)));
    npri_evaluation_return_built(evaluation, &value);
}

void npri_function_native_drain_status(struct npri_evaluation *evaluation,
                                       const struct npr_term *args)
{
    struct npr_node *node = evaluation->node;
    struct npri_buffer value;

    (void)args;
    npri_buffer_init(&value, 0);
    npri_core_put_drain(node->registry.core, npri_loop_now_ns(node->loop),
                        npri_runtime_owes_answers(node->runtime), &value);
    npri_evaluation_return_built(evaluation, &value);
}

void npri_function_native_conflicts(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npri_buffer value;

    (void)args;
    npri_buffer_init(&value, 0);
    npri_core_put_conflicts(evaluation->node->registry.core, &value);
    npri_evaluation_return_built(evaluation, &value);
}

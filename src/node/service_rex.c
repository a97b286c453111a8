/* rex: rpc as old callers do it, and the question whether newer ones may use erpc.
 *
 *     {Pid, features_request}                       -> {features_reply, Node, [erpc]}
 *     gen_call {call | block_call, M, F, A, Leader} -> what it returns, or {badrpc, Reason}
 *     gen_call anything else                        -> {badrpc, {'EXIT', notsup}}
 *     gen_cast {cast, M, F, A, Leader}              -> run
 *     {Pid, {call, M, F, A, Leader}}                -> {rex, the same}                          */
#include "node/evaluation.h"
#include "node/node.h"
#include "term/write.h"

static bool read_apply(struct npr_term request, bool cast, struct npri_apply *out)
{
    struct npr_term parts[5];

    if (!npr_term_get_tuple(request, 5, parts)) {
        return false;
    }
    if (cast ? !npr_term_is_atom(parts[0], "cast")
             : !npr_term_is_atom(parts[0], "call") && !npr_term_is_atom(parts[0], "block_call")) {
        return false;
    }
    *out = (struct npri_apply){.module = parts[1], .function = parts[2], .args = parts[3]};
    return true;
}

static void on_call(struct npr_node *node, const struct npri_gen_call *call)
{
    struct npri_evaluation draft = {
        .node = node, .kind = NPRI_EVALUATION_CALL, .caller = call->from, .tag = call->tag};
    struct npri_buffer reply;

    if (read_apply(call->request, false, &draft.apply)) {
        npri_evaluate(&draft);
        return;
    }
    npri_buffer_init(&reply, 0);
    npri_put_tuple(&reply, 2);
    npri_put_atom(&reply, "badrpc");
    npri_put_tuple(&reply, 2);
    npri_put_atom(&reply, "EXIT");
    npri_put_atom(&reply, "notsup");
    if (!reply.failed) {
        npri_gen_reply(node, NPRI_SERVICE_REX, call->from, call->tag, npri_buffer_term(&reply));
    }
    npri_buffer_fini(&reply);
}

static void tell_features(struct npr_node *node, struct npr_term to)
{
    struct npri_buffer reply;

    npri_buffer_init(&reply, 0);
    npri_put_tuple(&reply, 3);
    npri_put_atom(&reply, "features_reply");
    npri_put_given(&reply, npri_node_name_term(node));
    npri_put_list(&reply, 1);
    npri_put_atom(&reply, "erpc");
    npri_put_nil(&reply);
    if (!reply.failed) {
        npri_service_send(node, NPRI_SERVICE_REX, to, npri_buffer_term(&reply));
    }
    npri_buffer_fini(&reply);
}

void npri_service_rex_handle(struct npr_node *node, const struct npri_signal *signal)
{
    struct npri_evaluation draft = {.node = node};
    struct npri_gen_call call;
    struct npr_term parts[2];
    struct npr_term cast;

    if (signal->kind != NPRI_SIGNAL_MESSAGE) {
        return;
    }
    if (npri_gen_call_read(signal->payload, &call)) {
        on_call(node, &call);
        return;
    }
    if (npri_gen_cast_read(signal->payload, &cast)) {
        draft.kind = NPRI_EVALUATION_CAST;
        if (read_apply(cast, true, &draft.apply)) {
            npri_evaluate(&draft);
        }
        return;
    }
    if (!npr_term_get_tuple(signal->payload, 2, parts) || npr_term_kind(parts[0]) != NPR_TERM_PID) {
        return;
    }
    if (npr_term_is_atom(parts[1], "features_request")) {
        tell_features(node, parts[0]);
    } else if (read_apply(parts[1], false, &draft.apply)) {
        draft.kind = NPRI_EVALUATION_REX;
        draft.caller = parts[0];
        npri_evaluate(&draft);
    }
}

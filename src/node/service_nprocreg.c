/* nprocreg: the original's server, as its neighbours see it.
 *
 *     call get_status                  -> number of entries
 *     call get_nodes                   -> the view
 *     call {start_function, Key, Fun}  -> the pid; the same one for the same key
 *     call anything else               -> invalid_message
 *     cast {register_node, Node}, {register_pid, Key, Pid}, {unregister_key, Key}, broadcast_node
 *
 * The original's callers take any reply to start_function for the pid.  A start that fails
 * therefore answers the caller's monitor: its call exits with {nprocreg_error, Status, Text}. */
#include "base/alloc.h"
#include "node/failure.h"
#include "node/node.h"
#include "node/router.h"
#include "term/write.h"

/* gen_server:call's default, within which a start must be answered to be of use. */
#define START_NS UINT64_C(5000000000)

/* One start_function under way.  `memory` holds the caller and its tag. */
struct starting {
    struct npri_get get;
    struct npr_node *node;
    struct npri_signal *memory;
    size_t cost;
};

static void reply(struct npr_node *node,
                  const struct npri_gen_call *call,
                  const struct npri_buffer *term)
{
    if (!term->failed) {
        npri_gen_reply(node, NPRI_SERVICE_NPROCREG, call->from, call->tag, npri_buffer_term(term));
    }
}

/* Makes the call fail.  The monitor that every gen_server:call sets up has the tag's reference, and
 * names the server by its registered name. */
static void fail_call(struct npr_node *node,
                      const struct npri_gen_call *call,
                      npr_status status,
                      struct npr_bytes text)
{
    struct npri_buffer reason;
    struct npri_buffer name;
    struct npr_term ref;
    bool alias;

    npri_buffer_init(&reason, 0);
    npri_buffer_init(&name, 0);
    npri_put_failure(&reason, status, text);
    npri_put_atom(&name, "nprocreg");
    if (!reason.failed && !name.failed) {
        if (npri_gen_tag_ref(call->tag, &ref, &alias)) {
            (void)npri_router_send(node,
                                   &(struct npri_signal){.kind = NPRI_SIGNAL_DOWN,
                                                         .from = npri_buffer_term(&name),
                                                         .to = call->from,
                                                         .ref = ref,
                                                         .payload = npri_buffer_term(&reason)});
        } else {
            npri_gen_reply(node, NPRI_SERVICE_NPROCREG, call->from, call->tag,
                           npri_buffer_term(&reason));
        }
    }
    npri_buffer_fini(&reason);
    npri_buffer_fini(&name);
}

static void started(struct npri_get *get, const struct npri_answer *answer)
{
    struct starting *starting = NPRI_CONTAINER_OF(get, struct starting, get);
    const struct npri_gen_call call = {.from = starting->memory->from,
                                       .tag = starting->memory->payload};

    if (answer->status == NPR_OK) {
        npri_gen_reply(starting->node, NPRI_SERVICE_NPROCREG, call.from, call.tag, answer->pid);
    } else {
        fail_call(starting->node, &call, answer->status, answer->text);
    }
    npri_evaluations_release(&starting->node->evaluations, starting->cost);
    npri_signal_destroy(starting->memory);
    npri_free(starting);
}

static void start_function(struct npr_node *node,
                           const struct npri_gen_call *call,
                           struct npr_term key,
                           struct npr_term fun)
{
    struct starting *starting;
    struct npr_node_name starter;
    size_t cost;

    if (!npri_term_node(call->from, &starter)) {
        return;
    }
    if (npr_term_kind(fun) != NPR_TERM_FUN) {
        fail_call(node, call, NPR_EINVAL, npr_bytes_of("what was to be started is no fun"));
        return;
    }
    cost = npri_evaluations_admit(&node->evaluations, key.size + fun.size + call->tag.size);
    if (cost == 0) {
        fail_call(node, call, NPR_EFULL, npr_bytes_of("too many requests wait for their answers"));
        return;
    }
    starting = npri_alloc_zeroed(1, sizeof(*starting));
    if (starting != NULL) {
        starting->memory = npri_signal_create(&(struct npri_signal){
            .kind = NPRI_SIGNAL_MESSAGE, .from = call->from, .payload = call->tag});
    }
    if (starting == NULL || starting->memory == NULL) {
        npri_free(starting);
        npri_evaluations_release(&node->evaluations, cost);
        fail_call(node, call, NPR_ENOMEM, npr_bytes_of("out of memory"));
        return;
    }
    starting->get.done = started;
    starting->node = node;
    starting->cost = cost;
    npri_registry_get(
        node, &starting->get,
        &(struct npri_get_options){.key = key,
                                   .function = fun,
                                   .caller = starting->memory->from,
                                   .deadline_ns = npri_loop_now_ns(node->loop) + START_NS,
                                   .starter = &starter});
}

static void on_call(struct npr_node *node, const struct npri_gen_call *call)
{
    struct npri_buffer answer;
    struct npr_term request[3];

    if (npr_term_get_tuple(call->request, 3, request) &&
        npr_term_is_atom(request[0], "start_function")) {
        start_function(node, call, request[1], request[2]);
        return;
    }
    npri_buffer_init(&answer, 0);
    if (npr_term_is_atom(call->request, "get_status")) {
        npri_put_uint(&answer, npri_core_entries_count(node->registry.core));
    } else if (npr_term_is_atom(call->request, "get_nodes")) {
        npri_core_put_nodes(node->registry.core, &answer);
    } else {
        npri_put_atom(&answer, "invalid_message");
    }
    reply(node, call, &answer);
    npri_buffer_fini(&answer);
}

static void on_cast(struct npr_node *node, struct npr_term cast)
{
    struct npri_core_event event = {0};
    struct npr_term parts[3];
    struct npr_bytes name;

    if (npr_term_get_tuple(cast, 2, parts) && npr_term_is_atom(parts[0], "register_node")) {
        event.kind = NPRI_EVENT_ANNOUNCED;
        if (!npr_term_get_atom(parts[1], &name) ||
            npr_node_name_parse(name, &event.node, NULL) != NPR_OK) {
            return;
        }
    } else if (npr_term_get_tuple(cast, 2, parts) && npr_term_is_atom(parts[0], "unregister_key")) {
        event.kind = NPRI_EVENT_UNREGISTER;
        event.key = parts[1];
    } else if (npr_term_get_tuple(cast, 3, parts) && npr_term_is_atom(parts[0], "register_pid") &&
               npr_term_kind(parts[2]) == NPR_TERM_PID &&
               npri_registry_check_key(parts[1], NULL) == NPR_OK) {
        event.kind = NPRI_EVENT_REGISTER;
        event.key = parts[1];
        event.term = parts[2];
    } else {
        return; /* broadcast_node too: our chatter has its own clock. */
    }
    (void)npri_registry_step(node, &event);
}

void npri_service_nprocreg_handle(struct npr_node *node, const struct npri_signal *signal)
{
    struct npri_gen_call call;
    struct npr_term cast;

    if (signal->kind != NPRI_SIGNAL_MESSAGE) {
        return;
    }
    if (npri_gen_call_read(signal->payload, &call)) {
        on_call(node, &call);
    } else if (npri_gen_cast_read(signal->payload, &cast)) {
        on_cast(node, cast);
    }
}

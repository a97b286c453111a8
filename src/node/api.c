/* nprocreg/node.h: connecting, sending, calling. */
#include <limits.h>

#include "base/fail.h"
#include "node/call.h"
#include "node/node.h"
#include "node/options.h"
#include "term/write.h"

#define NS_PER_MS UINT64_C(1000000)

/* One request of the program's, and where its outcome goes. */
struct asking {
    struct npri_call call; /* first */
    struct npr_node_name peer;
    uint16_t port; /* connect: as given, or 0 */
    uint32_t timeout_ms;
    struct npr_term to;      /* call: pid or name */
    struct npr_term request; /* call */
    struct npri_apply apply; /* rpc */
    struct npr_builder *reply;
    uint32_t creation; /* of the peer, once connected */
};

static void asking_done(void *user, uint64_t number, const struct npri_outcome *outcome)
{
    struct asking *asking = user;

    (void)number;
    if (asking->reply != NULL && outcome->term.data != NULL) {
        npr_build_term(asking->reply, outcome->term);
    }
    npri_call_end(&asking->call, outcome->status, outcome->text);
}

static struct npri_question_options asking_options(struct asking *asking)
{
    return (struct npri_question_options){.peer = asking->peer,
                                          .deadline_ns = npri_loop_now_ns(asking->call.node->loop) +
                                                         asking->timeout_ms * NS_PER_MS,
                                          .done = asking_done,
                                          .user = asking};
}

static void asking_begun(struct asking *asking, npr_status status)
{
    if (status != NPR_OK) {
        npri_call_end(
            &asking->call, status == NPR_EFULL ? NPR_EUNREACHABLE : status,
            npr_bytes_of(status == NPR_EFULL ? "too much waits for that node already" : ""));
    }
}

/* ---- Connecting. */

static void connected(void *user, uint64_t number, const struct npri_outcome *outcome)
{
    struct asking *asking = user;
    const struct npri_peer *peer =
        npri_connections_find(asking->call.node->connections, &asking->peer);

    (void)number;
    if (outcome->status == NPR_OK && peer != NULL) {
        asking->creation = peer->creation;
    }
    npri_call_end(&asking->call, outcome->status, outcome->text);
}

static void connect_run(struct npri_call *call)
{
    struct asking *asking = (struct asking *)call;
    struct npr_node *node = call->node;
    struct npri_question_options options = asking_options(asking);
    const struct npri_peer *peer = npri_connections_find(node->connections, &asking->peer);
    npr_status status = NPR_OK;

    if (peer != NULL) {
        asking->creation = peer->creation;
        npri_call_end(call, NPR_OK, npr_bytes_of(""));
        return;
    }
    options.done = connected;
    if (asking->port != 0) {
        status = npri_connections_set_port(node->connections, &asking->peer, asking->port);
    }
    if (status == NPR_OK) {
        status = npri_question_connect(node, &options);
    }
    if (status != NPR_OK) {
        asking_begun(asking, status);
        return;
    }
    (void)npri_connections_connect(node->connections, &asking->peer);
}

static npr_status connect_peer(struct npr_node *node, struct asking *asking)
{
    if (npr_node_name_equal(&asking->peer, &node->name)) {
        asking->creation = node->creation;
        return NPR_OK;
    }
    return npri_call_run(node, &asking->call, connect_run);
}

npr_status npr_node_connect(struct npr_node *node,
                            const char *peer,
                            uint32_t timeout_ms,
                            struct npr_error *err)
{
    struct asking asking = {.call.err = err, .timeout_ms = timeout_ms};
    npr_status status;

    if (node == NULL || peer == NULL) {
        return npri_fail(err, NPR_EINVAL, "no node, or none to connect to");
    }
    status = npri_peer_parse(peer, &asking.peer, &asking.port, err);
    return status == NPR_OK ? connect_peer(node, &asking) : status;
}

npr_status npr_node_complete_pid(struct npr_node *node,
                                 struct npr_pid *pid,
                                 uint32_t timeout_ms,
                                 struct npr_error *err)
{
    struct asking asking = {.call.err = err, .timeout_ms = timeout_ms};
    npr_status status;

    if (node == NULL || pid == NULL) {
        return npri_fail(err, NPR_EINVAL, "no node or pid");
    }
    asking.peer = pid->node;
    if (pid->creation != 0) {
        return NPR_OK;
    }
    if (pid->node.size == 0) {
        return npri_fail(err, NPR_EINVAL, "the pid has no node");
    }
    status = connect_peer(node, &asking);
    if (status == NPR_OK) {
        pid->creation = asking.creation;
    }
    return status;
}

/* ---- Starting a process. */

npr_status npr_node_spawn(struct npr_node *node,
                          const struct npr_spawn *spawn,
                          struct npr_pid *out_pid,
                          struct npr_error *err)
{
    struct npri_spawn complete;
    struct npr_pid pid;
    npr_status status;

    if (node == NULL || !npri_spawn_complete(spawn, &complete)) {
        return npri_fail(err, NPR_EINVAL,
                         "no node, no behaviour, no function, or arguments that are no list");
    }
    if (spawn->link || spawn->monitor) {
        return npri_fail(err, NPR_EINVAL, "a program's thread has no links or monitors");
    }
    if (!npri_calls_enter(node)) {
        return npri_fail(err, NPR_ECLOSED, "the node stops");
    }
    status = npri_runtime_spawn(node->runtime, &complete, &pid, err);
    npri_calls_leave(node);
    if (status == NPR_OK && out_pid != NULL) {
        *out_pid = pid;
    }
    return status;
}

/* ---- Sending. */

static bool node_is_possible(const struct npr_node_name *node)
{
    return node->size > 0 && npri_atom_is_possible(npri_bytes(node->text, node->size));
}

/* Writes the address as a term; false: it is none. */
static bool put_address(const struct npr_address *to,
                        struct npri_buffer *out,
                        struct npr_node_name *out_peer)
{
    const struct npr_node_name *peer = to->name != NULL ? &to->node : &to->pid.node;

    if (!node_is_possible(peer) ||
        (to->name != NULL && !npri_atom_is_possible(npr_bytes_of(to->name)))) {
        return false;
    }
    if (to->name != NULL) {
        npri_put_atom_bytes(out, npr_bytes_of(to->name));
    } else {
        npri_put_pid(out, &to->pid);
    }
    *out_peer = *peer;
    return true;
}

static npr_status send_signal(struct npr_node *node,
                              enum npri_signal_kind kind,
                              const struct npr_address *to,
                              struct npr_term payload)
{
    struct npri_signal *signal = NULL;
    npr_status status = NPR_ENOMEM;
    struct npr_node_name peer;
    struct npri_buffer address;
    struct npri_buffer name;

    npri_buffer_init(&address, 0);
    npri_buffer_init(&name, 0);
    if (!put_address(to, &address, &peer)) {
        status = NPR_EINVAL;
        goto done;
    }
    npri_put_node(&name, &peer);
    if (!address.failed && !name.failed) {
        signal = npri_signal_create(&(struct npri_signal){
            .kind = kind,
            .node = to->name != NULL && !npr_node_name_equal(&peer, &node->name)
                        ? npri_buffer_term(&name)
                        : (struct npr_term){0},
            .from = npri_service_pid(node, NPRI_SERVICE_CLIENT),
            .to = npri_buffer_term(&address),
            .payload = payload});
    }
    if (signal != NULL) {
        npri_runtime_deliver(node->runtime, signal);
        status = NPR_OK;
    }
done:
    npri_buffer_fini(&address);
    npri_buffer_fini(&name);
    return status;
}

npr_status npr_node_send(struct npr_node *node,
                         const struct npr_address *to,
                         struct npr_term message)
{
    npr_status status;

    if (node == NULL || to == NULL || message.data == NULL) {
        return NPR_EINVAL;
    }
    if (!npri_calls_enter(node)) {
        return NPR_ECLOSED;
    }
    status = send_signal(node, NPRI_SIGNAL_MESSAGE, to, message);
    npri_calls_leave(node);
    return status;
}

npr_status npr_node_exit(struct npr_node *node, const struct npr_pid *pid, struct npr_term reason)
{
    struct npr_address to = {0};
    npr_status status;

    if (node == NULL || pid == NULL || reason.data == NULL) {
        return NPR_EINVAL;
    }
    to.pid = *pid;
    if (!npri_calls_enter(node)) {
        return NPR_ECLOSED;
    }
    status = send_signal(node, NPRI_SIGNAL_EXIT, &to, reason);
    npri_calls_leave(node);
    return status;
}

npr_status npr_node_reply(struct npr_node *node, const struct npr_from *from, struct npr_term reply)
{
    npr_status status;

    if (node == NULL || from == NULL) {
        return NPR_EINVAL;
    }
    if (!npri_calls_enter(node)) {
        return NPR_ECLOSED;
    }
    status =
        npri_runtime_reply(node->runtime, npri_service_pid(node, NPRI_SERVICE_CLIENT), from, reply);
    npri_calls_leave(node);
    return status;
}

npr_status npr_node_cast(struct npr_node *node,
                         const struct npr_address *to,
                         struct npr_term message)
{
    npr_status status = NPR_ENOMEM;
    struct npri_buffer cast;

    if (message.data == NULL) {
        return NPR_EINVAL;
    }
    npri_buffer_init(&cast, 0);
    npri_put_tuple(&cast, 2);
    npri_put_atom(&cast, "$gen_cast");
    npri_put_term(&cast, message);
    if (!cast.failed) {
        status = npr_node_send(node, to, npri_buffer_term(&cast));
    }
    npri_buffer_fini(&cast);
    return status;
}

/* ---- Calling. */

static void call_run(struct npri_call *call)
{
    struct asking *asking = (struct asking *)call;
    const struct npri_question_options options = asking_options(asking);

    asking_begun(asking, npri_question_call(call->node, &options, asking->to, asking->request));
}

npr_status npr_node_call(struct npr_node *node,
                         const struct npr_address *to,
                         struct npr_term request,
                         uint32_t timeout_ms,
                         struct npr_builder *reply,
                         struct npr_error *err)
{
    struct asking asking = {
        .call.err = err, .timeout_ms = timeout_ms, .request = request, .reply = reply};
    struct npri_buffer address;
    npr_status status;

    if (to == NULL || request.data == NULL || reply == NULL) {
        return npri_fail(err, NPR_EINVAL, "no address, request or builder");
    }
    npri_buffer_init(&address, 0);
    if (!put_address(to, &address, &asking.peer)) {
        status = npri_fail(err, NPR_EINVAL, "the address has no node, or a name that is no atom");
    } else if (address.failed) {
        status = npri_fail(err, NPR_ENOMEM, "out of memory");
    } else {
        asking.to = npri_buffer_term(&address);
        status = npri_call_run(node, &asking.call, call_run);
    }
    npri_buffer_fini(&address);
    return status;
}

static void rpc_run(struct npri_call *call)
{
    struct asking *asking = (struct asking *)call;
    const struct npri_question_options options = asking_options(asking);

    asking_begun(asking, npri_question_apply(call->node, &options, &asking->apply));
}

/* NOLINTNEXTLINE(readability-function-size): the public signature. */
npr_status npr_node_rpc(struct npr_node *node,
                        const struct npr_node_name *peer,
                        const char *module,
                        const char *function,
                        struct npr_term args,
                        uint32_t timeout_ms,
                        struct npr_builder *reply,
                        struct npr_error *err)
{
    struct asking asking = {.call.err = err, .timeout_ms = timeout_ms, .reply = reply};
    struct npri_buffer names[2];
    npr_status status;

    if (peer == NULL || !node_is_possible(peer) || module == NULL || function == NULL ||
        reply == NULL ||
        (npr_term_kind(args) != NPR_TERM_LIST && npr_term_kind(args) != NPR_TERM_NIL)) {
        return npri_fail(err, NPR_EINVAL, "no node, function, list of arguments or builder");
    }
    if (!npri_atom_is_possible(npr_bytes_of(module)) ||
        !npri_atom_is_possible(npr_bytes_of(function))) {
        return npri_fail(err, NPR_EINVAL, "the name of a module or function is no atom");
    }
    asking.peer = *peer;
    npri_buffer_init(&names[0], 0);
    npri_buffer_init(&names[1], 0);
    npri_put_atom_bytes(&names[0], npr_bytes_of(module));
    npri_put_atom_bytes(&names[1], npr_bytes_of(function));
    if (names[0].failed || names[1].failed) {
        status = npri_fail(err, NPR_ENOMEM, "out of memory");
    } else {
        asking.apply = (struct npri_apply){.module = npri_buffer_term(&names[0]),
                                           .function = npri_buffer_term(&names[1]),
                                           .args = args};
        status = npri_call_run(node, &asking.call, rpc_run);
    }
    npri_buffer_fini(&names[0]);
    npri_buffer_fini(&names[1]);
    return status;
}

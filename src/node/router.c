#include "node/router.h"

#include "node/node.h"
#include "node/spawn.h"
#include "term/write.h"

/* Where a signal is bound for; false: nowhere (its `to` is ill-typed). */
static bool destination(const struct npr_node *node,
                        const struct npri_signal *signal,
                        struct npr_node_name *out)
{
    const enum npr_term_kind kind = npr_term_kind(signal->to);

    if (kind == NPR_TERM_PID || kind == NPR_TERM_REF) {
        return npri_term_node(signal->to, out);
    }
    if (signal->node.data != NULL) {
        return npri_term_node(signal->node, out);
    }
    *out = node->name;
    return kind == NPR_TERM_ATOM;
}

static bool message_to_control(const struct npr_node *node,
                               const struct npri_signal *signal,
                               struct npri_control *out)
{
    out->kind = NPRI_CONTROL_SEND;
    if (npr_term_kind(signal->to) == NPR_TERM_REF) {
        out->kind = NPRI_CONTROL_ALIAS_SEND;
    } else if (npr_term_kind(signal->to) == NPR_TERM_ATOM) {
        out->kind = NPRI_CONTROL_REG_SEND;
    }
    if (out->kind != NPRI_CONTROL_SEND && signal->from.data == NULL) {
        out->from = npri_service_pid(node, NPRI_SERVICE_CLIENT); /* The wire wants a pid there. */
    }
    return true;
}

/* False: this kind of signal does not leave a node. */
static bool signal_to_control(const struct npr_node *node,
                              const struct npri_signal *signal,
                              struct npri_control *out)
{
    *out = (struct npri_control){.from = signal->from,
                                 .to = signal->to,
                                 .ref = signal->ref,
                                 .payload = signal->payload,
                                 .id = signal->id};
    switch (signal->kind) {
    case NPRI_SIGNAL_MESSAGE:
        return message_to_control(node, signal, out);
    case NPRI_SIGNAL_LINK:
        out->kind = NPRI_CONTROL_LINK;
        return true;
    case NPRI_SIGNAL_UNLINK:
        out->kind = NPRI_CONTROL_UNLINK;
        return true;
    case NPRI_SIGNAL_UNLINK_ACK:
        out->kind = NPRI_CONTROL_UNLINK_ACK;
        return true;
    case NPRI_SIGNAL_EXIT_LINK:
        out->kind = NPRI_CONTROL_EXIT_LINK;
        return true;
    case NPRI_SIGNAL_EXIT:
        out->kind = NPRI_CONTROL_EXIT;
        return true;
    case NPRI_SIGNAL_MONITOR:
        out->kind = NPRI_CONTROL_MONITOR;
        return true;
    case NPRI_SIGNAL_DEMONITOR:
        out->kind = NPRI_CONTROL_DEMONITOR;
        return true;
    case NPRI_SIGNAL_DOWN:
        out->kind = NPRI_CONTROL_DOWN;
        return true;
    case NPRI_SIGNAL_GROUP_LEADER:
        out->kind = NPRI_CONTROL_GROUP_LEADER;
        return true;
    case NPRI_SIGNAL_SPAWN_REPLY:
        out->kind = NPRI_CONTROL_SPAWN_REPLY;
        out->result = signal->payload;
        out->payload = (struct npr_term){0};
        return true;
    case NPRI_SIGNAL_SPAWN_REQUEST: /* npri_router_spawn() */
    case NPRI_SIGNAL_NODE_DOWN:
    case NPRI_SIGNAL_TIMER:
    case NPRI_SIGNAL_PLAIN: /* these stay within the runtime */
    case NPRI_SIGNAL_BATCH:
    case NPRI_SIGNAL_CALL:
    case NPRI_SIGNAL_ANSWER:
    case NPRI_SIGNAL_NUDGE:
    case NPRI_SIGNAL_TELL:
    case NPRI_SIGNAL_CONFLICT:
    case NPRI_SIGNAL_HANDOVER:
    case NPRI_SIGNAL_MOVED:
        return false;
    }
    return false;
}

/* Tells a local process that what it is tied to cannot be reached. */
static void answer_noconnection(struct npr_node *node,
                                enum npri_signal_kind kind,
                                const struct npri_control *control)
{
    struct npri_signal *signal;
    struct npri_buffer reason;

    npri_buffer_init(&reason, 0);
    npri_put_atom(&reason, "noconnection");
    signal = npri_signal_create(&(struct npri_signal){.kind = kind,
                                                      .from = control->to,
                                                      .to = control->from,
                                                      .ref = control->ref,
                                                      .id = control->id,
                                                      .payload = npri_buffer_term(&reason)});
    npri_buffer_fini(&reason);
    if (signal != NULL) {
        npri_runtime_deliver(node->runtime, signal);
    }
}

/* What the sender of an undelivered message must be told.  Questions of our own are told by the
 * connection's `down`, which knows why, or by npri_questions_on_undelivered(). */
static void answer_undelivered(struct npr_node *node, const struct npri_control *control)
{
    if (control->kind == NPRI_CONTROL_LINK) {
        answer_noconnection(node, NPRI_SIGNAL_EXIT_LINK, control);
    } else if (control->kind == NPRI_CONTROL_MONITOR) {
        answer_noconnection(node, NPRI_SIGNAL_DOWN, control);
    } else if (control->kind == NPRI_CONTROL_UNLINK && control->id != 0) {
        answer_noconnection(node, NPRI_SIGNAL_UNLINK_ACK, control);
    }
}

void npri_router_undelivered(struct npr_node *node,
                             const struct npr_node_name *peer,
                             const struct npri_control *control)
{
    (void)peer;
    answer_undelivered(node, control);
    if (control->ref.data != NULL) {
        npri_questions_on_undelivered(node, control->ref);
    }
}

/* Whether all terms that its kind needs are there.  One is missing when there was no memory to
 * write it, and then nothing is sent. */
static bool is_whole(const struct npri_signal *signal)
{
    const bool from = signal->from.data != NULL;
    const bool ref = signal->ref.data != NULL;
    const bool payload = signal->payload.data != NULL;

    if (signal->to.data == NULL) {
        return false;
    }
    switch (signal->kind) {
    case NPRI_SIGNAL_MESSAGE:
    case NPRI_SIGNAL_NODE_DOWN:
    case NPRI_SIGNAL_TIMER:
    case NPRI_SIGNAL_NUDGE:
        return payload;
    case NPRI_SIGNAL_LINK:
    case NPRI_SIGNAL_UNLINK:
    case NPRI_SIGNAL_UNLINK_ACK:
    case NPRI_SIGNAL_GROUP_LEADER:
        return from;
    case NPRI_SIGNAL_EXIT_LINK:
    case NPRI_SIGNAL_EXIT:
        return from && payload;
    case NPRI_SIGNAL_MONITOR:
    case NPRI_SIGNAL_DEMONITOR:
    case NPRI_SIGNAL_TELL:
        return from && ref;
    case NPRI_SIGNAL_DOWN:
        return from && ref && payload;
    case NPRI_SIGNAL_SPAWN_REPLY:
        return ref && payload;
    case NPRI_SIGNAL_SPAWN_REQUEST: /* npri_router_spawn() */
    case NPRI_SIGNAL_PLAIN:
    case NPRI_SIGNAL_BATCH:
    case NPRI_SIGNAL_CALL:
    case NPRI_SIGNAL_ANSWER:
    case NPRI_SIGNAL_CONFLICT:
    case NPRI_SIGNAL_HANDOVER:
    case NPRI_SIGNAL_MOVED:
        return false;
    }
    return false;
}

static bool deliver_here(struct npr_node *node, const struct npri_signal *draft)
{
    struct npri_signal *signal = npri_signal_create(draft);

    if (signal == NULL) {
        return false;
    }
    npri_runtime_deliver(node->runtime, signal);
    return true;
}

bool npri_router_send(struct npr_node *node, const struct npri_signal *draft)
{
    struct npri_control control;
    struct npr_node_name peer;

    if (!is_whole(draft) || !destination(node, draft, &peer)) {
        return false;
    }
    if (npr_node_name_equal(&peer, &node->name)) {
        return deliver_here(node, draft);
    }
    if (node->closing && npri_connections_find(node->connections, &peer) == NULL) {
        return false; /* A node that leaves dials nobody. */
    }
    if (!signal_to_control(node, draft, &control)) {
        return false;
    }
    if (!npri_connections_send(node->connections, &peer, &control)) {
        answer_undelivered(node, &control);
        return false;
    }
    return true;
}

void npri_router_handle_outbox(struct npri_inbox *inbox, struct npri_signal *signal)
{
    (void)npri_router_send(inbox->node, signal);
    npri_signal_destroy(signal);
}

bool npri_router_spawn(struct npr_node *node,
                       const struct npr_node_name *peer,
                       const struct npri_control *request)
{
    if (request->from.data == NULL || request->ref.data == NULL || request->mfa.data == NULL ||
        request->leader.data == NULL || request->options.data == NULL ||
        request->payload.data == NULL) {
        return false;
    }
    if (npr_node_name_equal(peer, &node->name)) {
        npri_spawn_on_request(node, request);
        return true;
    }
    return npri_connections_send(node->connections, peer, request);
}

/* A control message as a signal; false: it is no signal (a request for a process). */
static bool control_to_signal(const struct npri_control *control, struct npri_signal *out)
{
    static const enum npri_signal_kind kinds[] = {
        [NPRI_CONTROL_LINK] = NPRI_SIGNAL_LINK,
        [NPRI_CONTROL_SEND] = NPRI_SIGNAL_MESSAGE,
        [NPRI_CONTROL_EXIT_LINK] = NPRI_SIGNAL_EXIT_LINK,
        [NPRI_CONTROL_UNLINK] = NPRI_SIGNAL_UNLINK,
        [NPRI_CONTROL_UNLINK_ACK] = NPRI_SIGNAL_UNLINK_ACK,
        [NPRI_CONTROL_REG_SEND] = NPRI_SIGNAL_MESSAGE,
        [NPRI_CONTROL_GROUP_LEADER] = NPRI_SIGNAL_GROUP_LEADER,
        [NPRI_CONTROL_EXIT] = NPRI_SIGNAL_EXIT,
        [NPRI_CONTROL_MONITOR] = NPRI_SIGNAL_MONITOR,
        [NPRI_CONTROL_DEMONITOR] = NPRI_SIGNAL_DEMONITOR,
        [NPRI_CONTROL_DOWN] = NPRI_SIGNAL_DOWN,
        [NPRI_CONTROL_SPAWN_REQUEST] = NPRI_SIGNAL_SPAWN_REQUEST,
        [NPRI_CONTROL_SPAWN_REPLY] = NPRI_SIGNAL_SPAWN_REPLY,
        [NPRI_CONTROL_ALIAS_SEND] = NPRI_SIGNAL_MESSAGE,
    };

    *out = (struct npri_signal){.kind = kinds[control->kind],
                                .from = control->from,
                                .to = control->to,
                                .ref = control->ref,
                                .payload = control->payload,
                                .id = control->id};
    if (control->kind == NPRI_CONTROL_SPAWN_REPLY) {
        out->payload = control->result;
    }
    return control->kind != NPRI_CONTROL_SPAWN_REQUEST;
}

/* A node speaks for its own processes only: with the name of another's it could link, unlink,
 * answer and be answered for it. */
static bool speaks_for_itself(const struct npri_control *control, const struct npri_peer *peer)
{
    const struct npr_term spoken_for[] = {control->from, control->result};
    struct npr_pid pid;

    for (size_t i = 0; i < sizeof(spoken_for) / sizeof(spoken_for[0]); i++) {
        if (spoken_for[i].data != NULL && npr_term_get_pid(spoken_for[i], &pid) &&
            !npr_node_name_equal(&pid.node, &peer->name)) {
            return false;
        }
    }
    return true;
}

void npri_router_received(struct npr_node *node,
                          const struct npri_peer *peer,
                          const struct npri_control *control)
{
    struct npri_signal signal;
    struct npr_node_name name;

    if (!speaks_for_itself(control, peer)) {
        npri_node_log(node, NPR_LOG_WARNING, "foreign_sender peer=%.*s message=%s",
                      (int)peer->name.size, peer->name.text, npri_control_name(control->kind));
        return;
    }
    if (!control_to_signal(control, &signal)) {
        npri_spawn_on_request(node, control);
        return;
    }
    /* A pid of another node here is a stale or made-up one: it is not passed on. */
    if (npri_term_node(signal.to, &name) && npr_term_kind(signal.to) != NPR_TERM_ATOM &&
        !npr_node_name_equal(&name, &node->name)) {
        return;
    }
    if (!deliver_here(node, &signal)) {
        /* As Erlang has it: what is sent arrives, or the connection is lost. */
        name = peer->name;
        npri_connections_disconnect(node->connections, &name, "no memory for a message");
    }
}

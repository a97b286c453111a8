/* Links, monitors and exit signals, as the receiver acts on them.
 *
 * A link is up, or on its way down after our UNLINK (unlink_id != 0) until that very UNLINK is
 * acknowledged.  On its way down it is not broken by an exit, and a LINK from the other end changes
 * nothing: it was sent before our UNLINK arrived there, which takes it down again. */
#include <string.h>

#include "runtime/conflict.h"
#include "runtime/handover.h"
#include "runtime/internal.h"
#include "runtime/words.h"

static const struct npr_term no_term;

/* Whether messages of these kinds go anywhere. */
static bool process_hears(const struct npr_process *process)
{
    return process->origin->behaviour->info != NULL || npri_process_has_thread(process);
}

/* Writes a tuple of `count` terms into the worker's message buffer.  False: no memory. */
static bool message_write(struct npr_process *process, const struct npr_term *parts, uint8_t count)
{
    struct npri_buffer *message = &process->worker->message;

    npri_buffer_reset(message);
    npri_put_u8(message, 104);
    npri_put_u8(message, count);
    for (uint8_t i = 0; i < count; i++) {
        npri_put_bytes(message, npri_bytes(parts[i].data, parts[i].size));
    }
    return !message->failed;
}

static struct npr_term message_term(const struct npr_process *process)
{
    return (struct npr_term){.data = process->worker->message.data,
                             .size = process->worker->message.size};
}

/* An exit signal that is not to be ignored by itself: a message when trapped, else the end. */
static enum npri_verdict process_on_exit(struct npr_process *process,
                                         struct npr_term from,
                                         struct npr_term reason,
                                         struct npri_signal *block)
{
    const struct npr_term parts[] = {NPRI_WORD_EXIT, from, reason};

    if (!process->traps_exit) {
        return npri_process_set_end(process, reason, block);
    }
    if (!process_hears(process)) {
        return NPRI_GO_ON;
    }
    if (!message_write(process, parts, 3)) {
        return NPRI_AGAIN;
    }
    return npri_process_info(process, message_term(process));
}

static bool term_is_self(const struct npr_process *process, struct npr_term pid)
{
    struct npri_local local;

    return npri_pid_place(process->origin->runtime, pid, &local) == NPRI_PLACE_HERE &&
           local.id == process->local.id && local.serial == process->local.serial;
}

/* exit/2. */
static enum npri_verdict process_on_exit_request(struct npr_process *process,
                                                 struct npri_signal *signal)
{
    if (npr_term_is_atom(signal->payload, "kill")) {
        return npri_process_set_end(process, NPRI_WORD_KILLED, NULL);
    }
    if (npr_term_is_atom(signal->payload, "normal") && !process->traps_exit &&
        !term_is_self(process, signal->from)) {
        return NPRI_GO_ON;
    }
    return process_on_exit(process, signal->from, signal->payload, signal);
}

/* ---- Links. */

static enum npri_verdict process_on_link(struct npr_process *process,
                                         const struct npri_signal *signal)
{
    struct npri_relation *link;

    if (npri_process_relation(process, NPRI_RELATION_LINK, signal->from, no_term) != NULL) {
        return NPRI_GO_ON;
    }
    link = npri_relation_create(NPRI_RELATION_LINK, signal->from, no_term, no_term);
    if (link == NULL) {
        return NPRI_AGAIN;
    }
    npri_process_tie(process, link);
    return NPRI_GO_ON;
}

static void relation_drop(struct npr_process *process, struct npri_relation *relation)
{
    npri_relations_remove(&process->relations, relation);
    npri_relation_destroy(relation);
}

/* Always acknowledged, link or not: the signal itself goes back, so that it cannot fail. */
static enum npri_verdict process_on_unlink(struct npr_process *process, struct npri_signal *signal)
{
    struct npri_relation *link =
        npri_process_relation(process, NPRI_RELATION_LINK, signal->from, no_term);

    if (link != NULL && link->unlink_id == 0) {
        relation_drop(process, link);
    }
    (void)npri_signal_answer_dead(signal);
    npri_runtime_deliver(process->origin->runtime, signal);
    return NPRI_KEPT;
}

static void process_on_unlink_ack(struct npr_process *process, const struct npri_signal *signal)
{
    struct npri_relation *link =
        npri_process_relation(process, NPRI_RELATION_LINK, signal->from, no_term);

    /* Another number belongs to an UNLINK that a later link has made void. */
    if (link != NULL && link->unlink_id != 0 && link->unlink_id == signal->id) {
        relation_drop(process, link);
    }
}

static enum npri_verdict process_on_exit_link(struct npr_process *process,
                                              struct npri_signal *signal)
{
    struct npri_relation *link =
        npri_process_relation(process, NPRI_RELATION_LINK, signal->from, no_term);
    enum npri_verdict verdict = NPRI_GO_ON;

    if (link == NULL || link->unlink_id != 0) {
        return NPRI_GO_ON;
    }
    /* Out before the callback, which may link anew. */
    npri_relations_remove(&process->relations, link);
    if (process->traps_exit || !npr_term_is_atom(signal->payload, "normal")) {
        verdict = process_on_exit(process, signal->from, signal->payload, signal);
    }
    if (verdict == NPRI_AGAIN) {
        npri_process_tie(process, link);
    } else {
        npri_relation_destroy(link);
    }
    return verdict;
}

/* ---- Monitors. */

static enum npri_verdict process_on_monitor(struct npr_process *process,
                                            const struct npri_signal *signal)
{
    const struct npr_term name = npr_term_kind(signal->to) == NPR_TERM_PID ? no_term : signal->to;
    struct npri_relation *watched;

    if (npri_process_relation(process, NPRI_RELATION_WATCHED, signal->ref, signal->from) != NULL) {
        return NPRI_GO_ON; /* a peer's mistake */
    }
    watched = npri_relation_create(NPRI_RELATION_WATCHED, signal->from, signal->ref, name);
    if (watched == NULL) {
        return NPRI_AGAIN;
    }
    npri_process_tie(process, watched);
    return NPRI_GO_ON;
}

static void process_on_demonitor(struct npr_process *process, const struct npri_signal *signal)
{
    struct npri_relation *watched =
        npri_process_relation(process, NPRI_RELATION_WATCHED, signal->ref, signal->from);

    if (watched != NULL) {
        relation_drop(process, watched);
    }
}

/* {'DOWN',Ref,process,Pid,Reason}; `watching` is out of the table, and freed unless AGAIN. */
static enum npri_verdict process_fire(struct npr_process *process,
                                      struct npri_relation *watching,
                                      struct npr_term reason)
{
    const struct npr_term parts[] = {
        NPRI_WORD_DOWN,
        npri_relation_ref(watching),
        NPRI_WORD_PROCESS,
        npri_relation_peer(watching),
        reason,
    };
    enum npri_verdict verdict = NPRI_GO_ON;

    if (npri_process_has_call(process, npri_relation_ref(watching))) {
        verdict = npri_process_call_down(process, npri_relation_ref(watching), reason);
        npri_relation_destroy(watching);
        return verdict;
    }
    if (process_hears(process) && !message_write(process, parts, 5)) {
        return NPRI_AGAIN;
    }
    if (process_hears(process)) {
        verdict = npri_process_info(process, message_term(process));
    }
    if (verdict != NPRI_AGAIN) {
        npri_relation_destroy(watching);
    }
    return verdict;
}

static enum npri_verdict process_on_down(struct npr_process *process,
                                         const struct npri_signal *signal)
{
    struct npri_relation *watching =
        npri_process_relation(process, NPRI_RELATION_WATCHING, signal->ref, no_term);
    enum npri_verdict verdict;

    if (watching == NULL) { /* taken back; or a call's, which is watched by the callee alone */
        return npri_process_call_down(process, signal->ref, signal->payload);
    }
    npri_relations_remove(&process->relations, watching);
    verdict = process_fire(process, watching, signal->payload);
    if (verdict == NPRI_AGAIN) {
        npri_process_tie(process, watching);
    }
    return verdict;
}

/* ---- A node is gone. */

static enum npri_verdict process_lose(struct npr_process *process, struct npri_relation *relation)
{
    enum npri_verdict verdict = NPRI_GO_ON;

    if (relation->kind == NPRI_RELATION_WATCHING) {
        return process_fire(process, relation, NPRI_WORD_NOCONNECTION);
    }
    if (relation->kind == NPRI_RELATION_LINK && relation->unlink_id == 0) {
        verdict =
            process_on_exit(process, npri_relation_peer(relation), NPRI_WORD_NOCONNECTION, NULL);
    }
    if (verdict != NPRI_AGAIN) {
        npri_relation_destroy(relation);
    }
    return verdict;
}

bool npri_process_take_node(struct npr_process *process,
                            const struct npri_signal *node_down,
                            struct npri_relation **out)
{
    struct npr_node_name node = {0};
    struct npr_bytes name;

    if (!npr_term_get_atom(node_down->payload, &name) || name.size > sizeof(node.text)) {
        return false;
    }
    node.size = (uint8_t)name.size;
    memcpy(node.text, name.data, name.size);
    *out = npri_relations_take_node(&process->relations, &node);
    return true;
}

static enum npri_verdict process_on_node_down(struct npr_process *process,
                                              const struct npri_signal *signal)
{
    struct npri_relation *lost;
    enum npri_verdict verdict = NPRI_GO_ON;

    if (!npri_process_take_node(process, signal, &lost)) {
        return NPRI_GO_ON;
    }
    while (lost != NULL && verdict == NPRI_GO_ON) {
        struct npri_relation *next = lost->next;

        verdict = process_lose(process, lost);
        lost = verdict == NPRI_AGAIN ? lost : next;
    }
    while (lost != NULL) {
        struct npri_relation *next = lost->next;

        /* Kept for the next attempt.  A process that ends owes nothing to a node that is gone. */
        if (verdict == NPRI_AGAIN) {
            npri_process_tie(process, lost);
        } else {
            npri_relation_destroy(lost);
        }
        lost = next;
    }
    return verdict;
}

enum npri_verdict npri_process_on_signal(struct npr_process *process, struct npri_signal *signal)
{
    switch (signal->kind) {
    case NPRI_SIGNAL_LINK:
        return process_on_link(process, signal);
    case NPRI_SIGNAL_UNLINK:
        return process_on_unlink(process, signal);
    case NPRI_SIGNAL_UNLINK_ACK:
        process_on_unlink_ack(process, signal);
        return NPRI_GO_ON;
    case NPRI_SIGNAL_EXIT_LINK:
        return process_on_exit_link(process, signal);
    case NPRI_SIGNAL_EXIT:
        return process_on_exit_request(process, signal);
    case NPRI_SIGNAL_MONITOR:
        return process_on_monitor(process, signal);
    case NPRI_SIGNAL_DEMONITOR:
        process_on_demonitor(process, signal);
        return NPRI_GO_ON;
    case NPRI_SIGNAL_DOWN:
        return process_on_down(process, signal);
    case NPRI_SIGNAL_NODE_DOWN:
        return process_on_node_down(process, signal);
    case NPRI_SIGNAL_TIMER:
        return npri_process_on_timer(process, signal);
    case NPRI_SIGNAL_ANSWER:
        return npri_process_on_answer(process, signal);
    case NPRI_SIGNAL_TELL:
        return npri_process_tell_relations(process, signal);
    case NPRI_SIGNAL_GROUP_LEADER:
        npri_signal_destroy(process->leader);
        process->leader = signal;
        return NPRI_KEPT;
    case NPRI_SIGNAL_CONFLICT:
        return npri_conflict_on_signal(process, signal);
    case NPRI_SIGNAL_HANDOVER:
        return npri_handover_on_signal(process, signal);
    case NPRI_SIGNAL_MOVED:
        return npri_handover_on_moved(process, signal);
    case NPRI_SIGNAL_MESSAGE: /* not here */
    case NPRI_SIGNAL_PLAIN:   /* likewise */
    case NPRI_SIGNAL_BATCH:
    case NPRI_SIGNAL_CALL:          /* likewise */
    case NPRI_SIGNAL_NUDGE:         /* nor these */
    case NPRI_SIGNAL_SPAWN_REQUEST: /* a node's business */
    case NPRI_SIGNAL_SPAWN_REPLY:   /* processes make no such request */
        return NPRI_GO_ON;
    }
    return NPRI_GO_ON;
}

/* ---- The end. */

/* The signal that `relation` is owed; false: none. */
static bool relation_farewell(const struct npri_relation *relation, struct npri_signal *out)
{
    *out = (struct npri_signal){.to = npri_relation_peer(relation),
                                .ref = npri_relation_ref(relation)};
    switch ((enum npri_relation_kind)relation->kind) {
    case NPRI_RELATION_LINK:
        out->kind = NPRI_SIGNAL_EXIT_LINK;
        out->ref = no_term;
        return relation->unlink_id == 0;
    case NPRI_RELATION_WATCHED:
        out->kind = NPRI_SIGNAL_DOWN;
        out->from = npri_relation_name(relation);
        return true;
    case NPRI_RELATION_WATCHING:
        out->kind = NPRI_SIGNAL_DEMONITOR;
        return true;
    case NPRI_RELATION_RELAYED: /* told as who monitors us */
        return false;
    }
    return false;
}

bool npri_process_announce_end(struct npr_process *process)
{
    struct npri_relation *relation;
    uint32_t cursor = 0;

    while ((relation = npri_relations_take(&process->relations, &cursor)) != NULL) {
        struct npri_signal draft;
        npr_status status = NPR_OK;

        if (relation_farewell(relation, &draft)) {
            const bool has_reason = draft.kind != NPRI_SIGNAL_DEMONITOR;

            status = npri_process_send(process, &draft, &process->end_reason, has_reason ? 1 : 0);
        }
        if (status == NPR_ENOMEM) {
            npri_process_tie(process, relation);
            return false;
        }
        npri_relation_destroy(relation);
    }
    return true;
}

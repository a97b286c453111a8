#include "runtime/relay.h"

#include "base/limits.h"
#include "runtime/call.h"

static const struct npr_term no_term;

/* The reference of a call: by it the caller monitors who it calls. */
static bool tag_ref(struct npr_term tag, struct npr_term *out)
{
    if (npr_term_kind(tag) == NPR_TERM_REF) { /* as a client has it, and Erlang had it once */
        *out = tag;
        return true;
    }
    return npri_tag_alias(tag, out);
}

static struct npri_relation *find_monitor(const struct npr_process *process,
                                          struct npr_term caller,
                                          struct npr_term tag)
{
    struct npr_term ref;

    return tag_ref(tag, &ref) ? npri_process_relation(process, NPRI_RELATION_WATCHED, ref, caller)
                              : NULL;
}

/* The monitor of a call that this message is, and who calls; NULL: it is none. */
static struct npri_relation *call_monitor(const struct npr_process *process,
                                          struct npr_term message,
                                          struct npr_from *out_from)
{
    return npri_message_asker(message, out_from)
               ? find_monitor(process, out_from->pid, out_from->tag)
               : NULL;
}

/* Our tag of the call of that number, written to `out`. */
static struct npr_term relay_tag(const struct npr_process *process,
                                 uint32_t number,
                                 uint8_t out[NPRI_CALL_TAG_BYTES_MAX])
{
    return npri_call_tag(process->origin->runtime, process->local, number, out);
}

static struct npri_relation *find_relayed(const struct npr_process *process, uint32_t number)
{
    uint8_t bytes[NPRI_CALL_TAG_BYTES_MAX];
    const struct npr_term ref = npri_call_tag_ref(relay_tag(process, number, bytes));

    return npri_process_relation(process, NPRI_RELATION_RELAYED, ref, no_term);
}

void npri_relay_lose(struct npr_process *process, uint32_t calls)
{
    process->relayed -= calls;
    /* relaxed: a figure. */
    (void)atomic_fetch_sub_explicit(&process->origin->runtime->relayed, calls,
                                    memory_order_relaxed);
}

static void forget(struct npr_process *process, struct npri_relation *relayed)
{
    npri_relations_remove(&process->relations, relayed);
    npri_relation_destroy(relayed);
    npri_relay_lose(process, 1);
}

/* One that no call has which waits for an answer. */
static uint32_t new_number(const struct npr_process *process)
{
    uint32_t number;

    do {
        number = (uint32_t)npri_runtime_new_number(process->origin->runtime) | NPRI_CALL_RELAYED;
        number &= NPRI_CALL_RELAYED | NPRI_CALL_NUMBER_MAX;
    } while (find_relayed(process, number) != NULL);
    return number;
}

/* Terms are in normal form: all that is not the tag stays as it is. */
static npr_status send_with_tag(struct npr_process *process,
                                const struct npri_signal *draft,
                                struct npr_term message,
                                struct npr_term theirs,
                                struct npr_term ours)
{
    const uint8_t *after = theirs.data + theirs.size;
    const struct npr_term parts[] = {
        {.data = message.data, .size = (size_t)(theirs.data - message.data)},
        ours,
        {.data = after, .size = (size_t)(message.data + message.size - after)},
    };

    return npri_process_send(process, draft, parts, 3);
}

static enum npri_verdict after_sending(npr_status status)
{
    return status == NPR_ENOMEM ? NPRI_AGAIN : NPRI_GO_ON;
}

enum npri_verdict npri_relay_pass_on(struct npr_process *process,
                                     struct npr_term target,
                                     struct npr_term message)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE, .to = target};
    uint8_t bytes[NPRI_CALL_TAG_BYTES_MAX];
    struct npr_from from;
    struct npri_relation *watched = call_monitor(process, message, &from);
    struct npri_relation *relayed;
    struct npr_term tag;
    uint32_t number;

    if (watched == NULL || watched->relayed != 0 || from.tag.size > NPRI_RELAYED_TAG_BYTES_MAX) {
        return after_sending(npri_process_send(process, &draft, &message, 1));
    }
    number = new_number(process);
    tag = relay_tag(process, number, bytes);
    relayed =
        npri_relation_create(NPRI_RELATION_RELAYED, from.pid, npri_call_tag_ref(tag), from.tag);
    if (relayed == NULL || send_with_tag(process, &draft, message, from.tag, tag) == NPR_ENOMEM) {
        npri_relation_destroy(relayed);
        return NPRI_AGAIN;
    }
    npri_process_tie(process, relayed);
    process->relayed++;
    /* relaxed: a figure. */
    (void)atomic_fetch_add_explicit(&process->origin->runtime->relayed, 1, memory_order_relaxed);
    watched->relayed = number;
    return NPRI_GO_ON;
}

enum npri_verdict npri_relay_on_answer(struct npr_process *process,
                                       const struct npri_signal *signal)
{
    struct npri_relation *relayed = find_relayed(process, signal->number);
    struct npri_relation *watched;
    npr_status status;

    if (relayed == NULL) {
        return NPRI_GO_ON;
    }
    status = npri_process_reply(process, npri_relation_peer(relayed), npri_relation_name(relayed),
                                signal->payload);
    if (status != NPR_ENOMEM) {
        watched = find_monitor(process, npri_relation_peer(relayed), npri_relation_name(relayed));
        if (watched != NULL) { /* by the reply, a local caller's is none any more */
            watched->relayed = 0;
        }
        forget(process, relayed);
    }
    return after_sending(status);
}

void npri_relay_unwatch(struct npr_process *process, const struct npri_relation *watched)
{
    struct npri_relation *relayed =
        watched->relayed == 0 ? NULL : find_relayed(process, (uint32_t)watched->relayed);

    if (relayed != NULL) {
        forget(process, relayed);
    }
}

/* ---- The end is told. */

static void put_aside(struct npri_relation **list, struct npri_relation *relation)
{
    relation->next = *list;
    *list = relation;
}

static void tie_all(struct npr_process *process, struct npri_relation *list)
{
    while (list != NULL) {
        struct npri_relation *next = list->next;

        npri_process_tie(process, list);
        list = next;
    }
}

/* Takes out the monitors of calls that wait: they will be told of the end of who answers them. */
static struct npri_relation *take_waiting(struct npr_process *process)
{
    struct npri_relation *taken = NULL;

    for (const struct npri_signal *at = process->todo; at != NULL; at = at->next) {
        struct npr_from from;
        struct npri_relation *relation =
            at->kind == NPRI_SIGNAL_MESSAGE ? call_monitor(process, at->payload, &from) : NULL;

        if (relation != NULL) {
            npri_relations_remove(&process->relations, relation);
            put_aside(&taken, relation);
        }
    }
    return taken;
}

/* Takes out the calls that were passed on and are not answered, their monitors, and that of who is
 * to answer. */
static struct npri_relation *take_relayed(struct npr_process *process)
{
    struct npri_relation *taken = NULL;
    struct npri_relation *others = NULL;
    struct npri_relation *relation;
    uint32_t cursor = 0;

    while ((relation = npri_relations_take(&process->relations, &cursor)) != NULL) {
        const bool goes_on = relation->kind == NPRI_RELATION_RELAYED ||
                             (relation->kind == NPRI_RELATION_WATCHED && relation->relayed != 0) ||
                             relation->kind == NPRI_RELATION_WATCHING;

        put_aside(goes_on ? &taken : &others, relation);
    }
    tie_all(process, others);
    return taken;
}

/* Tells links and monitors of the end, but for `spared`, which were taken out and stay.  False: no
 * memory. */
static bool announce_end(struct npr_process *process, struct npri_relation *spared)
{
    const bool complete = npri_process_announce_end(process);

    tie_all(process, spared);
    return complete;
}

bool npri_relay_announce_loss(struct npr_process *process)
{
    return announce_end(process, take_waiting(process));
}

bool npri_relay_announce_over(struct npr_process *process)
{
    return announce_end(process, take_relayed(process));
}

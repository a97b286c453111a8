#include "runtime/signal.h"

#include <string.h>

#include "runtime/mailbox.h"
#include "runtime/pool.h"
#include "runtime/words.h"

struct npri_signal npri_mailbox_idle;
struct npri_signal npri_mailbox_poked;

static struct npri_signal *signal_alloc(size_t bytes)
{
    uint8_t room;
    struct npri_signal *signal = npri_pool_take(bytes, &room);

    if (signal != NULL) {
        signal->next = NULL;
        signal->room = room;
    }
    return signal;
}

/* The terms begin right after the struct. */
static struct npr_term place(uint8_t **at, struct npr_term term)
{
    struct npr_term placed = {.data = *at, .size = term.size};

    if (term.data == NULL) {
        return term;
    }
    memcpy(*at, term.data, term.size);
    *at += term.size;
    return placed;
}

struct npri_signal *npri_signal_create_parts(const struct npri_signal *draft,
                                             const struct npr_term *parts,
                                             size_t parts_count)
{
    size_t bytes =
        sizeof(*draft) + draft->node.size + draft->from.size + draft->to.size + draft->ref.size;
    struct npri_signal *signal;
    uint8_t *at;

    for (size_t i = 0; i < parts_count; i++) {
        bytes += parts[i].size;
    }
    signal = signal_alloc(bytes);
    if (signal == NULL) {
        return NULL;
    }
    at = (uint8_t *)(signal + 1);
    signal->kind = draft->kind;
    signal->id = draft->id;
    signal->node = place(&at, draft->node);
    signal->from = place(&at, draft->from);
    signal->to = place(&at, draft->to);
    signal->ref = place(&at, draft->ref);
    signal->payload = (struct npr_term){.data = parts_count == 0 ? NULL : at};
    for (size_t i = 0; i < parts_count; i++) {
        signal->payload.size += place(&at, parts[i]).size;
    }
    return signal;
}

struct npri_signal *npri_signal_create(const struct npri_signal *draft)
{
    return npri_signal_create_parts(draft, &draft->payload, draft->payload.data == NULL ? 0 : 1);
}

struct npri_signal *npri_signal_create_room(enum npri_signal_kind kind, size_t payload_bytes)
{
    struct npri_signal *signal = signal_alloc(NPRI_SIGNAL_SHORT_BYTES + payload_bytes);

    if (signal != NULL) {
        signal->kind = kind;
        signal->unwatched = 0;
        signal->status = NPR_OK;
        signal->number = 0;
        signal->payload = (struct npr_term){.data = (uint8_t *)signal + NPRI_SIGNAL_SHORT_BYTES};
        signal->peer = (struct npri_local){0};
    }
    return signal;
}

struct npri_signal *npri_signal_create_short(enum npri_signal_kind kind,
                                             const struct npr_term *parts,
                                             size_t parts_count)
{
    size_t payload_bytes = 0;
    struct npri_signal *signal;
    uint8_t *at;

    for (size_t i = 0; i < parts_count; i++) {
        payload_bytes += parts[i].size;
    }
    signal = npri_signal_create_room(kind, payload_bytes);
    if (signal != NULL) {
        at = (uint8_t *)signal + NPRI_SIGNAL_SHORT_BYTES;
        signal->payload.size = payload_bytes;
        for (size_t i = 0; i < parts_count; i++) {
            (void)place(&at, parts[i]);
        }
    }
    return signal;
}

void npri_signal_destroy(struct npri_signal *signal)
{
    if (signal != NULL) {
        npri_pool_give(signal, signal->room);
    }
}

bool npri_signal_answer_dead(struct npri_signal *signal)
{
    struct npr_term asker;

    switch (signal->kind) {
    case NPRI_SIGNAL_LINK:
        signal->kind = NPRI_SIGNAL_EXIT_LINK;
        signal->payload = NPRI_WORD_NOPROC;
        break;
    case NPRI_SIGNAL_MONITOR:
        signal->kind = NPRI_SIGNAL_DOWN;
        signal->payload = NPRI_WORD_NOPROC;
        break;
    case NPRI_SIGNAL_UNLINK:
        signal->kind = NPRI_SIGNAL_UNLINK_ACK;
        break;
    case NPRI_SIGNAL_MESSAGE:
    case NPRI_SIGNAL_UNLINK_ACK:
    case NPRI_SIGNAL_EXIT_LINK:
    case NPRI_SIGNAL_EXIT:
    case NPRI_SIGNAL_DEMONITOR:
    case NPRI_SIGNAL_DOWN:
    case NPRI_SIGNAL_GROUP_LEADER:
    case NPRI_SIGNAL_SPAWN_REQUEST:
    case NPRI_SIGNAL_SPAWN_REPLY:
    case NPRI_SIGNAL_NODE_DOWN:
    case NPRI_SIGNAL_TIMER:
    case NPRI_SIGNAL_PLAIN:
    case NPRI_SIGNAL_BATCH:
    case NPRI_SIGNAL_CALL: /* npri_call_fail() */
    case NPRI_SIGNAL_ANSWER:
    case NPRI_SIGNAL_NUDGE:
    case NPRI_SIGNAL_TELL:
    case NPRI_SIGNAL_CONFLICT:
    case NPRI_SIGNAL_HANDOVER:
    case NPRI_SIGNAL_MOVED:
        return false;
    }
    asker = signal->from;
    signal->from = signal->to;
    signal->to = asker;
    signal->node = (struct npr_term){0}; /* the asker is a pid: it tells its node itself */
    return true;
}

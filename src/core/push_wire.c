/* The messages of the push (core/push.h), made and read. */
#include "base/limits.h"
#include "core/native.h"
#include "core/push.h"
#include "core/state.h"
#include "term/write.h"

/* ---- Telling. */

static struct npri_buffer *begin(struct npri_core *core,
                                 const struct npri_peer *peer,
                                 uint32_t arity,
                                 const char *word)
{
    struct npri_buffer *message = npri_tell_begin(core, arity, word);

    npri_put_uint(message, core->push.epoch);
    npri_put_uint(message, peer->pushing.told);
    return message;
}

bool npri_tell_push(struct npri_core *core, struct npri_peer *peer)
{
    const struct npri_pushing *pushing = &peer->pushing;

    npri_put_list_of(begin(core, peer, 4, "push"), pushing->items_count, &pushing->items);
    return npri_tell_end(core, peer);
}

bool npri_tell_mark_of_push(struct npri_core *core, struct npri_peer *peer, const char *mark)
{
    (void)begin(core, peer, 3, mark);
    return npri_tell_end(core, peer);
}

bool npri_tell_busy(struct npri_core *core,
                    struct npri_peer *peer,
                    struct npr_bytes key,
                    uint64_t token)
{
    struct npri_buffer *message = begin(core, peer, 5, "busy");

    npri_put_bytes(message, key);
    npri_put_uint(message, token);
    return npri_tell_end(core, peer);
}

bool npri_tell_free(struct npri_core *core,
                    struct npri_peer *peer,
                    struct npr_bytes key,
                    struct npr_term pid)
{
    struct npri_buffer *message = begin(core, peer, 5, "free");

    npri_put_bytes(message, key);
    if (pid.data == NULL) {
        npri_put_atom(message, "undefined");
    } else {
        npri_put_term(message, pid);
    }
    return npri_tell_end(core, peer);
}

/* ---- Being told. */

static bool tell_read(struct npri_core *core, struct npri_peer *peer)
{
    npri_put_uint(npri_tell_begin(core, 2, "pushed"), peer->lending.heard);
    return npri_tell_end(core, peer);
}

/* The peer goes on only when it hears that we have read. */
static void note_heard(struct npri_core *core, struct npri_peer *peer, uint64_t at)
{
    struct npri_lending *lending = &peer->lending;

    lending->heard = at > lending->heard ? at : lending->heard;
    if (lending->heard - lending->heard_read < NPRI_PUSH_WINDOW_BYTES / 4) {
        return;
    }
    if (tell_read(core, peer)) {
        lending->heard_read = lending->heard;
    } else {
        core->out_of_memory = true;
    }
}

/* Epoch and At, with which all of them begin.  `*out_counts`: it is of the epoch that the peer has
 * told last. */
static bool read_head(struct npri_core *core,
                      struct npri_peer *peer,
                      const struct npr_term *elements,
                      bool *out_counts)
{
    uint64_t epoch;
    uint64_t at;

    if (!npr_term_get_uint64(elements[0], &epoch) || !npr_term_get_uint64(elements[1], &at)) {
        return false;
    }
    *out_counts = peer->told.is && peer->told.epoch == epoch;
    note_heard(core, peer, at);
    return true;
}

static bool read_entry(struct npri_core *core,
                       struct npr_term item,
                       struct npr_bytes *out_key,
                       struct npri_activation *out)
{
    struct npr_term parts[3];

    if (!npr_term_get_tuple(item, 3, parts) || !npri_core_normal_key(core, parts[0], out_key) ||
        !npri_core_normal_pid(core, parts[1], &out->pid) ||
        !npr_term_get_uint64(parts[2], &out->token)) {
        return false;
    }
    out->token = npri_token_on_seen(core, out->token);
    return true;
}

bool npri_push_on_told_push(struct npri_core *core,
                            struct npri_peer *peer,
                            const struct npr_term *elements)
{
    struct npri_activation living;
    struct npr_term_walk walk;
    struct npr_term item;
    struct npr_bytes key;
    bool counts;

    if (!read_head(core, peer, elements, &counts) || !npr_term_list(elements[2], &walk)) {
        return false;
    }
    while (npr_term_next(&walk, &item)) {
        if (!read_entry(core, item, &key, &living)) {
            return false;
        }
        if (counts) {
            npri_lead_on_entry(core, peer, key, &living);
        }
    }
    return true;
}

bool npri_push_on_told_busy(struct npri_core *core,
                            struct npri_peer *peer,
                            const struct npr_term *elements)
{
    struct npr_bytes key;
    uint64_t token;
    bool counts;

    if (!read_head(core, peer, elements, &counts) ||
        !npri_core_normal_key(core, elements[2], &key) ||
        !npr_term_get_uint64(elements[3], &token)) {
        return false;
    }
    (void)npri_token_on_seen(core, token);
    if (counts) {
        npri_lead_on_busy(core, peer, key);
    }
    return true;
}

bool npri_push_on_told_free(struct npri_core *core,
                            struct npri_peer *peer,
                            const struct npr_term *elements)
{
    struct npr_term pid = {0};
    struct npr_bytes key;
    bool counts;

    if (!read_head(core, peer, elements, &counts) ||
        !npri_core_normal_key(core, elements[2], &key)) {
        return false;
    }
    if (!npr_term_is_atom(elements[3], "undefined") &&
        !npri_core_normal_pid(core, elements[3], &pid)) {
        return false;
    }
    if (counts) {
        npri_lead_on_gone(core, peer, key, pid);
    }
    return true;
}

bool npri_push_on_told_marker(struct npri_core *core,
                              struct npri_peer *peer,
                              const struct npr_term *elements)
{
    bool counts;

    if (!read_head(core, peer, elements, &counts)) {
        return false;
    }
    if (counts) {
        npri_leads_on_marker(core, peer);
    }
    return true;
}

bool npri_push_on_told_unsure(struct npri_core *core,
                              struct npri_peer *peer,
                              const struct npr_term *elements)
{
    bool counts;

    if (!read_head(core, peer, elements, &counts)) {
        return false;
    }
    if (counts) {
        npri_leads_on_unsure(core, peer);
    }
    return true;
}

bool npri_push_on_told_read(struct npri_core *core,
                            struct npri_peer *peer,
                            const struct npr_term *elements)
{
    uint64_t at;

    if (!npr_term_get_uint64(elements[0], &at)) {
        return false;
    }
    npri_push_on_read(core, peer, at);
    return true;
}

/* The other side of a drain (core/drain.h): a key's next owner takes it over. */
#include "core/drain.h"
#include "core/leads.h"
#include "core/native.h"
#include "core/state.h"
#include "core/views.h"
#include "term/write.h"

static void tell_not(struct npri_core *core,
                     struct npri_peer *peer,
                     uint64_t ref,
                     const char *why,
                     struct npr_bytes text)
{
    struct npri_buffer *message = npri_tell_begin(core, 4, "unhanded");

    npri_put_uint(message, ref);
    npri_put_atom(message, why);
    npri_put_binary(message, text);
    core->out_of_memory |= !npri_tell_end(core, peer);
}

static void tell_done(struct npri_core *core,
                      struct npri_peer *peer,
                      uint64_t ref,
                      const struct npri_activation *living)
{
    struct npri_buffer *message = npri_tell_begin(core, 4, "handed");

    npri_put_uint(message, ref);
    npri_put_term(message, living->pid);
    npri_put_uint(message, living->token);
    core->out_of_memory |= !npri_tell_end(core, peer);
}

/* Who is to be told, and still there. */
static struct npri_peer *find_teller(const struct npri_core *core, const struct npri_taking *taking)
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (peer->serial == taking->peer_serial && peer->connected && peer->native) {
            return peer;
        }
    }
    return NULL;
}

void npri_takeover_done(struct npri_core *core,
                        struct npri_taking *taking,
                        const struct npri_activation *living)
{
    struct npri_peer *peer = taking->peer_serial == 0 ? NULL : find_teller(core, taking);

    taking->peer_serial = 0;
    if (peer != NULL) {
        tell_done(core, peer, taking->ref, living);
    }
}

void npri_takeover_failed(struct npri_core *core, struct npri_taking *taking, struct npr_bytes text)
{
    struct npri_peer *peer = taking->peer_serial == 0 ? NULL : find_teller(core, taking);

    taking->peer_serial = 0;
    if (peer != NULL) {
        tell_not(core, peer, taking->ref, "failed", text);
    }
}

/* Whether somebody has the key whom it was not told of by `peer` as the process `pid`: one that was
 * put over that while its state was on its way. */
static bool is_anothers(const struct npri_core *core,
                        const struct npri_peer *peer,
                        struct npr_bytes key,
                        struct npr_term pid)
{
    const struct npri_lead *lead = npri_lead_find(core, key);
    struct npr_pid told;
    struct npr_pid moves;

    if (lead == NULL) {
        return false;
    }
    if (lead->busy) {
        return lead->set->peer != peer;
    }
    return lead->set->peer != peer || !npr_term_get_pid(pid, &moves) ||
           !npr_term_get_pid(npri_lead_activation(lead).pid, &told) ||
           !npr_pid_equal(&told, &moves);
}

/* Whether this node may take the key, which is closed, now; else the teller has been told why not.
 */
static bool may_take(struct npri_core *core,
                     struct npri_peer *peer,
                     uint64_t ref,
                     struct npr_bytes key,
                     struct npr_term pid)
{
    const struct npr_term term = {.data = key.data, .size = key.size};
    const struct npri_peer *owner = npri_core_place(core, term, NULL);
    struct npri_activation own;
    struct npri_text text = {0};

    if (!npri_views_agreed(core) || owner == NULL || (!owner->self && owner->native) ||
        core->views.draining || core->closing || !npri_quorum_permits(core, &text) ||
        npri_start_is_under_way(core, key)) {
        tell_not(core, peer, ref, "moved", npr_bytes_of("not the owner, or not now"));
        return false;
    }
    if (npri_directory_find(&core->directory, key, &own) || is_anothers(core, peer, key, pid)) {
        tell_not(core, peer, ref, "failed", npr_bytes_of("its owner has another process for it"));
        return false;
    }
    return true;
}

void npri_takeover_forget(struct npri_core *core,
                          const struct npri_taking *taking,
                          struct npr_bytes key)
{
    struct npri_lead *lead = taking->peer_serial == 0 ? NULL : npri_lead_find(core, key);

    if (lead != NULL && lead->set->peer->serial == taking->peer_serial) {
        npri_lead_remove(core, lead);
    }
}

/* Ref, Key, Pid, Function, State, Token. */
bool npri_takeover_on_told_handover(struct npri_core *core,
                                    struct npri_peer *peer,
                                    const struct npr_term *elements)
{
    struct npri_taking taking = {.peer_serial = peer->serial};
    struct npri_shared *closed;
    struct npr_bytes key;
    uint64_t token;

    if (!npr_term_get_uint64(elements[0], &taking.ref) || elements[1].size > NPRI_KEY_BYTES_MAX ||
        !npri_core_normal_key(core, elements[1], &key) || elements[4].size > NPRI_STATE_BYTES_MAX ||
        !npr_term_get_uint64(elements[5], &token)) {
        return false;
    }
    (void)npri_token_on_seen(core, token);
    closed = npri_start_close(core, key);
    if (closed == NULL) {
        tell_not(core, peer, taking.ref, "failed", npr_bytes_of("out of memory"));
        return true;
    }
    if (may_take(core, peer, taking.ref, npri_shared_bytes(closed), elements[2])) {
        npri_start_take_over(core, npri_shared_bytes(closed), elements[3], elements[4], &taking);
    }
    npri_start_open(core, closed);
    return true;
}

static void put_adopted(struct npri_core *core,
                        struct npri_peer *peer,
                        const struct npri_taking *taking,
                        struct npr_bytes key,
                        const struct npri_activation *living)
{
    npri_takeover_forget(core, taking, key);
    if (npri_directory_put(&core->directory, key, living, NULL) == NPR_OK) {
        tell_done(core, peer, taking->ref, living);
    } else {
        tell_not(core, peer, taking->ref, "failed", npr_bytes_of("out of memory"));
    }
}

/* Ref, Key, Pid, Token. */
bool npri_takeover_on_told_adopt(struct npri_core *core,
                                 struct npri_peer *peer,
                                 const struct npr_term *elements)
{
    struct npri_taking taking = {.peer_serial = peer->serial};
    struct npri_activation living = {0};
    struct npri_shared *closed;
    struct npr_bytes key;

    if (!npr_term_get_uint64(elements[0], &taking.ref) || elements[1].size > NPRI_KEY_BYTES_MAX ||
        !npri_core_normal_key(core, elements[1], &key) ||
        !npri_core_normal_pid(core, elements[2], &living.pid) ||
        !npr_term_get_uint64(elements[3], &living.token)) {
        return false;
    }
    living.token = npri_token_on_seen(core, living.token);
    closed = npri_start_close(core, key);
    if (closed == NULL) {
        tell_not(core, peer, taking.ref, "failed", npr_bytes_of("out of memory"));
        return true;
    }
    if (may_take(core, peer, taking.ref, npri_shared_bytes(closed), elements[2])) {
        put_adopted(core, peer, &taking, npri_shared_bytes(closed), &living);
    }
    npri_start_open(core, closed);
    return true;
}

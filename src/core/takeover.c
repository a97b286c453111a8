/* The other side of a drain (core/drain.h): a key's next owner takes it over. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
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

/* ---- What was done. */

static bool is_of(const struct npri_takeovers *takeovers, uint32_t creation)
{
    return takeovers != NULL && takeovers->creation == creation;
}

/* What of the peer's present incarnation is kept; NULL: no memory. */
static struct npri_takeovers *keep(struct npri_peer *peer)
{
    if (peer->takeovers == NULL) {
        peer->takeovers = npri_alloc(sizeof(*peer->takeovers));
    } else if (is_of(peer->takeovers, peer->creation)) {
        return peer->takeovers;
    }
    if (peer->takeovers != NULL) {
        memset(peer->takeovers, 0, sizeof(*peer->takeovers));
        peer->takeovers->creation = peer->creation;
    }
    return peer->takeovers;
}

static void note_done(struct npri_peer *peer,
                      const struct npri_taking *taking,
                      const struct npri_activation *living)
{
    struct npri_takeovers *takeovers = peer->takeovers;
    struct npri_taken *taken;

    if (!is_of(takeovers, taking->creation)) {
        return; /* Who has handed it over has ended. */
    }
    taken = &takeovers->done[takeovers->next];
    takeovers->next = (takeovers->next + 1) % NPRI_HANDOVERS_MAX;
    NPRI_ASSERT(living->pid.size <= sizeof(taken->pid));
    taken->ref = taking->ref;
    taken->old_token = taking->token;
    taken->token = living->token;
    taken->pid_size = (uint32_t)living->pid.size;
    memcpy(taken->pid, living->pid.data, living->pid.size);
}

static struct npri_activation taken_activation(const struct npri_taken *taken)
{
    return (struct npri_activation){.pid = {.data = taken->pid, .size = taken->pid_size},
                                    .token = taken->token};
}

bool npri_takeover_is_predecessor(const struct npri_peer *peer, uint64_t token, struct npr_term pid)
{
    const struct npri_takeovers *takeovers = peer->takeovers;

    for (uint32_t i = 0; is_of(takeovers, peer->creation) && i < NPRI_HANDOVERS_MAX; i++) {
        const struct npri_taken *taken = &takeovers->done[i];

        if (taken->ref != 0 && taken->old_token == token && token != 0 &&
            npr_term_equal(taken_activation(taken).pid, pid)) {
            return true;
        }
    }
    return false;
}

/* Who is to be told; it may not be connected, or be another incarnation. */
static struct npri_peer *find_teller(const struct npri_core *core, const struct npri_taking *taking)
{
    NPRI_LIST_FOREACH (at, &core->members.peers.order) {
        struct npri_peer *peer = NPRI_MAP_AT(at, struct npri_peer, node);

        if (taking->peer_serial != 0 && peer->serial == taking->peer_serial) {
            return peer;
        }
    }
    return NULL;
}

/* It is not under way any more. */
static void uncount(struct npri_peer *peer, struct npri_taking *taking)
{
    if (taking->counted && is_of(peer->takeovers, taking->creation)) {
        NPRI_ASSERT(peer->takeovers->under_way > 0);
        peer->takeovers->under_way--;
    }
    taking->counted = false;
}

static bool is_there(const struct npri_peer *peer, const struct npri_taking *taking)
{
    return peer->connected && peer->native && peer->creation == taking->creation;
}

void npri_takeover_done(struct npri_core *core,
                        struct npri_taking *taking,
                        const struct npri_activation *living)
{
    struct npri_peer *peer = find_teller(core, taking);

    taking->peer_serial = 0;
    if (peer != NULL) {
        uncount(peer, taking);
        note_done(peer, taking, living);
        if (is_there(peer, taking)) {
            tell_done(core, peer, taking->ref, living);
        }
    }
}

/* Not noted: what is not known is refused, when it is asked of again. */
void npri_takeover_failed(struct npri_core *core, struct npri_taking *taking, struct npr_bytes text)
{
    struct npri_peer *peer = find_teller(core, taking);

    taking->peer_serial = 0;
    if (peer != NULL) {
        uncount(peer, taking);
    }
    if (peer != NULL && is_there(peer, taking)) {
        tell_not(core, peer, taking->ref, "failed", text);
    }
}

/* ---- What is asked. */

/* Whether that was asked before, and is being done, or has been answered again.  What is older than
 * the last, and not known, was not taken, or has failed, and is not wanted any more. */
static bool answer_again(struct npri_core *core,
                         struct npri_peer *peer,
                         const struct npri_shared *key,
                         uint64_t ref)
{
    const struct npri_start *start = npri_start_find(core, key);
    struct npri_takeovers *takeovers = peer->takeovers;

    if (start != NULL && start->taking.peer_serial == peer->serial &&
        start->taking.creation == peer->creation && start->taking.ref == ref) {
        return true;
    }
    for (uint32_t i = 0; i < NPRI_HANDOVERS_MAX; i++) {
        const struct npri_taken *taken = &takeovers->done[i];
        const struct npri_activation living = taken_activation(taken);

        if (taken->ref == ref) {
            tell_done(core, peer, ref, &living);
            return true;
        }
    }
    if (ref <= takeovers->ref_last) {
        tell_not(core, peer, ref, "moved", npr_bytes_of("it came too late"));
        return true;
    }
    takeovers->ref_last = ref;
    return false;
}

/* What the peer has of the key is in the way, unless it is that very process; what others have, or
 * are starting, is anyway. */
static bool is_anothers(const struct npri_core *core,
                        const struct npri_peer *peer,
                        struct npr_bytes key,
                        struct npr_term pid)
{
    const struct npri_lead *lead = npri_lead_find(core, key);
    struct npr_pid told;
    struct npr_pid moves;

    if (lead == NULL || lead->busy) {
        return false;
    }
    return lead->set->peer != peer || !npr_term_get_pid(pid, &moves) ||
           !npr_term_get_pid(npri_lead_activation(lead).pid, &told) ||
           !npr_pid_equal(&told, &moves);
}

/* Whether something of the key is not decided yet. */
static bool is_busy(const struct npri_core *core,
                    const struct npri_peer *peer,
                    const struct npri_shared *key)
{
    const struct npri_lead *lead = npri_lead_find(core, npri_shared_bytes(key));
    const struct npri_lead *other = npri_lead_find_other(core, peer, npri_shared_bytes(key));

    return npri_start_find(core, key) != NULL || (lead != NULL && lead->busy) ||
           (other != NULL && other->busy);
}

/* Whether this node may take the key, which is closed, now; else the teller has been told why not.
 */
static bool may_take(struct npri_core *core,
                     struct npri_peer *peer,
                     uint64_t ref,
                     const struct npri_shared *key,
                     struct npr_term pid)
{
    const struct npri_peer *owner = npri_core_place(core, npri_shared_term(key), NULL);
    struct npri_activation own;
    struct npri_text text = {0};

    if (!npri_leads_settled(core) || owner == NULL || (!owner->self && owner->native) ||
        core->views.draining || core->closing || !npri_quorum_permits(core, &text) ||
        is_busy(core, peer, key)) {
        tell_not(core, peer, ref, "moved", npr_bytes_of("not the owner, or not now"));
        return false;
    }
    if (npri_directory_find(&core->directory, npri_shared_bytes(key), &own) ||
        is_anothers(core, peer, npri_shared_bytes(key), pid)) {
        tell_not(core, peer, ref, "failed", npr_bytes_of("its owner has another process for it"));
        return false;
    }
    return true;
}

bool npri_takeover_replaces(const struct npri_taking *taking, const struct npri_lead *lead)
{
    return lead != NULL && taking->peer_serial != 0 &&
           lead->set->peer->serial == taking->peer_serial && lead->token == taking->token;
}

void npri_takeover_forget(struct npri_core *core,
                          const struct npri_taking *taking,
                          struct npr_bytes key)
{
    struct npri_lead *lead = npri_lead_find(core, key);

    if (npri_takeover_replaces(taking, lead)) {
        npri_lead_remove(core, lead);
    }
}

/* What both messages begin with: the key is closed, and in `*out_key`.  False: it was answered. */
static bool begin(struct npri_core *core,
                  struct npri_peer *peer,
                  struct npri_taking *taking,
                  struct npr_bytes key,
                  struct npri_shared **out_key)
{
    struct npri_shared *closed = keep(peer) == NULL ? NULL : npri_start_close(core, key);

    taking->peer_serial = peer->serial;
    taking->creation = peer->creation;
    if (closed == NULL) {
        tell_not(core, peer, taking->ref, "failed", npr_bytes_of("out of memory"));
        return false;
    }
    if (answer_again(core, peer, closed, taking->ref)) {
        npri_start_open(core, closed);
        return false;
    }
    *out_key = closed;
    return true;
}

/* Numbers begin at 1: 0 is what is in no slot (struct npri_taken). */
static bool read_ref(struct npr_term term, uint64_t *out_ref)
{
    return npr_term_get_uint64(term, out_ref) && *out_ref != 0;
}

/* Ref, Key, Pid, Function, State, Token. */
bool npri_takeover_on_told_handover(struct npri_core *core,
                                    struct npri_peer *peer,
                                    const struct npr_term *elements)
{
    struct npri_taking taking = {0};
    struct npri_shared *closed;
    struct npr_bytes key;
    struct npr_term pid;

    if (!read_ref(elements[0], &taking.ref) || elements[1].size > NPRI_KEY_BYTES_MAX ||
        !npri_core_normal_key(core, elements[1], &key) ||
        !npri_core_normal_pid(core, elements[2], &pid) || elements[4].size > NPRI_STATE_BYTES_MAX ||
        !npr_term_get_uint64(elements[5], &taking.token)) {
        return false;
    }
    taking.token = npri_token_on_seen(core, taking.token);
    if (!begin(core, peer, &taking, key, &closed)) {
        return true;
    }
    if (peer->takeovers->under_way == NPRI_HANDOVERS_MAX) {
        tell_not(core, peer, taking.ref, "moved", npr_bytes_of("too many of its keys at once"));
    } else if (may_take(core, peer, taking.ref, closed, elements[2])) {
        taking.counted = true;
        peer->takeovers->under_way++;
        npri_start_take_over(core, npri_shared_bytes(closed), elements[3], elements[4], &taking);
    }
    npri_start_open(core, closed);
    return true;
}

static void put_adopted(struct npri_core *core,
                        struct npri_taking *taking,
                        struct npr_bytes key,
                        const struct npri_activation *living)
{
    const struct npri_taking taken = *taking;

    if (npri_directory_put(&core->directory, key, living, NULL) == NPR_OK) {
        npri_takeover_done(core, taking, living);
        npri_takeover_forget(core, &taken, key);
    } else {
        npri_takeover_failed(core, taking, npr_bytes_of("out of memory"));
    }
}

/* Ref, Key, Pid, Token. */
bool npri_takeover_on_told_adopt(struct npri_core *core,
                                 struct npri_peer *peer,
                                 const struct npr_term *elements)
{
    struct npri_taking taking = {0};
    struct npri_activation living = {0};
    struct npri_shared *closed;
    struct npr_bytes key;

    if (!read_ref(elements[0], &taking.ref) || elements[1].size > NPRI_KEY_BYTES_MAX ||
        !npri_core_normal_key(core, elements[1], &key) ||
        !npri_core_normal_pid(core, elements[2], &living.pid) ||
        !npr_term_get_uint64(elements[3], &living.token)) {
        return false;
    }
    living.token = npri_token_on_seen(core, living.token);
    taking.token = living.token;
    if (!begin(core, peer, &taking, key, &closed)) {
        return true;
    }
    if (may_take(core, peer, taking.ref, closed, elements[2])) {
        put_adopted(core, &taking, npri_shared_bytes(closed), &living);
    }
    npri_start_open(core, closed);
    return true;
}

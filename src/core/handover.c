#include "core/handover.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "core/native.h"
#include "core/state.h"
#include "core/views.h"
#include "term/write.h"

void npri_handover_end(struct npri_core *core, struct npri_handover *handover)
{
    npri_list_remove(&handover->link);
    core->drain.handovers_count--;
    npri_shared_release(handover->key);
    npri_shared_release(handover->pid);
    npri_shared_release(handover->function);
    npri_shared_release(handover->term);
    npri_effect_destroy(handover->moved);
    npri_free(handover);
}

static struct npri_handover *find_asked(const struct npri_core *core, uint64_t number)
{
    NPRI_LIST_FOREACH (at, &core->drain.handovers) {
        struct npri_handover *handover = NPRI_CONTAINER_OF(at, struct npri_handover, link);

        if (handover->state == NPRI_HANDOVER_ASKED && handover->number == number) {
            return handover;
        }
    }
    return NULL;
}

bool npri_handover_exists(const struct npri_core *core, struct npr_bytes key, struct npr_term pid)
{
    NPRI_LIST_FOREACH (at, &core->drain.handovers) {
        const struct npri_handover *handover = NPRI_CONTAINER_OF(at, struct npri_handover, link);

        if (npri_bytes_equal(npri_shared_bytes(handover->key), key) ||
            npr_term_equal(npri_shared_term(handover->pid), pid)) {
            return true;
        }
    }
    return false;
}

/* The old process, which waits for that: `successor` none, it goes on. */
static void tell_moved(struct npri_core *core,
                       struct npri_handover *handover,
                       struct npr_term successor)
{
    const struct npr_term pid = npri_shared_term(handover->pid);
    struct npri_effect *effect = handover->moved;

    handover->moved = NULL;
    npri_effect_set_key(effect, handover->key);
    npri_effect_set_term(effect, pid);
    if (successor.data != NULL) {
        NPRI_ASSERT(pid.size + successor.size <= effect->room);
        memcpy(effect->bytes + pid.size, successor.data, successor.size);
        effect->out.old =
            (struct npr_term){.data = effect->bytes + pid.size, .size = successor.size};
    }
    npri_effects_queue(&core->effects, effect);
}

/* One that cannot be moved now: if its process waits, it is told to go on. */
void npri_handover_fail(struct npri_core *core,
                        struct npri_handover *handover,
                        struct npr_bytes why)
{
    struct npri_text line = {0};

    npri_text_add(&line, "handover_failed");
    npri_core_text_term(&line, " key=", npri_shared_term(handover->key));
    npri_text_add(&line, " reason=\"");
    npri_text_add_bytes(&line, why);
    npri_text_add(&line, "\"");
    npri_core_log(core, NPRI_LOG_WARNING, &line);
    core->drain.failure.size = 0;
    npri_core_text_term(&core->drain.failure, "", npri_shared_term(handover->key));
    npri_text_add(&core->drain.failure, ": ");
    npri_text_add_bytes(&core->drain.failure, why);
    core->drain.failed++;
    if (handover->term != NULL) {
        tell_moved(core, handover, (struct npr_term){0});
    }
    if (handover->contested) {
        npri_push_correct(core, npri_shared_bytes(handover->key), npri_shared_term(handover->pid));
    }
    npri_handover_end(core, handover);
    npri_drain_look_again(core);
}

/* ---- Giving. */

/* False: no memory. */
static bool tell_owner(struct npri_core *core,
                       const struct npri_handover *handover,
                       const struct npri_peer *owner)
{
    const bool adopts = handover->term == NULL;
    struct npri_buffer *message =
        npri_tell_begin(core, adopts ? 5 : 7, adopts ? "adopt" : "handover");

    npri_put_uint(message, handover->ref);
    npri_put_bytes(message, npri_shared_bytes(handover->key));
    npri_put_bytes(message, npri_shared_bytes(handover->pid));
    if (!adopts) {
        npri_put_bytes(message, npri_shared_bytes(handover->function));
        npri_put_bytes(message, npri_shared_bytes(handover->term));
    }
    npri_put_uint(message, handover->token);
    return npri_tell_end(core, owner);
}

/* An original can take nothing over: one of the native nodes has the process then, where the owner
 * finds it, as all that it does not have itself.  NULL: there is none. */
static struct npri_peer *find_stand_in(const struct npri_core *core, uint64_t number)
{
    struct npri_peer *natives[NPRI_HANDOVERS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < core->members.ring_count && count < NPRI_HANDOVERS_MAX; i++) {
        struct npri_peer *peer = core->members.ring[i];

        if (!peer->self && peer->native && peer->connected) {
            natives[count++] = peer;
        }
    }
    return count == 0 ? NULL : natives[number % count];
}

/* Who is to have the key next; NULL: nobody can be told now. */
static struct npri_peer *find_heir(const struct npri_core *core,
                                   const struct npri_handover *handover,
                                   bool *out_never)
{
    struct npri_peer *owner = npri_core_place(core, npri_shared_term(handover->key), NULL);

    *out_never = false;
    if (owner == NULL || owner->self || !owner->connected || !npri_views_agreed(core)) {
        return NULL;
    }
    if (!owner->native) {
        owner = find_stand_in(core, handover->number);
        *out_never = owner == NULL;
    }
    return owner;
}

/* Whether `heir` has yet to be asked what it has done with another one. */
static bool is_doubted(const struct npri_core *core, const struct npri_peer *heir)
{
    NPRI_LIST_FOREACH (at, &core->drain.handovers) {
        const struct npri_handover *handover = NPRI_CONTAINER_OF(at, struct npri_handover, link);

        if (handover->state == NPRI_HANDOVER_DOUBTED &&
            npr_node_name_equal(&handover->heir, &heir->name)) {
            return true;
        }
    }
    return false;
}

/* One that is READY goes to who has the key next, or waits for somebody to be there. */
void npri_handover_give(struct npri_core *core, struct npri_handover *handover)
{
    bool never;
    struct npri_peer *heir = find_heir(core, handover, &never);

    if (never) {
        npri_handover_fail(core, handover,
                           npr_bytes_of("no other native node is there to take it"));
        return;
    }
    if (heir == NULL || is_doubted(core, heir)) {
        return;
    }
    handover->ref = ++core->operations_begun;
    if (tell_owner(core, handover, heir)) {
        handover->state = NPRI_HANDOVER_GIVEN;
        handover->peer = heir;
        handover->heir = heir->name;
        handover->heir_creation = heir->creation;
        handover->told_ns = core->now_ns;
    } else {
        npri_handover_fail(core, handover, npr_bytes_of("out of memory"));
    }
}

/* To its heir: the same once more, and so the same answer. */
static void tell_again(struct npri_core *core,
                       struct npri_handover *handover,
                       struct npri_peer *heir)
{
    if (tell_owner(core, handover, heir)) {
        handover->state = NPRI_HANDOVER_GIVEN;
        handover->peer = heir;
        handover->told_ns = core->now_ns;
    }
}

/* Only its heir knows whether the successor lives, or will: nobody else is given it, and its
 * process does not go on, before the heir has said no, has ended, or is in nobody's view any more.
 */
static void resolve_doubt(struct npri_core *core, struct npri_handover *handover)
{
    struct npri_peer *heir = npri_member_find(core, &handover->heir);

    if (heir == NULL || !heir->connected) {
        if (npri_views_agreed(core)) {
            handover->state = NPRI_HANDOVER_READY;
        }
    } else if (heir->creation != handover->heir_creation) {
        handover->state = NPRI_HANDOVER_READY;
    } else if (heir->native) {
        tell_again(core, handover, heir);
    }
}

void npri_handover_resolve(struct npri_core *core, struct npri_handover *handover)
{
    if (handover->state == NPRI_HANDOVER_DOUBTED) {
        resolve_doubt(core, handover);
    } else if (handover->state == NPRI_HANDOVER_GIVEN &&
               core->now_ns - handover->told_ns >= NPRI_START_NS_MAX) {
        tell_again(core, handover, handover->peer);
    }
}

/* ---- Beginning. */

static bool is_here(const struct npri_core *core, struct npr_term term)
{
    struct npr_pid pid;

    return npr_term_get_pid(term, &pid) && npr_node_name_equal(&pid.node, &core->options.self) &&
           pid.creation == core->options.creation;
}

/* A process of another node stays there: only its entry goes. */
static void begin_adoption(struct npri_core *core, struct npri_handover *handover)
{
    handover->state = NPRI_HANDOVER_READY;
    npri_handover_give(core, handover);
}

/* Two effects are made now: the question, and what ends the wait of the process that answers it. */
static void begin_asking(struct npri_core *core, struct npri_handover *handover)
{
    struct npri_effect *effect = npri_effect_create(NPRI_EFFECT_HANDOVER, NPRI_PID_BYTES_MAX);

    handover->moved = npri_effect_create(NPRI_EFFECT_MOVED, 2 * (size_t)NPRI_PID_BYTES_MAX);
    if (effect == NULL || handover->moved == NULL) {
        npri_effect_destroy(effect);
        npri_handover_fail(core, handover, npr_bytes_of("out of memory"));
        return;
    }
    effect->out.operation = handover->number;
    npri_effect_set_key(effect, handover->key);
    npri_effect_set_term(effect, npri_shared_term(handover->pid));
    npri_effects_queue(&core->effects, effect);
}

void npri_handover_begin(struct npri_core *core, struct npri_handover *handover)
{
    if (is_here(core, npri_shared_term(handover->pid))) {
        begin_asking(core, handover);
    } else {
        begin_adoption(core, handover);
    }
}

/* ---- What comes of it. */

/* Whether the key still leads to the process: it may have been registered for another one, or
 * unregistered. */
static bool is_current(const struct npri_core *core, const struct npri_handover *handover)
{
    struct npri_activation living;

    return npri_directory_find(&core->directory, npri_shared_bytes(handover->key), &living) &&
           npr_term_equal(living.pid, npri_shared_term(handover->pid));
}

/* The entries of a process that is no more what its keys lead to: they go, and with `successor`
 * those that are not the key that was moved lead to it from now on, if there is memory for that. */
static void replace_entries(struct npri_core *core,
                            const struct npri_handover *handover,
                            const struct npri_activation *successor)
{
    const struct npr_term pid = npri_shared_term(handover->pid);
    const struct npri_entry *entry;
    struct npr_bytes key;

    while ((entry = npri_directory_next_of(&core->directory, pid, NULL)) != NULL) {
        const struct npr_bytes own = npri_entry_key(entry);
        /* A copy, without allocating: the entry goes. */
        const bool copied =
            npri_core_normal_key(core, (struct npr_term){.data = own.data, .size = own.size}, &key);

        NPRI_ASSERT(copied);
        if (successor == NULL || npri_bytes_equal(key, npri_shared_bytes(handover->key)) ||
            npri_directory_put(&core->directory, key, successor, NULL) != NPR_OK) {
            (void)npri_directory_remove(&core->directory, key);
        }
    }
}

static void on_ended(struct npri_core *core, struct npri_handover *handover)
{
    replace_entries(core, handover, NULL);
    core->drain.ended++;
    npri_handover_end(core, handover);
    npri_drain_look_again(core);
}

static bool keep_state(struct npri_handover *handover, const struct npri_core_event *event)
{
    handover->term = npri_shared_create(npri_bytes(event->term.data, event->term.size));
    if (event->function.data != NULL) {
        handover->function =
            npri_shared_create(npri_bytes(event->function.data, event->function.size));
    }
    return handover->term != NULL && (handover->function != NULL || event->function.data == NULL);
}

static void on_state(struct npri_core *core,
                     struct npri_handover *handover,
                     const struct npri_core_event *event)
{
    const bool kept = keep_state(handover, event);

    if (!kept) {
        tell_moved(core, handover, (struct npr_term){0});
        npri_shared_release(handover->term);
        handover->term = NULL;
        npri_handover_fail(core, handover, npr_bytes_of("out of memory"));
    } else if (handover->function == NULL) {
        npri_handover_fail(core, handover,
                           npr_bytes_of("it was not started from an exported function"));
    } else if (event->term.size > NPRI_STATE_BYTES_MAX) {
        npri_handover_fail(core, handover, npr_bytes_of("its state is larger than 16 MiB"));
    } else if (npri_drain_is_over(core)) {
        npri_handover_fail(core, handover, npr_bytes_of("the deadline has passed"));
    } else {
        handover->state = NPRI_HANDOVER_READY;
        npri_handover_give(core, handover);
    }
}

void npri_handover_on_handed(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_handover *handover = find_asked(core, event->operation);

    if (handover == NULL) {
        return;
    }
    if (event->status == NPR_ENOMEM) {
        npri_handover_fail(core, handover, npr_bytes_of("out of memory"));
    } else if (event->status != NPR_OK) {
        npri_handover_fail(core, handover, npr_bytes_of("its process hands nothing over now"));
    } else if (event->term.data == NULL) {
        on_ended(core, handover);
    } else {
        on_state(core, handover, event);
    }
}

static bool is_given(const struct npri_handover *handover)
{
    return handover->state == NPRI_HANDOVER_GIVEN || handover->state == NPRI_HANDOVER_DOUBTED;
}

/* One that was given, of that process, or NULL. */
static struct npri_handover *find_given_of(const struct npri_core *core, struct npr_term pid)
{
    NPRI_LIST_FOREACH (at, &core->drain.handovers) {
        struct npri_handover *handover = NPRI_CONTAINER_OF(at, struct npri_handover, link);

        if (is_given(handover) && npr_term_equal(npri_shared_term(handover->pid), pid)) {
            return handover;
        }
    }
    return NULL;
}

bool npri_handover_is_given(const struct npri_core *core, struct npr_term pid)
{
    return find_given_of(core, pid) != NULL;
}

bool npri_handover_on_lost(struct npri_core *core, struct npr_term pid)
{
    struct npri_handover *handover = find_given_of(core, pid);

    if (handover != NULL) {
        handover->contested = true;
    }
    return handover != NULL;
}

void npri_handover_on_down(struct npri_core *core, struct npr_term pid)
{
    struct npri_link *next;

    for (struct npri_link *at = core->drain.handovers.next; at != &core->drain.handovers;
         at = next) {
        struct npri_handover *handover = NPRI_CONTAINER_OF(at, struct npri_handover, link);

        next = at->next;
        if (!is_given(handover) && npr_term_equal(npri_shared_term(handover->pid), pid)) {
            npri_handover_end(core, handover);
            npri_drain_look_again(core);
        }
    }
}

void npri_handover_on_peer_lost(struct npri_core *core, struct npri_peer *peer)
{
    NPRI_LIST_FOREACH (at, &core->drain.handovers) {
        struct npri_handover *handover = NPRI_CONTAINER_OF(at, struct npri_handover, link);

        if (handover->peer == peer) {
            handover->peer = NULL;
            handover->state = NPRI_HANDOVER_DOUBTED;
            npri_drain_look_again(core);
        }
    }
}

/* The one that was given to `peer` under that ref, or NULL. */
static struct npri_handover *find_given(const struct npri_core *core,
                                        const struct npri_peer *peer,
                                        struct npr_term ref)
{
    uint64_t number;

    if (!npr_term_get_uint64(ref, &number)) {
        return NULL;
    }
    NPRI_LIST_FOREACH (at, &core->drain.handovers) {
        struct npri_handover *handover = NPRI_CONTAINER_OF(at, struct npri_handover, link);

        if (handover->peer == peer && handover->ref == number) {
            return handover;
        }
    }
    return NULL;
}

bool npri_handover_on_told_handed(struct npri_core *core,
                                  struct npri_peer *peer,
                                  const struct npr_term *elements)
{
    struct npri_handover *handover = find_given(core, peer, elements[0]);
    struct npri_activation successor = {0};
    struct npri_shared *pid;
    struct npr_term normal;

    if (!npri_core_normal_pid(core, elements[1], &normal) ||
        !npr_term_get_uint64(elements[2], &successor.token)) {
        return false;
    }
    if (handover != NULL && handover->term != NULL &&
        npr_term_equal(normal, npri_shared_term(handover->pid))) {
        return false; /* None is its own successor. */
    }
    successor.token = npri_token_on_seen(core, successor.token);
    pid = handover == NULL ? NULL : npri_shared_create(npri_bytes(normal.data, normal.size));
    if (handover == NULL || pid == NULL) {
        core->out_of_memory |= handover != NULL;
        return true;
    }
    successor.pid = npri_shared_term(pid);
    npri_start_cancel_restart(core, npri_shared_bytes(handover->key));
    if (handover->term == NULL) { /* it was another node's all the time */
        if (is_current(core, handover)) {
            (void)npri_directory_remove(&core->directory, npri_shared_bytes(handover->key));
        }
    } else {
        replace_entries(core, handover, &successor);
        tell_moved(core, handover, successor.pid);
    }
    core->drain.moved++;
    npri_shared_release(pid);
    npri_handover_end(core, handover);
    npri_drain_look_again(core);
    return true;
}

bool npri_handover_on_told_unhanded(struct npri_core *core,
                                    struct npri_peer *peer,
                                    const struct npr_term *elements)
{
    struct npri_handover *handover = find_given(core, peer, elements[0]);
    struct npr_bytes text;

    if (!npr_term_get_binary(elements[2], &text)) {
        return false;
    }
    if (handover == NULL) {
        return true;
    }
    handover->peer = NULL;
    handover->state = NPRI_HANDOVER_READY;
    if (!npr_term_is_atom(elements[1], "moved") || npri_drain_is_over(core)) {
        npri_handover_fail(core, handover, text);
    }
    return true; /* the next look gives it again */
}

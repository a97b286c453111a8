#include "core/conflicts.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "core/faults.h"
#include "core/native.h"
#include "core/placement.h"
#include "core/state.h"
#include "term/write.h"

/* One side of a conflict. */
struct side {
    struct npri_peer *host; /* NULL: this node */
    struct npri_activation living;
};

/* ---- The journal.  Best effort: one that finds no memory is only counted. */

static struct npri_conflict *make_record(const struct npri_core *core,
                                         struct npr_bytes key,
                                         const struct side *loser,
                                         const struct side *winner)
{
    const struct npr_term lost = loser->living.pid;
    const struct npr_term won = winner->living.pid;
    struct npri_conflict *record;
    struct npri_buffer text;

    npri_buffer_init(&text, NPRI_CONFLICT_KEY_BYTES_MAX);
    npri_term_print((struct npr_term){.data = key.data, .size = key.size}, &text);
    record = npri_alloc(sizeof(*record) + lost.size + won.size + text.size);
    if (record != NULL) {
        *record = (struct npri_conflict){.time_us =
                                             core->options.epoch_us +
                                             (core->now_ns - core->options.now_ns) / UINT64_C(1000),
                                         .loser_token = loser->living.token,
                                         .winner_token = winner->living.token,
                                         .here = loser->host == NULL,
                                         .loser_size = (uint32_t)lost.size,
                                         .winner_size = (uint32_t)won.size,
                                         .key_size = (uint32_t)text.size};
        memcpy(record->bytes, lost.data, lost.size);
        memcpy(record->bytes + lost.size, won.data, won.size);
        if (text.size > 0) {
            memcpy(record->bytes + lost.size + won.size, text.data, text.size);
        }
    }
    npri_buffer_fini(&text);
    return record;
}

static void note(struct npri_core *core,
                 struct npr_bytes key,
                 const struct side *loser,
                 const struct side *winner)
{
    struct npri_conflicts *conflicts = &core->conflicts;
    struct npri_conflict *record;

    conflicts->total++;
    if (conflicts->ring == NULL) {
        conflicts->ring = npri_alloc_zeroed(NPRI_CONFLICTS_MAX, sizeof(struct npri_conflict *));
    }
    record = conflicts->ring == NULL ? NULL : make_record(core, key, loser, winner);
    if (record == NULL) {
        return;
    }
    npri_free(conflicts->ring[conflicts->next]);
    conflicts->ring[conflicts->next] = record;
    conflicts->next = (conflicts->next + 1) % NPRI_CONFLICTS_MAX;
    conflicts->count += conflicts->count < NPRI_CONFLICTS_MAX ? 1 : 0;
}

void npri_conflicts_fini(struct npri_core *core)
{
    struct npri_conflicts *conflicts = &core->conflicts;

    for (uint32_t i = 0; i < conflicts->count; i++) {
        npri_free(conflicts->ring[i]);
    }
    npri_free(conflicts->ring);
}

/* Keys in their order as terms, so that the map is in normal form. */
static void put_record(const struct npri_conflict *record, struct npri_buffer *out)
{
    const uint8_t *at = record->bytes;

    npri_put_map(out, 7);
    npri_put_atom(out, "here");
    npri_put_atom(out, record->here ? "true" : "false");
    npri_put_atom(out, "key");
    npri_put_binary(out,
                    npri_bytes(at + record->loser_size + record->winner_size, record->key_size));
    npri_put_atom(out, "loser");
    npri_put_bytes(out, npri_bytes(at, record->loser_size));
    npri_put_atom(out, "loser_token");
    npri_put_uint(out, record->loser_token);
    npri_put_atom(out, "time_us");
    npri_put_uint(out, record->time_us);
    npri_put_atom(out, "winner");
    npri_put_bytes(out, npri_bytes(at + record->loser_size, record->winner_size));
    npri_put_atom(out, "winner_token");
    npri_put_uint(out, record->winner_token);
}

void npri_core_put_conflicts(const struct npri_core *core, struct npri_buffer *out)
{
    const struct npri_conflicts *conflicts = &core->conflicts;
    const uint32_t first =
        (conflicts->next + NPRI_CONFLICTS_MAX - conflicts->count) % NPRI_CONFLICTS_MAX;

    if (conflicts->count > 0) {
        npri_put_list(out, conflicts->count);
    }
    for (uint32_t i = 0; i < conflicts->count; i++) {
        put_record(conflicts->ring[(first + i) % NPRI_CONFLICTS_MAX], out);
    }
    npri_put_nil(out);
}

/* ---- Telling. */

bool npri_tell_drop(struct npri_core *core,
                    struct npri_peer *peer,
                    struct npr_bytes key,
                    struct npr_term pid)
{
    struct npri_buffer *message = npri_tell_begin(core, 3, "drop");

    npri_put_bytes(message, key);
    npri_put_term(message, pid);
    return npri_tell_end(core, peer);
}

static bool tell_side(struct npri_core *core,
                      const struct npri_peer *host,
                      struct npr_bytes key,
                      const struct side *loser,
                      const struct side *winner)
{
    struct npri_buffer *message = npri_tell_begin(core, 6, "conflict");

    npri_put_bytes(message, key);
    npri_put_term(message, NPRI_FAULT(CONFLICT_UNTOLD) ? winner->living.pid : loser->living.pid);
    npri_put_uint(message, loser->living.token);
    npri_put_term(message, winner->living.pid);
    npri_put_uint(message, winner->living.token);
    return npri_tell_end(core, host);
}

/* The winner's host has nothing to do, but its journal is where its operator looks. */
static void tell_winner(struct npri_core *core,
                        struct npr_bytes key,
                        const struct side *loser,
                        const struct side *winner)
{
    if (winner->host != NULL) {
        (void)tell_side(core, winner->host, key, loser, winner);
    }
}

/* The loser's host is to let go.  False: there was no memory to tell it. */
static bool tell_conflict(struct npri_core *core,
                          struct npr_bytes key,
                          const struct side *loser,
                          const struct side *winner)
{
    if (!tell_side(core, loser->host, key, loser, winner)) {
        return false;
    }
    tell_winner(core, key, loser, winner);
    return true;
}

/* ---- Losing. */

static void log_conflict(struct npri_core *core, struct npr_bytes key, const struct side *winner)
{
    struct npri_text text = {0};

    npri_text_add(&text, "conflict_lost");
    npri_core_text_term(&text, " key=", (struct npr_term){.data = key.data, .size = key.size});
    npri_core_text_term(&text, " winner=", winner->living.pid);
    npri_core_log(core, NPRI_LOG_WARNING, &text);
}

/* This node's entry goes, and its program hears why.  False: no memory, nothing has changed. */
static bool lose_here(struct npri_core *core,
                      struct npr_bytes key,
                      const struct side *loser,
                      const struct side *winner)
{
    const size_t lost_size = loser->living.pid.size;
    const size_t won_size = winner->living.pid.size;
    struct npri_effect *effect =
        npri_effect_create(NPRI_EFFECT_CONFLICT, key.size + lost_size + won_size);

    if (effect == NULL) {
        core->out_of_memory = true;
        return false;
    }
    memcpy(effect->bytes, key.data, key.size);
    memcpy(effect->bytes + key.size, loser->living.pid.data, lost_size);
    memcpy(effect->bytes + key.size + lost_size, winner->living.pid.data, won_size);
    effect->out.key = (struct npr_term){.data = effect->bytes, .size = key.size};
    effect->out.term = (struct npr_term){.data = effect->bytes + key.size, .size = lost_size};
    effect->out.old =
        (struct npr_term){.data = effect->bytes + key.size + lost_size, .size = won_size};
    effect->out.token = winner->living.token;
    note(core, key, loser, winner);
    log_conflict(core, key, winner);
    (void)npri_directory_remove(&core->directory, key);
    npri_effects_queue(&core->effects, effect);
    return true;
}

/* ---- Deciding. */

static const struct npr_node_name *host_name(const struct npri_core *core, const struct side *side)
{
    return side->host == NULL ? &core->options.self : &side->host->name;
}

static bool wins(const struct npri_core *core, const struct side *a, const struct side *b)
{
    if (a->living.token != b->living.token) {
        return (a->living.token > b->living.token) != NPRI_FAULT(LOWER_TOKEN_WINS);
    }
    return npri_placement_compare(host_name(core, a), host_name(core, b)) > 0;
}

static bool is_of_original(const struct npri_core *core, struct npr_bytes key)
{
    const struct npri_peer *owner =
        npri_core_place(core, (struct npr_term){.data = key.data, .size = key.size}, NULL);

    return owner != NULL && !owner->self && !owner->native;
}

/* `there` is what was here, or with another host; true: it stays. */
static bool decide(struct npri_core *core,
                   struct npr_bytes key,
                   const struct side *there,
                   const struct side *comes)
{
    if (npr_term_equal(there->living.pid, comes->living.pid)) {
        core->out_of_memory |= !npri_tell_drop(core, comes->host, key, comes->living.pid);
        return true;
    }
    if (is_of_original(core, key)) {
        return there->host != NULL;
    }
    if (there->host == NULL &&
        npri_takeover_is_predecessor(comes->host, comes->living.token, there->living.pid)) {
        return true; /* Its host has yet to hear that it has moved here. */
    }
    if (wins(core, there, comes)) {
        if (tell_conflict(core, key, comes, there)) {
            note(core, key, comes, there);
        } else {
            core->out_of_memory = true;
        }
        return true;
    }
    if (there->host == NULL) {
        tell_winner(core, key, there, comes); /* while what is here can be named */
        return !lose_here(core, key, there, comes);
    }
    if (!tell_conflict(core, key, there, comes)) {
        core->out_of_memory = true;
        return true;
    }
    note(core, key, there, comes);
    return false;
}

bool npri_conflict_on_entry(struct npri_core *core,
                            struct npri_peer *peer,
                            struct npr_bytes key,
                            const struct npri_activation *living)
{
    const struct npri_lead *lead = npri_lead_find(core, key);
    const struct side comes = {.host = peer, .living = *living};
    struct side there = {0};

    if (npri_directory_find(&core->directory, key, &there.living)) {
        return decide(core, key, &there, &comes);
    }
    if (lead == NULL || lead->busy || lead->set->peer == peer) {
        return false;
    }
    there = (struct side){.host = lead->set->peer, .living = npri_lead_activation(lead)};
    return decide(core, key, &there, &comes);
}

/* ---- Being told. */

static bool is_process(struct npr_term term, const struct npr_pid *pid)
{
    struct npr_pid own;

    return npr_term_get_pid(term, &own) && npr_pid_equal(&own, pid);
}

/* Of the two pids one is compared as it came, since only one at a time has room in normal form. */
bool npri_conflict_on_told(struct npri_core *core,
                           struct npri_peer *peer,
                           const struct npr_term *elements)
{
    struct side loser = {0};
    struct side winner = {.host = peer};
    struct npri_activation own;
    struct npr_bytes key;
    struct npr_pid lost;
    struct npr_pid won;

    if (!npri_core_normal_key(core, elements[0], &key) || !npr_term_get_pid(elements[1], &lost) ||
        !npr_term_get_uint64(elements[2], &loser.living.token) ||
        !npr_term_get_pid(elements[3], &won) ||
        !npr_term_get_uint64(elements[4], &winner.living.token)) {
        return false;
    }
    winner.living.token = npri_token_on_seen(core, winner.living.token);
    if (!npri_directory_find(&core->directory, key, &own)) {
        return true;
    }
    if (is_process(own.pid, &lost)) {
        loser.living = own;
        if (!npri_core_normal_pid(core, elements[3], &winner.living.pid)) {
            return false;
        }
        if (!npri_handover_on_lost(core, own.pid)) {
            (void)lose_here(core, key, &loser, &winner);
        }
    } else if (is_process(own.pid, &won) &&
               npri_core_normal_pid(core, elements[1], &loser.living.pid)) {
        loser.host = peer;
        winner = (struct side){.living = own};
        note(core, key, &loser, &winner);
    }
    return true;
}

bool npri_conflict_on_told_drop(struct npri_core *core,
                                struct npri_peer *peer,
                                const struct npr_term *elements)
{
    const struct npri_peer *owner;
    struct npri_activation own;
    struct npr_term pid;
    struct npr_bytes key;

    if (!npri_core_normal_key(core, elements[0], &key) ||
        !npri_core_normal_pid(core, elements[1], &pid)) {
        return false;
    }
    owner = npri_core_place(core, (struct npr_term){.data = key.data, .size = key.size}, NULL);
    if (npri_directory_find(&core->directory, key, &own) && npr_term_equal(own.pid, pid)) {
        (void)npri_directory_remove(&core->directory, key); /* The owner hears of it. */
        if (owner == peer) {
            return true;
        }
    }
    npri_push_word(core, peer, key, pid);
    return true;
}

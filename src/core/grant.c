#include "core/grant.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/placement.h"
#include "core/state.h"
#include "term/write.h"

/* A longer key is started by the core. */
#define ENCODED_BYTES_MAX 512u

/* How often it is looked whether tokens will soon be used up: far less than a quarter of them. */
#define TOKENS_LOOKED 1024u

_Static_assert(TOKENS_LOOKED <= NPRI_TOKEN_RANGE / 64, "in time");

/* Immutable. */
struct npri_grant {
    struct npri_retired retired;
    uint64_t epoch;
    uint64_t base;  /* of its tokens */
    uint64_t voids; /* of leads, before it was made */
    enum npr_otp otp;
    bool rendezvous;
    uint32_t nodes_count; /* that own keys */
    uint32_t own_index;
    uint64_t name_hashes[]; /* rendezvous: of each */
};

bool npri_grants_init(struct npri_core *core)
{
    struct npri_grants *grants = &core->grants;

    grants->retiring = &core->directory.retiring;
    grants->known_due_ns = 0;
    atomic_init(&grants->answers_until_ns, UINT64_MAX);
    if (core->options.grabs == NULL) {
        return true;
    }
    grants->marks = npri_alloc_zeroed(NPRI_MARKS, sizeof(*grants->marks));
    return grants->marks != NULL;
}

void npri_grants_fini(struct npri_core *core)
{
    npri_free(atomic_load_explicit(&core->grants.current, memory_order_relaxed));
    npri_free(core->grants.marks);
}

/* ---- Marks. */

static uint32_t mark_of(const struct npri_core *core, struct npr_bytes key)
{
    return (uint32_t)(npri_hash(core->options.hash_key, key) % NPRI_MARKS);
}

/* One that has reached the end of its numbers stays: its keys are left to the core for good. */
uint32_t npri_mark_raise(struct npri_core *core, struct npr_bytes key)
{
    struct npri_mark *marks = core->grants.marks;
    const uint32_t mark = marks == NULL ? 0 : mark_of(core, key);
    uint16_t count;

    if (marks == NULL) {
        return mark;
    }
    count = atomic_load_explicit(&marks[mark].count, memory_order_relaxed);
    if (count < UINT16_MAX) {
        /* relaxed: the lock that the core takes next, to look for a grab, publishes it. */
        atomic_store_explicit(&marks[mark].count, (uint16_t)(count + 1), memory_order_relaxed);
    }
    return mark;
}

void npri_mark_lower_at(struct npri_core *core, uint32_t mark)
{
    struct npri_mark *marks = core->grants.marks;
    uint16_t count;

    if (marks == NULL) {
        return;
    }
    count = atomic_load_explicit(&marks[mark].count, memory_order_relaxed);
    NPRI_ASSERT(count > 0);
    if (count < UINT16_MAX) {
        /* release: pairs with the acquire in is_marked().  Who sees no mark any more sees what it
         * was for: an entry above all. */
        atomic_store_explicit(&marks[mark].count, (uint16_t)(count - 1), memory_order_release);
    }
}

void npri_mark_lower(struct npri_core *core, struct npr_bytes key)
{
    if (core->grants.marks != NULL) {
        npri_mark_lower_at(core, mark_of(core, key));
    }
}

static bool is_marked(const struct npri_core *core, struct npr_bytes key)
{
    return atomic_load_explicit(&core->grants.marks[mark_of(core, key)].count,
                                memory_order_acquire) != 0;
}

/* ---- Giving. */

static bool may_grant(const struct npri_core *core)
{
    return core->options.grabs != NULL && core->options.member && !core->closing &&
           core->options.quorum == 0 && npri_views_agreed(core) && !core->views.draining &&
           !npri_members_settling(core) && npri_leads_know_all(core);
}

static struct npri_grant *create(const struct npri_core *core)
{
    const struct npri_members *members = &core->members;
    struct npri_grant *grant =
        npri_alloc(sizeof(*grant) + members->ring_count * sizeof(grant->name_hashes[0]));

    if (grant == NULL) {
        return NULL;
    }
    *grant = (struct npri_grant){
        .epoch = npri_views_epoch(core),
        .base = core->views.base,
        .voids = atomic_load_explicit(&core->grants.voids, memory_order_relaxed),
        .otp = core->manner.otp,
        .rendezvous = core->options.placement == NPR_PLACEMENT_RENDEZVOUS,
        .nodes_count = members->ring_count,
        .own_index = UINT32_MAX};
    for (uint32_t i = 0; i < members->ring_count; i++) {
        grant->name_hashes[i] = members->ring[i]->name_hash;
        if (members->ring[i]->self) {
            grant->own_index = i;
        }
    }
    return grant;
}

static void set_current(struct npri_core *core, struct npri_grant *grant)
{
    struct npri_grants *grants = &core->grants;
    struct npri_grant *old = atomic_load_explicit(&grants->current, memory_order_relaxed);

    /* release: pairs with the acquire in npri_core_grant(). */
    atomic_store_explicit(&grants->current, grant, memory_order_release);
    if (old != NULL) {
        npri_retire(grants->retiring, &old->retired);
    }
}

/* Reckoned anew when the beat or the view is another; a step costs nothing else. */
static void flush_answers(struct npri_core *core)
{
    struct npri_grants *grants = &core->grants;
    uint64_t until_ns;

    if (npri_views_stalled(core)) {
        until_ns = 0;
        grants->known_due_ns = 0;
    } else if (grants->known_due_ns == core->beats.due_ns &&
               grants->known_epoch == npri_views_epoch(core)) {
        return;
    } else {
        until_ns = npri_beats_good_until_ns(core);
        grants->known_due_ns = core->beats.due_ns;
        grants->known_epoch = npri_views_epoch(core);
    }
    /* release: pairs with the acquire in npri_core_answers_until_ns(). */
    atomic_store_explicit(&grants->answers_until_ns, until_ns, memory_order_release);
}

void npri_grants_flush(struct npri_core *core)
{
    const struct npri_grant *current =
        atomic_load_explicit(&core->grants.current, memory_order_relaxed);
    const bool wanted = core->options.shared && may_grant(core);

    flush_answers(core);
    if (current != NULL && (!wanted || current->epoch != npri_views_epoch(core))) {
        set_current(core, NULL);
        current = NULL;
    }
    if (wanted && current == NULL) {
        struct npri_grant *grant = create(core);

        if (grant != NULL) {          /* else the next step tries again */
            core->views.acked = true; /* others' tokens of this view may be out: threads draw */
            set_current(core, grant);
        }
    }
}

void npri_grants_on_void(struct npri_core *core)
{
    /* relaxed: npri_mark_lower() publishes it. */
    (void)atomic_fetch_add_explicit(&core->grants.voids, 1, memory_order_relaxed);
}

/* ---- Other threads. */

uint64_t npri_core_answers_until_ns(const struct npri_core *core)
{
    return atomic_load_explicit(&core->grants.answers_until_ns, memory_order_acquire);
}

static bool is_own(const struct npri_core *core,
                   const struct npri_grant *grant,
                   struct npr_term key)
{
    uint8_t bytes[ENCODED_BYTES_MAX];
    struct npri_buffer encoded = {
        .data = bytes, .capacity = sizeof(bytes), .size_max = sizeof(bytes)};
    uint8_t digest[16];
    uint64_t own_mix;

    if (grant->nodes_count <= 1) {
        return grant->nodes_count == 1 && grant->own_index == 0;
    }
    npri_term_write(key, grant->otp, &encoded);
    if (encoded.failed || grant->own_index == UINT32_MAX) {
        return false;
    }
    core->options.md5(encoded.data, encoded.size, digest);
    if (!grant->rendezvous) {
        return npri_placement_index(digest, grant->nodes_count) == grant->own_index;
    }
    own_mix = npri_placement_mix(digest, grant->name_hashes[grant->own_index]);
    for (uint32_t i = 0; i < grant->nodes_count; i++) {
        const uint64_t mix = npri_placement_mix(digest, grant->name_hashes[i]);

        /* Of equals the first has it. */
        if (mix > own_mix || (mix == own_mix && i < grant->own_index)) {
            return false;
        }
    }
    return true;
}

const struct npri_grant *npri_core_grant(const struct npri_core *core, struct npr_term key)
{
    const struct npri_grant *grant =
        atomic_load_explicit(&core->grants.current, memory_order_acquire);

    return grant != NULL && is_own(core, grant, key) ? grant : NULL;
}

bool npri_core_draw(struct npri_core *core,
                    const struct npri_grant *grant,
                    struct npr_term key,
                    uint64_t *out_token)
{
    /* Who sees no mark any more, since it has gone with a void lead (acquire, of the release in
     * npri_mark_lower()), sees this, too. */
    return !is_marked(core, npri_bytes(key.data, key.size)) &&
           atomic_load_explicit(&core->grants.voids, memory_order_relaxed) == grant->voids &&
           npri_token_draw(core, grant->base, out_token);
}

/* ---- What threads have started. */

/* A start in flight of that key, or a lead, has its own word to say; so has an entry. */
npr_status npri_grants_on_lives(struct npri_core *core, const struct npri_core_event *event)
{
    const struct npr_bytes key = npri_bytes(event->key.data, event->key.size);

    if (npri_map_find(&core->starts, key) != NULL || npri_lead_find(core, key) != NULL) {
        return NPR_EREFUSED;
    }
    if (event->token % TOKENS_LOOKED == 0) { /* not each time: threads draw from the same line */
        npri_token_look(core);
    }
    return npri_directory_add_own(&core->directory, key, event->pid.id, event->pid.serial,
                                  event->token);
}

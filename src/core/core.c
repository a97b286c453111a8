#include "core/core.h"

#include "base/alloc.h"
#include "core/placement.h"
#include "core/state.h"
#include "term/read.h"
#include "term/write.h"

/* Of a term in a line of the log. */
#define TERM_TEXT_BYTES_MAX 80u

/* Pure dispatch: which part an event is for.  What all parts share stands at the end. */

static bool init_scratch(struct npri_core *core)
{
    struct npri_scratch *scratch = npri_alloc_zeroed(1, sizeof(*scratch));

    core->scratch = scratch;
    if (scratch == NULL) {
        return false;
    }
    npri_buffer_init(&scratch->key, NPRI_KEY_BYTES_MAX);
    /* What term_to_binary writes longer than the normal form is at most a byte per atom. */
    npri_buffer_init(&scratch->encoded, 2 * (size_t)NPRI_KEY_BYTES_MAX);
    npri_buffer_init(&scratch->pid, NPRI_PID_BYTES_MAX);
    return npri_buffer_reserve(&scratch->key, NPRI_KEY_BYTES_MAX) &&
           npri_buffer_reserve(&scratch->encoded, 2 * (size_t)NPRI_KEY_BYTES_MAX) &&
           npri_buffer_reserve(&scratch->pid, NPRI_PID_BYTES_MAX);
}

static void on_entry(void *user,
                     struct npr_bytes key,
                     const struct npri_activation *living,
                     struct npr_term was,
                     enum npr_gone gone)
{
    struct npri_core *core = user;

    npri_watch_on_entry(core, key, living, gone);
    if (!core->ending || living != NULL) {
        npri_push_on_entry(core, key, living, was);
    }
}

struct npri_core *npri_core_create(const struct npri_core_options *options)
{
    struct npri_core *core = npri_alloc_zeroed(1, sizeof(*core));

    if (core == NULL) {
        return NULL;
    }
    core->options = *options;
    core->now_ns = options->now_ns;
    core->manner.otp = options->otp;
    core->manner.source = options->otp_fixed ? NPRI_MANNER_FIXED : NPRI_MANNER_DEFAULT;
    npri_effects_init(&core->effects);
    npri_list_init(&core->lost);
    npri_list_init(&core->starts_looking);
    npri_list_init(&core->requests);
    npri_list_init(&core->claiming);
    npri_list_init(&core->looking);
    core->looks = 1;
    npri_push_init(core);
    if (!init_scratch(core) || !npri_map_init(&core->operations, options->hash_key) ||
        !npri_map_init(&core->starts, options->hash_key) ||
        !npri_map_init(&core->delegations, options->hash_key) ||
        !npri_map_init(&core->claims, options->hash_key) || !npri_held_init(core) ||
        !npri_leads_init(core) || !npri_directory_init(&core->directory, &core->effects, options) ||
        !npri_members_init(core) || !npri_watch_init(core) || !npri_grants_init(core) ||
        !npri_links_init(core)) {
        npri_core_destroy(core);
        return NULL;
    }
    npri_views_init(core);
    npri_beats_init(core);
    npri_quorum_init(core);
    npri_drain_init(core);
    core->directory.on_entry = on_entry;
    core->directory.user = core;
    npri_grants_flush(core);
    return core;
}

static void end_operations(struct npri_core *core)
{
    struct npri_map_node *at;

    while ((at = npri_map_first(&core->operations)) != NULL) {
        npri_operation_end(core, NPRI_CONTAINER_OF(at, struct npri_operation, node));
    }
}

/* Also of one that was only half made: then there is nothing in its maps yet. */
void npri_core_destroy(struct npri_core *core)
{
    if (core == NULL) {
        return;
    }
    core->push.epoch = 0; /* Nobody is told any more. */
    npri_requests_fini(core);
    if (core->delegations.buckets != NULL) {
        npri_starts_fini(core);
        npri_delegations_fini(core);
        end_operations(core);
    }
    npri_watch_fini(core);
    npri_links_fini(core);
    npri_leads_fini(core);
    npri_conflicts_fini(core);
    npri_drain_fini(core);
    npri_grants_fini(core);
    npri_members_fini(core);
    npri_directory_fini(&core->directory);
    npri_held_fini(core);
    npri_map_fini(&core->claims);
    npri_map_fini(&core->delegations);
    npri_map_fini(&core->starts);
    npri_map_fini(&core->operations);
    npri_effects_fini(&core->effects);
    if (core->scratch != NULL) {
        npri_buffer_fini(&core->scratch->key);
        npri_buffer_fini(&core->scratch->encoded);
        npri_buffer_fini(&core->scratch->pid);
        npri_free(core->scratch);
    }
    npri_free(core);
}

static void on_process_down(struct npri_core *core, const struct npri_core_event *event)
{
    struct npr_term pid;

    if (npri_core_normal_pid(core, event->term, &pid)) {
        npri_handover_on_down(core, pid);
        npri_restart_on_down(core, pid, event->reason);
    }
}

static void dispatch(struct npri_core *core, const struct npri_core_event *event)
{
    switch (event->kind) {
    case NPRI_EVENT_TIME:
        npri_timers_run(core);
        return;
    case NPRI_EVENT_JOIN:
        core->out_of_memory |= !npri_members_on_join(core, event);
        return;
    case NPRI_EVENT_CONNECTED:
        core->out_of_memory |= !npri_members_on_connected(core, event);
        return;
    case NPRI_EVENT_DISCONNECTED:
        npri_members_on_disconnected(core, event);
        return;
    case NPRI_EVENT_GREETED:
        npri_members_on_greeted(core, event);
        return;
    case NPRI_EVENT_ANNOUNCED:
        core->out_of_memory |= !npri_members_on_announced(core, event);
        return;
    case NPRI_EVENT_POLLED:
        npri_chatter_on_polled(core, event);
        return;
    case NPRI_EVENT_RELEASE_TOLD:
        npri_chatter_on_release(core, event);
        return;
    case NPRI_EVENT_GET:
    case NPRI_EVENT_START:
    case NPRI_EVENT_REGISTER:
    case NPRI_EVENT_UNREGISTER:
    case NPRI_EVENT_SUBSCRIBE:
    case NPRI_EVENT_DRAIN:
    case NPRI_EVENT_GRAB_LIVES:
        return; /* npri_core_step(): they have a status of their own. */
    case NPRI_EVENT_ASKED:
        npri_lookup_on_asked(core, event);
        return;
    case NPRI_EVENT_DELEGATED:
        npri_delegation_on_delegated(core, event);
        return;
    case NPRI_EVENT_STARTED:
        npri_start_on_started(core, event);
        return;
    case NPRI_EVENT_GRABBED:
        npri_start_on_grabbed(core, event);
        return;
    case NPRI_EVENT_PROCESS_DOWN:
        on_process_down(core, event);
        return;
    case NPRI_EVENT_HANDED:
        npri_handover_on_handed(core, event);
        return;
    case NPRI_EVENT_CLOSING:
        npri_quorum_on_closing(core);
        return;
    case NPRI_EVENT_UNSUBSCRIBE:
        npri_watch_on_unsubscribe(core, event);
        return;
    case NPRI_EVENT_TOLD:
        npri_native_on_told(core, event);
        return;
    case NPRI_EVENT_HEARD:
        npri_members_on_heard(core, event);
        return;
    case NPRI_EVENT_FENCED:
        npri_views_on_fenced(core, event);
        return;
    }
}

static npr_status step(struct npri_core *core, const struct npri_core_event *event)
{
    if (event->kind == NPRI_EVENT_GET || event->kind == NPRI_EVENT_START) {
        return npri_request_accept(core, event);
    }
    if (event->kind == NPRI_EVENT_REGISTER || event->kind == NPRI_EVENT_UNREGISTER) {
        return npri_claim_accept(core, event);
    }
    if (event->kind == NPRI_EVENT_SUBSCRIBE) {
        return npri_watch_on_subscribe(core, event);
    }
    if (event->kind == NPRI_EVENT_DRAIN) {
        return npri_drain_on_drain(core, event);
    }
    if (event->kind == NPRI_EVENT_GRAB_LIVES) {
        return npri_grants_on_lives(core, event);
    }
    dispatch(core, event);
    return core->out_of_memory ? NPR_ENOMEM : NPR_OK;
}

npr_status npri_core_step(struct npri_core *core, const struct npri_core_event *event)
{
    npr_status status;

    core->out_of_memory = false;
    if (event->now_ns > core->now_ns) {
        core->now_ns = event->now_ns;
    }
    npri_held_begin_step(core);
    npri_beats_look(core);
    status = step(core, event);
    npri_views_flush(core);
    npri_held_end_step(core);
    npri_grants_flush(core);
    return status;
}

void npri_core_expect(const struct npri_core *core, uint64_t key_hash)
{
    npri_rows_expect(&core->directory.entries, key_hash);
}

bool npri_core_take(struct npri_core *core, struct npri_core_effect *out)
{
    return npri_effects_take(&core->effects, out);
}

uint64_t npri_core_deadline_ns(const struct npri_core *core)
{
    const struct npri_heap_node *first = npri_heap_first(&core->timers);

    return first == NULL ? UINT64_MAX : first->key;
}

enum npri_sight npri_core_see(const struct npri_core *core,
                              struct npr_term key,
                              struct npr_pid *out_pid,
                              uint64_t *out_token)
{
    /* A checked term is in normal form: it needs no scratch, of which there is but one. */
    return npri_directory_see(&core->directory, npri_bytes(key.data, key.size), out_pid, out_token);
}

struct npri_retired *npri_core_take_retired(struct npri_core *core)
{
    return npri_retiring_take(&core->directory.retiring);
}

/* ---- What all parts share. */

bool npri_core_normal_key(const struct npri_core *core, struct npr_term key, struct npr_bytes *out)
{
    struct npri_buffer *buffer = &core->scratch->key;

    npri_buffer_reset(buffer);
    if (key.data == NULL || !npri_term_normalise(key, buffer) || !npri_term_is_placeable(key)) {
        return false;
    }
    *out = npri_buffer_bytes(buffer);
    return true;
}

bool npri_core_normal_pid(const struct npri_core *core, struct npr_term term, struct npr_term *out)
{
    struct npri_buffer *buffer = &core->scratch->pid;
    struct npr_pid pid;

    if (term.data == NULL || !npr_term_get_pid(term, &pid)) {
        return false;
    }
    npri_buffer_reset(buffer);
    npri_put_pid(buffer, &pid);
    if (buffer->failed) {
        return false;
    }
    *out = (struct npr_term){.data = buffer->data, .size = buffer->size};
    return true;
}

static uint32_t highest_in_ring(const struct npri_members *members, const uint8_t digest[16])
{
    uint64_t highest = 0;
    uint32_t index = 0;

    for (uint32_t i = 0; i < members->ring_count; i++) {
        const uint64_t mix = npri_placement_mix(digest, members->ring[i]->name_hash);

        if (i == 0 || mix > highest) {
            highest = mix;
            index = i;
        }
    }
    return index;
}

struct npri_peer *npri_core_place(const struct npri_core *core,
                                  struct npr_term key,
                                  uint32_t *out_index)
{
    struct npri_buffer *buffer = &core->scratch->encoded;
    const struct npri_members *members = &core->members;
    uint8_t digest[16];
    uint32_t index;

    if (members->ring_count == 0) {
        return NULL;
    }
    npri_buffer_reset(buffer);
    npri_term_write(key, core->manner.otp, buffer);
    if (buffer->failed) {
        return NULL;
    }
    core->options.md5(buffer->data, buffer->size, digest);
    index = core->options.placement == NPR_PLACEMENT_RENDEZVOUS
                ? highest_in_ring(members, digest)
                : npri_placement_index(digest, members->ring_count);
    if (out_index != NULL) {
        *out_index = index;
    }
    return members->ring[index];
}

void npri_core_log(struct npri_core *core, enum npri_log_level level, const struct npri_text *text)
{
    struct npri_effect *effect = npri_effect_create(NPRI_EFFECT_LOG, text->size);

    if (effect != NULL) {
        effect->out.level = level;
        npri_effect_set_text(effect, npri_text_bytes(text));
        npri_effects_queue(&core->effects, effect);
    }
}

void npri_core_text_term(struct npri_text *text, const char *before, struct npr_term term)
{
    struct npri_buffer printed;

    npri_buffer_init(&printed, TERM_TEXT_BYTES_MAX);
    if (term.data != NULL) {
        npri_term_print(term, &printed); /* cut when it is too long */
    }
    npri_text_add(text, before);
    npri_text_add_bytes(text, npri_buffer_bytes(&printed));
    npri_buffer_fini(&printed);
}

void npri_core_log_node(struct npri_core *core,
                        enum npri_log_level level,
                        const char *event,
                        const struct npr_node_name *node,
                        const char *reason)
{
    struct npri_text text = {0};

    npri_text_add(&text, event);
    npri_text_add(&text, " node=");
    npri_text_add_node(&text, node);
    if (reason != NULL) {
        npri_text_add(&text, " reason=\"");
        npri_text_add(&text, reason);
        npri_text_add(&text, "\"");
    }
    npri_core_log(core, level, &text);
}

#include "node/registry.h"

#include "base/assert.h"
#include "base/fail.h"
#include "base/limits.h"
#include "net/entropy.h"
#include "node/node.h"
#include "term/read.h"

#define ANNOUNCE_NS UINT64_C(5000000000)
#define EXPIRE_NS   UINT64_C(10000000000)
#define SUSPECT_NS  UINT64_C(1000000000)

static void on_timer(void *user)
{
    struct npr_node *node = user;

    npri_node_enter(node);
    (void)npri_registry_step(node, &(struct npri_core_event){.kind = NPRI_EVENT_TIME});
    npri_node_log_count(node);
    npri_node_leave(node);
}

npr_status npri_registry_start(struct npr_node *node, const struct npri_registry_options *options)
{
    struct npri_registry *registry = &node->registry;

    registry->core =
        npri_core_create(&(struct npri_core_options){.self = node->name,
                                                     .creation = node->creation,
                                                     .member = !node->client,
                                                     .otp_fixed = options->otp_fixed,
                                                     .otp = options->otp,
                                                     .md5 = npri_md5,
                                                     .announce_ns = ANNOUNCE_NS,
                                                     .expire_ns = EXPIRE_NS,
                                                     .suspect_ns = SUSPECT_NS,
                                                     .now_ns = npri_loop_now_ns(node->loop),
                                                     .hash_key = node->hash_key,
                                                     .shared = true,
                                                     .grabs = &node->grabs.hooks,
                                                     .heartbeat_ns = options->heartbeat_ns,
                                                     .node_timeout_ns = options->node_timeout_ns,
                                                     .quorum = options->quorum,
                                                     .placement = options->placement,
                                                     .epoch_us = npri_wall_clock_us()});
    registry->timer = npri_timer_create(node->loop, on_timer, node);
    if (registry->core == NULL || registry->timer == NULL ||
        !npri_map_init(&registry->gets, node->hash_key) ||
        !npri_map_init(&registry->monitors, node->hash_key)) {
        return NPR_ENOMEM;
    }
    return NPR_OK;
}

void npri_registry_fini(struct npr_node *node)
{
    struct npri_registry *registry = &node->registry;

    NPRI_ASSERT(registry->gets.count == 0);
    npri_monitors_fini(node);
    npri_timer_destroy(registry->timer);
    npri_core_destroy(registry->core);
    npri_map_fini(&registry->gets);
    npri_map_fini(&registry->monitors);
}

npr_status npri_registry_step_only(struct npr_node *node, struct npri_core_event *event)
{
    event->now_ns = npri_loop_now_ns(node->loop);
    return npri_core_step(node->registry.core, event);
}

/* An effect's outcome may be known at once and step the core again, from inside: the pump that runs
 * takes what comes of it. */
void npri_registry_pump(struct npr_node *node)
{
    struct npri_registry *registry = &node->registry;
    struct npri_core_effect effect;

    if (registry->pumping) {
        return;
    }
    registry->pumping = true;
    while (npri_core_take(registry->core, &effect)) {
        npri_effect_carry_out(node, &effect);
    }
    registry->pumping = false;
    npri_reads_collect(node);
    npri_timer_set(registry->timer, npri_core_deadline_ns(registry->core));
}

npr_status npri_registry_step(struct npr_node *node, struct npri_core_event *event)
{
    const npr_status status = npri_registry_step_only(node, event);

    npri_registry_pump(node);
    return status;
}

void npri_registry_tell(struct npr_node *node,
                        enum npri_event_kind kind,
                        uint64_t operation,
                        npr_status status,
                        struct npr_term term,
                        struct npr_bytes text)
{
    (void)npri_registry_step(
        node,
        &(struct npri_core_event){
            .kind = kind, .operation = operation, .status = status, .term = term, .text = text});
}

npr_status npri_registry_check_key(struct npr_term key, struct npr_error *err)
{
    if (key.data == NULL) {
        return npri_fail(err, NPR_EINVAL, "no key");
    }
    if (key.size > NPRI_KEY_BYTES_MAX) {
        return npri_fail(err, NPR_EINVAL, "the key has %zu bytes, the limit is %u", key.size,
                         NPRI_KEY_BYTES_MAX);
    }
    if (!npri_term_is_placeable(key)) {
        return npri_fail(err, NPR_EINVAL, "the key has a map of more than %u pairs",
                         NPRI_MAP_SORTED_MAX);
    }
    return NPR_OK;
}

/* ---- Who waits for a get. */

static void finish(struct npr_node *node, struct npri_get *get, const struct npri_answer *answer)
{
    npri_map_remove(&node->registry.gets, &get->node);
    get->done(get, answer);
}

static void ask(struct npr_node *node, struct npri_get *get, struct npri_core_event *event)
{
    struct npri_registry *registry = &node->registry;
    struct npr_error error = {0};
    npr_status status = npri_registry_check_key(event->key, &error);

    if (node->closing) {
        status = npri_fail(&error, NPR_ECLOSED, "the node stops");
    }
    if (status != NPR_OK) {
        get->done(get, &(struct npri_answer){.status = status, .text = npr_bytes_of(error.text)});
        return;
    }
    get->number = ++registry->last_request;
    npri_map_insert(&registry->gets, &get->node, npri_bytes(&get->number, sizeof(get->number)));
    event->request = get->number;
    status = npri_registry_step(node, event);
    if (status != NPR_OK) {
        finish(
            node, get,
            &(struct npri_answer){.status = status, .text = npr_bytes_of(npr_status_text(status))});
    }
}

void npri_registry_get(struct npr_node *node,
                       struct npri_get *get,
                       const struct npri_get_options *options)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_GET,
                                    .key = options->key,
                                    .function = options->function,
                                    .caller = options->caller,
                                    .deadline_ns = options->deadline_ns,
                                    .own_only = options->own_only};

    if (options->asker != NULL) {
        event.node = *options->asker;
    }
    if (options->starter != NULL) {
        event.kind = NPRI_EVENT_START;
        event.node = *options->starter;
    }
    ask(node, get, &event);
}

void npri_registry_claim(struct npr_node *node, struct npri_get *get, struct npri_core_event *event)
{
    ask(node, get, event);
}

/* The core's answer. */
void npri_registry_answer(struct npr_node *node, const struct npri_core_effect *effect)
{
    struct npri_map_node *found =
        npri_map_find(&node->registry.gets, npri_bytes(&effect->request, sizeof(effect->request)));

    if (found != NULL) {
        finish(node, NPRI_CONTAINER_OF(found, struct npri_get, node),
               &(struct npri_answer){.status = effect->status,
                                     .pid = effect->term,
                                     .token = effect->token,
                                     .started = effect->started,
                                     .final = effect->final,
                                     .moved = effect->moved,
                                     .text = effect->text});
    }
}

void npri_registry_close(struct npr_node *node)
{
    struct npri_map_node *first;

    NPRI_ASSERT(node->closing);
    (void)npri_registry_step(node, &(struct npri_core_event){.kind = NPRI_EVENT_CLOSING});
    while ((first = npri_map_first(&node->registry.gets)) != NULL) {
        finish(
            node, NPRI_CONTAINER_OF(first, struct npri_get, node),
            &(struct npri_answer){.status = NPR_ECLOSED, .text = npr_bytes_of("the node stops")});
    }
}

#include "core/start.h"

#include "core/faults.h"
#include "core/state.h"

/* ---- Starting. */

static void look(struct npri_core *core, struct npri_start *start)
{
    if (NPRI_FAULT(NO_SECOND_LOOK)) {
        npri_start_on_looked(core, start, NULL);
        return;
    }
    if (npri_lookup_begin(core, &start->lookup, start->key, NULL, NPRI_LOOKUP_UNMARKED) != NPR_OK) {
        npri_start_end_failed(core, start, NPR_ENOMEM,
                              npr_bytes_of("no memory to ask the other nodes"));
    } else if (!npri_lookup_runs(&start->lookup)) {
        npri_start_on_looked(core, start, NULL);
    }
}

void npri_start_join(struct npri_core *core, struct npri_request *request)
{
    struct npri_start *start = npri_start_find(core, request->key);
    struct npri_grabbed grabbed;

    if (start != NULL) {
        npri_start_wait(core, request);
        return;
    }
    start = npri_start_create(core, request->key, request->function, request->caller);
    if (start == NULL) {
        npri_request_answer_failed(core, request, NPR_ENOMEM,
                                   npr_bytes_of("no memory to start it"));
        return;
    }
    start->deadline_ns = request->deadline_ns;
    request->initiator = true;
    request->state = NPRI_REQUEST_STARTING;
    npri_list_append(&start->waiting, &request->waiting);
    if (!npri_start_find_grab(core, start->key, &grabbed)) { /* now that it is marked */
        look(core, start);
        return;
    }
    request->initiator = false;
    if (!npri_start_adopt(core, start, &grabbed)) {
        npri_start_end_failed(core, start, NPR_ENOMEM, npr_bytes_of("no memory to start it"));
    }
}

/* What was looked at before counts no more: neither for those of our keys, nor for those that are
 * another node's by now. */
void npri_starts_look_again(struct npri_core *core)
{
    struct npri_link again;
    struct npri_link *at;

    npri_list_init(&again);
    while ((at = core->starts_looking.next) != &core->starts_looking) {
        struct npri_start *start = NPRI_CONTAINER_OF(at, struct npri_start, looks);

        npri_list_splice(&again, &start->waiting);
        npri_start_end(core, start);
    }
    npri_requests_route_all(core, &again);
}

/* Two effects are made now: the start, and the end of a process that comes too late.  A restart has
 * a token of this node, not of the key's owner: that is told, so that what it gives is above. */
static void begin_operation(struct npri_core *core, struct npri_start *start)
{
    struct npri_effect *effect = npri_effect_create(NPRI_EFFECT_START, 0);
    struct npri_effect *discard = npri_effect_create(NPRI_EFFECT_DISCARD, NPRI_PID_BYTES_MAX);

    if (effect != NULL) {
        start->token = npri_token_next(core);
        effect->out.token = start->token;
        npri_effect_set_key(effect, start->key);
        npri_effect_set_start(effect, start->function, start->caller, start->deadline_ns);
        npri_effect_set_state(effect, start->state);
    }
    if (discard == NULL) {
        npri_effect_destroy(effect);
        effect = NULL;
    }
    start->operation = npri_operation_begin(core, NPRI_OPERATION_START, NULL, effect);
    if (start->operation == NULL) {
        npri_effect_destroy(discard);
        npri_start_give_up(core, start, NPR_ENOMEM, npr_bytes_of("no memory to start it"));
        return;
    }
    npri_list_remove(&start->looks);
    start->operation->start = start;
    start->operation->discard = discard;
    npri_timer_arm(core, &start->timer, npri_time_after(core, NPRI_START_NS_MAX));
    if (start->restart != NULL) {
        npri_push_on_busy(core, npri_shared_bytes(start->key));
    }
}

/* Whether this node may start it at this very moment.  `*out_why`: it must not, and that is the end
 * of it. */
static bool may_start(const struct npri_core *core,
                      const struct npri_start *start,
                      struct npri_text *out_why)
{
    const struct npri_peer *owner = npri_core_place(core, npri_shared_term(start->key), NULL);

    if (owner == NULL || !owner->self || !npri_views_agreed(core) ||
        npri_lead_find(core, npri_shared_bytes(start->key)) != NULL) {
        return false;
    }
    return npri_quorum_permits(core, out_why);
}

/* Silent originals have become suspect by now; nothing more is to be had from them.  Native nodes
 * have all said no, or it is not started; nor is it without memory to ask them. */
void npri_start_on_looked(struct npri_core *core,
                          struct npri_start *start,
                          const struct npri_activation *found)
{
    struct npri_activation own;
    struct npri_text why = {0};

    if (found != NULL) {
        npri_start_end_with_pid(core, start, found, false);
    } else if (npri_directory_find(&core->directory, npri_shared_bytes(start->key), &own)) {
        npri_start_end_with_pid(core, start, &own, false);
    } else if (start->lookup.no_memory) {
        npri_start_end_failed(core, start, NPR_ENOMEM,
                              npr_bytes_of("no memory to ask the other nodes"));
    } else if (npri_list_empty(&start->waiting)) {
        npri_start_end(core,
                       start); /* All who wanted it have given up before anything was started. */
    } else if (start->lookup.unsure || start->lookup.broken) {
        npri_start_end_held(core, start);
    } else if (may_start(core, start, &why)) {
        begin_operation(core, start);
    } else if (why.size > 0) {
        npri_start_end_failed(core, start, NPR_EREFUSED, npri_text_bytes(&why));
    } else {
        npri_start_end_routed(core, start);
    }
}

static void discard(struct npri_core *core, struct npri_operation *operation, struct npr_term pid)
{
    struct npri_effect *effect = operation->discard;

    operation->discard = NULL;
    npri_effect_set_term(effect, pid);
    npri_effects_queue(&core->effects, effect);
}

/* ---- Restarts. */

void npri_start_again(struct npri_core *core, struct npri_restart *restart, struct npr_term key)
{
    struct npri_shared *shared = npri_shared_create(npri_bytes(key.data, key.size));
    struct npri_start *start = NULL;

    if (shared != NULL && npri_start_find(core, shared) == NULL) {
        start = npri_start_create(core, shared, restart->function, NULL);
    }
    npri_shared_release(shared);
    if (start == NULL) {
        core->out_of_memory = true;
        npri_restart_log_end(core, restart, key, npr_bytes_of("no memory to start it"));
        npri_restart_destroy(restart);
        return;
    }
    start->restart = restart;
    start->deadline_ns = UINT64_MAX;
    begin_operation(core, start);
}

void npri_start_overtake(struct npri_core *core, struct npr_bytes key)
{
    struct npri_map_node *at = npri_map_find(&core->starts, key);

    if (at != NULL) {
        NPRI_CONTAINER_OF(at, struct npri_start, node)->overtaken = true;
    }
}

void npri_start_take_over(struct npri_core *core,
                          struct npr_bytes key,
                          struct npr_term function,
                          struct npr_term state,
                          const struct npri_taking *taking)
{
    struct npri_shared *shared = npri_shared_create(key);
    struct npri_shared *starts = npri_shared_create(npri_bytes(function.data, function.size));
    struct npri_shared *handed = npri_shared_create(npri_bytes(state.data, state.size));
    struct npri_taking failed = *taking;
    struct npri_start *start = NULL;

    if (shared != NULL && starts != NULL && handed != NULL) {
        start = npri_start_create(core, shared, starts, NULL);
    }
    npri_shared_release(shared);
    npri_shared_release(starts);
    if (start == NULL) {
        npri_shared_release(handed);
        npri_takeover_failed(core, &failed, npr_bytes_of("no memory to start it"));
        return;
    }
    start->state = handed;
    start->taking = *taking;
    start->deadline_ns = UINT64_MAX;
    begin_operation(core, start);
}

void npri_start_cancel_restart(struct npri_core *core, struct npr_bytes key)
{
    struct npri_start *start = npri_start_restarting(core, key);
    struct npri_link waiting;

    if (start == NULL) {
        return;
    }
    start->operation->start = NULL; /* what comes of it is discarded */
    npri_start_end_into(core, start, &waiting);
    npri_requests_route_all(core, &waiting);
}

/* Its init has failed: one more end of the process. */
static void on_restart_failed(struct npri_core *core,
                              struct npri_start *start,
                              npr_status status,
                              struct npr_bytes text)
{
    struct npri_activation own;
    struct npri_text why = {0};

    if (npri_directory_find(&core->directory, npri_shared_bytes(start->key), &own)) {
        npri_start_end_with_pid(core, start, &own, false); /* somebody else was registered */
    } else if (!npri_quorum_permits(core, &why)) {
        npri_start_give_up(core, start, NPR_EREFUSED, npri_text_bytes(&why));
    } else if (core->closing || status == NPR_ECLOSED ||
               !npri_restart_admit(start->restart, core->now_ns)) {
        npri_start_give_up(core, start, status, text);
    } else {
        begin_operation(core, start);
    }
}

/* ---- What came of it. */

static void on_failed(struct npri_core *core,
                      struct npri_start *start,
                      const struct npri_core_event *event)
{
    const bool passes = event->status == NPR_EUNREACHABLE || event->status == NPR_ENOMEM ||
                        event->status == NPR_ETIMEDOUT || event->status == NPR_ECLOSED;
    struct npr_bytes text = event->text;

    if (text.size == 0) {
        text = npr_bytes_of(event->status == NPR_OK ? "the function gave no pid"
                                                    : npr_status_text(event->status));
    }
    if (start->restart == NULL) {
        npri_start_end_failed(core, start, passes ? event->status : NPR_EREFUSED, text);
    } else {
        on_restart_failed(core, start, passes ? event->status : NPR_EREFUSED, text);
    }
}

/* The record for the entry: that of the restart, or a new one if its rule wants one.  False: no
 * memory. */
static bool take_restart(struct npri_start *start,
                         const struct npri_restart_rule *rule,
                         struct npri_restart **out)
{
    *out = start->restart;
    start->restart = NULL;
    if (*out == NULL && rule->kind != NPRI_RESTART_TEMPORARY) {
        *out = npri_restart_create(rule, start->function);
        return *out != NULL;
    }
    return true;
}

/* It has its entry.  Only now what is told of its predecessor is forgotten: that would go on, and
 * have the key, if there were no memory for this one. */
static void on_put(struct npri_core *core, struct npri_start *start)
{
    struct npri_shared *key = npri_shared_acquire(start->key);
    const struct npri_taking taken = start->taking;
    struct npri_activation own;

    (void)npri_directory_find(&core->directory, npri_shared_bytes(key), &own);
    npri_takeover_done(core, &start->taking, &own);
    npri_start_end_with_pid(core, start, &own, true);
    npri_takeover_forget(core, &taken, npri_shared_bytes(key));
    npri_shared_release(key);
}

/* The process lives.  An entry that came while it was being started (a registration, or that of
 * another node) has it: then the new process is one too many, unless it is that, as it is when
 * there is no memory to remember it.  Also when that entry has gone again: its token was higher. */
static void on_alive(struct npri_core *core,
                     struct npri_operation *operation,
                     const struct npri_core_event *event,
                     struct npr_term pid)
{
    struct npri_start *start = operation->start;
    const struct npr_bytes key = npri_shared_bytes(start->key);
    const struct npri_activation started = {.pid = pid, .token = start->token};
    const struct npri_lead *lead = npri_lead_find(core, key);
    const bool again = start->restart != NULL;
    struct npri_restart *restart = NULL;
    struct npri_activation own;

    if (npri_directory_find(&core->directory, key, &own) && !npr_term_equal(own.pid, pid)) {
        discard(core, operation, pid);
        npri_start_end_with_pid(core, start, &own, false);
    } else if (start->overtaken && !npri_directory_find(&core->directory, key, &own)) {
        discard(core, operation, pid);
        npri_start_end_routed(core, start);
    } else if (lead != NULL && !lead->busy && !npri_takeover_replaces(&start->taking, lead)) {
        own = npri_lead_activation(lead);
        discard(core, operation, pid);
        npri_start_end_with_pid(core, start, &own, false);
    } else if (take_restart(start, &event->rule, &restart) &&
               npri_directory_put(&core->directory, key, &started, restart) == NPR_OK) {
        on_put(core, start);
    } else {
        discard(core, operation, pid);
        if (again) {
            start->restart = restart;
        } else {
            npri_restart_destroy(restart);
        }
        npri_start_give_up(core, start, NPR_ENOMEM, npr_bytes_of("no memory for the entry"));
    }
}

void npri_start_on_started(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_operation *operation =
        npri_operation_find(core, event->operation, NPRI_OPERATION_START);
    struct npr_term pid;

    if (operation == NULL) {
        return;
    }
    if (event->status == NPR_OK && npri_core_normal_pid(core, event->term, &pid)) {
        if (operation->start == NULL) {
            discard(core, operation, pid);
        } else {
            on_alive(core, operation, event, pid);
        }
    } else if (operation->start != NULL) {
        on_failed(core, operation->start, event);
    }
    npri_operation_end(core, operation);
}

/* The operation stays, so that a pid that comes yet can be discarded. */
void npri_start_on_time(struct npri_core *core, struct npri_start *start)
{
    start->operation->start = NULL;
    npri_start_give_up(core, start, NPR_ETIMEDOUT, npr_bytes_of("the start never ended"));
}

#include "node/launch.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/limits.h"
#include "node/node.h"
#include "term/read.h"
#include "term/tag.h"
#include "term/write.h"

#define NAME_BYTES_MAX        128u
#define REASON_TEXT_BYTES_MAX 160u

/* NEW_PID_EXT, node, id, serial, creation. */
#define PID_BYTES_MAX (1u + 2u + NPR_NODE_NAME_BYTES_MAX + 12u + 1u)

/* One start on its way from the loop thread to a worker and back. */
struct launch {
    struct npri_task task;
    struct npr_node *node;
    void (*done)(void *user, uint64_t number, const struct npri_outcome *outcome);
    void *user;
    uint64_t number;
    const struct npr_behaviour *behaviour;
    struct npri_signal *kill; /* if it is registered: see struct npri_registry */
    char name[NAME_BYTES_MAX];
    /* Written by the worker, read by the loop thread once it is posted. */
    struct npr_pid pid;
    struct npr_error error; /* status NPR_OK: it runs */
};

static void launch_end(struct npri_task *task)
{
    struct launch *launch = NPRI_CONTAINER_OF(task, struct launch, task);
    struct npr_node *node = launch->node;
    struct npri_outcome outcome = {.status = launch->error.status};
    uint8_t bytes[PID_BYTES_MAX];
    struct npri_buffer pid = {.data = bytes, .capacity = sizeof(bytes)};

    npri_node_enter(node);
    npri_put_pid(&pid, &launch->pid); /* A process that runs must be known: this needs no memory. */
    outcome.term = npri_buffer_term(&pid);
    outcome.text = npr_bytes_of(launch->error.text);
    outcome.behaviour = outcome.status == NPR_OK ? launch->behaviour : NULL;
    node->registry.kill = launch->kill;
    launch->done(launch->user, launch->number, &outcome);
    npri_signal_destroy(node->registry.kill);
    node->registry.kill = NULL;
    npri_free(launch);
    npri_node_leave(node);
}

/* On a worker. */
static void started(void *user,
                    const struct npr_pid *pid,
                    npr_status status,
                    struct npr_term reason)
{
    struct launch *launch = user;
    struct npri_buffer text;

    launch->pid = *pid;
    if (status != NPR_OK) {
        npri_buffer_init(&text, REASON_TEXT_BYTES_MAX);
        if (reason.data != NULL) {
            npri_term_print(reason, &text);
        }
        (void)npri_fail(&launch->error, status == NPR_ENOMEM ? NPR_ENOMEM : NPR_EREFUSED,
                        "%s failed to start: %.*s", launch->name, (int)text.size,
                        text.size == 0 ? "" : (const char *)text.data);
        npri_buffer_fini(&text);
    }
    npri_loop_post(launch->node->loop, &launch->task);
}

/* exit(Pid, kill), to a pid that is yet unknown. */
struct npri_signal *npri_launch_create_kill(struct npr_node *node)
{
    uint8_t bytes[8];
    struct npri_buffer reason = {.data = bytes, .capacity = sizeof(bytes)};

    npri_put_atom(&reason, "kill");
    return npri_signal_create(
        &(struct npri_signal){.kind = NPRI_SIGNAL_EXIT,
                              .from = npri_service_pid(node, NPRI_SERVICE_CLIENT),
                              .payload = npri_buffer_term(&reason)});
}

static void launch_destroy(struct launch *launch)
{
    npri_signal_destroy(launch->kill);
    npri_free(launch);
}

npr_status npri_launch(struct npr_node *node, const struct npri_launch_options *options)
{
    struct launch *launch;
    struct npr_pid pid;
    npr_status status;

    if (node->closing) {
        return NPR_ECLOSED;
    }
    launch = npri_alloc_zeroed(1, sizeof(*launch));
    if (launch == NULL) {
        return NPR_ENOMEM;
    }
    launch->kill = options->registered ? npri_launch_create_kill(node) : NULL;
    if (options->registered && launch->kill == NULL) {
        npri_free(launch);
        return NPR_ENOMEM;
    }
    launch->task.run = launch_end;
    launch->node = node;
    launch->done = options->done;
    launch->user = options->user;
    launch->number = options->number;
    launch->behaviour = options->function->behaviour;
    npri_launch_name(options->apply, options->function->arity, launch->name, sizeof(launch->name));
    status = npri_runtime_spawn(node->runtime,
                                &(struct npri_spawn){.behaviour = options->function->behaviour,
                                                     .function = launch->name,
                                                     .args = options->apply->args,
                                                     .key = options->key,
                                                     .token = options->token,
                                                     .state = options->state,
                                                     .registered = options->registered,
                                                     .started = started,
                                                     .started_user = launch},
                                &pid, &launch->error);
    if (status == NPR_EFULL) { /* it says why: to be told as of an init that has failed */
        launch->error.status = NPR_EREFUSED;
        npri_loop_post(node->loop, &launch->task);
        return NPR_OK;
    }
    if (status != NPR_OK) {
        launch_destroy(launch);
    }
    return status;
}

struct npri_restart_rule npri_launch_rule(const struct npr_behaviour *behaviour)
{
    struct npr_behaviour complete;
    uint64_t window_ms;

    if (behaviour == NULL) {
        return (struct npri_restart_rule){.kind = NPRI_RESTART_TEMPORARY};
    }
    npri_behaviour_complete(behaviour, &complete);
    window_ms = complete.restart_window_ms == 0 ? NPR_RESTART_WINDOW_MS_DEFAULT
                                                : complete.restart_window_ms;
    window_ms = window_ms < NPR_TIMER_MS_MAX ? window_ms : NPR_TIMER_MS_MAX;
    return (struct npri_restart_rule){.kind = (enum npri_restart_kind)complete.restart,
                                      .max = complete.restarts_max == 0 ? NPR_RESTARTS_DEFAULT
                                                                        : complete.restarts_max,
                                      .window_ns = window_ms * UINT64_C(1000000)};
}

_Static_assert((int)NPR_RESTART_TEMPORARY == (int)NPRI_RESTART_TEMPORARY &&
                   (int)NPR_RESTART_TRANSIENT == (int)NPRI_RESTART_TRANSIENT &&
                   (int)NPR_RESTART_PERMANENT == (int)NPRI_RESTART_PERMANENT,
               "the core's rules are the program's");
_Static_assert(NPR_RESTARTS_MAX == NPRI_RESTARTS_MAX, "and their limit");

void npri_launch_name(const struct npri_apply *apply, uint32_t arity, char *out, size_t out_size)
{
    struct npr_bytes module = {0};
    struct npr_bytes function = {0};

    (void)npr_term_get_atom(apply->module, &module);
    (void)npr_term_get_atom(apply->function, &function);
    (void)snprintf(out, out_size, "%.*s:%.*s/%u", (int)module.size,
                   module.size == 0 ? "" : (const char *)module.data, (int)function.size,
                   function.size == 0 ? "" : (const char *)function.data, (unsigned)arity);
}

/* The next term in the bytes of a checked one. */
static bool take_term(struct npr_bytes *rest, struct npr_term *out)
{
    struct npri_buffer scratch;
    size_t used = 0;
    bool viewed;

    npri_buffer_init(&scratch, 0);
    viewed = npri_term_read(*rest, &scratch, out, &used, NULL) == NPR_OK && scratch.size == 0;
    npri_buffer_fini(&scratch);
    *rest = npri_bytes(rest->data + used, rest->size - used);
    return viewed;
}

npr_status npri_startable_put(struct npri_buffer *buffer,
                              const struct npr_start *start,
                              struct npr_error *err)
{
    const struct npr_term arguments = start->arguments;
    uint32_t count;

    if (start->module == NULL || start->function == NULL) {
        return npri_fail(err, NPR_EINVAL, "a function needs a module and a name");
    }
    if (!npri_atom_is_possible(npr_bytes_of(start->module)) ||
        !npri_atom_is_possible(npr_bytes_of(start->function))) {
        return npri_fail(err, NPR_EINVAL, "the name of a module or function is no atom");
    }
    if (arguments.data != NULL && !npri_list_count(arguments, &count)) {
        return npri_fail(err, NPR_EINVAL, "the arguments of a start are a list");
    }
    if (arguments.data == NULL || npr_term_kind(arguments) == NPR_TERM_NIL) {
        npri_put_export(buffer, npr_bytes_of(start->module), npr_bytes_of(start->function), 0);
    } else {
        npri_put_tuple(buffer, 3);
        npri_put_atom_bytes(buffer, npr_bytes_of(start->module));
        npri_put_atom_bytes(buffer, npr_bytes_of(start->function));
        npri_put_term(buffer, arguments);
    }
    return buffer->failed ? npri_fail(err, NPR_ENOMEM, "out of memory") : NPR_OK;
}

bool npri_export_terms(struct npr_term fun,
                       struct npr_term *out_module,
                       struct npr_term *out_function)
{
    struct npr_bytes rest;

    if (fun.size < 2 || fun.data[0] != NPRI_TAG_EXPORT) {
        return false;
    }
    rest = npri_bytes(fun.data + 1, fun.size - 1);
    return take_term(&rest, out_module) && take_term(&rest, out_function);
}

bool npri_closure_creator(struct npr_term fun, struct npr_pid *out)
{
    struct npr_bytes rest;
    struct npr_term part;

    if (fun.size < NPRI_FUN_HEAD_BYTES || fun.data[0] != NPRI_TAG_NEW_FUN) {
        return false;
    }
    rest = npri_bytes(fun.data + NPRI_FUN_HEAD_BYTES, fun.size - NPRI_FUN_HEAD_BYTES);
    for (unsigned i = 0; i < 3; i++) { /* module, index, uniq */
        if (!take_term(&rest, &part)) {
            return false;
        }
    }
    return take_term(&rest, &part) && npr_term_get_pid(part, out);
}

bool npri_list_count(struct npr_term list, uint32_t *out_count)
{
    struct npr_term_walk walk;
    struct npr_term item;
    uint32_t count = 0;

    if (!npr_term_list(list, &walk)) {
        return false;
    }
    while (npr_term_next(&walk, &item)) {
        count++;
    }
    *out_count = count;
    return npr_term_kind(list) == NPR_TERM_NIL ||
           (npr_term_tail(&walk, &item) && npr_term_kind(item) == NPR_TERM_NIL);
}

bool npri_startable_read(struct npr_term function, struct npri_apply *out, uint32_t *out_arity)
{
    static const uint8_t nil[] = {NPRI_TAG_NIL};
    struct npr_term parts[3];
    struct npr_bytes module;
    struct npr_bytes name;
    uint32_t arity;

    if (npr_term_get_tuple(function, 3, parts) && npr_term_get_atom(parts[0], &module) &&
        npr_term_get_atom(parts[1], &name) && npri_list_count(parts[2], out_arity)) {
        *out = (struct npri_apply){.module = parts[0], .function = parts[1], .args = parts[2]};
        return true;
    }
    *out = (struct npri_apply){.args = {.data = nil, .size = sizeof(nil)}};
    *out_arity = 0;
    return npr_term_get_export(function, &module, &name, &arity) && arity == 0 &&
           npri_export_terms(function, &out->module, &out->function);
}

bool npri_startable_check(struct npr_term function)
{
    struct npri_apply apply;
    struct npr_pid creator;
    uint32_t arity;

    return npri_startable_read(function, &apply, &arity) ||
           (npri_closure_creator(function, &creator) && function.data[NPRI_FUN_ARITY_OFFSET] == 0);
}

/* The half of a command process that is a process: what Erlang sees of it.  Callbacks on workers.
 */
#include "node/command_calls.h"
#include "node/command_reason.h"
#include "node/commands.h"
#include "node/node.h"
#include "runtime/words.h"

#include "command/message.h"

/* A buffer that has grown beyond this is given back after use. */
#define ROOM_KEPT_BYTES ((size_t)64 << 10)

/* What the child's half has told and is not acted on yet. */
struct news {
    bool has_room;
    bool late;
    bool failed; /* the child could not be started: `error` */
    bool lost;   /* some of its output */
    bool full;   /* it is not read until more is taken */
    bool gone;   /* there is no child, `end` was its end; stays true */
    struct npri_exec_end end;
    struct npr_error error;
};

struct state {
    struct npri_command_run *run; /* NULL: let go of */
    struct npri_from_child_reader reader;
    struct npri_command_calls calls;
    bool started;
    bool ends;         /* its reason is given, what the child says does not matter any more */
    bool ends_by_wish; /* the child's own */
    bool closing;      /* terminate has been called */
    struct news news;
    struct npri_buffer room; /* of what is being written to the child */
};

static const struct npri_command *command_of(const struct npr_process *self)
{
    return npr_user(self);
}

/* ---- Reasons. */

static npr_status stop_with(struct npr_process *self, struct state *state, struct npr_term reason)
{
    const npr_status status = npr_stop(self, reason);

    state->ends = status == NPR_OK;
    return status;
}

/* With what is built. */
static npr_status stop_with_built(struct npr_process *self,
                                  struct state *state,
                                  struct npr_builder *builder)
{
    struct npr_term reason;

    return npr_builder_finish(builder, &reason, NULL) == NPR_OK ? stop_with(self, state, reason)
                                                                : NPR_ENOMEM;
}

static npr_status stop_with_text(struct npr_process *self,
                                 struct state *state,
                                 const char *word,
                                 const char *text)
{
    struct npr_builder *builder = npr_scratch(self);

    npri_command_build_text(builder, word, text);
    return stop_with_built(self, state, builder);
}

static void log_event(const struct npr_process *self, const char *event, const char *text)
{
    const struct npri_command *command = command_of(self);
    const struct npr_pid pid = npr_self(self);

    npri_node_log(command->all->node, NPR_LOG_WARNING,
                  "%s function=%s:%s pid=<%.*s.%u.%u> reason=\"%s\"", event,
                  command->options.module, command->options.function, (int)pid.node.size,
                  pid.node.text, (unsigned)pid.id, (unsigned)pid.serial, text);
}

/* ---- Calls. */

static void forget_call(struct npr_process *self,
                        struct state *state,
                        struct npri_command_call *call)
{
    npri_command_calls_remove(&state->calls, call);
    npri_process_keep_awake(self, state->calls.by_number.count > 0);
}

/* The oldest gives way: its caller has most likely gone. */
static npr_status make_room_for_call(struct npr_process *self, struct state *state)
{
    struct npri_command_call *oldest;
    npr_status status;

    if (state->calls.by_number.count < command_of(self)->options.calls_max) {
        return NPR_OK;
    }
    oldest = npri_command_calls_oldest(&state->calls);
    status = npr_reply(self, &oldest->from, NPRI_WORD_ERROR_OVERLOAD);
    if (status == NPR_OK) {
        forget_call(self, state, oldest);
    }
    return status;
}

/* ---- To the child. */

static npr_status write_message(const struct npr_process *self,
                                struct state *state,
                                const struct npri_to_child *message)
{
    const struct npr_command *options = &command_of(self)->options;

    npri_buffer_reset(&state->room);
    if (state->room.capacity > ROOM_KEPT_BYTES) {
        npri_buffer_fini(&state->room);
    }
    return npri_to_child_write(message, (enum npr_command_wire)options->wire,
                               options->message_bytes_max, &state->room);
}

/* What has been written goes on its way.  When more waits than may, the process takes nothing from
 * its mailbox until the child has taken it. */
static npr_status send_message(struct npr_process *self, struct state *state)
{
    struct npri_command_run *run = state->run;
    bool is_full;
    bool failed;

    npri_command_run_lock(run);
    npri_put_bytes(&run->input, npri_buffer_bytes(&state->room));
    failed = run->input.failed;
    run->input.failed = false;
    is_full = run->input.size + run->queued_bytes > command_of(self)->options.input_bytes_max;
    run->wants_room = run->wants_room || is_full;
    npri_command_run_post(run);
    npri_command_run_unlock(run);
    if (is_full) {
        npri_process_pause(self, true);
    }
    return failed ? NPR_ENOMEM : NPR_OK;
}

static npr_status tell_child(struct npr_process *self,
                             struct state *state,
                             enum npri_to_child_kind kind,
                             struct npr_term term)
{
    const struct npri_to_child message = {.kind = kind, .term = term};
    const npr_status status = write_message(self, state, &message);

    if (status == NPR_EFULL) {
        log_event(self, "command_message_dropped", "it is larger than message_bytes_max");
        return NPR_OK;
    }
    return status == NPR_OK ? send_message(self, state) : status;
}

static npr_status command_cast(struct npr_process *self, void *state, struct npr_term message)
{
    return tell_child(self, state, NPRI_TO_CHILD_CAST, message);
}

static npr_status command_info(struct npr_process *self, void *state, struct npr_term message)
{
    return tell_child(self, state, NPRI_TO_CHILD_INFO, message);
}

/* {error,too_large}. */
static npr_status refuse_size(struct npr_process *self, const struct npr_from *from)
{
    struct npr_builder *builder = npr_scratch(self);
    struct npr_term reply;

    npr_build_tuple(builder, 2);
    npr_build_atom(builder, "error");
    npr_build_atom(builder, "too_large");
    return npr_builder_finish(builder, &reply, NULL) == NPR_OK ? npr_reply(self, from, reply)
                                                               : NPR_ENOMEM;
}

static npr_status command_call(struct npr_process *self,
                               void *user,
                               const struct npr_from *from,
                               struct npr_term request)
{
    struct state *state = user;
    const struct npri_to_child message = {
        .kind = NPRI_TO_CHILD_CALL, .number = state->calls.next_number, .term = request};
    npr_status status = write_message(self, state, &message);

    if (status == NPR_EFULL) {
        return refuse_size(self, from);
    }
    if (status == NPR_OK) {
        status = make_room_for_call(self, state);
    }
    if (status != NPR_OK || !npri_command_calls_add(&state->calls, from)) {
        return NPR_ENOMEM;
    }
    npri_process_keep_awake(self, true);
    return send_message(self, state);
}

/* ---- From the child. */

static npr_status on_reply(struct npr_process *self,
                           struct state *state,
                           const struct npri_from_child *message)
{
    struct npri_command_call *call = npri_command_calls_find(&state->calls, message->number);
    npr_status status;

    if (call == NULL) {
        return NPR_OK; /* twice, or too late */
    }
    status = npr_reply(self, &call->from, message->term);
    if (status == NPR_OK) {
        forget_call(self, state, call);
    }
    return status;
}

static void set_answered(struct state *state)
{
    npri_command_run_lock(state->run);
    state->run->answered = true;
    npri_command_run_post(state->run);
    npri_command_run_unlock(state->run);
}

static npr_status on_bad_output(struct npr_process *self, struct state *state, const char *text)
{
    log_event(self, "command_bad_output", text);
    return stop_with_text(self, state, "bad_output", text);
}

static npr_status on_started(struct npr_process *self, struct state *state)
{
    if (state->started) {
        return on_bad_output(self, state, "it has started already");
    }
    state->started = true;
    set_answered(state);
    if (!state->closing) {
        npri_process_started(self);
    }
    return NPR_OK;
}

static npr_status on_message(struct npr_process *self,
                             struct state *state,
                             const struct npri_from_child *message)
{
    switch (message->kind) {
    case NPRI_FROM_CHILD_NONE:
        break;
    case NPRI_FROM_CHILD_STARTED:
        return on_started(self, state);
    case NPRI_FROM_CHILD_FAILED:
        if (state->started) {
            return on_bad_output(self, state, "it has started already");
        }
        set_answered(state);
        state->ends_by_wish = true;
        return stop_with(self, state, message->term);
    case NPRI_FROM_CHILD_REPLY:
        return on_reply(self, state, message);
    case NPRI_FROM_CHILD_SEND:
        return npri_process_tell(self, message->to, message->node, message->term);
    case NPRI_FROM_CHILD_EXIT:
        state->ends_by_wish = true;
        return stop_with(self, state, message->term);
    }
    return NPR_OK;
}

/* Acts on what has come.  NPR_ENOMEM: not on all; call again.  A message whose effect failed for
 * want of memory is read again: nothing else of it has happened. */
static npr_status act_on_output(struct npr_process *self, struct state *state)
{
    while (!state->ends) {
        const size_t from = state->reader.from;
        const size_t looked = state->reader.looked;
        struct npr_error error = {.status = NPR_OK};
        struct npri_from_child message;
        npr_status status = npri_from_child_next(&state->reader, &message, &error);

        if (status == NPR_OK && message.kind == NPRI_FROM_CHILD_NONE) {
            break;
        }
        if (status == NPR_ESYNTAX || status == NPR_EFULL) {
            return on_bad_output(self, state, error.text);
        }
        if (status == NPR_OK) {
            status = on_message(self, state, &message);
        }
        if (status == NPR_ENOMEM) {
            state->reader.from = from;
            state->reader.looked = looked;
            return status;
        }
    }
    return NPR_OK;
}

/* ---- News. */

/* Gives the nudge back, and takes what has come.  False: no memory for the output, which stays. */
static bool take_news(struct state *state)
{
    struct npri_command_run *run = state->run;
    struct news *news = &state->news;
    bool taken = true;

    npri_command_run_lock(run);
    run->nudged = false;
    if (run->output.size > 0 && !state->ends) {
        taken = npri_from_child_feed(&state->reader, npri_buffer_bytes(&run->output));
    }
    if (taken) {
        news->has_room = news->has_room || run->has_room;
        news->late = run->late;
        news->failed = run->failed;
        news->lost = news->lost || run->output.failed;
        news->full = news->full || run->full;
        news->gone = run->gone;
        news->end = run->end;
        news->error = run->error;
        run->has_room = false;
        npri_buffer_fini(&run->output);
        npri_buffer_init(&run->output, 0);
    }
    npri_command_run_unlock(run);
    return taken;
}

/* All that was taken has been acted on. */
static void take_more(struct state *state)
{
    struct npri_command_run *run = state->run;

    npri_command_run_lock(run);
    run->takes_more = true;
    run->deaf = state->ends;
    npri_command_run_post(run);
    npri_command_run_unlock(run);
}

static void let_go(struct state *state)
{
    npri_command_calls_fini(&state->calls);
    npri_from_child_fini(&state->reader);
    npri_buffer_fini(&state->room);
    npri_command_run_release(state->run);
    state->run = NULL;
}

static npr_status on_gone(struct npr_process *self, struct state *state)
{
    struct npr_builder *builder = npr_scratch(self);

    if (state->news.failed) {
        return stop_with_text(self, state, "not_started", state->news.error.text);
    }
    if (npri_from_child_is_within(&state->reader)) {
        log_event(self, "command_bad_output", "it has ended within a message");
    }
    npri_command_build_end(builder, &state->news.end, state->started);
    return stop_with_built(self, state, builder);
}

/* In the order in which it happened.  NPR_ENOMEM: once more. */
static npr_status act_on_news(struct npr_process *self, struct state *state)
{
    struct news *news = &state->news;
    npr_status status = act_on_output(self, state);

    if (status != NPR_OK || state->ends) {
        return status;
    }
    if (news->lost) {
        return on_bad_output(self, state, "no memory for it");
    }
    if (news->late && !state->started) {
        return stop_with_text(self, state, "not_started", "it has not answered in time");
    }
    if (news->gone && !state->closing) {
        return on_gone(self, state);
    }
    return NPR_OK;
}

/* Runs again, later: keeps the nudge, unless it has been given again already. */
static npr_status try_again(struct state *state)
{
    struct npri_command_run *run = state->run;
    npr_status status;

    npri_command_run_lock(run);
    status = run->nudged ? NPR_OK : NPR_ENOMEM;
    run->nudged = true;
    npri_command_run_unlock(run);
    return status;
}

static npr_status command_nudged(struct npr_process *self, void *user)
{
    struct state *state = user;
    struct news *news = &state->news;

    if (!take_news(state) || act_on_news(self, state) != NPR_OK) {
        return try_again(state);
    }
    if (news->gone) {
        if (state->closing) {
            let_go(state);
            npri_process_let_go(self);
        }
        return NPR_OK; /* else the end, for which it has been stopped, lets go */
    }
    if (news->has_room && !state->closing) {
        npri_process_pause(self, false);
    }
    if (news->full || state->ends) {
        take_more(state);
    }
    news->has_room = false;
    news->full = false;
    return NPR_OK;
}

/* ---- Life. */

/* Its start is asked for, and told of when the child has answered. */
static npr_status begin(struct npr_process *self, struct state *state, struct npr_term args)
{
    const struct npri_to_child start = {.kind = NPRI_TO_CHILD_START,
                                        .number = npr_start_token(self),
                                        .key = npr_start_key(self),
                                        .term = args};
    const npr_status status = write_message(self, state, &start);

    if (status == NPR_EFULL) {
        return stop_with_text(self, state, "not_started", "its arguments are too large");
    }
    if (status != NPR_OK) {
        return status;
    }
    npri_nudge_init(&state->run->nudge, self, command_nudged);
    npri_process_defer_start(self);
    npri_command_run_lock(state->run);
    state->run->input = state->room; /* it has nothing yet */
    npri_command_run_post(state->run);
    npri_command_run_unlock(state->run);
    npri_buffer_init(&state->room, 0);
    return NPR_OK;
}

static npr_status command_init(struct npr_process *self, void *user, struct npr_term args)
{
    const struct npri_command *command = command_of(self);
    struct state *state = user;
    npr_status status = NPR_ENOMEM;

    state->run = npri_command_run_create(command->self);
    if (state->run == NULL) {
        return NPR_ENOMEM;
    }
    state->run->pid = npr_self(self);
    state->reader.wire = (enum npr_command_wire)command->options.wire;
    state->reader.message_bytes_max = command->options.message_bytes_max;
    if (npri_command_calls_init(&state->calls, command->all->node->hash_key)) {
        status = begin(self, state, args);
    }
    if (status != NPR_OK || state->ends) {
        let_go(state); /* there will be no terminate */
    }
    return status;
}

/* The process lingers until the child is gone and it knows. */
static void command_terminate(struct npr_process *self, void *user, struct npr_term reason)
{
    struct state *state = user;
    struct npri_command_run *run = state->run;
    enum npri_command_stop stop = NPRI_COMMAND_TERMINATES;

    if (run == NULL) {
        return;
    }
    state->closing = true;
    if (state->news.gone) {
        let_go(state);
        return;
    }
    if (npr_term_is_atom(reason, "killed")) {
        stop = NPRI_COMMAND_KILLS;
    } else if (state->ends_by_wish) {
        stop = NPRI_COMMAND_CLOSES;
    }
    npri_command_run_lock(run);
    run->stop = stop > run->stop ? stop : run->stop;
    npri_command_run_post(run);
    npri_command_run_unlock(run);
    npri_process_linger(self);
}

static npr_status command_describe(struct npr_process *self,
                                   const void *user,
                                   struct npr_builder *out)
{
    const struct state *state = user;
    struct npri_command_run *run = state->run;
    const struct npri_command *command = command_of(self);
    size_t waiting;
    pid_t os_pid;

    npri_command_run_lock(run);
    os_pid = run->os_pid;
    waiting = run->input.size + run->queued_bytes;
    npri_command_run_unlock(run);
    npr_build_map(out, 4);
    npr_build_atom(out, "calls");
    npr_build_uint(out, state->calls.by_number.count);
    npr_build_atom(out, "input_bytes");
    npr_build_uint(out, waiting);
    npr_build_atom(out, "os_pid");
    npr_build_int(out, os_pid);
    npr_build_atom(out, "wire");
    npr_build_atom(out, command->options.wire == NPR_COMMAND_JSON ? "json" : "packet4");
    return NPR_OK;
}

void npri_command_process_init(struct npr_behaviour *out, const struct npri_command *command)
{
    *out = (struct npr_behaviour){.struct_size = sizeof(*out),
                                  .state_bytes = sizeof(struct state),
                                  .init = command_init,
                                  .call = command_call,
                                  .cast = command_cast,
                                  .info = command_info,
                                  .terminate = command_terminate,
                                  .describe = command_describe,
                                  .idle_ms = command->options.idle_ms,
                                  .mailbox_max = command->options.mailbox_max,
                                  .overflow = command->options.overflow,
                                  .restart = command->options.restart,
                                  .restarts_max = command->options.restarts_max,
                                  .restart_window_ms = command->options.restart_window_ms,
                                  .user = command};
}

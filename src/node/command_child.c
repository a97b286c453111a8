/* The half of a command process that is on the loop thread: its child's start, bytes, time and end.
 */
#include <signal.h>

#include "base/fail.h"
#include "base/limits.h"
#include "node/commands.h"
#include "node/node.h"

#define NS_PER_MS       UINT64_C(1000000)
#define REFILL_NS       (100 * NS_PER_MS)
#define STARTS_TURN_MAX 4u /* in one turn of the loop: each takes about a millisecond */

static void start_waiting(struct npri_commands *all);

static uint64_t now_ns(const struct npri_command_run *run)
{
    return npri_loop_now_ns(run->command->all->node->loop);
}

/* ---- Its standard error, into the log. */

static void log_line(struct npri_command_run *run)
{
    static const char hex[] = "0123456789abcdef";
    char text[2 * NPRI_COMMAND_LINE_BYTES + 1];
    size_t size = 0;

    for (size_t i = 0; i < run->line.size && size + 4 < sizeof(text); i++) {
        const uint8_t c = run->line.data[i];

        if (c == '"' || c == '\\') {
            text[size++] = '\\';
            text[size++] = (char)c;
        } else if (c < ' ' || c == 0x7f) {
            text[size++] = '\\';
            text[size++] = 'x';
            text[size++] = hex[c >> 4];
            text[size++] = hex[c & 15];
        } else {
            text[size++] = (char)c;
        }
    }
    text[size] = '\0';
    npri_node_log(run->command->all->node, NPR_LOG_INFO,
                  "command_stderr function=%s:%s pid=<%.*s.%u.%u> line=\"%s\"",
                  run->command->options.module, run->command->options.function,
                  (int)run->pid.node.size, run->pid.node.text, (unsigned)run->pid.id,
                  (unsigned)run->pid.serial, text);
    npri_buffer_reset(&run->line);
}

/* What is beyond the length of a line is left out. */
static void add_to_line(struct npri_command_run *run, struct npr_bytes bytes)
{
    const size_t room = NPRI_COMMAND_LINE_BYTES - run->line.size;

    npri_put_bytes(&run->line, npri_bytes(bytes.data, bytes.size < room ? bytes.size : room));
    run->line.failed = false;
}

static void on_refill(void *user)
{
    struct npri_commands *all = user;
    struct npri_link *link;

    while ((link = npri_list_take(&all->throttled)) != NULL) {
        struct npri_command_run *run = NPRI_CONTAINER_OF(link, struct npri_command_run, link);

        run->is_throttled = false;
        run->errors_left = NPRI_COMMAND_ERRORS_BYTES;
        npri_child_read_errors(run->child, true);
    }
}

/* Whoever writes more than the log is to hold waits; without memory for a timer it goes on. */
static void throttle(struct npri_command_run *run)
{
    struct npri_commands *all = run->command->all;

    if (all->refill == NULL) {
        all->refill = npri_timer_create(all->node->loop, on_refill, all);
    }
    if (all->refill == NULL || run->is_throttled) {
        return;
    }
    if (npri_list_empty(&all->throttled)) {
        npri_timer_set(all->refill, now_ns(run) + REFILL_NS);
    }
    run->is_throttled = true;
    npri_list_append(&all->throttled, &run->link);
    npri_child_read_errors(run->child, false);
}

static void on_errors(void *user, struct npr_bytes bytes)
{
    struct npri_command_run *run = user;

    run->errors_left -= bytes.size < run->errors_left ? bytes.size : run->errors_left;
    while (bytes.size > 0) {
        const uint8_t *end = memchr(bytes.data, '\n', bytes.size);
        const size_t size = end == NULL ? bytes.size : (size_t)(end - bytes.data);

        add_to_line(run, npri_bytes(bytes.data, size));
        if (end == NULL) {
            break;
        }
        log_line(run);
        bytes = npri_bytes(end + 1, bytes.size - size - 1);
    }
    if (run->errors_left == 0) {
        throttle(run);
    }
}

/* ---- Bytes. */

/* Reading rests when the process has enough to do. */
static void on_output(void *user, struct npr_bytes bytes)
{
    struct npri_command_run *run = user;
    bool is_full;

    npri_command_run_lock(run);
    if (run->deaf) {
        npri_command_run_unlock(run);
        return;
    }
    npri_put_bytes(&run->output, bytes);
    if (run->output.size >= NPRI_COMMAND_OUTPUT_BYTES || run->output.failed) {
        run->full = true;
    }
    is_full = run->full;
    npri_command_run_nudge(run);
    npri_command_run_unlock(run);
    if (is_full) {
        npri_child_read_output(run->child, false);
    }
}

/* Its end tells more; if that does not come, it is made to. */
static void on_output_ended(void *user)
{
    struct npri_command_run *run = user;

    if (run->stopping < NPRI_COMMAND_CLOSES) {
        npri_node_log(run->command->all->node, NPR_LOG_WARNING,
                      "command_output_ended function=%s:%s pid=<%.*s.%u.%u>",
                      run->command->options.module, run->command->options.function,
                      (int)run->pid.node.size, run->pid.node.text, (unsigned)run->pid.id,
                      (unsigned)run->pid.serial);
        run->stopping = NPRI_COMMAND_CLOSES;
        npri_timer_set(run->timer, now_ns(run) + run->command->options.kill_ms * NS_PER_MS);
    }
}

static void tell_room(struct npri_command_run *run)
{
    run->queued_bytes = npri_child_queued_bytes(run->child);
    if (run->wants_room && run->queued_bytes == 0 && run->input.size == 0) {
        run->wants_room = false;
        run->has_room = true;
        npri_command_run_nudge(run);
    }
}

static void on_drained(void *user)
{
    struct npri_command_run *run = user;

    npri_command_run_lock(run);
    tell_room(run);
    npri_command_run_unlock(run);
}

/* ---- Its end. */

static void forget_start(struct npri_command_run *run)
{
    if (run->is_starting) {
        run->is_starting = false;
        run->command->starting--;
        start_waiting(run->command->all);
    }
}

/* The last that the process hears of this half, which ends here. */
static void tell_gone(struct npri_command_run *run)
{
    npri_timer_destroy(run->timer);
    run->timer = NULL;
    npri_child_close(run->child);
    run->child = NULL;
    npri_list_remove(&run->link); /* of those that wait for their turn, or are throttled */
    npri_command_run_lock(run);
    run->gone = true;
    npri_command_run_nudge(run);
    npri_command_run_unlock(run);
    npri_command_run_release(run);
}

static void on_exited(void *user, const struct npri_exec_end *end)
{
    struct npri_command_run *run = user;

    if (run->line.size > 0) {
        log_line(run);
    }
    run->command->children--;
    forget_start(run);
    npri_command_run_lock(run);
    run->end = *end;
    npri_command_run_unlock(run);
    tell_gone(run);
}

/* There is no child, and there will be none. */
static void tell_failed(struct npri_command_run *run, const struct npr_error *error)
{
    npri_command_run_lock(run);
    run->failed = true;
    run->error = *error;
    npri_command_run_unlock(run);
    tell_gone(run);
}

/* Its turn has not come, the start takes too long, or SIGTERM has not helped. */
static void on_timer(void *user)
{
    struct npri_command_run *run = user;

    if (run->child == NULL) {
        struct npr_error error;

        (void)npri_fail(&error, NPR_ETIMEDOUT, "its turn to start has not come in %u ms",
                        (unsigned)run->command->all->turn_ms);
        tell_failed(run, &error);
        return;
    }
    if (run->stopping == NPRI_COMMAND_RUNS) {
        npri_command_run_lock(run);
        run->late = !run->answered;
        npri_command_run_nudge(run);
        npri_command_run_unlock(run);
        return;
    }
    run->stopping = NPRI_COMMAND_KILLS;
    npri_child_signal(run->child, SIGKILL);
}

/* ---- Its start. */

static npr_status start_child(struct npri_command_run *run, struct npr_error *err)
{
    static const struct npri_child_events events = {.output = on_output,
                                                    .errors = on_errors,
                                                    .drained = on_drained,
                                                    .output_ended = on_output_ended,
                                                    .exited = on_exited};
    const struct npr_command *options = &run->command->options;
    struct npri_commands *all = run->command->all;
    const struct npri_program program = {.argv = options->argv, .envp = all->envp};
    npr_status status;

    if (run->command->children >= options->children_max) {
        return npri_fail(err, NPR_EFULL, "%u children of %s:%s live already",
                         (unsigned)run->command->children, options->module, options->function);
    }
    status = npri_child_start(all->node->loop, &program, &events, run, &run->child, err);
    if (status != NPR_OK) {
        return status;
    }
    npri_timer_set(run->timer, now_ns(run) + options->start_ms * NS_PER_MS);
    run->is_starting = true;
    run->command->starting++;
    run->command->children++;
    return NPR_OK;
}

static void start_run(struct npri_command_run *run)
{
    struct npr_error error = {.status = NPR_OK};
    const npr_status status = start_child(run, &error);

    if (status != NPR_OK) {
        tell_failed(run, &error);
        return;
    }
    npri_command_run_lock(run);
    run->os_pid = npri_child_pid(run->child);
    npri_command_run_post(run); /* for the input that waits */
    npri_command_run_unlock(run);
}

static bool may_start(const struct npri_command *command)
{
    return !npri_list_empty(&command->waiting) && command->starting < NPRI_COMMAND_STARTING_MAX;
}

/* A few in one turn, so that thousands at once do not keep the loop from its other work. */
static void on_next_start(struct npri_task *task)
{
    struct npri_commands *all = NPRI_CONTAINER_OF(task, struct npri_commands, next_start);
    unsigned left = STARTS_TURN_MAX;

    all->next_posted = false;
    for (size_t i = 0; i < all->count; i++) {
        while (left > 0 && may_start(all->commands[i])) {
            struct npri_link *link = npri_list_take(&all->commands[i]->waiting);

            start_run(NPRI_CONTAINER_OF(link, struct npri_command_run, link));
            left--;
        }
    }
    start_waiting(all);
}

static void start_waiting(struct npri_commands *all)
{
    for (size_t i = 0; i < all->count && !all->next_posted; i++) {
        if (may_start(all->commands[i])) {
            all->next_posted = true;
            all->next_start.run = on_next_start;
            npri_loop_post(all->node->loop, &all->next_start);
        }
    }
}

/* Not for ever: a start that nobody reports on is given up (NPRI_START_NS_MAX), and then its child
 * would be started for nobody, while others wait behind it. */
static void wait_for_turn(struct npri_command_run *run)
{
    struct npri_commands *all = run->command->all;

    run->timer = npri_timer_create(all->node->loop, on_timer, run);
    if (run->timer == NULL) {
        struct npr_error error;

        (void)npri_fail(&error, NPR_ENOMEM, "out of memory");
        tell_failed(run, &error);
        return;
    }
    npri_timer_set(run->timer, now_ns(run) + all->turn_ms * NS_PER_MS);
    npri_list_append(&run->command->waiting, &run->link);
    start_waiting(all);
}

/* ---- What the process wants. */

static void stop_child(struct npri_command_run *run, enum npri_command_stop stop)
{
    run->stopping = stop;
    npri_child_end_input(run->child);
    if (stop == NPRI_COMMAND_KILLS) {
        npri_child_signal(run->child, SIGKILL);
        return;
    }
    if (stop == NPRI_COMMAND_TERMINATES) {
        npri_child_signal(run->child, SIGTERM);
    }
    npri_timer_set(run->timer, now_ns(run) + run->command->options.kill_ms * NS_PER_MS);
}

/* The process's input goes on to the child. */
static void pass_input(struct npri_command_run *run)
{
    struct npri_buffer input;
    npr_status status = NPR_OK;

    npri_command_run_lock(run);
    input = run->input;
    npri_buffer_init(&run->input, 0);
    run->queued_bytes += input.size;
    npri_command_run_unlock(run);
    if (input.size > 0) {
        status = npri_child_write(run->child, npri_buffer_bytes(&input));
    }
    npri_buffer_fini(&input);
    if (status != NPR_OK) { /* a part is lost: what follows would make no sense to it */
        npri_node_log(run->command->all->node, NPR_LOG_ERROR,
                      "command_input_lost function=%s:%s reason=\"out of memory\"",
                      run->command->options.module, run->command->options.function);
        npri_child_signal(run->child, SIGKILL);
    }
    npri_command_run_lock(run);
    tell_room(run);
    npri_command_run_unlock(run);
}

/* With a child. */
static void act(struct npri_command_run *run)
{
    enum npri_command_stop stop;
    bool takes_more;
    bool answered;
    bool deaf;

    pass_input(run);
    npri_command_run_lock(run);
    takes_more = run->takes_more;
    run->takes_more = false;
    run->full = run->full && !takes_more;
    stop = run->stop;
    answered = run->answered;
    deaf = run->deaf;
    npri_command_run_unlock(run);
    if (deaf) {
        npri_child_close_output(run->child);
    } else if (takes_more) {
        npri_child_read_output(run->child, true);
    }
    if (answered && run->is_starting) {
        if (run->stopping == NPRI_COMMAND_RUNS) {
            npri_timer_set(run->timer, UINT64_MAX);
        }
        forget_start(run);
    }
    if (stop > run->stopping) {
        stop_child(run, stop);
    }
}

/* Without one: the start is asked for, or waits. */
static void act_before_start(struct npri_command_run *run)
{
    bool stops;

    npri_command_run_lock(run);
    stops = run->stop != NPRI_COMMAND_RUNS;
    run->holders += !run->begun;
    npri_command_run_unlock(run);
    if (stops) {
        npri_list_remove(&run->link);
        run->begun = true;
        tell_gone(run);
    } else if (!run->begun) {
        run->begun = true;
        wait_for_turn(run);
    }
}

void npri_command_child_task(struct npri_task *task)
{
    struct npri_command_run *run = NPRI_CONTAINER_OF(task, struct npri_command_run, task);
    bool gone;

    npri_command_run_lock(run);
    run->posted = false;
    gone = run->gone;
    npri_command_run_unlock(run);
    if (gone) {
        /* Too late. */
    } else if (run->child != NULL) {
        act(run);
    } else {
        act_before_start(run);
    }
    npri_command_run_release(run);
}

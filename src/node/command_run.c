#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "node/commands.h"
#include "node/node.h"

struct npri_command_run *npri_command_run_create(struct npri_command *command)
{
    struct npri_command_run *run = npri_alloc_zeroed(1, sizeof(*run));

    if (run == NULL) {
        return NULL;
    }
    run->command = command;
    run->task.run = npri_command_child_task;
    run->holders = 1;
    run->errors_left = NPRI_COMMAND_ERRORS_BYTES;
    npri_buffer_init(&run->line, 0);
    NPRI_ASSERT(pthread_mutex_init(&run->lock, NULL) == 0);
    return run;
}

void npri_command_run_lock(struct npri_command_run *run)
{
    NPRI_ASSERT(pthread_mutex_lock(&run->lock) == 0);
}

void npri_command_run_unlock(struct npri_command_run *run)
{
    NPRI_ASSERT(pthread_mutex_unlock(&run->lock) == 0);
}

void npri_command_run_release(struct npri_command_run *run)
{
    bool last;

    npri_command_run_lock(run);
    last = --run->holders == 0;
    npri_command_run_unlock(run);
    if (last) {
        npri_buffer_fini(&run->input);
        npri_buffer_fini(&run->output);
        npri_buffer_fini(&run->line);
        (void)pthread_mutex_destroy(&run->lock);
        npri_free(run);
    }
}

void npri_command_run_post(struct npri_command_run *run)
{
    if (!run->posted) {
        run->posted = true;
        run->holders++;
        npri_loop_post(run->command->all->node->loop, &run->task);
    }
}

void npri_command_run_nudge(struct npri_command_run *run)
{
    if (!run->nudged) {
        run->nudged = true;
        npri_nudge(&run->nudge);
    }
}

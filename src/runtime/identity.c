/* The pids and references of one runtime, and which are its own. */
#include <string.h>

#include "base/assert.h"
#include "runtime/internal.h"
#include "term/write.h"

#define PID_NUMBERS_BYTES 12u /* id, serial, creation: the end of a pid */

/* Writes to memory that is large enough by NPRI_IDENTITY_BYTES_MAX, and so never allocates. */
static struct npri_buffer buffer_over(uint8_t out[NPRI_IDENTITY_BYTES_MAX])
{
    return (struct npri_buffer){
        .data = out, .capacity = NPRI_IDENTITY_BYTES_MAX, .size_max = NPRI_IDENTITY_BYTES_MAX};
}

static struct npr_term buffer_term(const struct npri_buffer *buffer)
{
    NPRI_ASSERT(!buffer->failed);
    return (struct npr_term){.data = buffer->data, .size = buffer->size};
}

struct npr_term npri_pid_term(const struct npr_pid *pid, uint8_t out[NPRI_IDENTITY_BYTES_MAX])
{
    struct npri_buffer buffer = buffer_over(out);

    npri_put_pid(&buffer, pid);
    return buffer_term(&buffer);
}

struct npr_term npri_ref_term(const struct npr_ref *ref, uint8_t out[NPRI_IDENTITY_BYTES_MAX])
{
    struct npri_buffer buffer = buffer_over(out);

    npri_put_ref(&buffer, ref);
    return buffer_term(&buffer);
}

struct npr_term npri_node_term(const struct npr_node_name *node,
                               uint8_t out[NPRI_IDENTITY_BYTES_MAX])
{
    struct npri_buffer buffer = buffer_over(out);

    npri_put_node(&buffer, node);
    return buffer_term(&buffer);
}

struct npr_term npri_local_pid(const struct npri_runtime *runtime,
                               struct npri_local local,
                               uint8_t out[NPRI_IDENTITY_BYTES_MAX])
{
    struct npri_buffer buffer = buffer_over(out);

    npri_put_bytes(&buffer, npri_bytes(runtime->pid_prefix, runtime->pid_prefix_bytes));
    npri_put_u32(&buffer, local.id);
    npri_put_u32(&buffer, local.serial);
    npri_put_u32(&buffer, runtime->options.creation);
    return buffer_term(&buffer);
}

enum npri_place npri_pid_place(const struct npri_runtime *runtime,
                               struct npr_term term,
                               struct npri_local *out)
{
    struct npr_pid pid;

    /* Nearly all pids of ours come in the encoding that we write. */
    if (term.size == runtime->pid_prefix_bytes + PID_NUMBERS_BYTES &&
        memcmp(term.data, runtime->pid_prefix, runtime->pid_prefix_bytes) == 0) {
        const uint8_t *numbers = term.data + runtime->pid_prefix_bytes;

        *out =
            (struct npri_local){.id = npri_get_u32(numbers), .serial = npri_get_u32(numbers + 4)};
        return npri_get_u32(numbers + 8) == runtime->options.creation ? NPRI_PLACE_HERE
                                                                      : NPRI_PLACE_STALE;
    }
    if (!npr_term_get_pid(term, &pid)) {
        return NPRI_PLACE_NONE;
    }
    if (!npr_node_name_equal(&pid.node, &runtime->options.node)) {
        return NPRI_PLACE_AWAY;
    }
    *out = (struct npri_local){.id = pid.id, .serial = pid.serial};
    return pid.creation == runtime->options.creation ? NPRI_PLACE_HERE : NPRI_PLACE_STALE;
}

bool npri_process_is(const struct npr_process *self, const struct npr_pid *pid)
{
    struct npri_local local;

    return npri_runtime_is_local(self->origin->runtime, pid, &local) &&
           local.id == self->local.id && local.serial == self->local.serial;
}

bool npri_process_is_at(const struct npr_process *process, struct npr_term pid)
{
    struct npri_local local;

    return npri_pid_place(process->origin->runtime, pid, &local) == NPRI_PLACE_HERE &&
           local.id == process->local.id && local.serial == process->local.serial;
}

struct npri_local npri_runtime_new_local(struct npri_runtime *runtime)
{
    struct npri_local local;

    do {
        /* relaxed: a number. */
        const uint64_t number =
            atomic_fetch_add_explicit(&runtime->next_process, 1, memory_order_relaxed);

        local.id = (uint32_t)(number & NPRI_PROCESS_ID_MAX);
        local.serial = (uint32_t)(number >> 28);
    } while (local.id <= NPRI_SERVICES_MAX); /* and never 0 */
    return local;
}

struct npr_pid npri_runtime_pid(const struct npri_runtime *runtime, struct npri_local local)
{
    return (struct npr_pid){
        .node = runtime->options.node,
        .id = local.id,
        .serial = local.serial,
        .creation = runtime->options.creation,
    };
}

struct npr_pid npri_runtime_new_pid(struct npri_runtime *runtime)
{
    return npri_runtime_pid(runtime, npri_runtime_new_local(runtime));
}

uint64_t npri_runtime_new_number(struct npri_runtime *runtime)
{
    /* relaxed: a number. */
    return atomic_fetch_add_explicit(&runtime->next_ref, 1, memory_order_relaxed);
}

struct npr_ref npri_runtime_number_ref(const struct npri_runtime *runtime, uint64_t number)
{
    return (struct npr_ref){
        .node = runtime->options.node,
        .creation = runtime->options.creation,
        .words_count = 3,
        /* Of the first word, Erlang nodes keep 18 bits. */
        .words = {(uint32_t)(number & 0x3ffff), (uint32_t)(number >> 18), (uint32_t)(number >> 50)},
    };
}

bool npri_runtime_ref_number(const struct npri_runtime *runtime,
                             const struct npr_ref *ref,
                             uint64_t *out)
{
    if (ref->words_count != 3 || ref->words[2] >> 14 != 0 ||
        ref->creation != runtime->options.creation ||
        !npr_node_name_equal(&ref->node, &runtime->options.node)) {
        return false;
    }
    *out = (uint64_t)ref->words[2] << 50 | (uint64_t)ref->words[1] << 18 | ref->words[0];
    return true;
}

struct npr_ref npri_runtime_new_ref(struct npri_runtime *runtime)
{
    return npri_runtime_number_ref(runtime, npri_runtime_new_number(runtime));
}

void npri_runtime_write_prefixes(struct npri_runtime *runtime)
{
    const struct npr_pid pid = npri_runtime_pid(runtime, (struct npri_local){0});
    const struct npr_ref ref = npri_runtime_number_ref(runtime, 0);
    uint8_t bytes[NPRI_IDENTITY_BYTES_MAX];

    runtime->pid_prefix_bytes = npri_pid_term(&pid, bytes).size - PID_NUMBERS_BYTES;
    memcpy(runtime->pid_prefix, bytes, runtime->pid_prefix_bytes);
    runtime->ref_prefix_bytes = npri_ref_term(&ref, bytes).size - NPRI_REF_WORDS_BYTES;
    memcpy(runtime->ref_prefix, bytes, runtime->ref_prefix_bytes);
}

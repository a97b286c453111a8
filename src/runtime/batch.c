#include "runtime/batch.h"

#include <string.h>

#include "runtime/internal.h"

static void block_add(struct npri_signal *block, struct npr_term message)
{
    uint8_t *at = (uint8_t *)block + NPRI_SIGNAL_SHORT_BYTES + block->payload.size;

    at[0] = (uint8_t)(message.size >> 8);
    at[1] = (uint8_t)message.size;
    memcpy(at + 2, message.data, message.size);
    block->payload.size += 2 + message.size;
    block->number++;
}

/* The batch stays open. */
static void batch_flush(struct npri_runtime *runtime, struct npri_batch *batch)
{
    struct npri_signal *block = batch->block;
    const bool is_open = batch->is_open;

    batch->block = NULL; /* first: whatever is pushed sends what is there */
    if (block != NULL) {
        npri_runtime_push(runtime, batch->to, block, false);
    }
    batch->is_open = is_open;
}

bool npri_batch_add(struct npri_runtime *runtime,
                    struct npri_batch *batch,
                    struct npri_local to,
                    struct npr_term message)
{
    if (!batch->is_open || to.id != batch->to.id || to.serial != batch->to.serial ||
        message.size > NPRI_BATCH_MESSAGE_BYTES_MAX || npri_message_has_form(message)) {
        return false;
    }
    if (batch->block != NULL &&
        NPRI_SIGNAL_SHORT_BYTES + batch->block->payload.size + 2 + message.size >
            NPRI_BATCH_BYTES) {
        batch_flush(runtime, batch);
    }
    if (batch->block == NULL) {
        batch->block =
            npri_signal_create_room(NPRI_SIGNAL_BATCH, NPRI_BATCH_BYTES - NPRI_SIGNAL_SHORT_BYTES);
    }
    if (batch->block == NULL) {
        return false;
    }
    block_add(batch->block, message);
    return true;
}

void npri_batch_open(struct npri_batch *batch, struct npri_local to)
{
    batch->is_open = true;
    batch->to = to;
}

void npri_batch_send(struct npri_runtime *runtime, struct npri_batch *batch)
{
    batch->is_open = false;
    batch_flush(runtime, batch);
}

struct npr_term npri_batch_first(const struct npri_signal *block)
{
    return (struct npr_term){.data = block->payload.data + 2,
                             .size = npri_get_u16(block->payload.data)};
}

void npri_batch_next(struct npri_signal *block)
{
    const size_t bytes = 2u + npri_get_u16(block->payload.data);

    block->payload.data += bytes;
    block->number--;
}

#include "node/command_calls.h"

#include "base/alloc.h"

bool npri_command_calls_init(struct npri_command_calls *calls, struct npri_hash_key hash_key)
{
    calls->next_number = 1;
    return npri_map_init(&calls->by_number, hash_key);
}

void npri_command_calls_fini(struct npri_command_calls *calls)
{
    struct npri_command_call *call;

    while ((call = npri_command_calls_oldest(calls)) != NULL) {
        npri_command_calls_remove(calls, call);
    }
    npri_map_fini(&calls->by_number);
}

bool npri_command_calls_add(struct npri_command_calls *calls, const struct npr_from *from)
{
    struct npri_command_call *call =
        npri_alloc_zeroed(1, sizeof(*call) + from->pid.size + from->tag.size);
    uint8_t *at = (uint8_t *)(call + 1);

    if (call == NULL) {
        return false;
    }
    memcpy(at, from->pid.data, from->pid.size);
    call->from.pid = (struct npr_term){.data = at, .size = from->pid.size};
    at += from->pid.size;
    memcpy(at, from->tag.data, from->tag.size);
    call->from.tag = (struct npr_term){.data = at, .size = from->tag.size};
    call->number = calls->next_number++;
    npri_map_insert(&calls->by_number, &call->by_number,
                    npri_bytes(&call->number, sizeof(call->number)));
    return true;
}

void npri_command_calls_remove(struct npri_command_calls *calls, struct npri_command_call *call)
{
    npri_map_remove(&calls->by_number, &call->by_number);
    npri_free(call);
}

static struct npri_command_call *call_at(struct npri_map_node *node)
{
    return node == NULL ? NULL : NPRI_CONTAINER_OF(node, struct npri_command_call, by_number);
}

struct npri_command_call *npri_command_calls_find(const struct npri_command_calls *calls,
                                                  uint64_t number)
{
    return call_at(npri_map_find(&calls->by_number, npri_bytes(&number, sizeof(number))));
}

struct npri_command_call *npri_command_calls_oldest(const struct npri_command_calls *calls)
{
    return call_at(npri_map_first(&calls->by_number));
}

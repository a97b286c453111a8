/* node/command_calls.h - the calls that a child has not answered, by the number that it knows them
 * by: it never sees who called.  Belongs to one process. */
#ifndef NPRI_NODE_COMMAND_CALLS_H
#define NPRI_NODE_COMMAND_CALLS_H

#include "nprocreg/process.h"

#include "base/map.h"

struct npri_command_call {
    struct npri_map_node by_number;
    uint64_t number;
    struct npr_from from; /* the bytes of both terms follow */
};

struct npri_command_calls {
    struct npri_map by_number; /* oldest first */
    uint64_t next_number;
};

/* A zeroed one becomes an empty one.  False: no memory; fini() it all the same. */
bool npri_command_calls_init(struct npri_command_calls *calls, struct npri_hash_key hash_key);
void npri_command_calls_fini(struct npri_command_calls *calls);

/* Under `next_number`, which grows.  False: no memory. */
bool npri_command_calls_add(struct npri_command_calls *calls, const struct npr_from *from);
void npri_command_calls_remove(struct npri_command_calls *calls, struct npri_command_call *call);

/* NULL: none. */
struct npri_command_call *npri_command_calls_find(const struct npri_command_calls *calls,
                                                  uint64_t number);
struct npri_command_call *npri_command_calls_oldest(const struct npri_command_calls *calls);

#endif /* NPRI_NODE_COMMAND_CALLS_H */

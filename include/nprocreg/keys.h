/* nprocreg/keys.h - which keys there are: listed and counted, of one node or of the cluster.
 *
 * Threads: as nprocreg/node.h. */
#ifndef NPROCREG_KEYS_H
#define NPROCREG_KEYS_H

#include "nprocreg/registry.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which keys are meant.  Make one with the functions below. */
enum npr_selector_kind {
    NPR_SELECTOR_ALL,
    NPR_SELECTOR_KEY,
    NPR_SELECTOR_PREFIX,
    NPR_SELECTOR_MATCH,
};

struct npr_selector {
    enum npr_selector_kind kind;
    struct npr_term term; /* KEY, PREFIX; borrowed */
    const char *pattern;  /* MATCH; borrowed */
};

static inline struct npr_selector npr_select_all(void)
{
    struct npr_selector selector = {NPR_SELECTOR_ALL, {NULL, 0}, NULL};

    return selector;
}

static inline struct npr_selector npr_select_key(struct npr_term key)
{
    struct npr_selector selector = {NPR_SELECTOR_KEY, {NULL, 0}, NULL};

    selector.term = key;
    return selector;
}

/* Keys that begin so: binaries with these first bytes, tuples or lists with these first elements.
 * {room} is a prefix of {room} and of {room,7}, [] of every list. */
static inline struct npr_selector npr_select_prefix(struct npr_term prefix)
{
    struct npr_selector selector = {NPR_SELECTOR_PREFIX, {NULL, 0}, NULL};

    selector.term = prefix;
    return selector;
}

/* Keys that look like a pattern of nprocreg/format.h without places, of at most 1024 bytes:
 * {room,_}, [chat|_]. */
static inline struct npr_selector npr_select_match(const char *pattern)
{
    struct npr_selector selector = {NPR_SELECTOR_MATCH, {NULL, 0}, NULL};

    selector.pattern = pattern;
    return selector;
}

/* One entry of one node.  Borrowed for the call that it is handed to. */
struct npr_entry {
    struct npr_term key;
    struct npr_pid pid;
    uint64_t token; /* 0: not known */
};

/* What to list. */
struct npr_query {
    struct npr_selector selector;
    const struct npr_node_name *node; /* whose entries; NULL: those of every node in the view */
    uint64_t limit;                   /* entries at most; 0: all */
    uint32_t timeout_ms;              /* for all of it */
};

/* Calls `each` on this thread for every entry that is meant, in no promised order, until it returns
 * false.  Entries that are there all the time come once; others may be missed.  A key comes once
 * for each node that holds an entry of it, which is one unless something is wrong.
 *
 * Native nodes are asked for a part at a time, so `each` may take its time (within the time-out)
 * and a million keys cost neither side much memory.  An original sends its whole table at once.
 *
 * Blocks.  Returns NPR_OK; NPR_EINVAL or NPR_EFULL (the selector; `err` says why), NPR_ENOMEM,
 * NPR_ECLOSED; or, when the entries of some node are missing, the first such failure once the
 * others have been listed: NPR_ETIMEDOUT, NPR_EUNREACHABLE, NPR_EAUTH, NPR_EREFUSED (it runs no
 * registry), NPR_EEXIT, NPR_EPROTO, with the node in `err`. */
NPR_API NPR_NODISCARD npr_status npr_keys(struct npr_node *node,
                                          const struct npr_query *query,
                                          bool (*each)(void *user, const struct npr_entry *entry),
                                          void *user,
                                          struct npr_error *err);

/* How many there are; `query->limit` does not matter.  Blocks.  Returns as npr_keys(). */
NPR_API NPR_NODISCARD npr_status npr_count(struct npr_node *node,
                                           const struct npr_query *query,
                                           uint64_t *out_count,
                                           struct npr_error *err);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_KEYS_H */

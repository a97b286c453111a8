/* nprocreg/types.h - the plain values that the other headers share. */
#ifndef NPROCREG_TYPES_H
#define NPROCREG_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nprocreg/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Longest node name ("name@host") in bytes, without a terminator.  Erlang's atoms end at 255. */
#define NPR_NODE_NAME_BYTES_MAX 255

/* Borrowed bytes: valid as long as what they were taken from.  `data` may be NULL when size is 0.
 */
struct npr_bytes {
    const uint8_t *data;
    size_t size;
};

/* The name of a node, by value.  Not terminated: `size` bytes of UTF-8.  Size 0: no node. */
struct npr_node_name {
    uint8_t size;
    char text[NPR_NODE_NAME_BYTES_MAX];
};

/* A process for ever: no other process has had, or will have, the same four fields.  (External
 * format NEW_PID_EXT.)  `creation` tells incarnations of one node apart; 0 is unknown. */
struct npr_pid {
    struct npr_node_name node;
    uint32_t id;
    uint32_t serial;
    uint32_t creation;
};

/* Words that a reference may have.  (NEWER_REFERENCE_EXT; OTP 24 and later make up to 5.) */
#define NPR_REF_WORDS_MAX 5

/* A unique reference: a monitor, or the tag of one call. */
struct npr_ref {
    struct npr_node_name node;
    uint32_t creation;
    uint32_t words_count;
    uint32_t words[NPR_REF_WORDS_MAX];
};

/* The bytes of a NUL-terminated string, without the terminator.  Borrows `text`. */
NPR_API struct npr_bytes npr_bytes_of(const char *text);

/* Equality of every field.  Any thread; never blocks. */
NPR_API bool npr_pid_equal(const struct npr_pid *a, const struct npr_pid *b);
NPR_API bool npr_ref_equal(const struct npr_ref *a, const struct npr_ref *b);
NPR_API bool npr_node_name_equal(const struct npr_node_name *a, const struct npr_node_name *b);

/* How the node that owns a key is found among the nodes.  All nodes of a cluster must agree. */
typedef enum npr_placement {
    NPR_PLACEMENT_ORIGINAL,   /* as the original does it; the only one beside original nodes */
    NPR_PLACEMENT_RENDEZVOUS, /* when a node comes or goes, only the keys that it has move */
} npr_placement;

/* Makes a node name of `text`, which must be `name@host`: exactly one '@', both parts non-empty, no
 * space and no control character, UTF-8.  Returns NPR_OK, or NPR_EINVAL with the reason in `err`.
 * Any thread; never blocks. */
NPR_API NPR_NODISCARD npr_status npr_node_name_parse(struct npr_bytes text,
                                                     struct npr_node_name *out,
                                                     struct npr_error *err);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_TYPES_H */

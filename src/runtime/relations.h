/* runtime/relations.h - the links and monitors of one process.  Touched by its worker only.
 *
 *      kind    | key  | peer                     | name
 *      --------+------+--------------------------+------------------------------------------
 *      LINK    | peer | the other end            | none
 *      WATCHING| ref  | the pid that we monitor  | none
 *      WATCHED | ref  | the pid that monitors us | what it named us by, none for our pid
 *      RELAYED | ref  | the pid that called us   | the tag of its call (relay.h)
 *
 * A list while there are few, a hash table beyond.  Terms are compared as values: the same pid may
 * come in another encoding from another peer. */
#ifndef NPRI_RUNTIME_RELATIONS_H
#define NPRI_RUNTIME_RELATIONS_H

#include "nprocreg/term.h"

#include "base/hash.h"

enum npri_relation_kind {
    NPRI_RELATION_LINK,
    NPRI_RELATION_WATCHING,
    NPRI_RELATION_WATCHED,
    NPRI_RELATION_RELAYED,
};

struct npri_relation {
    struct npri_relation *next;
    union {
        uint64_t unlink_id; /* LINK: the UNLINK that was sent and not acknowledged; 0: it is up */
        uint64_t relayed;   /* WATCHED: the call that was passed on (relay.h); 0: none */
    };
    uint32_t hash; /* meaningful in a hash table */
    uint16_t peer_bytes;
    uint16_t ref_bytes;
    uint16_t name_bytes;
    uint8_t kind;
    uint8_t bytes[]; /* peer, ref, name */
};

struct npri_relations {
    union {
        struct npri_relation *first;
        struct npri_relation **buckets;
    };
    uint32_t count;
    uint32_t mask; /* buckets - 1; 0: a list */
};

/* NULL: no memory. */
struct npri_relation *npri_relation_create(enum npri_relation_kind kind,
                                           struct npr_term peer,
                                           struct npr_term ref,
                                           struct npr_term name);
void npri_relation_destroy(struct npri_relation *relation); /* accepts NULL */

struct npr_term npri_relation_peer(const struct npri_relation *relation);
struct npr_term npri_relation_ref(const struct npri_relation *relation);
struct npr_term npri_relation_name(const struct npri_relation *relation);

/* Takes ownership.  Cannot fail: without memory to grow, it gets slower.  `hash_key` is the same
 * for all relations of one runtime, here as for the search; a list needs none. */
void npri_relations_add(struct npri_relations *relations,
                        struct npri_hash_key hash_key,
                        struct npri_relation *relation);

/* By kind and key.  The WATCHED of one ref are told apart by `peer`; else it is none.  NULL: there
 * is none. */
struct npri_relation *npri_relations_find(const struct npri_relations *relations,
                                          struct npri_hash_key hash_key,
                                          enum npri_relation_kind kind,
                                          struct npr_term key,
                                          struct npr_term peer);

/* Takes it out; the caller owns it. */
void npri_relations_remove(struct npri_relations *relations, struct npri_relation *relation);

/* Takes any one out, walking along `*cursor`, which starts at 0 (and again at 0 after an add); NULL
 * when there is none left, and all memory is freed. */
struct npri_relation *npri_relations_take(struct npri_relations *relations, uint32_t *cursor);

void npri_relations_each(const struct npri_relations *relations,
                         void (*visit)(void *user, const struct npri_relation *relation),
                         void *user);

/* Takes those out whose peer is on `node`, linked by `next`. */
struct npri_relation *npri_relations_take_node(struct npri_relations *relations,
                                               const struct npr_node_name *node);

#endif /* NPRI_RUNTIME_RELATIONS_H */

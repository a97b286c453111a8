#include "runtime/relations.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

#define LIST_LENGTH_MAX   8u /* a list up to here */
#define BUCKETS_COUNT_MIN 16u

/* Terms are in normal form, so that equal ones have equal bytes.  A peer may use one reference for
 * any number of its processes: only with the process is what is WATCHED one of few. */
static uint32_t relation_hash(struct npri_hash_key hash_key,
                              enum npri_relation_kind kind,
                              struct npr_term key,
                              struct npr_term peer)
{
    uint64_t hash = npri_hash(hash_key, npri_bytes(key.data, key.size));

    if (kind == NPRI_RELATION_WATCHED) {
        hash ^= npri_hash(hash_key, npri_bytes(peer.data, peer.size));
    }
    return (uint32_t)(hash ^ hash >> 32);
}

static bool term_equal(struct npr_term a, struct npr_term b)
{
    return (a.size == b.size && memcmp(a.data, b.data, a.size) == 0) || npr_term_equal(a, b);
}

struct npri_relation *npri_relation_create(enum npri_relation_kind kind,
                                           struct npr_term peer,
                                           struct npr_term ref,
                                           struct npr_term name)
{
    struct npri_relation *relation;

    /* Terms are checked: a pid and a name have one atom, of at most 1,020 bytes. */
    NPRI_ASSERT(peer.size < UINT16_MAX && ref.size < UINT16_MAX && name.size < UINT16_MAX);
    relation = npri_alloc(sizeof(*relation) + peer.size + ref.size + name.size);
    if (relation == NULL) {
        return NULL;
    }
    *relation = (struct npri_relation){
        .peer_bytes = (uint16_t)peer.size,
        .ref_bytes = (uint16_t)ref.size,
        .name_bytes = (uint16_t)name.size,
        .kind = (uint8_t)kind,
    };
    memcpy(relation->bytes, peer.data, peer.size);
    if (ref.size != 0) {
        memcpy(relation->bytes + peer.size, ref.data, ref.size);
    }
    if (name.size != 0) {
        memcpy(relation->bytes + peer.size + ref.size, name.data, name.size);
    }
    return relation;
}

void npri_relation_destroy(struct npri_relation *relation)
{
    npri_free(relation);
}

struct npr_term npri_relation_peer(const struct npri_relation *relation)
{
    return (struct npr_term){.data = relation->bytes, .size = relation->peer_bytes};
}

struct npr_term npri_relation_ref(const struct npri_relation *relation)
{
    return (struct npr_term){.data = relation->bytes + relation->peer_bytes,
                             .size = relation->ref_bytes};
}

struct npr_term npri_relation_name(const struct npri_relation *relation)
{
    if (relation->name_bytes == 0) {
        return (struct npr_term){0};
    }
    return (struct npr_term){.data = relation->bytes + relation->peer_bytes + relation->ref_bytes,
                             .size = relation->name_bytes};
}

static struct npri_relation **relations_slot(struct npri_relations *relations, uint32_t hash)
{
    return relations->mask == 0 ? &relations->first : &relations->buckets[hash & relations->mask];
}

static void relation_set_hash(struct npri_relation *relation, struct npri_hash_key hash_key)
{
    const struct npr_term peer = npri_relation_peer(relation);

    relation->hash = relation_hash(
        hash_key, (enum npri_relation_kind)relation->kind,
        relation->kind == NPRI_RELATION_LINK ? peer : npri_relation_ref(relation), peer);
}

static void relations_grow(struct npri_relations *relations, struct npri_hash_key hash_key)
{
    const uint32_t buckets_count =
        relations->mask == 0 ? BUCKETS_COUNT_MIN : 4 * (relations->mask + 1);
    struct npri_relations grown = {.mask = buckets_count - 1};

    grown.buckets = npri_alloc_zeroed(buckets_count, sizeof(struct npri_relation *));
    if (grown.buckets == NULL) {
        return; /* the chains get longer */
    }
    for (uint32_t i = 0; i <= relations->mask; i++) {
        struct npri_relation *at = *relations_slot(relations, i);

        while (at != NULL) {
            struct npri_relation *next = at->next;
            struct npri_relation **slot;

            if (relations->mask == 0) {
                relation_set_hash(at, hash_key);
            }
            slot = relations_slot(&grown, at->hash);
            at->next = *slot;
            *slot = at;
            at = next;
        }
    }
    grown.count = relations->count;
    if (relations->mask != 0) {
        npri_free(relations->buckets);
    }
    *relations = grown;
}

void npri_relations_add(struct npri_relations *relations,
                        struct npri_hash_key hash_key,
                        struct npri_relation *relation)
{
    struct npri_relation **slot;

    if (relations->count >= LIST_LENGTH_MAX && relations->count / 2 > relations->mask) {
        relations_grow(relations, hash_key);
    }
    if (relations->mask != 0) {
        relation_set_hash(relation, hash_key);
    }
    slot = relations_slot(relations, relation->hash);
    relation->next = *slot;
    *slot = relation;
    relations->count++;
}

static bool relation_matches(const struct npri_relation *relation,
                             enum npri_relation_kind kind,
                             struct npr_term key,
                             struct npr_term peer)
{
    if (relation->kind != kind) {
        return false;
    }
    if (kind == NPRI_RELATION_LINK) {
        return term_equal(npri_relation_peer(relation), key);
    }
    return term_equal(npri_relation_ref(relation), key) &&
           (peer.data == NULL || term_equal(npri_relation_peer(relation), peer));
}

struct npri_relation *npri_relations_find(const struct npri_relations *relations,
                                          struct npri_hash_key hash_key,
                                          enum npri_relation_kind kind,
                                          struct npr_term key,
                                          struct npr_term peer)
{
    const bool is_list = relations->mask == 0;
    uint32_t hash = 0;
    struct npri_relation *at = relations->first;

    if (relations->count == 0) {
        return NULL;
    }
    if (!is_list) {
        hash = relation_hash(hash_key, kind, key, peer);
        at = relations->buckets[hash & relations->mask];
    }
    while (at != NULL &&
           !((is_list || at->hash == hash) && relation_matches(at, kind, key, peer))) {
        at = at->next;
    }
    return at;
}

void npri_relations_remove(struct npri_relations *relations, struct npri_relation *relation)
{
    struct npri_relation **at = relations_slot(relations, relation->hash);

    while (*at != relation) {
        NPRI_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = relation->next;
    relation->next = NULL;
    relations->count--;
}

struct npri_relation *npri_relations_take(struct npri_relations *relations, uint32_t *cursor)
{
    for (; *cursor <= relations->mask && relations->count != 0; ++*cursor) {
        struct npri_relation *first = *relations_slot(relations, *cursor);

        if (first != NULL) {
            npri_relations_remove(relations, first);
            return first;
        }
    }
    if (relations->mask != 0) {
        npri_free(relations->buckets);
    }
    *relations = (struct npri_relations){0};
    return NULL;
}

void npri_relations_each(const struct npri_relations *relations,
                         void (*visit)(void *user, const struct npri_relation *relation),
                         void *user)
{
    for (uint32_t i = 0; i <= relations->mask; i++) {
        const struct npri_relation *at =
            relations->mask == 0 ? relations->first : relations->buckets[i];

        for (; at != NULL; at = at->next) {
            visit(user, at);
        }
    }
}

struct npri_relation *npri_relations_take_node(struct npri_relations *relations,
                                               const struct npr_node_name *node)
{
    struct npri_relation *taken = NULL;

    for (uint32_t i = 0; i <= relations->mask; i++) {
        struct npri_relation **at = relations_slot(relations, i);

        while (*at != NULL) {
            struct npri_relation *relation = *at;
            struct npr_pid peer;

            if (!npr_term_get_pid(npri_relation_peer(relation), &peer) ||
                !npr_node_name_equal(&peer.node, node)) {
                at = &relation->next;
                continue;
            }
            *at = relation->next;
            relations->count--;
            relation->next = taken;
            taken = relation;
        }
    }
    return taken;
}

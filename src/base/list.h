/* base/list.h - an intrusive doubly linked list.  Owns nothing, allocates nothing.
 *
 * A list is a link that stands for both ends; an element embeds a link.  A zeroed link is in no
 * list.  Order is insertion order. */
#ifndef NPRI_BASE_LIST_H
#define NPRI_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* The structure of type `type` whose `member` is at `pointer`. */
#define NPRI_CONTAINER_OF(pointer, type, member)                                                   \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

struct npri_link {
    struct npri_link *next;
    struct npri_link *prev;
};

static inline void npri_list_init(struct npri_link *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool npri_list_empty(const struct npri_link *list)
{
    return list->next == list;
}

static inline bool npri_link_is_linked(const struct npri_link *link)
{
    return link->next != NULL;
}

static inline void npri_list_append(struct npri_link *list, struct npri_link *link)
{
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

/* Of a link that is in no list: nothing. */
static inline void npri_list_remove(struct npri_link *link)
{
    if (link->next != NULL) {
        link->prev->next = link->next;
        link->next->prev = link->prev;
        link->next = NULL;
        link->prev = NULL;
    }
}

/* The first element's link, taken out; NULL when empty. */
static inline struct npri_link *npri_list_take(struct npri_link *list)
{
    struct npri_link *first = list->next;

    if (first == list) {
        return NULL;
    }
    npri_list_remove(first);
    return first;
}

/* Moves everything in `from` to the end of `to`. */
static inline void npri_list_splice(struct npri_link *to, struct npri_link *from)
{
    if (!npri_list_empty(from)) {
        from->next->prev = to->prev;
        to->prev->next = from->next;
        from->prev->next = to;
        to->prev = from->prev;
        npri_list_init(from);
    }
}

/* The body must not remove `at`; use npri_list_take() for that. */
#define NPRI_LIST_FOREACH(at, list)                                                                \
    for (struct npri_link * (at) = (list)->next; (at) != (list); (at) = (at)->next)

#endif /* NPRI_BASE_LIST_H */

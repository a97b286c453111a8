/* gen_server calls and casts, as they come over the wire (node/service.h). */
#include "node/node.h"
#include "node/router.h"
#include "node/service.h"
#include "term/write.h"

bool npri_gen_call_read(struct npr_term message, struct npri_gen_call *out)
{
    struct npr_term parts[3];
    struct npr_term from[2];

    if (!npr_term_get_tuple(message, 3, parts) || !npr_term_is_atom(parts[0], "$gen_call") ||
        !npr_term_get_tuple(parts[1], 2, from) || npr_term_kind(from[0]) != NPR_TERM_PID) {
        return false;
    }
    *out = (struct npri_gen_call){.from = from[0], .tag = from[1], .request = parts[2]};
    return true;
}

bool npri_gen_cast_read(struct npr_term message, struct npr_term *out)
{
    struct npr_term parts[2];

    if (!npr_term_get_tuple(message, 2, parts) || !npr_term_is_atom(parts[0], "$gen_cast")) {
        return false;
    }
    *out = parts[1];
    return true;
}

bool npri_gen_tag_ref(struct npr_term tag, struct npr_term *out_ref, bool *out_alias)
{
    struct npr_term_walk walk;
    struct npr_term head;
    struct npr_term tail;

    if (npr_term_kind(tag) == NPR_TERM_REF) {
        *out_ref = tag;
        *out_alias = false;
        return true;
    }
    if (npr_term_kind(tag) != NPR_TERM_LIST || !npr_term_list(tag, &walk) ||
        !npr_term_next(&walk, &head) || !npr_term_is_atom(head, "alias") ||
        !npr_term_tail(&walk, &tail) || npr_term_kind(tail) != NPR_TERM_REF) {
        return false;
    }
    *out_ref = tail;
    *out_alias = true;
    return true;
}

void npri_gen_reply(struct npr_node *node,
                    enum npri_service_id id,
                    struct npr_term from,
                    struct npr_term tag,
                    struct npr_term reply)
{
    struct npri_buffer message;
    struct npr_term to = from;
    struct npr_term ref;
    bool alias;

    npri_buffer_init(&message, 0);
    npri_put_tuple(&message, 2);
    npri_put_given(&message, tag);
    npri_put_given(&message, reply);
    if (npri_gen_tag_ref(tag, &ref, &alias) && alias) {
        to = ref; /* A reply that comes too late is then dropped, not left in a mailbox. */
    }
    npri_service_send(node, id, to, npri_buffer_term(&message));
    npri_buffer_fini(&message);
}

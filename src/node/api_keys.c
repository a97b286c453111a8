/* nprocreg/keys.h: listing and counting, a part at a time, on the caller's thread. */
#include "nprocreg/keys.h"

#include "base/fail.h"
#include "node/call.h"
#include "node/failure.h"
#include "node/node.h"
#include "node/selector.h"
#include "term/write.h"

#define NS_PER_MS UINT64_C(1000000)

/* One listing or counting, over all the nodes that it asks. */
struct listing {
    struct npr_node *node;
    const struct npri_select *select;
    bool (*each)(void *user, const struct npr_entry *entry); /* NULL: they are counted */
    void *user;
    uint64_t limit; /* UINT64_MAX: none */
    uint64_t count;
    uint64_t deadline_ns;
    bool stopped; /* by `each`, or the limit */
    struct npr_builder *reply;
    struct npr_builder *args;
};

static uint32_t left_ms(const struct listing *listing)
{
    const uint64_t now_ns = npri_loop_now_ns(listing->node->loop);

    return now_ns >= listing->deadline_ns
               ? 0
               : (uint32_t)((listing->deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static npr_status fail_at(const struct npr_node_name *peer,
                          npr_status status,
                          const char *text,
                          struct npr_error *err)
{
    return npri_fail(err, status, "%.*s: %s", (int)peer->size, peer->text, text);
}

/* ---- One node. */

static void take(struct listing *listing, struct npr_term key, struct npr_term pid, uint64_t token)
{
    struct npr_entry entry = {.key = key, .token = token};

    if (listing->stopped || !npr_term_get_pid(pid, &entry.pid)) {
        return;
    }
    listing->count++;
    if (listing->each == NULL) {
        return;
    }
    listing->stopped = !listing->each(listing->user, &entry) || listing->count >= listing->limit;
}

/* [{Key,Pid,Token}] of a native node; false: it is none. */
static bool take_page(struct listing *listing, struct npr_term list)
{
    struct npr_term_walk walk;
    struct npr_term item;
    struct npr_term parts[3];
    uint64_t token;

    if (!npr_term_list(list, &walk)) {
        return false;
    }
    while (npr_term_next(&walk, &item)) {
        if (!npr_term_get_tuple(item, 3, parts) || !npr_term_get_uint64(parts[2], &token)) {
            return false;
        }
        take(listing, parts[0], parts[1], token);
    }
    return true;
}

/* [{Key,Pid}], the whole table of an original. */
static void take_table(struct listing *listing, struct npr_term list)
{
    struct npr_term_walk walk;
    struct npr_term item;
    struct npr_term parts[2];

    if (!npr_term_list(list, &walk)) {
        return;
    }
    while (npr_term_next(&walk, &item)) {
        if (npr_term_get_tuple(item, 2, parts) && npri_select_has(listing->select, parts[0])) {
            take(listing, parts[0], parts[1], 0);
        }
    }
}

/* Runs module:function(args...) there; its value is borrowed from `reply`. */
static npr_status apply(struct listing *listing,
                        const struct npr_node_name *peer,
                        const char *module,
                        const char *function,
                        struct npr_term *out,
                        struct npr_error *err)
{
    struct npr_error why = {0};
    struct npr_term args;
    npr_status status = npr_builder_finish(listing->args, &args, err);

    npr_builder_reset(listing->reply);
    if (status != NPR_OK) {
        return status;
    }
    status = npr_node_rpc(listing->node, peer, module, function, args, left_ms(listing),
                          listing->reply, &why);
    if (status != NPR_OK && status != NPR_EEXIT) {
        return fail_at(peer, status, why.text, err);
    }
    if (npr_builder_finish(listing->reply, out, err) != NPR_OK) {
        return NPR_ENOMEM;
    }
    return status == NPR_OK ? NPR_OK : fail_at(peer, NPR_EEXIT, "the function failed there", err);
}

/* Whether a function failed for this reason: {error, Reason}. */
static bool failed_for(npr_status status, struct npr_term term, const char *reason)
{
    struct npr_term parts[2];

    return status == NPR_EEXIT && npr_term_get_tuple(term, 2, parts) &&
           npr_term_is_atom(parts[0], "error") && npr_term_is_atom(parts[1], reason);
}

static npr_status list_original(struct listing *listing,
                                const struct npr_node_name *peer,
                                struct npr_error *err)
{
    struct npr_term value = {0};
    npr_status status;

    npr_builder_reset(listing->args);
    npr_build_list(listing->args, 1);
    npr_build_atom(listing->args, "nprocreg_data");
    npr_build_nil(listing->args);
    status = apply(listing, peer, "ets", "tab2list", &value, err);
    if (failed_for(status, value, "badarg")) {
        return fail_at(peer, NPR_EREFUSED, "it runs no nprocreg", err);
    }
    if (status == NPR_OK) {
        take_table(listing, value);
    }
    return status;
}

/* {ok, Entries or Count, Next} | {error, Status, Text} */
static npr_status read_part(struct listing *listing,
                            const struct npr_node_name *peer,
                            struct npr_term value,
                            uint64_t *cursor,
                            struct npr_error *err)
{
    struct npr_term parts[3];
    struct npr_bytes text = {0};
    struct npr_error why;
    npr_status status = NPR_EPROTO;
    uint64_t count;

    if (npr_term_get_tuple(value, 3, parts) && npr_term_is_atom(parts[0], "error") &&
        npri_status_read(parts[1], &status) && npr_term_get_binary(parts[2], &text)) {
        (void)npri_fail(&why, status, "%.*s", (int)text.size, (const char *)text.data);
        return fail_at(peer, status == NPR_OK ? NPR_EPROTO : status, why.text, err);
    }
    if (!npr_term_get_tuple(value, 3, parts) || !npr_term_is_atom(parts[0], "ok") ||
        !(npr_term_is_atom(parts[2], "done") || npr_term_get_uint64(parts[2], cursor))) {
        return fail_at(peer, NPR_EPROTO, "that is no list of entries", err);
    }
    if (npr_term_is_atom(parts[2], "done")) {
        *cursor = 0;
    }
    if (listing->each == NULL && npr_term_get_uint64(parts[1], &count)) {
        listing->count += count;
        return NPR_OK;
    }
    return listing->each != NULL && take_page(listing, parts[1])
               ? NPR_OK
               : fail_at(peer, NPR_EPROTO, "that is no list of entries", err);
}

static npr_status list_node(struct listing *listing,
                            const struct npr_node_name *peer,
                            struct npr_error *err)
{
    const char *function = listing->each == NULL ? "count" : "keys";
    struct npr_term value = {0};
    uint64_t cursor = 0;
    npr_status status;

    do {
        npr_builder_reset(listing->args);
        npr_build_list(listing->args, 2);
        npr_build_term(listing->args, listing->select->wire);
        npr_build_uint(listing->args, cursor);
        npr_build_nil(listing->args);
        status = apply(listing, peer, NPRI_NATIVE_NAME, function, &value, err);
        if (failed_for(status, value, "undef")) {
            return list_original(listing, peer, err);
        }
        if (status == NPR_OK) {
            status = read_part(listing, peer, value, &cursor, err);
        }
    } while (status == NPR_OK && cursor != 0 && !listing->stopped);
    return status;
}

/* ---- All nodes. */

struct viewing {
    struct npri_call call; /* first */
    struct npri_buffer nodes;
};

static void viewing_run(struct npri_call *call)
{
    struct viewing *viewing = (struct viewing *)call;

    if (!call->node->closing) {
        npri_core_put_nodes(call->node->registry.core, &viewing->nodes);
    }
    npri_call_end(call, call->node->closing ? NPR_ECLOSED : NPR_OK, npr_bytes_of(""));
}

/* One that cannot be asked does not keep the others from it. */
static npr_status list_nodes(struct listing *listing, struct npr_term nodes, struct npr_error *err)
{
    npr_status first = NPR_OK;
    struct npr_term_walk walk;
    struct npr_node_name peer;
    struct npr_error why = {0};
    struct npr_term item;

    if (!npr_term_list(nodes, &walk)) {
        return npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    while (!listing->stopped && npr_term_next(&walk, &item)) {
        npr_status status = npri_term_node(item, &peer) ? list_node(listing, &peer, &why) : NPR_OK;

        if (status != NPR_OK && first == NPR_OK) {
            first = npri_fail(err, status, "%s", why.text);
        }
    }
    return first;
}

static npr_status list_cluster(struct listing *listing, struct npr_error *err)
{
    struct viewing viewing = {.call.err = err};
    npr_status status;

    npri_buffer_init(&viewing.nodes, 0);
    status = npri_call_run(listing->node, &viewing.call, viewing_run);
    if (status == NPR_OK) {
        status = list_nodes(listing, npri_buffer_term(&viewing.nodes), err);
    }
    npri_buffer_fini(&viewing.nodes);
    return status;
}

static npr_status run(struct listing *listing, const struct npr_query *query, struct npr_error *err)
{
    struct npri_select *select = NULL;
    npr_status status = npri_selector_create(&query->selector, &select, err);

    if (status != NPR_OK) {
        return status;
    }
    listing->select = select;
    listing->deadline_ns = npri_loop_now_ns(listing->node->loop) + query->timeout_ms * NS_PER_MS;
    listing->reply = npr_builder_create();
    listing->args = npr_builder_create();
    if (listing->reply == NULL || listing->args == NULL) {
        status = npri_fail(err, NPR_ENOMEM, "out of memory");
    } else if (query->node == NULL) {
        status = list_cluster(listing, err);
    } else {
        status = list_node(listing, query->node, err);
    }
    npr_builder_destroy(listing->reply);
    npr_builder_destroy(listing->args);
    npri_select_destroy(select);
    return status;
}

npr_status npr_keys(struct npr_node *node,
                    const struct npr_query *query,
                    bool (*each)(void *user, const struct npr_entry *entry),
                    void *user,
                    struct npr_error *err)
{
    struct listing listing = {.node = node, .each = each, .user = user, .limit = UINT64_MAX};

    if (node == NULL || query == NULL || each == NULL) {
        return npri_fail(err, NPR_EINVAL, "no node, query or function");
    }
    if (query->limit != 0) {
        listing.limit = query->limit;
    }
    return run(&listing, query, err);
}

npr_status npr_count(struct npr_node *node,
                     const struct npr_query *query,
                     uint64_t *out_count,
                     struct npr_error *err)
{
    struct listing listing = {.node = node, .limit = UINT64_MAX};
    npr_status status;

    if (node == NULL || query == NULL || out_count == NULL) {
        return npri_fail(err, NPR_EINVAL, "no node, query or place for the count");
    }
    status = run(&listing, query, err);
    if (status == NPR_OK) {
        *out_count = listing.count;
    }
    return status;
}

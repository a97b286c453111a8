#include "place.h"

#include "get.h"
#include "output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nprocreg/format.h"

static npr_status add_node(struct nodes *nodes, struct npr_bytes name, struct npr_error *err)
{
    if (nodes->count == NODES_MAX) {
        return fail(err, NPR_EFULL, "more than %d nodes", NODES_MAX);
    }
    if (npr_node_name_parse(name, &nodes->names[nodes->count], err) != NPR_OK) {
        return err->status;
    }
    nodes->count++;
    return NPR_OK;
}

static npr_status add_nodes(struct nodes *nodes, struct npr_term list, struct npr_error *err)
{
    struct npr_term_walk walk;
    struct npr_term item;
    struct npr_bytes name;
    npr_status status = NPR_OK;

    if (!npr_term_list(list, &walk)) {
        return fail(err, NPR_EPROTO, "no list of nodes");
    }
    while (status == NPR_OK && npr_term_next(&walk, &item)) {
        status = npr_term_get_atom(item, &name) ? add_node(nodes, name, err)
                                                : fail(err, NPR_EPROTO, "a node that is no atom");
    }
    return status;
}

/* --nodes a@h,b@h */
npr_status place_split_nodes(const char *text, struct nodes *nodes, struct npr_error *err)
{
    while (true) {
        const size_t size = strcspn(text, ",");
        const npr_status status =
            add_node(nodes, (struct npr_bytes){.data = (const uint8_t *)text, .size = size}, err);

        if (status != NPR_OK || text[size] == '\0') {
            return status;
        }
        text += size + 1;
    }
}

npr_status place_ask_view(struct session *session, struct nodes *view, struct npr_error *err)
{
    struct npr_builder *request = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term term = {0};
    npr_status status = fail(err, NPR_ENOMEM, "out of memory");

    if (request != NULL && reply != NULL) {
        npr_build_atom(request, "get_nodes");
        status = npr_builder_finish(request, &term, err);
        if (status == NPR_OK) {
            status = session_call_server(session, term, reply, err);
        }
        if (status == NPR_OK) {
            status = npr_builder_finish(reply, &term, err);
        }
        if (status == NPR_OK) {
            status = add_nodes(view, term, err);
        }
    }
    npr_builder_destroy(request);
    npr_builder_destroy(reply);
    return status;
}

/* What nprocreg_native:place/1 gave. */
static npr_status read_place(struct npr_term map, struct place *place, struct npr_error *err)
{
    struct npr_bytes owner;
    struct npr_bytes placement;
    struct npr_term nodes;
    uint64_t index;

    if (!NPR_MATCH(map, "#{owner := ~a, placement := ~a, nodes := ~t, index := ~u}", &owner,
                   &placement, &nodes, &index)) {
        return fail(err, NPR_EPROTO, "place gave something else than a place");
    }
    place->index = (size_t)index;
    (void)snprintf(place->placement, sizeof(place->placement), "%.*s", (int)placement.size,
                   (const char *)placement.data);
    return NPR_MATCH(map, "#{owner := undefined}") ||
                   npr_node_name_parse(owner, &place->owner, err) == NPR_OK
               ? add_nodes(&place->nodes, nodes, err)
               : err->status;
}

/* Who the peer says is the owner.  An original does not say: it is computed. */
npr_status place_ask(struct session *session,
                     struct npr_term key,
                     struct place *place,
                     struct npr_error *err)
{
    struct npr_builder *args = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term term = {0};
    npr_status status = fail(err, NPR_ENOMEM, "out of memory");

    if (args != NULL && reply != NULL) {
        npr_build_list(args, 1);
        npr_build_term(args, key);
        npr_build_nil(args);
        status = npr_builder_finish(args, &term, err);
        if (status == NPR_OK) {
            status = session_rpc(session, "nprocreg_native", "place", term, reply, err);
        }
        if (status == NPR_OK && npr_builder_finish(reply, &term, err) == NPR_OK) {
            place->native = true;
            status = read_place(term, place, err);
        } else if (session_is_undef(status, reply)) {
            place->nodes = place->view;
            status = NPR_OK;
        } else if (status == NPR_EEXIT) {
            status = fail_with_reason(reply, err);
        }
    }
    npr_builder_destroy(args);
    npr_builder_destroy(reply);
    return status;
}

/* The owner's nprocreg_native:status/0 says whether it is settled. */
void place_ask_readiness(struct session *session,
                         const struct npr_node_name *owner,
                         struct readiness *out)
{
    struct npr_builder *args = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_error err = {0};
    struct npr_term term = {0};
    struct npr_bytes why;

    out->status = fail(&err, NPR_ENOMEM, "out of memory");
    if (args != NULL && reply != NULL) {
        npr_build_nil(args);
        out->status = npr_builder_finish(args, &term, &err);
        if (out->status == NPR_OK) {
            out->status = npr_node_rpc(session->node, owner, "nprocreg_native", "status", term,
                                       session_left_ms(session), reply, &err);
        }
        if (out->status == NPR_OK) {
            out->status = npr_builder_finish(reply, &term, &err);
        }
        if (session_is_undef(out->status, reply)) {
            out->status = fail(&err, NPR_EREFUSED, "an original node has no such state");
        } else if (out->status == NPR_OK && NPR_MATCH(term, "#{waits := ~b}", &why)) {
            out->settled = NPR_MATCH(term, "#{settled := true}");
            out->why = strndup((const char *)why.data, why.size);
        } else if (out->status == NPR_OK) {
            out->status = fail(&err, NPR_EPROTO, "its status does not say");
        }
    }
    if (out->why == NULL) {
        out->why = strdup(err.text);
    }
    npr_builder_destroy(args);
    npr_builder_destroy(reply);
}

/* erlang:system_info(otp_release), "25": native nodes answer with the manner that they follow. */
npr_status place_ask_otp(struct session *session, enum npr_otp *out, struct npr_error *err)
{
    struct npr_builder *args = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term term = {0};
    char *text = NULL;
    npr_status status = fail(err, NPR_ENOMEM, "out of memory");

    if (args != NULL && reply != NULL) {
        npr_build_list(args, 1);
        npr_build_atom(args, "otp_release");
        npr_build_nil(args);
        status = npr_builder_finish(args, &term, err);
        if (status == NPR_OK) {
            status = session_rpc(session, "erlang", "system_info", term, reply, err);
        }
        if (status == NPR_OK && npr_builder_finish(reply, &term, err) == NPR_OK) {
            text = output_text(term); /* "\"25\"" */
            *out = text[0] == '"' && strtol(text + 1, NULL, 10) < 26 ? NPR_OTP_25 : NPR_OTP_26;
        }
    }
    free(text);
    npr_builder_destroy(args);
    npr_builder_destroy(reply);
    return status;
}

/* [{Key,Pid}] or []. */
static void read_lookup(struct npr_builder *reply, struct said *out)
{
    struct npr_term term = {0};
    struct npr_term_walk walk;
    struct npr_term entry[2];

    out->status = NPR_ENOTFOUND;
    if (npr_builder_finish(reply, &term, NULL) == NPR_OK && npr_term_list(term, &walk) &&
        npr_term_next(&walk, &term) && npr_term_get_tuple(term, 2, entry)) {
        out->status = NPR_OK;
        out->pid = output_text(entry[1]);
    }
}

/* ets:lookup(nprocreg_data, Key) on one node: what every lookup asks. */
void place_ask_node(struct session *session,
                    const struct npr_node_name *node,
                    struct npr_term key,
                    struct said *out)
{
    struct npr_builder *args = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_error err = {0};
    struct npr_term term = {0};
    struct timespec before;
    struct timespec after;

    *out = (struct said){.status = NPR_ENOMEM};
    (void)clock_gettime(CLOCK_MONOTONIC, &before);
    if (args != NULL && reply != NULL) {
        npr_build_list(args, 2);
        npr_build_atom(args, "nprocreg_data");
        npr_build_term(args, key);
        npr_build_nil(args);
        out->status = npr_builder_finish(args, &term, &err);
        if (out->status == NPR_OK) {
            out->status = npr_node_rpc(session->node, node, "ets", "lookup", term,
                                       session->timeout_ms, reply, &err);
        }
        if (out->status == NPR_EEXIT) {
            (void)fail_with_reason(reply, &err);
        }
        if (out->status == NPR_OK) {
            read_lookup(reply, out);
        } else {
            out->text = strdup(err.text);
        }
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &after);
    out->ms = (double)(after.tv_sec - before.tv_sec) * 1e3 +
              (double)(after.tv_nsec - before.tv_nsec) / 1e6;
    npr_builder_destroy(args);
    npr_builder_destroy(reply);
}

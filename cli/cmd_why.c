/* nprocreg why: why a key is where it is. */
#include "commands.h"
#include "complete.h"
#include "get.h"
#include "output.h"

#include <string.h>
#include <time.h>

#define NODES_MAX 4096

struct place {
    struct npr_node_name nodes[NODES_MAX];
    size_t nodes_count;
    enum npr_otp otp;
    uint8_t md5[16];
    size_t index;
    struct npr_node_name owner;
};

/* What one node said of the key. */
struct said {
    npr_status status; /* NPR_OK: `pid`; NPR_ENOTFOUND: not there */
    char *pid;
    char *text; /* why not, else NULL */
    double ms;
};

static npr_status add_node(struct place *place, struct npr_bytes name, struct npr_error *err)
{
    if (place->nodes_count == NODES_MAX) {
        return fail(err, NPR_EFULL, "more than %d nodes", NODES_MAX);
    }
    if (npr_node_name_parse(name, &place->nodes[place->nodes_count], err) != NPR_OK) {
        return err->status;
    }
    place->nodes_count++;
    return NPR_OK;
}

/* --nodes a@h,b@h */
static npr_status split_nodes(const char *text, struct place *place, struct npr_error *err)
{
    while (true) {
        const size_t size = strcspn(text, ",");
        const npr_status status =
            add_node(place, (struct npr_bytes){.data = (const uint8_t *)text, .size = size}, err);

        if (status != NPR_OK || text[size] == '\0') {
            return status;
        }
        text += size + 1;
    }
}

static npr_status ask_view(struct session *session, struct place *place, struct npr_error *err)
{
    struct npr_builder *request = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term term = {0};
    struct npr_term_walk walk;
    struct npr_term item;
    struct npr_bytes name;
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
        if (status == NPR_OK && !npr_term_list(term, &walk)) {
            status = fail(err, NPR_EPROTO, "get_nodes gave no list");
        }
        while (status == NPR_OK && npr_term_next(&walk, &item)) {
            status = npr_term_get_atom(item, &name)
                         ? add_node(place, name, err)
                         : fail(err, NPR_EPROTO, "get_nodes gave something else than atoms");
        }
    }
    npr_builder_destroy(request);
    npr_builder_destroy(reply);
    return status;
}

/* erlang:system_info(otp_release), "25": native nodes answer with the manner that they follow. */
static npr_status ask_otp(struct session *session, enum npr_otp *out, struct npr_error *err)
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
static void ask_node(struct session *session,
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

static const char *said_word(const struct said *said)
{
    switch (exit_code_of(said->status)) {
    case EXIT_DONE:
        return said->pid;
    case EXIT_NOT_FOUND:
        return "not here";
    case EXIT_TIMEOUT:
        return "no answer";
    case EXIT_USAGE:
    case EXIT_UNREACHABLE:
    case EXIT_REFUSED:
        break;
    }
    return said->text == NULL ? "out of memory" : said->text;
}

static void print_place(const struct place *place,
                        const char *key,
                        const char *hex,
                        const char *md5)
{
    (void)printf("key       %s\nencoding  %s (OTP %s)\nmd5       %s\nnodes    ", key, hex,
                 place->otp == NPR_OTP_25 ? "25" : "26", md5);
    for (size_t i = 0; i < place->nodes_count; i++) {
        (void)printf(" %.*s", (int)place->nodes[i].size, place->nodes[i].text);
    }
    (void)printf("\nindex     %zu of %zu\nowner     %.*s\n", place->index, place->nodes_count,
                 (int)place->owner.size, place->owner.text);
}

/* Prints all that is known; `said` has one item for each node, or is NULL when nobody was asked. */
static enum exit_code print_why(const struct arguments *arguments,
                                struct npr_term key,
                                const struct place *place,
                                const struct said *said)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    char *text = output_text(key);
    char *md5 = output_hex((struct npr_bytes){.data = place->md5, .size = sizeof(place->md5)});
    char *hex;
    json_t *asked = json_array();

    if (npr_term_encode(key, place->otp, &bytes, &size) != NPR_OK) {
        size = 0; /* Out of memory: an empty encoding beside the rest. */
    }
    hex = output_hex((struct npr_bytes){.data = bytes, .size = size});
    if (!arguments->json) {
        print_place(place, text, hex, md5);
    }
    for (size_t i = 0; said != NULL && i < place->nodes_count; i++) {
        if (arguments->json) {
            (void)json_array_append_new(asked, json_pack("{s:o, s:s, s:f}", "node",
                                                         output_node(&place->nodes[i]), "answer",
                                                         said_word(&said[i]), "ms", said[i].ms));
        } else {
            (void)printf("asked     %.*s: %s (%.2f ms)\n", (int)place->nodes[i].size,
                         place->nodes[i].text, said_word(&said[i]), said[i].ms);
        }
    }
    if (arguments->json) {
        json_t *object =
            json_pack("{s:s, s:s, s:s, s:I, s:o}", "key", text, "encoding", hex, "md5", md5,
                      "index", (json_int_t)place->index, "owner", output_node(&place->owner));

        if (said != NULL) {
            (void)json_object_set(object, "asked", asked);
        }
        output_json(object);
    }
    json_decref(asked);
    free(bytes);
    free(hex);
    free(md5);
    free(text);
    return EXIT_DONE;
}

static npr_status compute(struct npr_term key, struct place *place, struct npr_error *err)
{
    return npr_place(key, place->otp, place->nodes, place->nodes_count, place->md5, &place->index,
                     &place->owner, err);
}

static enum exit_code why_offline(const struct arguments *arguments,
                                  struct npr_term key,
                                  struct place *place)
{
    struct npr_error err = {0};

    place->otp = arguments->otp == 25 ? NPR_OTP_25 : NPR_OTP_26;
    if (split_nodes(arguments->nodes, place, &err) != NPR_OK ||
        compute(key, place, &err) != NPR_OK) {
        return report(arguments, &err);
    }
    return print_why(arguments, key, place, NULL);
}

static enum exit_code why_online(const struct arguments *arguments,
                                 struct input *key,
                                 struct place *place)
{
    struct npr_error err = {0};
    struct session session = {0};
    struct said *said = NULL;
    enum exit_code code;
    npr_status status = session_open(arguments, &session, &err);

    if (status != NPR_OK) {
        return report(arguments, &err);
    }
    place->otp = arguments->otp == 25 ? NPR_OTP_25 : NPR_OTP_26;
    status = complete_pids(&session, key, &err);
    if (status == NPR_OK) {
        status = ask_view(&session, place, &err);
    }
    if (status == NPR_OK && arguments->otp == 0) {
        status = ask_otp(&session, &place->otp, &err);
    }
    if (status == NPR_OK) {
        status = compute(key->term, place, &err);
    }
    if (status == NPR_OK && place->nodes_count > 0) {
        said = calloc(place->nodes_count, sizeof(*said));
        status = said == NULL ? fail(&err, NPR_ENOMEM, "out of memory") : NPR_OK;
    }
    if (status != NPR_OK) {
        session_close(&session);
        return report(arguments, &err);
    }
    for (size_t i = 0; said != NULL && i < place->nodes_count; i++) {
        ask_node(&session, &place->nodes[i], key->term, &said[i]);
    }
    code = print_why(arguments, key->term, place, said);
    for (size_t i = 0; said != NULL && i < place->nodes_count; i++) {
        free(said[i].pid);
        free(said[i].text);
    }
    free(said);
    session_close(&session);
    return code;
}

static enum exit_code run(const struct arguments *arguments)
{
    struct place *place = calloc(1, sizeof(*place));
    struct npr_error err = {0};
    struct input key = {0};
    enum exit_code code;

    if (place == NULL) {
        (void)fail(&err, NPR_ENOMEM, "out of memory");
        return report(arguments, &err);
    }
    if (input_open_key(arguments, arguments->positional[0], &key, &err) != NPR_OK) {
        code = report(arguments, &err);
    } else if (arguments->nodes != NULL) {
        code = why_offline(arguments, key.term, place);
    } else {
        code = why_online(arguments, &key, place);
    }
    input_close(&key);
    free(place);
    return code;
}

static const enum option_id options[] = {
    OPTION_NODES,  OPTION_NODE,        OPTION_OTP,  OPTION_TIMEOUT, OPTION_HEX,
    OPTION_BINARY, OPTION_COOKIE_FILE, OPTION_JSON, OPTION_END,
};

const struct command command_why = {
    .name = "why",
    .synopsis = "KEY",
    .summary = "Show where KEY belongs and why; with --node also what each node says of it",
    .details = "With --nodes nobody is asked: the owner is computed from the list.  With --node "
               "the view is\n"
               "that node's, and every node in it is asked for KEY.",
    .options = options,
    .positional_min = 1,
    .positional_max = 1,
    .run = run,
};

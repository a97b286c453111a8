/* nprocreg nodes, status: what one node knows of the others and of itself. */
#include "commands.h"
#include "get.h"
#include "output.h"

typedef npr_status (*ask_fn)(struct session *session,
                             struct npr_builder *reply,
                             struct npr_error *err);
typedef void (*print_fn)(const struct arguments *arguments,
                         const struct session *session,
                         struct npr_term answer);

/* One question, one answer, printed. */
static enum exit_code run_question(const struct arguments *arguments, ask_fn ask, print_fn print)
{
    struct npr_error err = {0};
    struct session session = {0};
    struct npr_builder *reply = npr_builder_create();
    struct npr_term answer = {0};
    npr_status status = reply == NULL ? fail(&err, NPR_ENOMEM, "out of memory")
                                      : session_open(arguments, &session, &err);

    if (status == NPR_OK) {
        status = ask(&session, reply, &err);
    }
    if (status == NPR_EEXIT) {
        status = fail_with_reason(reply, &err);
    } else if (status == NPR_OK) {
        status = npr_builder_finish(reply, &answer, &err);
    }
    if (status == NPR_OK) {
        print(arguments, &session, answer);
    }
    if (session.node != NULL) {
        session_close(&session);
    }
    npr_builder_destroy(reply);
    return status == NPR_OK ? EXIT_DONE : report(arguments, &err);
}

static npr_status call_server(struct session *session,
                              const char *request,
                              struct npr_builder *reply,
                              struct npr_error *err)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_term term = {0};
    npr_status status;

    if (builder == NULL) {
        return fail(err, NPR_ENOMEM, "out of memory");
    }
    npr_build_atom(builder, request);
    status = npr_builder_finish(builder, &term, err);
    if (status == NPR_OK) {
        status = session_call_server(session, term, reply, err);
    }
    npr_builder_destroy(builder);
    return status;
}

static npr_status ask_nodes(struct session *session,
                            struct npr_builder *reply,
                            struct npr_error *err)
{
    return call_server(session, "get_nodes", reply, err);
}

static void print_nodes(const struct arguments *arguments,
                        const struct session *session,
                        struct npr_term answer)
{
    json_t *list = json_array();
    struct npr_term_walk walk;
    struct npr_term item;
    struct npr_bytes name;

    (void)session;
    if (npr_term_list(answer, &walk)) {
        while (npr_term_next(&walk, &item)) {
            if (!npr_term_get_atom(item, &name)) {
                continue;
            }
            if (arguments->json) {
                (void)json_array_append_new(
                    list, json_stringn_nocheck((const char *)name.data, name.size));
            } else {
                (void)printf("%.*s\n", (int)name.size, (const char *)name.data);
            }
        }
    }
    if (arguments->json) {
        output_json(json_pack("{s:o}", "nodes", json_incref(list)));
    }
    json_decref(list);
}

/* nprocreg_native:status/0, a map; an original node only knows how many entries it has. */
static npr_status ask_status(struct session *session,
                             struct npr_builder *reply,
                             struct npr_error *err)
{
    struct npr_builder *args = npr_builder_create();
    struct npr_term none = {0};
    npr_status status;

    if (args == NULL) {
        return fail(err, NPR_ENOMEM, "out of memory");
    }
    npr_build_nil(args);
    status = npr_builder_finish(args, &none, err);
    if (status == NPR_OK) {
        status = session_rpc(session, "nprocreg_native", "status", none, reply, err);
    }
    npr_builder_destroy(args);
    if (session_is_undef(status, reply)) {
        npr_builder_reset(reply);
        status = call_server(session, "get_status", reply, err);
    }
    return status;
}

/* Terms to JSON as far as a status has them: maps with atom keys, lists, atoms, numbers; the rest
 * as Erlang text. */
static json_t *status_value(struct npr_term term, unsigned depth)
{
    struct npr_term_walk walk;
    struct npr_term key;
    struct npr_term value;
    struct npr_bytes name;
    uint32_t count;
    int64_t number;

    if (npr_term_get_int64(term, &number)) {
        return json_integer(number);
    }
    if (npr_term_is_atom(term, "true") || npr_term_is_atom(term, "false")) {
        return json_boolean(npr_term_is_atom(term, "true"));
    }
    if (npr_term_get_atom(term, &name) || npr_term_get_binary(term, &name)) {
        return json_stringn((const char *)name.data, name.size);
    }
    if (depth > 0 && npr_term_map(term, &walk, &count)) {
        json_t *object = json_object();

        while (npr_term_next(&walk, &key) && npr_term_next(&walk, &value)) {
            char *text = output_text(key);

            (void)json_object_set_new(object, text, status_value(value, depth - 1));
            free(text);
        }
        return object;
    }
    if (depth > 0 && npr_term_list(term, &walk)) {
        json_t *array = json_array();

        while (npr_term_next(&walk, &value)) {
            (void)json_array_append_new(array, status_value(value, depth - 1));
        }
        return array;
    }
    return output_term(term);
}

static void print_status_map(struct npr_term answer)
{
    struct npr_term_walk walk;
    struct npr_term key;
    struct npr_term value;
    uint32_t count;

    if (!npr_term_map(answer, &walk, &count)) {
        return;
    }
    while (npr_term_next(&walk, &key) && npr_term_next(&walk, &value)) {
        char *name = output_text(key);
        char *text = output_text(value);

        (void)printf("%-14s%s\n", name, text);
        free(name);
        free(text);
    }
}

static void print_status(const struct arguments *arguments,
                         const struct session *session,
                         struct npr_term answer)
{
    int64_t entries;
    const bool original = npr_term_get_int64(answer, &entries);

    if (arguments->json) {
        output_json(json_pack("{s:o, s:b, s:o}", "node", output_node(&session->peer), "native",
                              !original, original ? "entries" : "status", status_value(answer, 8)));
    } else if (original) {
        (void)printf("%-14s%.*s\n%-14s%lld\n", "node", (int)session->peer.size, session->peer.text,
                     "entries", (long long)entries);
    } else {
        print_status_map(answer);
    }
}

static enum exit_code run_nodes(const struct arguments *arguments)
{
    return run_question(arguments, ask_nodes, print_nodes);
}

static enum exit_code run_status(const struct arguments *arguments)
{
    return run_question(arguments, ask_status, print_status);
}

static const enum option_id options[] = {
    OPTION_NODE, OPTION_TIMEOUT, OPTION_COOKIE_FILE, OPTION_JSON, OPTION_END,
};

const struct command command_nodes = {
    .name = "nodes",
    .synopsis = "[NODE]",
    .summary = "List the nodes of the registry as one node sees them",
    .details = "",
    .options = options,
    .positional_max = 1,
    .takes_node = true,
    .run = run_nodes,
};

const struct command command_status = {
    .name = "status",
    .synopsis = "[NODE]",
    .summary = "Show how a node is: its view, entries and work under way",
    .details = "",
    .options = options,
    .positional_max = 1,
    .takes_node = true,
    .run = run_status,
};

/* nprocreg why: why a key is where it is. */
#include "commands.h"
#include "complete.h"
#include "fail.h"
#include "output.h"
#include "place.h"

#include <string.h>

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
    for (size_t i = 0; i < place->nodes.count; i++) {
        (void)printf(" %.*s", (int)place->nodes.names[i].size, place->nodes.names[i].text);
    }
    (void)printf("\nplacement %s\nindex     %zu of %zu\nowner     %.*s\n", place->placement,
                 place->index, place->nodes.count, (int)place->owner.size, place->owner.text);
}

static void print_readiness(const struct readiness *readiness)
{
    if (readiness->status == NPR_OK && readiness->settled) {
        (void)printf("settled   yes\n");
    } else {
        (void)printf("settled   %s: %s\n", readiness->status == NPR_OK ? "no" : "unknown",
                     readiness->why == NULL ? "out of memory" : readiness->why);
    }
}

/* "settled" is null when that is not known; "waits" says why it is not true. */
static void add_readiness(json_t *object, const struct readiness *readiness)
{
    (void)json_object_set_new(object, "settled",
                              readiness->status == NPR_OK ? json_boolean(readiness->settled)
                                                          : json_null());
    if (readiness->status != NPR_OK || !readiness->settled) {
        (void)json_object_set_new(object, "waits",
                                  json_string(readiness->why == NULL ? "" : readiness->why));
    }
}

static json_t *nodes_array(const struct nodes *nodes)
{
    json_t *array = json_array();

    for (size_t i = 0; i < nodes->count; i++) {
        (void)json_array_append_new(array, output_node(&nodes->names[i]));
    }
    return array;
}

/* What nodes have said; NULL and empty when nobody was asked. */
struct answers {
    struct readiness readiness;
    struct said *said; /* one for each node of the view */
};

static void print_asked(const struct place *place, const struct answers *answers)
{
    print_readiness(&answers->readiness);
    for (size_t i = 0; i < place->view.count; i++) {
        (void)printf("asked     %.*s: %s (%.2f ms)\n", (int)place->view.names[i].size,
                     place->view.names[i].text, said_word(&answers->said[i]), answers->said[i].ms);
    }
}

static void add_asked(json_t *object, const struct place *place, const struct answers *answers)
{
    json_t *asked = json_array();

    for (size_t i = 0; i < place->view.count; i++) {
        (void)json_array_append_new(
            asked, json_pack("{s:o, s:s, s:f}", "node", output_node(&place->view.names[i]),
                             "answer", said_word(&answers->said[i]), "ms", answers->said[i].ms));
    }
    (void)json_object_set_new(object, "placement", json_string(place->placement));
    (void)json_object_set_new(object, "nodes", nodes_array(&place->nodes));
    add_readiness(object, &answers->readiness);
    (void)json_object_set_new(object, "asked", asked);
}

/* Prints all that is known. */
static enum exit_code print_why(const struct arguments *arguments,
                                struct npr_term key,
                                const struct place *place,
                                const struct answers *answers)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    char *text = output_text(key);
    char *md5 = output_hex((struct npr_bytes){.data = place->md5, .size = sizeof(place->md5)});
    char *hex;

    if (npr_term_encode(key, place->otp, &bytes, &size) != NPR_OK) {
        size = 0; /* Out of memory: an empty encoding beside the rest. */
    }
    hex = output_hex((struct npr_bytes){.data = bytes, .size = size});
    if (arguments->json) {
        json_t *object =
            json_pack("{s:s, s:s, s:s, s:I, s:o}", "key", text, "encoding", hex, "md5", md5,
                      "index", (json_int_t)place->index, "owner", output_node(&place->owner));

        if (answers->said != NULL) {
            add_asked(object, place, answers);
        }
        output_json(object);
    } else {
        print_place(place, text, hex, md5);
        if (answers->said != NULL) {
            print_asked(place, answers);
        }
    }
    free(bytes);
    free(hex);
    free(md5);
    free(text);
    return EXIT_DONE;
}

/* The MD5; and, unless a node has said so, the owner by the original's rule. */
static npr_status compute(struct npr_term key, struct place *place, struct npr_error *err)
{
    struct npr_node_name owner = {0};
    size_t index = 0;
    npr_status status;

    if (place->native && place->owner.size == 0) {
        return fail(err, NPR_EREFUSED, "no node is there that owns keys: all are drained");
    }
    status = npr_place(key, place->otp, place->nodes.names, place->nodes.count, place->md5, &index,
                       &owner, err);
    if (status == NPR_OK && !place->native) {
        place->index = index;
        place->owner = owner;
        (void)snprintf(place->placement, sizeof(place->placement), "original");
    }
    return status;
}

static enum exit_code why_offline(const struct arguments *arguments,
                                  struct npr_term key,
                                  struct place *place)
{
    const struct answers none = {0};
    struct npr_error err = {0};

    place->otp = arguments->otp == 25 ? NPR_OTP_25 : NPR_OTP_26;
    if (place_split_nodes(arguments->nodes, &place->nodes, &err) != NPR_OK ||
        compute(key, place, &err) != NPR_OK) {
        return report(arguments, &err);
    }
    return print_why(arguments, key, place, &none);
}

/* Where the key belongs, as the peer sees it. */
static npr_status locate(const struct arguments *arguments,
                         struct session *session,
                         struct input *key,
                         struct place *place,
                         struct npr_error *err)
{
    npr_status status = complete_pids(session, key, err);

    place->otp = arguments->otp == 25 ? NPR_OTP_25 : NPR_OTP_26;
    if (status == NPR_OK) {
        status = place_ask_view(session, &place->view, err);
    }
    if (status == NPR_OK) {
        status = place_ask(session, key->term, place, err);
    }
    if (status == NPR_OK && arguments->otp == 0) {
        status = place_ask_otp(session, &place->otp, err);
    }
    return status == NPR_OK ? compute(key->term, place, err) : status;
}

static enum exit_code ask_all(const struct arguments *arguments,
                              struct session *session,
                              struct npr_term key,
                              const struct place *place)
{
    struct answers answers = {.said = calloc(place->view.count + 1, sizeof(*answers.said))};
    struct npr_error err = {0};
    enum exit_code code;

    if (answers.said == NULL) {
        (void)fail(&err, NPR_ENOMEM, "out of memory");
        return report(arguments, &err);
    }
    place_ask_readiness(session, &place->owner, &answers.readiness);
    for (size_t i = 0; i < place->view.count; i++) {
        place_ask_node(session, &place->view.names[i], key, &answers.said[i]);
    }
    code = print_why(arguments, key, place, &answers);
    for (size_t i = 0; i < place->view.count; i++) {
        free(answers.said[i].pid);
        free(answers.said[i].text);
    }
    free(answers.said);
    free(answers.readiness.why);
    return code;
}

static enum exit_code why_online(const struct arguments *arguments,
                                 struct input *key,
                                 struct place *place)
{
    struct npr_error err = {0};
    struct session session = {0};
    enum exit_code code;

    if (session_open(arguments, &session, &err) != NPR_OK) {
        return report(arguments, &err);
    }
    code = locate(arguments, &session, key, place, &err) == NPR_OK
               ? ask_all(arguments, &session, key->term, place)
               : report(arguments, &err);
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
    .details =
        "With --nodes nobody is asked: the owner is computed from the list, by placement "
        "original.\n"
        "With --node that node says which one owns KEY in its view, the owner says whether it is\n"
        "settled (knows all that the others have of its keys), and if not, whom it waits for; and\n"
        "every node in the view is asked for KEY.",
    .options = options,
    .positional_min = 1,
    .positional_max = 1,
    .run = run,
};

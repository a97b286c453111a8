#include "api_nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/check.h"

#define KEPT_MAX 4096

struct npr_node *nodes[NODES_MAX];

static const char *const names[NODES_MAX] = {"a@127.0.0.1", "b@127.0.0.1", "c@127.0.0.1"};

/* What the case was given, freed at its end. */
static struct npr_builder *builders[KEPT_MAX];
static size_t builders_count;
static char *texts[KEPT_MAX];
static size_t texts_count;

static const struct npr_module *one_module[1];

static void print_log(void *user, npr_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)fprintf(stderr, "%s\n", line);
}

struct npr_node_options nodes_options(const char *name, const struct npr_module *module)
{
    struct npr_node_options options = NPR_NODE_OPTIONS_INIT;

    one_module[0] = module;
    options.name = name;
    options.cookie = "secret";
    options.listen = "127.0.0.1:0";
    options.modules = one_module;
    options.modules_count = module == NULL ? 0 : 1;
    options.workers = 2;
    if (getenv("NPRI_TEST_VERBOSE") != NULL) {
        options.log = print_log;
    }
    return options;
}

static struct npr_builder *new_builder(void)
{
    struct npr_builder *builder = npr_builder_create();

    assert_non_null(builder);
    assert_true(builders_count < KEPT_MAX);
    builders[builders_count++] = builder;
    return builder;
}

struct npr_term nodes_term(const char *text)
{
    struct npr_builder *builder = new_builder();
    struct npr_term term = {0};
    struct npr_error err;

    if (npr_term_parse(npr_bytes_of(text), builder, &err) != NPR_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    return term;
}

size_t nodes_view_count(struct npr_node *node)
{
    struct npr_address server = {.name = "nprocreg"};
    struct npr_builder *request = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term_walk walk;
    struct npr_term term;
    size_t count = 0;

    npr_node_name(node, &server.node);
    npr_build_atom(request, "get_nodes");
    assert_int_equal(npr_builder_finish(request, &term, NULL), NPR_OK);
    assert_int_equal(npr_node_call(node, &server, term, TIMEOUT_MS, reply, NULL), NPR_OK);
    assert_int_equal(npr_builder_finish(reply, &term, NULL), NPR_OK);
    assert_true(npr_term_list(term, &walk));
    while (npr_term_next(&walk, &term)) {
        count++;
    }
    npr_builder_destroy(request);
    npr_builder_destroy(reply);
    return count;
}

void nodes_wait(bool (*done)(void *user), void *user)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    for (unsigned i = 0; !done(user); i++) {
        assert_true(i < 20000);
        (void)nanosleep(&pause, NULL);
    }
}

struct view {
    struct npr_node *node;
    size_t count;
};

static bool view_is_so(void *user)
{
    const struct view *view = user;

    return nodes_view_count(view->node) == view->count;
}

void nodes_wait_for_view(struct npr_node *node, size_t count)
{
    struct view view = {.node = node, .count = count};

    nodes_wait(view_is_so, &view);
}

void nodes_start(size_t count, const struct npr_module *module)
{
    char joins[NODES_MAX][64];
    const char *join[NODES_MAX] = {NULL};

    for (size_t i = 0; i < count && i < NODES_MAX; i++) {
        struct npr_node_options options = nodes_options(names[i], module);
        struct npr_error err = {0};

        options.join = join;
        options.join_count = i;
        if (npr_node_start(&options, &nodes[i], &err) != NPR_OK) {
            fail_msg("%s", err.text);
        }
        (void)snprintf(joins[i], sizeof(joins[i]), "%s:%u", names[i],
                       (unsigned)npr_node_port(nodes[i]));
        join[i] = joins[i];
    }
    for (size_t i = 0; i < count; i++) {
        nodes_wait_for_view(nodes[i], count);
    }
}

int nodes_stop(void **state)
{
    (void)state;
    for (size_t i = 0; i < NODES_MAX; i++) {
        npr_node_stop(nodes[i]);
        nodes[i] = NULL;
    }
    while (builders_count > 0) {
        npr_builder_destroy(builders[--builders_count]);
    }
    while (texts_count > 0) {
        free(texts[--texts_count]);
    }
    return 0;
}

struct npr_term nodes_key_of(const char *text, size_t index, size_t count)
{
    struct npr_builder *builder = new_builder();
    struct npr_node_name members[NODES_MAX];
    struct npr_node_name owner;
    struct npr_term key = {0};
    uint8_t md5[16];
    size_t at;

    for (size_t i = 0; i < count; i++) {
        npr_node_name(nodes[i], &members[i]);
    }
    for (int64_t number = 0; number < 1000; number++) {
        npr_builder_reset(builder);
        npr_build_tuple(builder, 2);
        npr_build_atom(builder, text);
        npr_build_int(builder, number);
        assert_int_equal(npr_builder_finish(builder, &key, NULL), NPR_OK);
        assert_int_equal(npr_place(key, NPR_OTP_26, members, count, md5, &at, &owner, NULL),
                         NPR_OK);
        if (at == index) {
            return key;
        }
    }
    fail_msg("no key of node %zu", index);
    return key;
}

npr_status nodes_get(struct npr_node *node,
                     struct npr_term key,
                     const char *module,
                     const char *function,
                     struct npr_found *out)
{
    return npr_get_pid(node, key, module, function, TIMEOUT_MS, out, NULL);
}

const char *nodes_text(struct npr_term term)
{
    assert_true(texts_count < KEPT_MAX);
    texts[texts_count] = npr_term_print(term);
    assert_non_null(texts[texts_count]);
    return texts[texts_count++];
}

const char *nodes_call(struct npr_node *node, const struct npr_pid *pid, const char *request)
{
    struct npr_builder *reply = npr_builder_create();
    const struct npr_address to = {.pid = *pid};
    struct npr_error err = {0};
    struct npr_term term;

    assert_true(texts_count < KEPT_MAX);
    if (npr_node_call(node, &to, nodes_term(request), TIMEOUT_MS, reply, &err) != NPR_OK) {
        fail_msg("%s: %s", request, err.text);
    }
    assert_int_equal(npr_builder_finish(reply, &term, NULL), NPR_OK);
    texts[texts_count] = npr_term_print(term);
    npr_builder_destroy(reply);
    assert_non_null(texts[texts_count]);
    return texts[texts_count++];
}

#include "process.h"

#include "fail.h"
#include "output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nprocreg/format.h"

#define US_PER_MS UINT64_C(1000)
#define US_PER_S  UINT64_C(1000000)

const struct process_sort process_sorts[] = {
    {"pid", "pid"},      {"mailbox", "mailbox"}, {"handled", "handled"},   {"dropped", "dropped"},
    {"time", "time_us"}, {"links", "links"},     {"state", "state_bytes"}, {NULL, NULL},
};

static const char *const figures[] = {"mailbox",     "handled", "dropped", "time_us",
                                      "state_bytes", "links",   NULL};

/* ---- Terms to JSON. */

static void set(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) != 0) {
        output_no_memory();
    }
}

static json_t *texts(struct npr_term list)
{
    json_t *array = json_array();
    struct npr_term_walk walk;
    struct npr_term item;

    if (npr_term_list(list, &walk)) {
        while (npr_term_next(&walk, &item)) {
            (void)json_array_append_new(array, output_term(item));
        }
    }
    return array;
}

/* "counter:start/0" for {counter,start,0}; any other term as it is. */
static json_t *function_text(struct npr_term term)
{
    struct npr_bytes module;
    struct npr_bytes name;
    uint32_t arity;

    if (npr_term_get_binary(term, &name)) {
        return json_stringn_nocheck((const char *)name.data, name.size);
    }
    if (!NPR_MATCH(term, "{~a,~a,~i}", &module, &name, &arity)) {
        return output_term(term);
    }
    return json_sprintf("%.*s:%.*s/%u", (int)module.size, (const char *)module.data, (int)name.size,
                        (const char *)name.data, (unsigned)arity);
}

static json_t *count_of(struct npr_term term)
{
    uint64_t value;

    return npr_term_get_uint64(term, &value) ? json_integer((json_int_t)value) : json_null();
}

/* A map of nprocreg:processes/1 or info/1. */
static json_t *native_process(struct npr_term map)
{
    json_t *object = json_object();
    struct npr_term value;

    if (npr_term_map_get(map, "pid", &value)) {
        set(object, "pid", output_term(value));
    }
    if (npr_term_map_get(map, "function", &value)) {
        set(object, "function", function_text(value));
    }
    if (npr_term_map_get(map, "status", &value)) {
        set(object, "status", output_term(value));
    }
    if (npr_term_map_get(map, "names", &value)) {
        set(object, "names", texts(value));
    }
    if (npr_term_map_get(map, "keys", &value)) {
        set(object, "keys", texts(value));
    }
    for (size_t i = 0; figures[i] != NULL; i++) {
        set(object, figures[i],
            npr_term_map_get(map, figures[i], &value) ? count_of(value) : json_null());
    }
    return object;
}

static json_int_t length_of(struct npr_term list)
{
    struct npr_term_walk walk;
    struct npr_term item;
    json_int_t length = 0;

    if (npr_term_list(list, &walk)) {
        while (npr_term_next(&walk, &item)) {
            length++;
        }
    }
    return length;
}

#define ERLANG_ITEMS                                                                               \
    "[registered_name,initial_call,status,message_queue_len,memory,links,monitors,monitored_by]"

/* What erlang:process_info/2 gives for ERLANG_ITEMS. */
static json_t *erlang_process(const struct npr_pid *pid, struct npr_term items)
{
    struct npr_builder *builder = npr_builder_create();
    json_t *object = json_object();
    struct npr_term links[3];
    struct npr_term pid_term;
    struct npr_term name;
    struct npr_term call;
    struct npr_term status;
    struct npr_term length;
    struct npr_term memory;

    if (builder == NULL) {
        output_no_memory();
    }
    npr_build_pid(builder, pid);
    if (npr_builder_finish(builder, &pid_term, NULL) == NPR_OK) {
        set(object, "pid", output_term(pid_term));
    }
    npr_builder_destroy(builder);
    for (size_t i = 0; figures[i] != NULL; i++) {
        set(object, figures[i], json_null());
    }
    if (NPR_MATCH(items, "[{_,~t},{_,~t},{_,~t},{_,~t},{_,~t},{_,~t},{_,~t},{_,~t}]", &name, &call,
                  &status, &length, &memory, &links[0], &links[1], &links[2])) {
        set(object, "function", function_text(call));
        set(object, "status", output_term(status));
        set(object, "mailbox", count_of(length));
        set(object, "state_bytes", count_of(memory));
        set(object, "links",
            json_integer(length_of(links[0]) + length_of(links[1]) + length_of(links[2])));
        set(object, "names", json_array());
        if (npr_term_kind(name) == NPR_TERM_ATOM) {
            (void)json_array_append_new(json_object_get(object, "names"), output_term(name));
        }
    }
    return object;
}

/* ---- Asking. */

static npr_status no_memory(struct npr_error *err)
{
    return fail(err, NPR_ENOMEM, "out of memory");
}

/* A function of a node. */
struct question {
    const struct npr_node_name *node;
    const char *module;
    const char *function;
};

/* Calls it with the arguments that have been built, and has the answer in `reply`. */
static npr_status ask(struct session *session,
                      const struct question *question,
                      struct npr_builder *args,
                      struct npr_builder *reply,
                      struct npr_error *err)
{
    struct npr_term term = {0};
    npr_status status = npr_builder_finish(args, &term, err);

    npr_builder_reset(reply);
    if (status == NPR_OK) {
        status = npr_node_rpc(session->node, question->node, question->module, question->function,
                              term, session_left_ms(session), reply, err);
    }
    return status;
}

npr_status process_rpc(struct session *session,
                       const struct npr_pid *pid,
                       const char *module,
                       const char *function,
                       struct npr_builder *reply,
                       struct npr_error *err)
{
    struct npr_builder *args = npr_builder_create();
    npr_status status;

    if (args == NULL) {
        return no_memory(err);
    }
    NPR_BUILD(args, "[~p]", pid);
    status = ask(session, &(struct question){&pid->node, module, function}, args, reply, err);
    npr_builder_destroy(args);
    return status;
}

npr_status process_ask_alive(struct session *session,
                             const struct npr_pid *pid,
                             bool *out,
                             struct npr_error *err)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_term answer = {0};
    npr_status status;

    if (reply == NULL) {
        return no_memory(err);
    }
    status = process_rpc(session, pid, "erlang", "is_process_alive", reply, err);
    if (status == NPR_EEXIT) {
        *out = false; /* badarg: it is of an incarnation of its node that is gone. */
        status = NPR_OK;
    } else if (status == NPR_OK) {
        status = npr_builder_finish(reply, &answer, err);
        *out = status == NPR_OK && npr_term_is_atom(answer, "true");
    }
    npr_builder_destroy(reply);
    return status;
}

/* erlang:process_info(Pid, Items); `*out` is NULL when it is dead. */
static npr_status ask_erlang(struct session *session,
                             const struct npr_pid *pid,
                             struct npr_builder *reply,
                             json_t **out,
                             struct npr_error *err)
{
    struct npr_builder *args = npr_builder_create();
    struct npr_term answer = {0};
    npr_status status;

    if (args == NULL) {
        return no_memory(err);
    }
    NPR_BUILD(args, "[~p," ERLANG_ITEMS "]", pid);
    status =
        ask(session, &(struct question){&pid->node, "erlang", "process_info"}, args, reply, err);
    npr_builder_destroy(args);
    if (status == NPR_EEXIT) {
        return fail_with_reason(reply, err);
    }
    if (status == NPR_OK) {
        status = npr_builder_finish(reply, &answer, err);
    }
    if (status == NPR_OK) {
        *out = npr_term_kind(answer) == NPR_TERM_LIST ? erlang_process(pid, answer) : NULL;
    }
    return status;
}

npr_status process_ask(struct session *session,
                       const struct npr_pid *pid,
                       json_t **out,
                       struct npr_error *err)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_term answer = {0};
    json_t *process = NULL;
    npr_status status;

    if (reply == NULL) {
        return no_memory(err);
    }
    status = process_rpc(session, pid, "nprocreg", "info", reply, err);
    if (session_is_undef(status, reply)) {
        status = ask_erlang(session, pid, reply, &process, err);
    } else if (status == NPR_EEXIT) {
        status = fail_with_reason(reply, err);
    } else if (status == NPR_OK) {
        status = npr_builder_finish(reply, &answer, err);
        process = status == NPR_OK && npr_term_kind(answer) == NPR_TERM_MAP ? native_process(answer)
                                                                            : NULL;
    }
    npr_builder_destroy(reply);
    if (status == NPR_OK && process == NULL) {
        return fail(err, NPR_ENOPROC, "no such process: it is dead");
    }
    *out = process;
    return status;
}

/* ---- All processes of a node that is not native: one question for each. */

struct sorted {
    json_t *process;
    json_int_t value;
};

static int compare_sorted(const void *a, const void *b)
{
    const struct sorted *x = a;
    const struct sorted *y = b;

    return (x->value < y->value) - (x->value > y->value);
}

/* The largest first; a copy of at most `limit`. */
static json_t *sort_processes(json_t *array, const char *member, uint32_t limit)
{
    const size_t count = json_array_size(array);
    struct sorted *items = calloc(count + 1, sizeof(*items));
    json_t *sorted = json_array();

    if (items == NULL) {
        output_no_memory();
    }
    for (size_t i = 0; i < count; i++) {
        items[i].process = json_array_get(array, i);
        items[i].value = json_integer_value(json_object_get(items[i].process, member));
    }
    if (strcmp(member, "pid") != 0) { /* That is the order in which they came. */
        qsort(items, count, sizeof(*items), compare_sorted);
    }
    for (size_t i = 0; i < count && i < limit; i++) {
        (void)json_array_append(sorted, items[i].process);
    }
    free(items);
    return sorted;
}

static npr_status ask_erlang_all(struct session *session,
                                 struct npr_term pids,
                                 json_t *out,
                                 struct npr_error *err)
{
    struct npr_builder *reply = npr_builder_create();
    npr_status status = reply == NULL ? no_memory(err) : NPR_OK;
    struct npr_term_walk walk;
    struct npr_term term;

    if (status == NPR_OK && npr_term_list(pids, &walk)) {
        while (status == NPR_OK && npr_term_next(&walk, &term)) {
            json_t *process = NULL;
            struct npr_pid pid;

            if (npr_term_get_pid(term, &pid)) {
                status = ask_erlang(session, &pid, reply, &process, err);
            }
            if (process != NULL) {
                (void)json_array_append_new(out, process);
            }
        }
    }
    npr_builder_destroy(reply);
    return status;
}

static npr_status processes_of_erlang(struct session *session,
                                      const char *member,
                                      uint32_t limit,
                                      json_t **out,
                                      struct npr_error *err)
{
    struct npr_builder *args = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    json_t *all = json_array();
    struct npr_term pids = {0};
    npr_status status = args == NULL || reply == NULL ? no_memory(err) : NPR_OK;

    if (status == NPR_OK) {
        npr_build_nil(args);
        status = ask(session, &(struct question){&session->peer, "erlang", "processes"}, args,
                     reply, err);
    }
    if (status == NPR_OK) {
        status = npr_builder_finish(reply, &pids, err);
    }
    if (status == NPR_OK) {
        status = ask_erlang_all(session, pids, all, err);
    }
    if (status == NPR_OK) {
        *out = sort_processes(all, member, limit);
    }
    json_decref(all);
    npr_builder_destroy(args);
    npr_builder_destroy(reply);
    return status;
}

/* ---- All processes. */

static npr_status ask_count(struct session *session, uint64_t *out, struct npr_error *err)
{
    struct npr_builder *args = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term answer = {0};
    npr_status status = args == NULL || reply == NULL ? no_memory(err) : NPR_OK;

    if (status == NPR_OK) {
        NPR_BUILD(args, "[process_count]");
        status = ask(session, &(struct question){&session->peer, "erlang", "system_info"}, args,
                     reply, err);
    }
    if (status == NPR_OK) {
        status = npr_builder_finish(reply, &answer, err);
    }
    if (status == NPR_OK && !npr_term_get_uint64(answer, out)) {
        *out = 0;
    }
    npr_builder_destroy(args);
    npr_builder_destroy(reply);
    return status;
}

static json_t *native_processes(struct npr_term list)
{
    json_t *array = json_array();
    struct npr_term_walk walk;
    struct npr_term map;

    if (npr_term_list(list, &walk)) {
        while (npr_term_next(&walk, &map)) {
            (void)json_array_append_new(array, native_process(map));
        }
    }
    return array;
}

npr_status processes_ask(struct session *session,
                         const char *sort,
                         uint32_t limit,
                         json_t **out,
                         uint64_t *out_count,
                         struct npr_error *err)
{
    struct npr_builder *args = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    const char *member = "pid";
    struct npr_term answer = {0};
    npr_status status = args == NULL || reply == NULL ? no_memory(err) : NPR_OK;

    for (size_t i = 0; process_sorts[i].name != NULL; i++) {
        member = strcmp(process_sorts[i].name, sort) == 0 ? process_sorts[i].member : member;
    }
    if (status == NPR_OK) {
        NPR_BUILD(args, "[#{limit => ~u, sort => ~a}]", limit, member);
        status = ask(session, &(struct question){&session->peer, "nprocreg", "processes"}, args,
                     reply, err);
        if (session_is_undef(status, reply)) {
            status = processes_of_erlang(session, member, limit, out, err);
        } else if (status == NPR_EEXIT) {
            status = fail_with_reason(reply, err);
        } else if (status == NPR_OK) {
            status = npr_builder_finish(reply, &answer, err);
            if (status == NPR_OK) {
                *out = native_processes(answer);
            }
        }
    }
    npr_builder_destroy(args);
    npr_builder_destroy(reply);
    if (status == NPR_OK) {
        status = ask_count(session, out_count, err);
        if (status != NPR_OK) {
            json_decref(*out);
        }
    }
    return status;
}

/* ---- For people. */

static void time_text(uint64_t us, char *out, size_t out_size)
{
    if (us < US_PER_MS) {
        (void)snprintf(out, out_size, "%" PRIu64 "us", us);
    } else if (us < US_PER_S) {
        (void)snprintf(out, out_size, "%.1fms", (double)us / (double)US_PER_MS);
    } else {
        (void)snprintf(out, out_size, "%.1fs", (double)us / (double)US_PER_S);
    }
}

void process_text(json_t *process, const char *member, char *out, size_t out_size)
{
    json_t *value = json_object_get(process, member);

    if (json_is_integer(value) && strcmp(member, "time_us") == 0) {
        time_text((uint64_t)json_integer_value(value), out, out_size);
    } else if (json_is_integer(value)) {
        (void)snprintf(out, out_size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_string(value)) {
        (void)snprintf(out, out_size, "%s", json_string_value(value));
    } else {
        (void)snprintf(out, out_size, "-");
    }
}

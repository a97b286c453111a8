#include "query.h"

#include <stdio.h>
#include <string.h>

#include "nprocreg/format.h"

bool query_peer_parse(const char *text, struct query_peer *out)
{
    static const char mark[] = "original:";

    out->original = strncmp(text, mark, sizeof(mark) - 1) == 0;
    return npr_node_name_parse(npr_bytes_of(out->original ? text + sizeof(mark) - 1 : text),
                               &out->name, NULL) == NPR_OK;
}

static void log_line(void *user, npr_log_level level, const char *line)
{
    (void)user;
    if (level <= NPR_LOG_WARNING) {
        (void)fprintf(stderr, "%s\n", line);
    }
}

bool query_open(struct query_client *client,
                int64_t number,
                const struct query_peer *home,
                const char *cookie)
{
    const char *at = memchr(home->name.text, '@', home->name.size);
    struct npr_node_options options = NPR_NODE_OPTIONS_INIT;
    struct npr_error err = {0};
    char name[NPR_NODE_NAME_BYTES_MAX + 1];

    *client = (struct query_client){.number = number,
                                    .function = "start",
                                    .request = npr_builder_create(),
                                    .reply = npr_builder_create()};
    (void)snprintf(name, sizeof(name), "asker%lld%.*s", (long long)number,
                   (int)(home->name.text + home->name.size - at), at);
    options.name = name;
    options.cookie = cookie;
    options.client = true;
    options.workers = 1;
    options.log = log_line;
    if (client->request == NULL || client->reply == NULL ||
        npr_node_start(&options, &client->node, &err) != NPR_OK) {
        (void)fprintf(stderr, "client %s: %s\n", name, err.text);
        query_close(client);
        return false;
    }
    return true;
}

bool query_share(struct query_client *client, const struct query_client *other)
{
    *client = (struct query_client){.number = other->number,
                                    .function = other->function,
                                    .node = other->node,
                                    .shared = true,
                                    .request = npr_builder_create(),
                                    .reply = npr_builder_create()};
    if (client->request == NULL || client->reply == NULL) {
        query_close(client);
        return false;
    }
    return true;
}

void query_close(struct query_client *client)
{
    if (!client->shared) {
        npr_node_stop(client->node);
    }
    npr_builder_destroy(client->request);
    npr_builder_destroy(client->reply);
    *client = (struct query_client){0};
}

/* {ok,Pid,Started,Token}, or {error,Status,Text}; an original's answer is the pid itself. */
static npr_status read_found(struct npr_term answer, struct query_outcome *out)
{
    struct npr_term text;
    struct npr_term started;
    struct npr_bytes word;

    if (NPR_MATCH(answer, "{ok,~p,~t,~u}", &out->pid, &started, &out->token) ||
        NPR_MATCH(answer, "~p", &out->pid)) {
        return NPR_OK;
    }
    if (NPR_MATCH(answer, "{error,~a,~t}", &word, &text)) {
        (void)snprintf(out->error, sizeof(out->error), "%.*s", (int)word.size,
                       (const char *)word.data);
        return NPR_EREFUSED;
    }
    return NPR_EPROTO;
}

/* The arguments of nprocreg_native:get/3, or of the original's nprocreg:get_pid/2. */
static npr_status build_get(struct query_client *client,
                            bool original,
                            int64_t key,
                            uint32_t timeout_ms,
                            struct npr_term *out)
{
    struct npr_builder *args = client->request;

    npr_builder_reset(args);
    npr_build_list(args, original ? 2 : 3);
    NPR_BUILD(args, "{key,~i}", key);
    if (client->function != NULL) {
        npr_build_export(args, "witness", client->function, 0);
    } else {
        npr_build_atom(args, "undefined");
    }
    if (!original) {
        npr_build_uint(args, timeout_ms);
    }
    npr_build_nil(args);
    return npr_builder_finish(args, out, NULL);
}

struct query_outcome query_find(struct query_client *client,
                                const struct query_peer *via,
                                int64_t key,
                                uint32_t timeout_ms)
{
    struct query_outcome outcome = {.via = via};
    struct npr_term term = {0};

    npr_builder_reset(client->reply);
    outcome.status = build_get(client, via->original, key, timeout_ms, &term);
    if (outcome.status == NPR_OK) {
        outcome.status =
            npr_node_rpc(client->node, &via->name, via->original ? "nprocreg" : "nprocreg_native",
                         via->original ? "get_pid" : "get", term, timeout_ms, client->reply, NULL);
    }
    if (outcome.status == NPR_OK) {
        outcome.status = npr_builder_finish(client->reply, &term, NULL);
    }
    if (outcome.status == NPR_OK) {
        outcome.status = read_found(term, &outcome);
    }
    outcome.found = outcome.status == NPR_OK;
    return outcome;
}

void query_operate(struct query_client *client,
                   int64_t key,
                   int64_t seq,
                   uint32_t timeout_ms,
                   struct query_outcome *outcome)
{
    const struct npr_address to = {.pid = outcome->pid};
    struct npr_term term = {0};

    npr_builder_reset(client->request);
    npr_builder_reset(client->reply);
    NPR_BUILD(client->request, "{op,~i,~i,~i}", key, client->number, seq);
    outcome->status = npr_builder_finish(client->request, &term, NULL);
    if (outcome->status == NPR_OK) {
        outcome->status = npr_node_call(client->node, &to, term, timeout_ms, client->reply, NULL);
    }
    if (outcome->status == NPR_OK) {
        outcome->status = npr_builder_finish(client->reply, &term, NULL);
    }
    if (outcome->status == NPR_OK && NPR_MATCH(term, "{error,moved}")) {
        outcome->status = NPR_ENOPROC; /* It lives, and does nothing any more. */
        (void)snprintf(outcome->error, sizeof(outcome->error), "moved");
    } else if (outcome->status == NPR_OK &&
               !NPR_MATCH(term, "{ok,~u,~i}", &outcome->done_token, &outcome->count)) {
        outcome->status = NPR_EPROTO;
    }
}

void query_end_process(struct query_client *client,
                       uint32_t timeout_ms,
                       const struct query_outcome *outcome)
{
    const struct npr_address to = {.pid = outcome->pid};
    struct npr_term term = {0};

    npr_builder_reset(client->request);
    npr_builder_reset(client->reply);
    NPR_BUILD(client->request, "stop");
    if (npr_builder_finish(client->request, &term, NULL) == NPR_OK) {
        /* Whatever comes of it: it may have ended already. */
        (void)!npr_node_call(client->node, &to, term, timeout_ms, client->reply, NULL);
    }
}

void query_pid_text(const struct npr_pid *pid, char out[QUERY_PID_BYTES])
{
    if (pid->node.size == 0) {
        (void)snprintf(out, QUERY_PID_BYTES, "-");
    } else {
        (void)snprintf(out, QUERY_PID_BYTES, "%.*s.%u.%u.%u", (int)pid->node.size, pid->node.text,
                       (unsigned)pid->id, (unsigned)pid->serial, (unsigned)pid->creation);
    }
}

void query_status_text(const struct query_outcome *outcome, char out[QUERY_STATUS_BYTES])
{
    if (outcome->status == NPR_OK) {
        (void)snprintf(out, QUERY_STATUS_BYTES, "ok");
    } else {
        (void)snprintf(out, QUERY_STATUS_BYTES, "%s-%s", outcome->found ? "call" : "get",
                       outcome->error[0] != '\0' ? outcome->error
                                                 : npr_status_name(outcome->status));
    }
}

#include "session.h"

#include "cookie.h"
#include "fail.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOST_BYTES_MAX 200

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* Cannot fail for this clock. */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint32_t session_random(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint32_t)getpid() * 2654435761U ^ (uint32_t)now.tv_nsec << 2 ^ (uint32_t)now.tv_sec;
}

void session_own_host(const struct npr_node_name *peer, char *out, size_t out_size)
{
    char host[HOST_BYTES_MAX] = "localhost";

    if (peer != NULL) {
        const char *at = memchr(peer->text, '@', peer->size);
        const size_t size = (size_t)(peer->text + peer->size - at - 1);

        /* On this machine our host is called what its is; names of both kinds then fit. */
        if ((size == 9 && memcmp(at + 1, "localhost", 9) == 0) ||
            (size > 4 && memcmp(at + 1, "127.", 4) == 0)) {
            (void)snprintf(out, out_size, "%.*s", (int)size, at + 1);
            return;
        }
    }
    (void)gethostname(host, sizeof(host) - 1); /* On failure the default stays. */
    if (peer != NULL && memchr(peer->text, '.', peer->size) == NULL) {
        host[strcspn(host, ".")] = '\0'; /* A short name wants a short one. */
    }
    (void)snprintf(out, out_size, "%s", host);
}

/* "b@host:port" without the port. */
static npr_status parse_peer(const char *text, struct npr_node_name *out, struct npr_error *err)
{
    const char *at = strchr(text, '@');
    size_t size = strlen(text);

    if (at != NULL && strchr(at, ':') != NULL) {
        size = (size_t)(strrchr(at, ':') - text);
    }
    return npr_node_name_parse((struct npr_bytes){.data = (const uint8_t *)text, .size = size}, out,
                               err);
}

npr_status session_open(const struct arguments *arguments,
                        struct session *out,
                        struct npr_error *err)
{
    struct npr_node_options options = NPR_NODE_OPTIONS_INIT;
    struct session session = {.timeout_ms = arguments->timeout_ms};
    char cookie[COOKIE_BYTES_MAX + 1];
    char name[NPR_NODE_NAME_BYTES_MAX + 1];
    char host[HOST_BYTES_MAX];
    npr_status status;

    if (arguments->node == NULL) {
        return fail(err, NPR_EINVAL,
                    "which node to ask? Give --node NAME@HOST or set NPROCREG_NODE");
    }
    session.deadline_ms = now_ms() + arguments->timeout_ms;
    status = parse_peer(arguments->node, &session.peer, err);
    if (status != NPR_OK) {
        return status;
    }
    status = cookie_read(arguments->cookie_file, cookie, err);
    if (status != NPR_OK) {
        return status;
    }
    session_own_host(&session.peer, host, sizeof(host));
    (void)snprintf(name, sizeof(name), "nprocreg-%08x@%s", session_random(), host);
    options.name = name;
    options.cookie = cookie;
    options.client = true;
    options.workers = 1;
    status = npr_node_start(&options, &session.node, err);
    if (status != NPR_OK) {
        return status;
    }
    status = npr_node_connect(session.node, arguments->node, session_left_ms(&session), err);
    if (status != NPR_OK) {
        npr_node_stop(session.node);
        return status;
    }
    *out = session;
    return NPR_OK;
}

void session_close(struct session *session)
{
    npr_node_stop(session->node);
    session->node = NULL;
}

uint32_t session_left_ms(const struct session *session)
{
    const uint64_t now = now_ms();

    return now >= session->deadline_ms ? 1 : (uint32_t)(session->deadline_ms - now);
}

npr_status session_rpc(struct session *session,
                       const char *module,
                       const char *function,
                       struct npr_term args,
                       struct npr_builder *reply,
                       struct npr_error *err)
{
    return npr_node_rpc(session->node, &session->peer, module, function, args,
                        session_left_ms(session), reply, err);
}

npr_status session_rpc_in_time(struct session *session,
                               const char *module,
                               const char *function,
                               struct npr_term args,
                               struct npr_builder *reply,
                               struct npr_error *err)
{
    const uint32_t left_ms = session_left_ms(session);

    return npr_node_rpc(
        session->node, &session->peer, module, function, args,
        left_ms > UINT32_MAX - ANSWER_GRACE_MS ? left_ms : left_ms + ANSWER_GRACE_MS, reply, err);
}

npr_status session_call_server(struct session *session,
                               struct npr_term request,
                               struct npr_builder *reply,
                               struct npr_error *err)
{
    const struct npr_address server = {.name = "nprocreg", .node = session->peer};
    npr_status status =
        npr_node_call(session->node, &server, request, session_left_ms(session), reply, err);

    if (status == NPR_ENOPROC) {
        status = fail(err, NPR_EUNREACHABLE, "%.*s is up but runs no nprocreg",
                      (int)session->peer.size, session->peer.text);
    }
    return status;
}

npr_status session_cast_server(struct session *session,
                               struct npr_term message,
                               struct npr_error *err)
{
    const struct npr_address server = {.name = "nprocreg", .node = session->peer};
    const npr_status status = npr_node_cast(session->node, &server, message);

    return status == NPR_OK ? NPR_OK : fail(err, status, "cast: %s", npr_status_text(status));
}

bool session_is_undef(npr_status status, struct npr_builder *reply)
{
    struct npr_term term = {0};
    struct npr_term pair[2];

    return status == NPR_EEXIT && npr_builder_finish(reply, &term, NULL) == NPR_OK &&
           npr_term_get_tuple(term, 2, pair) && npr_term_is_atom(pair[0], "error") &&
           npr_term_is_atom(pair[1], "undef");
}

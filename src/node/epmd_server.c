/* What comes in on one connection:
 *
 *   asking --ALIVE2, name free--> registered --closed--> gone, the name is free
 *      |--any other request--> answered, then closed
 *      '--broken, or REQUEST_NS without a whole request--> closed
 *
 * Only processes of this machine may register.  Who wants to stop the server, or to strike out
 * another's name, is refused in epmd's own way.  When CLIENTS_MAX are connected, the longest
 * waiting one that has not registered makes room, so that idle ones cannot keep a node out. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "base/limits.h"
#include "dist/epmd.h"
#include "net/entropy.h"
#include "node/epmd.h"

#define CLIENTS_MAX   1024u
#define LISTENERS_MAX 16u
#define REQUEST_NS    UINT64_C(10000000000)

/* A reply up to this size fits the buffer of any fresh socket; a longer one is watched until the
 * kernel has taken it. */
#define REPLY_AT_ONCE_BYTES (8u << 10)
#define WATCH_NS            UINT64_C(10000000)

/* Creations up to 3 are of the old kind, which wraps at 2 bits. */
#define CREATION_MIN 4u

struct epmd_client {
    struct epmd_client *next; /* newest last */
    struct epmd_client *previous;
    struct npri_epmd_server *server;
    struct npri_stream *stream;
    uint64_t deadline_ns; /* UINT64_MAX: registered */
    bool registered;
    bool answered;                         /* a long reply is on its way */
    struct npri_epmd_request registration; /* meaningful while registered; borrows `input` */
    size_t input_size;
    uint8_t input[2 + NPRI_EPMD_MESSAGE_MAX];
};

struct npri_epmd_server {
    struct npri_loop *loop;
    struct npri_listener *listeners[LISTENERS_MAX];
    size_t listeners_count;
    struct npri_timer *timer; /* for the earliest deadline */
    struct epmd_client *first;
    struct epmd_client *last;
    size_t clients_count;
    uint32_t creation; /* the last one given */
};

/* ---- Clients. */

static void client_drop(struct epmd_client *client)
{
    struct npri_epmd_server *server = client->server;

    *(client->previous == NULL ? &server->first : &client->previous->next) = client->next;
    *(client->next == NULL ? &server->last : &client->next->previous) = client->previous;
    server->clients_count--;
    npri_stream_close(client->stream);
    npri_free(client);
}

static void server_on_time(void *user)
{
    struct npri_epmd_server *server = user;
    const uint64_t now_ns = npri_loop_now_ns(server->loop);
    uint64_t next_ns = UINT64_MAX;
    struct epmd_client *next;

    for (struct epmd_client *client = server->first; client != NULL; client = next) {
        uint64_t due_ns = client->deadline_ns;

        next = client->next;
        if (due_ns <= now_ns ||
            (client->answered && npri_stream_queued_bytes(client->stream) == 0)) {
            client_drop(client);
            continue;
        }
        if (client->answered && due_ns > now_ns + WATCH_NS) {
            due_ns = now_ns + WATCH_NS;
        }
        next_ns = due_ns < next_ns ? due_ns : next_ns;
    }
    npri_timer_set(server->timer, next_ns);
}

static bool client_is_local(const struct epmd_client *client)
{
    static const char *const starts[] = {"127.", "[::1]:", "[::ffff:127."};
    char peer[64];

    npri_stream_peer_text(client->stream, peer);
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (strncmp(peer, starts[i], strlen(starts[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- Requests. */

static const struct epmd_client *server_find(const struct npri_epmd_server *server,
                                             struct npr_bytes name)
{
    for (const struct epmd_client *at = server->first; at != NULL; at = at->next) {
        if (at->registered && npri_bytes_equal(at->registration.name, name)) {
            return at;
        }
    }
    return NULL;
}

/* Registers the client if the name is free; true when it stays connected. */
static bool client_register(struct epmd_client *client, const struct npri_epmd_request *request)
{
    struct npri_epmd_server *server = client->server;
    struct npri_buffer *output = npri_stream_output(client->stream);
    const bool large = request->version_high >= 6; /* as epmd does */

    if (!client_is_local(client)) {
        return false;
    }
    if (server_find(server, request->name) != NULL) {
        npri_epmd_write_alive_reply(1, 99, large, output);
        return false;
    }
    server->creation = server->creation == UINT32_MAX ? CREATION_MIN : server->creation + 1;
    npri_epmd_write_alive_reply(0, large ? server->creation : server->creation % 3 + 1, large,
                                output);
    client->registration = *request;
    client->registered = true;
    client->deadline_ns = UINT64_MAX;
    return true;
}

static void server_write_names(const struct npri_epmd_server *server,
                               bool dump,
                               struct npri_buffer *out)
{
    char line[NPR_NODE_NAME_BYTES_MAX + 64];
    unsigned number = 0;

    npri_epmd_write_names_header(npri_epmd_port(), out);
    for (const struct epmd_client *at = server->first; at != NULL; at = at->next) {
        const struct npri_epmd_request *held = &at->registration;

        number++;
        if (at->registered && !dump) {
            npri_epmd_write_names_line(held->name, held->port, out);
        } else if (at->registered) { /* With the terminator, as epmd does. */
            const int size = snprintf(
                line, sizeof(line), "active name     <%.*s> at port %u, fd = %u\n",
                (int)held->name.size, (const char *)held->name.data, (unsigned)held->port, number);

            npri_put_bytes(out, npri_bytes(line, (size_t)size + 1));
        }
    }
}

/* Answers one whole request; true when the connection stays. */
static bool client_answer(struct epmd_client *client, const struct npri_epmd_request *request)
{
    struct npri_buffer *output = npri_stream_output(client->stream);
    const struct epmd_client *found;

    switch (request->kind) {
    case NPRI_EPMD_ALIVE2:
        return client_register(client, request);
    case NPRI_EPMD_PORT_PLEASE2:
        found = server_find(client->server, request->name);
        npri_epmd_write_port_reply(found == NULL ? NULL : &found->registration, output);
        return false;
    case NPRI_EPMD_NAMES:
    case NPRI_EPMD_DUMP:
        server_write_names(client->server, request->kind == NPRI_EPMD_DUMP, output);
        if (output->size <= REPLY_AT_ONCE_BYTES) {
            return false;
        }
        client->answered = true;
        npri_timer_set(client->server->timer, npri_loop_now_ns(client->server->loop) + WATCH_NS);
        return true;
    case NPRI_EPMD_KILL:
        npri_put_bytes(output, npr_bytes_of("NO"));
        return false;
    case NPRI_EPMD_STOP: /* epmd just hangs up, too. */
        return false;
    }
    return false;
}

static void client_on_received(void *user, struct npr_bytes bytes)
{
    struct epmd_client *client = user;
    const size_t room = sizeof(client->input) - client->input_size;
    const size_t taken = bytes.size < room ? bytes.size : room;
    struct npri_epmd_request request;
    npr_status status;
    size_t used;

    if (client->registered || client->answered) {
        return; /* Nothing more is expected; it does no harm. */
    }
    memcpy(client->input + client->input_size, bytes.data, taken);
    client->input_size += taken;
    status = npri_epmd_read_request(npri_bytes(client->input, client->input_size), &request, &used,
                                    NULL);
    if (status == NPR_ENOTFOUND && client->input_size < sizeof(client->input)) {
        return;
    }
    if (status != NPR_OK || !client_answer(client, &request)) {
        client_drop(client);
    }
}

static void client_on_closed(void *user, const struct npr_error *error)
{
    (void)error;
    client_drop(user);
}

static void server_on_accepted(void *user, struct npri_stream *stream)
{
    static const struct npri_stream_events events = {.received = client_on_received,
                                                     .closed = client_on_closed};
    struct npri_epmd_server *server = user;
    struct epmd_client *client = NULL;

    if (server->clients_count == CLIENTS_MAX) {
        struct epmd_client *oldest = server->first;

        while (oldest != NULL && oldest->registered) {
            oldest = oldest->next;
        }
        if (oldest != NULL) {
            client_drop(oldest);
        }
    }
    if (server->clients_count < CLIENTS_MAX) {
        client = npri_alloc_zeroed(1, sizeof(*client));
    }
    if (client == NULL) {
        npri_stream_close(stream);
        return;
    }
    client->server = server;
    client->stream = stream;
    client->deadline_ns = npri_loop_now_ns(server->loop) + REQUEST_NS;
    client->previous = server->last;
    *(server->last == NULL ? &server->first : &server->last->next) = client;
    server->last = client;
    server->clients_count++;
    npri_stream_set_events(stream, &events, client);
    server_on_time(server); /* The timer may have been set for nobody. */
}

/* ---- Listening. */

static npr_status server_listen(struct npri_epmd_server *server,
                                const char *host,
                                struct npr_error *err)
{
    uint16_t port;
    npr_status status;

    if (server->listeners_count == LISTENERS_MAX) {
        return npri_fail(err, NPR_EFULL, "ERL_EPMD_ADDRESS: more than %u addresses",
                         LISTENERS_MAX - 1);
    }
    status = npri_listener_open(server->loop, host, npri_epmd_port(), server_on_accepted, server,
                                &server->listeners[server->listeners_count], &port, err);
    server->listeners_count += status == NPR_OK;
    return status;
}

static pthread_once_t addresses_once = PTHREAD_ONCE_INIT;
static char addresses[1024]; /* too long: as good as all of it, cut within an address */

/* The environment is read once: later it may be changed under our hands by another thread. */
static void addresses_read(void)
{
    const char *text = getenv("ERL_EPMD_ADDRESS"); /* NOLINT(concurrency-mt-unsafe) */

    (void)snprintf(addresses, sizeof(addresses), "%s", text == NULL ? "" : text);
}

static bool address_is_every(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* The next of the addresses with commas between from `*at` on; false at the end. */
static bool address_next(const char **at, char host[sizeof(addresses)])
{
    size_t size;

    *at += strspn(*at, ",");
    size = strcspn(*at, ",");
    memcpy(host, *at, size);
    host[size] = '\0';
    *at += size;
    return size != 0;
}

/* 127.0.0.1, and what ERL_EPMD_ADDRESS adds.  An address that means every interface stands for
 * loopback too, which must then not be opened besides. */
static npr_status server_listen_all(struct npri_epmd_server *server, struct npr_error *err)
{
    char host[sizeof(addresses)];
    npr_status status = NPR_OK;
    bool every = false;
    const char *at;

    (void)pthread_once(&addresses_once, addresses_read);
    for (at = addresses; address_next(&at, host);) {
        every = every || address_is_every(host);
    }
    if (!every) {
        status = server_listen(server, "127.0.0.1", err);
    }
    for (at = addresses; status == NPR_OK && address_next(&at, host);) {
        if (strcmp(host, "127.0.0.1") != 0) {
            status = server_listen(server, host, err);
        }
    }
    return status;
}

npr_status npri_epmd_server_open(struct npri_loop *loop,
                                 struct npri_epmd_server **out,
                                 struct npr_error *err)
{
    struct npri_epmd_server *server = npri_alloc_zeroed(1, sizeof(*server));
    npr_status status;

    if (server == NULL) {
        return npri_fail(err, NPR_ENOMEM, "epmd: out of memory");
    }
    server->loop = loop;
    server->timer = npri_timer_create(loop, server_on_time, server);
    if (server->timer == NULL) {
        npri_free(server);
        return npri_fail(err, NPR_ENOMEM, "epmd: out of memory");
    }
    status = server_listen_all(server, err);
    if (status != NPR_OK) {
        npri_epmd_server_close(server);
        return status;
    }
    /* Names come back under a new server with new creations: they must not be those of the last. */
    npri_entropy(&server->creation, sizeof(server->creation));
    server->creation = server->creation < CREATION_MIN ? CREATION_MIN : server->creation;
    *out = server;
    return NPR_OK;
}

void npri_epmd_server_close(struct npri_epmd_server *server)
{
    if (server == NULL) {
        return;
    }
    for (size_t i = 0; i < server->listeners_count; i++) {
        npri_listener_close(server->listeners[i]);
    }
    while (server->first != NULL) {
        client_drop(server->first);
    }
    NPRI_ASSERT(server->clients_count == 0);
    npri_timer_destroy(server->timer);
    npri_free(server);
}

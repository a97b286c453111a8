#include "proxies.h"

#include "mapper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINKS_MAX      256
#define ASKERS_MAX     64
#define CHUNK_BYTES    16384
#define CHUNKS_MAX     64 /* that wait in one direction; then no more is read */
#define NS_PER_MS      UINT64_C(1000000)
#define CREATION_FIRST 1000U

/* What was read at one time, to be written when it is due. */
struct chunk {
    uint64_t due_ns;
    size_t size;
    size_t written;
    uint8_t bytes[CHUNK_BYTES];
};

/* One direction of a connection: from a descriptor to the other. */
struct way {
    unsigned from; /* nodes */
    unsigned to;
    bool ended; /* nothing more will be read */
    bool shut;  /* and the other side knows */
    size_t first;
    size_t count;
    struct chunk *chunks; /* a ring of CHUNKS_MAX */
};

/* A connection that `from` of ways[0] opened: fds[0] is towards it, fds[1] towards the other. */
struct link {
    bool used;
    int fds[2];
    struct way ways[2]; /* ways[i] reads fds[i], writes fds[1-i] */
};

/* A connection to the epmd of `node`. */
struct asker {
    int fd; /* -1: free */
    unsigned node;
    int holds; /* the node that it has registered, -1: none */
    size_t size;
    uint8_t bytes[MAPPER_BYTES_MAX];
};

struct proxies {
    pthread_t thread;
    pthread_mutex_t
        lock; /* over `reach`, `delay_ms`, `reset` and `closing`; the rest is the thread's */
    int wake[2];
    bool closing;
    uint32_t reach[NETWORK_NODES_MAX];
    uint32_t delay_ms[NETWORK_NODES_MAX][NETWORK_NODES_MAX];
    uint32_t reset[NETWORK_NODES_MAX]; /* masks of ways whose connections are to be broken */

    unsigned nodes_count;
    char names[NETWORK_NODES_MAX][32];
    int epmd[NETWORK_NODES_MAX];
    uint16_t epmd_port[NETWORK_NODES_MAX];
    int listener[NETWORK_NODES_MAX][NETWORK_NODES_MAX]; /* from, to */
    uint16_t listener_port[NETWORK_NODES_MAX][NETWORK_NODES_MAX];
    uint16_t node_port[NETWORK_NODES_MAX]; /* 0: not registered */
    uint8_t node_type[NETWORK_NODES_MAX];
    uint32_t creation;
    struct link links[LINKS_MAX];
    struct asker askers[ASKERS_MAX];
};

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int listen_somewhere(uint16_t *out_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, size) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        perror("proxies: listener");
        exit(2);
    }
    *out_port = ntohs(address.sin_port);
    return fd;
}

static int node_named(const struct proxies *proxies, const char *name)
{
    for (unsigned i = 0; i < proxies->nodes_count; i++) {
        if (strcmp(proxies->names[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* ---- epmd. */

static void asker_close(struct proxies *proxies, struct asker *asker)
{
    if (asker->holds >= 0) {
        proxies->node_port[asker->holds] = 0;
    }
    (void)close(asker->fd);
    *asker = (struct asker){.fd = -1, .holds = -1};
}

static size_t port_answer(const struct proxies *proxies,
                          unsigned viewer,
                          const char *name,
                          uint8_t *out)
{
    const int node = node_named(proxies, name);

    if (node < 0 || proxies->node_port[node] == 0) {
        return mapper_unknown_reply(out);
    }
    return mapper_port_reply(name,
                             (unsigned)node == viewer ? proxies->node_port[node]
                                                      : proxies->listener_port[viewer][node],
                             proxies->node_type[node], out);
}

/* Answers what has been asked.  True: the connection stays. */
static bool asker_answer(struct proxies *proxies, struct asker *asker)
{
    const struct mapper_asked asked = mapper_read(asker->bytes, asker->size);
    uint8_t reply[MAPPER_BYTES_MAX];
    size_t size = 0;
    bool stays = false;

    switch (asked.request) {
    case MAPPER_MORE:
        return true;
    case MAPPER_ALIVE:
        asker->holds = node_named(proxies, asked.name);
        if (asker->holds >= 0) {
            proxies->node_port[asker->holds] = asked.port;
            proxies->node_type[asker->holds] = asked.type;
            size = mapper_alive_reply(proxies->creation++, reply);
            stays = true;
        }
        break;
    case MAPPER_PORT:
        size = port_answer(proxies, asker->node, asked.name, reply);
        break;
    case MAPPER_NAMES:
    case MAPPER_BAD:
        break;
    }
    asker->size = 0;
    return send(asker->fd, reply, size, MSG_NOSIGNAL) == (ssize_t)size && stays;
}

static void asker_read(struct proxies *proxies, struct asker *asker)
{
    const ssize_t count = recv(asker->fd, asker->bytes + asker->size,
                               sizeof(asker->bytes) - asker->size, MSG_DONTWAIT);

    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count > 0) {
        asker->size += (size_t)count;
    }
    if (count <= 0 || !asker_answer(proxies, asker)) {
        asker_close(proxies, asker);
    }
}

static void asker_accept(struct proxies *proxies, unsigned node)
{
    const int fd = accept4(proxies->epmd[node], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    for (size_t i = 0; fd >= 0 && i < ASKERS_MAX; i++) {
        if (proxies->askers[i].fd < 0) {
            proxies->askers[i] = (struct asker){.fd = fd, .node = node, .holds = -1};
            return;
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* ---- Connections. */

/* With `lost`, as a network that breaks: what is under way is gone, both ends are told so. */
static void link_close(struct link *link, bool lost)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    for (int i = 0; i < 2; i++) {
        if (lost && link->fds[i] >= 0) {
            (void)setsockopt(link->fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        }
        if (link->fds[i] >= 0) {
            (void)close(link->fds[i]);
        }
        free(link->ways[i].chunks);
    }
    *link = (struct link){0};
}

static int dial(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* On loopback it is there at once, or refused. */
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
        return fd;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return -1;
}

static void link_accept(struct proxies *proxies, unsigned from, unsigned to)
{
    const int yes = 1;
    const int fd = accept4(proxies->listener[from][to], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct link *link = NULL;

    if (fd < 0) {
        return;
    }
    for (size_t i = 0; link == NULL && i < LINKS_MAX; i++) {
        link = proxies->links[i].used ? NULL : &proxies->links[i];
    }
    if (link == NULL) {
        (void)close(fd);
        return;
    }
    *link = (struct link){.used = true, .fds = {fd, dial(proxies->node_port[to])}};
    link->ways[0] = (struct way){.from = from, .to = to};
    link->ways[1] = (struct way){.from = to, .to = from};
    for (int i = 0; i < 2; i++) {
        link->ways[i].chunks = calloc(CHUNKS_MAX, sizeof(struct chunk));
        if (link->ways[i].chunks == NULL) {
            abort();
        }
        (void)setsockopt(link->fds[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    }
    if (link->fds[1] < 0) {
        link_close(link, true);
    }
}

static bool passes(const struct proxies *proxies, const struct way *way)
{
    return (proxies->reach[way->from] & 1U << way->to) != 0;
}

/* Reads what there is room for.  False: the connection is gone. */
static bool way_read(const struct proxies *proxies, struct link *link, int index)
{
    struct way *way = &link->ways[index];
    struct chunk *chunk = &way->chunks[(way->first + way->count) % CHUNKS_MAX];
    ssize_t count;

    if (way->ended || way->count == CHUNKS_MAX) {
        return true;
    }
    count = recv(link->fds[index], chunk->bytes, sizeof(chunk->bytes), MSG_DONTWAIT);
    if (count < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (count == 0) {
        way->ended = true;
        return true;
    }
    chunk->size = (size_t)count;
    chunk->written = 0;
    chunk->due_ns = now_ns() + proxies->delay_ms[way->from][way->to] * NS_PER_MS;
    way->count++;
    return true;
}

/* Writes what is due.  False: the connection is gone. */
static bool way_write(const struct proxies *proxies, struct link *link, int index)
{
    struct way *way = &link->ways[index];
    const uint64_t now = now_ns();

    while (way->count > 0 && passes(proxies, way)) {
        struct chunk *chunk = &way->chunks[way->first];
        ssize_t count;

        if (chunk->due_ns > now) {
            return true;
        }
        count = send(link->fds[1 - index], chunk->bytes + chunk->written,
                     chunk->size - chunk->written, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        chunk->written += (size_t)count;
        if (chunk->written == chunk->size) {
            way->first = (way->first + 1) % CHUNKS_MAX;
            way->count--;
        }
    }
    if (way->ended && way->count == 0 && !way->shut && passes(proxies, way)) {
        (void)shutdown(link->fds[1 - index], SHUT_WR);
        way->shut = true;
    }
    return true;
}

/* A connection that one end has reset is gone for the other, too, once it would hear of it. */
static void link_run(struct proxies *proxies, struct link *link)
{
    bool lives = true;

    for (int i = 0; i < 2 && lives; i++) {
        lives = (!passes(proxies, &link->ways[i]) || way_read(proxies, link, i)) &&
                way_write(proxies, link, i);
    }
    if (!lives) {
        link_close(link, true);
    } else if (link->ways[0].shut && link->ways[1].shut) {
        link_close(link, false);
    }
}

/* ---- The thread. */

struct polled {
    struct pollfd fds[2 + NETWORK_NODES_MAX * (NETWORK_NODES_MAX + 1) + ASKERS_MAX + 2 * LINKS_MAX];
    nfds_t count;
    int timeout_ms;
};

static void add_poll(struct polled *polled, int fd, short events)
{
    polled->fds[polled->count++] = (struct pollfd){.fd = fd, .events = events};
}

static void add_link(const struct proxies *proxies, const struct link *link, struct polled *polled)
{
    const uint64_t now = now_ns();

    for (int i = 0; i < 2; i++) {
        const struct way *in = &link->ways[i];
        const struct way *out = &link->ways[1 - i];
        short events = 0;

        if (!in->ended && in->count < CHUNKS_MAX && passes(proxies, in)) {
            events |= POLLIN;
        }
        if (out->count > 0 && passes(proxies, out)) {
            const uint64_t due_ns = out->chunks[out->first].due_ns;

            if (due_ns <= now) {
                events |= POLLOUT;
            } else if ((due_ns - now) / NS_PER_MS < (uint64_t)polled->timeout_ms) {
                polled->timeout_ms = (int)((due_ns - now) / NS_PER_MS) + 1;
            }
        }
        add_poll(polled, events == 0 ? -1 : link->fds[i], events); /* else POLLHUP wakes for ever */
    }
}

static void wait_for_work(const struct proxies *proxies, struct polled *polled)
{
    polled->count = 0;
    polled->timeout_ms = 1000;
    add_poll(polled, proxies->wake[0], POLLIN);
    for (unsigned i = 0; i < proxies->nodes_count; i++) {
        add_poll(polled, proxies->epmd[i], POLLIN);
        for (unsigned j = 0; j < proxies->nodes_count; j++) {
            add_poll(polled, proxies->listener[i][j], POLLIN);
        }
    }
    for (size_t i = 0; i < ASKERS_MAX; i++) {
        add_poll(polled, proxies->askers[i].fd, POLLIN);
    }
    for (size_t i = 0; i < LINKS_MAX; i++) {
        if (proxies->links[i].used) {
            add_link(proxies, &proxies->links[i], polled);
        }
    }
}

/* Takes what wants in, in the order of wait_for_work(). */
static void serve_listeners(struct proxies *proxies, const struct polled *polled)
{
    size_t at = 1;

    for (unsigned i = 0; i < proxies->nodes_count; i++) {
        if (polled->fds[at++].revents != 0) {
            asker_accept(proxies, i);
        }
        for (unsigned j = 0; j < proxies->nodes_count; j++) {
            if (polled->fds[at++].revents != 0) {
                link_accept(proxies, i, j);
            }
        }
    }
}

static void serve(struct proxies *proxies)
{
    for (size_t i = 0; i < ASKERS_MAX; i++) {
        if (proxies->askers[i].fd >= 0) {
            asker_read(proxies, &proxies->askers[i]);
        }
    }
    for (size_t i = 0; i < LINKS_MAX; i++) {
        struct link *link = &proxies->links[i];

        if (link->used && (proxies->reset[link->ways[0].from] & 1U << link->ways[0].to) != 0) {
            link_close(link, true);
        } else if (link->used) {
            link_run(proxies, link);
        }
    }
    memset(proxies->reset, 0, sizeof(proxies->reset));
}

static void *run(void *user)
{
    static struct polled polled; /* there is one thread */
    struct proxies *proxies = user;
    char bytes[64];
    bool closing = false;
    bool ready = false;

    while (!closing) {
        (void)pthread_mutex_lock(&proxies->lock);
        if (ready) {
            serve_listeners(proxies, &polled);
        }
        serve(proxies);
        wait_for_work(proxies, &polled);
        closing = proxies->closing;
        (void)pthread_mutex_unlock(&proxies->lock);
        ready = !closing && poll(polled.fds, polled.count, polled.timeout_ms) > 0;
        if (ready && polled.fds[0].revents != 0) {
            (void)!read(proxies->wake[0], bytes, sizeof(bytes));
        }
    }
    return NULL;
}

/* ---- From the harness. */

struct proxies *proxies_open(unsigned nodes_count, const char *const *names)
{
    struct proxies *proxies = calloc(1, sizeof(*proxies));

    if (proxies == NULL || pipe2(proxies->wake, O_CLOEXEC) < 0) {
        perror("proxies");
        exit(2);
    }
    proxies->nodes_count = nodes_count;
    proxies->creation = CREATION_FIRST;
    for (unsigned i = 0; i < nodes_count; i++) {
        (void)strncpy(proxies->names[i], names[i], sizeof(proxies->names[i]) - 1);
        proxies->reach[i] = (1U << nodes_count) - 1;
        proxies->epmd[i] = listen_somewhere(&proxies->epmd_port[i]);
        for (unsigned j = 0; j < nodes_count; j++) {
            proxies->listener[i][j] = i == j ? -1 : listen_somewhere(&proxies->listener_port[i][j]);
        }
    }
    for (size_t i = 0; i < ASKERS_MAX; i++) {
        proxies->askers[i] = (struct asker){.fd = -1, .holds = -1};
    }
    (void)pthread_mutex_init(&proxies->lock, NULL);
    if (pthread_create(&proxies->thread, NULL, run, proxies) != 0) {
        perror("proxies: thread");
        exit(2);
    }
    return proxies;
}

static void told(struct proxies *proxies)
{
    (void)pthread_mutex_unlock(&proxies->lock);
    (void)!write(proxies->wake[1], "", 1);
}

void proxies_close(struct proxies *proxies)
{
    (void)pthread_mutex_lock(&proxies->lock);
    proxies->closing = true;
    told(proxies);
    (void)pthread_join(proxies->thread, NULL);
    for (unsigned i = 0; i < proxies->nodes_count; i++) {
        (void)close(proxies->epmd[i]);
        for (unsigned j = 0; j < proxies->nodes_count; j++) {
            if (i != j) {
                (void)close(proxies->listener[i][j]);
            }
        }
    }
    for (size_t i = 0; i < ASKERS_MAX; i++) {
        if (proxies->askers[i].fd >= 0) {
            asker_close(proxies, &proxies->askers[i]);
        }
    }
    for (size_t i = 0; i < LINKS_MAX; i++) {
        if (proxies->links[i].used) {
            link_close(&proxies->links[i], true);
        }
    }
    (void)close(proxies->wake[0]);
    (void)close(proxies->wake[1]);
    (void)pthread_mutex_destroy(&proxies->lock);
    free(proxies);
}

uint16_t proxies_epmd_port(const struct proxies *proxies, unsigned node)
{
    return proxies->epmd_port[node];
}

void proxies_reach(struct proxies *proxies, const uint32_t reach[NETWORK_NODES_MAX])
{
    (void)pthread_mutex_lock(&proxies->lock);
    memcpy(proxies->reach, reach, sizeof(proxies->reach));
    told(proxies);
}

void proxies_delay(struct proxies *proxies, unsigned a, unsigned b, uint32_t delay_ms)
{
    (void)pthread_mutex_lock(&proxies->lock);
    proxies->delay_ms[a][b] = delay_ms;
    proxies->delay_ms[b][a] = delay_ms;
    told(proxies);
}

void proxies_reset(struct proxies *proxies, unsigned a, unsigned b)
{
    (void)pthread_mutex_lock(&proxies->lock);
    proxies->reset[a] |= 1U << b;
    proxies->reset[b] |= 1U << a;
    told(proxies);
}

#include "referee.h"

#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX   64
#define LINE_BYTES_MAX    1024
#define NODE_READ_BYTES   65536
#define CLIENT_READ_BYTES 4096 /* fewer lines than REQUESTS_LATE of the book */

enum role { ROLE_UNKNOWN, ROLE_NODE, ROLE_CLIENT };

struct connection {
    int fd; /* -1: free */
    enum role role;
    unsigned index; /* of the node or client */
    uint32_t run;
    size_t size; /* of the line that is not complete */
    char line[LINE_BYTES_MAX];
};

struct referee {
    pthread_t thread;
    pthread_mutex_t lock; /* over book and connections_count */
    struct book *book;
    FILE *log;
    int listener;
    int wake[2]; /* closed at the writing end: the thread ends */
    size_t connections_count;
    struct connection connections[CONNECTIONS_MAX]; /* the thread's own */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static void take_line(struct referee *referee, struct connection *connection)
{
    struct words words = {.at = connection->line};
    char role[16];
    bool known = false;

    if (referee->log != NULL) {
        (void)fprintf(referee->log, "%c%u %s\n", connection->role == ROLE_NODE ? 'n' : 'c',
                      connection->index, connection->line);
    }
    switch (connection->role) {
    case ROLE_UNKNOWN:
        known = words_take(&words, "hello");
        words_text(&words, role, sizeof(role));
        connection->index = words_u32(&words);
        connection->run = words_u32(&words);
        known = known && words_done(&words) &&
                connection->index < (strcmp(role, "node") == 0 ? BOOK_NODES_MAX : BOOK_CLIENTS_MAX);
        connection->role = strcmp(role, "node") == 0 ? ROLE_NODE : ROLE_CLIENT;
        break;
    case ROLE_NODE:
        known = book_node_line(referee->book, connection->index, connection->run, connection->line);
        break;
    case ROLE_CLIENT:
        known = book_client_line(referee->book, connection->index, connection->line);
        break;
    }
    if (!known) {
        (void)fprintf(stderr, "referee: not understood: %s\n", connection->line);
        abort(); /* a mistake of the harness, which nobody may take for a verdict */
    }
}

static void take_bytes(struct referee *referee,
                       struct connection *connection,
                       const char *bytes,
                       size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n') {
            connection->line[connection->size] = '\0';
            connection->size = 0;
            take_line(referee, connection);
        } else if (connection->size < sizeof(connection->line) - 1) {
            connection->line[connection->size++] = bytes[i];
        }
    }
}

/* One reading.  True: there may be more. */
static bool read_some(struct referee *referee, struct connection *connection, size_t wanted)
{
    static char bytes[NODE_READ_BYTES]; /* there is one thread */
    const ssize_t count = recv(connection->fd, bytes, wanted, MSG_DONTWAIT);

    (void)pthread_mutex_lock(&referee->lock);
    if (count > 0) {
        take_bytes(referee, connection, bytes, (size_t)count);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        (void)close(connection->fd);
        *connection = (struct connection){.fd = -1};
        referee->connections_count--;
    }
    (void)pthread_mutex_unlock(&referee->lock);
    return count == (ssize_t)wanted;
}

/* Who is ready: the nodes, or the others.  Nodes are read to the end, and a client is read little
 * at a time, so that it does not get ahead of them: what a client had written when the nodes were
 * read has its counterpart in what was read of the nodes. */
static void read_all(struct referee *referee, struct pollfd *polls, bool nodes)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &referee->connections[i];

        if (polls[i].revents != 0 && (connection->role == ROLE_NODE) == nodes) {
            polls[i].revents = 0;
            while (read_some(referee, connection, nodes ? NODE_READ_BYTES : CLIENT_READ_BYTES) &&
                   nodes) {
            }
        }
    }
}

static void accept_one(struct referee *referee)
{
    const int fd = accept(referee->listener, NULL, NULL);

    for (size_t i = 0; fd >= 0 && i < CONNECTIONS_MAX; i++) {
        if (referee->connections[i].fd < 0) {
            referee->connections[i] = (struct connection){.fd = fd};
            (void)pthread_mutex_lock(&referee->lock);
            referee->connections_count++;
            (void)pthread_mutex_unlock(&referee->lock);
            return;
        }
    }
    abort(); /* more programs than the harness can have started */
}

static size_t fill_polls(const struct referee *referee, struct pollfd *polls)
{
    size_t count = 0;

    polls[count++] = (struct pollfd){.fd = referee->wake[0], .events = POLLIN};
    polls[count++] = (struct pollfd){.fd = referee->listener, .events = POLLIN};
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        polls[count++] = (struct pollfd){.fd = referee->connections[i].fd, .events = POLLIN};
    }
    return count;
}

static void *run(void *user)
{
    struct referee *referee = user;
    struct pollfd polls[CONNECTIONS_MAX + 2];

    for (;;) {
        const size_t count = fill_polls(referee, polls);

        if (poll(polls, (nfds_t)count, -1) < 0) {
            continue; /* interrupted */
        }
        if (polls[0].revents != 0) {
            return NULL;
        }
        read_all(referee, polls + 2, true);
        read_all(referee, polls + 2, false);
        if (polls[1].revents != 0) {
            accept_one(referee);
        }
    }
}

struct referee *referee_open(const char *path, struct book *book, FILE *log)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct referee *referee = calloc(1, sizeof(*referee));

    if (referee == NULL || strlen(path) >= sizeof(address.sun_path)) {
        abort();
    }
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    (void)snprintf(referee->path, sizeof(referee->path), "%s", path);
    referee->book = book;
    referee->log = log;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        referee->connections[i].fd = -1;
    }
    referee->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (referee->listener < 0 ||
        bind(referee->listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(referee->listener, CONNECTIONS_MAX) < 0 || pipe2(referee->wake, O_CLOEXEC) < 0) {
        return NULL; /* The program ends on it. */
    }
    (void)pthread_mutex_init(&referee->lock, NULL);
    if (pthread_create(&referee->thread, NULL, run, referee) != 0) {
        return NULL;
    }
    return referee;
}

struct book *referee_book(struct referee *referee)
{
    (void)pthread_mutex_lock(&referee->lock);
    return referee->book;
}

void referee_release(struct referee *referee)
{
    (void)pthread_mutex_unlock(&referee->lock);
}

size_t referee_connections(struct referee *referee)
{
    size_t count;

    (void)pthread_mutex_lock(&referee->lock);
    count = referee->connections_count;
    (void)pthread_mutex_unlock(&referee->lock);
    return count;
}

void referee_close(struct referee *referee)
{
    (void)close(referee->wake[1]);
    (void)pthread_join(referee->thread, NULL);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (referee->connections[i].fd >= 0) {
            (void)close(referee->connections[i].fd);
        }
    }
    (void)close(referee->wake[0]);
    (void)close(referee->listener);
    (void)unlink(referee->path);
    (void)pthread_mutex_destroy(&referee->lock);
    book_destroy(referee->book);
    free(referee);
}

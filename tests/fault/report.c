#include "report.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BEAT_NS 50000000L

static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER;
static int referee = -1;

uint64_t report_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* Cannot fail for this clock. */
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* All of it, in one piece: lines of several threads must not mix. */
static void send_line(const char *line, size_t size)
{
    size_t sent = 0;

    (void)pthread_mutex_lock(&line_lock);
    while (referee >= 0 && sent < size) {
        const ssize_t count = send(referee, line + sent, size - sent, MSG_NOSIGNAL);

        if (count <= 0) {
            (void)close(referee); /* The referee is gone, and so is the test. */
            referee = -1;
        } else {
            sent += (size_t)count;
        }
    }
    (void)pthread_mutex_unlock(&line_lock);
}

void report(const char *format, ...)
{
    char line[REPORT_LINE_BYTES_MAX];
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(line, sizeof(line) - 1, format, arguments);
    va_end(arguments);
    if (size < 0) {
        return;
    }
    if ((size_t)size > sizeof(line) - 2) {
        size = (int)sizeof(line) - 2;
    }
    line[size] = '\n';
    send_line(line, (size_t)size + 1);
}

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): before any thread */

    return value == NULL ? otherwise : value;
}

bool report_open(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = setting("FAULT_REFEREE", "");
    const size_t size = strlen(path);
    const int bytes_max = 8192;

    if (size == 0 || size >= sizeof(address.sun_path)) {
        return false;
    }
    memcpy(address.sun_path, path, size + 1);
    referee = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (referee < 0) {
        return false;
    }
    if (connect(referee, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        (void)close(referee);
        referee = -1;
        return false;
    }
    if (strcmp(setting("FAULT_ROLE", ""), "client") ==
        0) { /* It must not run ahead of the nodes. */
        (void)setsockopt(referee, SOL_SOCKET, SO_SNDBUF, &bytes_max, sizeof(bytes_max));
    }
    report("hello %s %s %s", setting("FAULT_ROLE", "?"), setting("FAULT_NAME", "?"),
           setting("FAULT_RUN", "0"));
    return true;
}

static void *beat(void *unused)
{
    const struct timespec pause = {.tv_nsec = BEAT_NS};

    (void)unused;
    for (;;) {
        report("beat %llu", (unsigned long long)report_now_ns());
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

bool report_beats(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, beat, NULL) != 0) {
        return false;
    }
    (void)pthread_detach(thread); /* It goes with the program. */
    return true;
}

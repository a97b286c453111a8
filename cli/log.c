#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINES_MAX      1024u
#define LINE_BYTES_MAX 1200u
#define CLOSE_SECONDS  2

struct entry {
    size_t size;
    char text[LINE_BYTES_MAX];
};

/* All but `entries[first]` while it is written belongs to who has the lock. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t more; /* there are lines, or it is closing */
    pthread_cond_t done; /* the last of them has been written */
    pthread_t thread;
    npr_log_level most;
    unsigned first;
    unsigned count;
    unsigned long dropped;
    bool closing;
    bool ended;
    struct entry entries[LINES_MAX];
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .most = NPR_LOG_INFO};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static void put_line(struct entry *entry, npr_log_level level, const char *line)
{
    struct timespec now;
    struct tm utc;
    char stamp[32];
    int size;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
    size = snprintf(entry->text, sizeof(entry->text), "%s.%03ldZ level=%s %s\n", stamp,
                    now.tv_nsec / 1000000, level_names[level], line);
    entry->size = size < 0 ? 0 : (size_t)size;
    if (entry->size >= sizeof(entry->text)) {
        entry->size = sizeof(entry->text) - 1;
        entry->text[entry->size - 1] = '\n';
    }
}

/* With the lock.  False: the queue is full. */
static bool append(npr_log_level level, const char *line)
{
    if (queue.count == LINES_MAX) {
        return false;
    }
    put_line(&queue.entries[(queue.first + queue.count) % LINES_MAX], level, line);
    queue.count++;
    (void)pthread_cond_signal(&queue.more);
    return true;
}

static void write_all(const struct entry *entry)
{
    size_t written = 0;

    while (written < entry->size) {
        const ssize_t got = write(STDERR_FILENO, entry->text + written, entry->size - written);

        if (got < 0 && errno != EINTR) {
            return;
        }
        written += got < 0 ? 0 : (size_t)got;
    }
}

/* With the lock: tells of what was left out. */
static void note_dropped(void)
{
    char line[64];

    if (queue.dropped > 0 && queue.count < LINES_MAX) {
        (void)snprintf(line, sizeof(line), "log_dropped lines=%lu", queue.dropped);
        queue.dropped = 0;
        (void)append(NPR_LOG_WARNING, line);
    }
}

static void *write_lines(void *user)
{
    (void)user;
    (void)pthread_mutex_lock(&queue.lock);
    while (!queue.closing || queue.count > 0) {
        const struct entry *entry = &queue.entries[queue.first];

        if (queue.count == 0) {
            (void)pthread_cond_wait(&queue.more, &queue.lock);
            continue;
        }
        (void)pthread_mutex_unlock(&queue.lock);
        write_all(entry);
        (void)pthread_mutex_lock(&queue.lock);
        queue.first = (queue.first + 1) % LINES_MAX;
        queue.count--;
        note_dropped();
    }
    queue.ended = true;
    (void)pthread_cond_signal(&queue.done);
    (void)pthread_mutex_unlock(&queue.lock);
    return NULL;
}

bool log_open(npr_log_level most)
{
    queue.most = most;
    return pthread_cond_init(&queue.more, NULL) == 0 && pthread_cond_init(&queue.done, NULL) == 0 &&
           pthread_create(&queue.thread, NULL, write_lines, NULL) == 0;
}

void log_line(void *user, npr_log_level level, const char *line)
{
    (void)user;
    if (level > queue.most) {
        return;
    }
    (void)pthread_mutex_lock(&queue.lock);
    if (!append(level, line)) {
        queue.dropped++;
    }
    (void)pthread_mutex_unlock(&queue.lock);
}

/* The thread is not joined when it hangs: it ends with the program. */
void log_close(void)
{
    struct timespec until;
    bool ended;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_SECONDS;
    (void)pthread_mutex_lock(&queue.lock);
    queue.closing = true;
    (void)pthread_cond_signal(&queue.more);
    while (!queue.ended && pthread_cond_timedwait(&queue.done, &queue.lock, &until) != ETIMEDOUT) {
    }
    ended = queue.ended;
    (void)pthread_mutex_unlock(&queue.lock);
    if (ended) {
        (void)pthread_join(queue.thread, NULL);
    }
}

/*  CONNECTING --opened--> ASKING --granted--> HELD
 *      |                    |                 |
 *      +--- lost ---> WAITING <--- lost ------+
 *      ^                    |
 *      +----- RETRY --------+
 *
 * `done` is told at the first of: HELD; taken; a failure that a short time does not mend.  In the
 * two last cases the registration is OVER.  After HELD it never gives up.
 *
 * Nobody listens: we serve, and register with ourselves like anybody else.  Another was faster with
 * that: we find it listening at the next attempt. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "base/limits.h"
#include "dist/epmd.h"
#include "node/epmd.h"

#define ATTEMPT_NS     UINT64_C(5000000000) /* for one connection and its answer */
#define RETRY_SOON_NS  UINT64_C(50000000)
#define RETRY_NS       UINT64_C(1000000000)
#define RETRY_SOON_MAX 20u /* attempts at the short distance; at the start, then it is over */

enum registration_state {
    REGISTRATION_WAITING,
    REGISTRATION_CONNECTING,
    REGISTRATION_ASKING,
    REGISTRATION_HELD,
    REGISTRATION_OVER,
};

struct npri_epmd_registration {
    struct npri_loop *loop;
    struct npri_epmd_registration_options options;
    enum registration_state state;
    bool was_held;     /* `done` has been told NPR_OK */
    bool complained;   /* about the present loss, so that it is one line */
    bool taken;        /* said that another has the name now */
    unsigned attempts; /* since HELD, or since the start */
    struct npri_stream *stream;
    struct npri_timer *timer; /* WAITING: the next attempt; CONNECTING, ASKING: its end */
    struct npri_epmd_server *server;
    size_t reply_size;
    uint8_t reply[8]; /* the longest has 6 */
};

static void registration_attempt(struct npri_epmd_registration *registration);

/* The last thing that a function does: the user may stop the registration in no callback but
 * `done`, yet may do much else. */
static void registration_log(const struct npri_epmd_registration *registration,
                             const char *event,
                             const char *cause)
{
    char line[NPR_ERROR_TEXT_BYTES + 128];

    if (registration->options.log == NULL) {
        return;
    }
    (void)snprintf(line, sizeof(line), "%s port=%u%s%s%s", event, (unsigned)npri_epmd_port(),
                   cause == NULL ? "" : " reason=\"", cause == NULL ? "" : cause,
                   cause == NULL ? "" : "\"");
    registration->options.log(registration->options.user, line);
}

/* Ends the attempt under way, if any. */
static void registration_hang_up(struct npri_epmd_registration *registration)
{
    npri_stream_close(registration->stream);
    registration->stream = NULL;
    registration->reply_size = 0;
}

/* The attempt, or the connection that held the name, failed.  Nothing may follow this call: `done`
 * may have freed the registration. */
static void registration_on_lost(struct npri_epmd_registration *registration,
                                 const struct npr_error *error)
{
    const uint64_t now_ns = npri_loop_now_ns(registration->loop);
    const struct npr_error copy = *error; /* It may be the stream's, which goes now. */
    const bool soon = registration->attempts < RETRY_SOON_MAX && copy.status != NPR_EEXIST;
    /* Who served has just gone, or has just begun to. */
    const bool passing = copy.status == NPR_EADDRINUSE || copy.status == NPR_EIO;

    registration_hang_up(registration);
    if (!registration->was_held && !(soon && passing)) {
        registration->state = REGISTRATION_OVER;
        npri_timer_set(registration->timer, UINT64_MAX);
        registration->options.done(registration->options.user, copy.status, 0, &copy);
        return;
    }
    registration->state = REGISTRATION_WAITING;
    npri_timer_set(registration->timer, now_ns + (soon ? RETRY_SOON_NS : RETRY_NS));
    if (registration->was_held && copy.status == NPR_EEXIST && !registration->taken) {
        registration->taken = true;
        registration_log(registration, "epmd_name_taken", copy.text);
    } else if (registration->was_held && !registration->complained) {
        registration->complained = true;
        registration_log(registration, "epmd_lost", copy.text);
    }
}

/* Nobody listens at epmd's port: we do from now on, unless another has just begun to. */
static void registration_serve(struct npri_epmd_registration *registration)
{
    struct npr_error error;
    npr_status status;

    NPRI_ASSERT(registration->server == NULL);
    status = npri_epmd_server_open(registration->loop, &registration->server, &error);
    if (status != NPR_OK) {
        registration_on_lost(registration, &error);
        return;
    }
    registration_hang_up(registration);
    registration->state = REGISTRATION_WAITING;
    npri_timer_set(registration->timer, 0);
    registration_log(registration, "epmd_served", NULL);
}

static void registration_on_opened(void *user)
{
    struct npri_epmd_registration *registration = user;
    const struct npr_node_name *node = &registration->options.node;
    const char *at = memchr(node->text, '@', node->size);
    const struct npri_epmd_request request = {
        .kind = NPRI_EPMD_ALIVE2,
        .name = npri_bytes(node->text, at == NULL ? node->size : (size_t)(at - node->text)),
        .port = registration->options.port,
        .type = registration->options.visible ? NPRI_EPMD_TYPE_VISIBLE : NPRI_EPMD_TYPE_HIDDEN,
        .version_high = 6,
        .version_low = 6,
    };

    registration->state = REGISTRATION_ASKING;
    npri_epmd_write_request(&request, npri_stream_output(registration->stream));
}

static void registration_on_granted(struct npri_epmd_registration *registration, uint32_t creation)
{
    registration->state = REGISTRATION_HELD;
    registration->attempts = 0;
    npri_timer_set(registration->timer, UINT64_MAX);
    if (registration->was_held) { /* The creation stays what it was: pids carry it. */
        registration->complained = false;
        registration->taken = false;
        registration_log(registration, "epmd_found_again", NULL);
        return;
    }
    registration->was_held = true;
    registration->options.done(registration->options.user, NPR_OK, creation, NULL);
}

static void registration_on_received(void *user, struct npr_bytes bytes)
{
    struct npri_epmd_registration *registration = user;
    const size_t room = sizeof(registration->reply) - registration->reply_size;
    const size_t taken = bytes.size < room ? bytes.size : room;
    struct npr_error error;
    uint32_t creation = 0;
    uint8_t result = 0;
    npr_status status;

    if (registration->state != REGISTRATION_ASKING) {
        return; /* epmd says nothing more. */
    }
    memcpy(registration->reply + registration->reply_size, bytes.data, taken);
    registration->reply_size += taken;
    status = npri_epmd_read_alive_reply(npri_bytes(registration->reply, registration->reply_size),
                                        &result, &creation, &error);
    if (status == NPR_ENOTFOUND) {
        return; /* More bytes needed; 8 are always enough. */
    }
    if (status == NPR_OK && result == 0) {
        registration_on_granted(registration, creation);
        return;
    }
    if (status == NPR_OK) {
        const struct npr_node_name *node = &registration->options.node;

        (void)npri_fail(&error, NPR_EEXIST, "epmd: the name of %.*s is taken", (int)node->size,
                        node->text);
    }
    registration_on_lost(registration, &error);
}

static void registration_on_closed(void *user, const struct npr_error *cause)
{
    struct npri_epmd_registration *registration = user;
    struct npr_error error = *cause;

    if (registration->state == REGISTRATION_CONNECTING && error.status == NPR_EUNREACHABLE &&
        registration->server == NULL) {
        registration_serve(registration);
        return;
    }
    if (registration->state == REGISTRATION_ASKING && error.status == NPR_ECLOSED) {
        (void)npri_fail_prefix(&error, NPR_EIO, "no answer: ");
    }
    (void)npri_fail_prefix(&error, error.status, "epmd: ");
    registration_on_lost(registration, &error);
}

static void registration_on_time(void *user)
{
    struct npri_epmd_registration *registration = user;
    struct npr_error error;

    if (registration->state == REGISTRATION_WAITING) {
        registration_attempt(registration);
        return;
    }
    (void)npri_fail(&error, NPR_ETIMEDOUT, "epmd at 127.0.0.1:%u: timed out",
                    (unsigned)npri_epmd_port());
    registration_on_lost(registration, &error);
}

static void registration_attempt(struct npri_epmd_registration *registration)
{
    static const struct npri_stream_events events = {.opened = registration_on_opened,
                                                     .received = registration_on_received,
                                                     .closed = registration_on_closed};
    const uint64_t deadline_ns = npri_loop_now_ns(registration->loop) + ATTEMPT_NS;
    struct npr_error error;
    npr_status status;

    registration->attempts++;
    registration->state = REGISTRATION_CONNECTING;
    npri_timer_set(registration->timer, deadline_ns);
    status = npri_stream_connect(registration->loop, "127.0.0.1", npri_epmd_port(), deadline_ns,
                                 &events, registration, &registration->stream, &error);
    if (status != NPR_OK) {
        registration_on_lost(registration, &error);
    }
}

npr_status npri_epmd_registration_start(struct npri_loop *loop,
                                        const struct npri_epmd_registration_options *options,
                                        struct npri_epmd_registration **out,
                                        struct npr_error *err)
{
    struct npri_epmd_registration *registration = npri_alloc_zeroed(1, sizeof(*registration));

    if (registration == NULL) {
        return npri_fail(err, NPR_ENOMEM, "epmd: out of memory");
    }
    registration->loop = loop;
    registration->options = *options;
    registration->timer = npri_timer_create(loop, registration_on_time, registration);
    if (registration->timer == NULL) {
        npri_free(registration);
        return npri_fail(err, NPR_ENOMEM, "epmd: out of memory");
    }
    registration->state = REGISTRATION_WAITING;
    npri_timer_set(registration->timer, 0); /* So that `done` never comes from in here. */
    *out = registration;
    return NPR_OK;
}

void npri_epmd_registration_stop(struct npri_epmd_registration *registration)
{
    if (registration == NULL) {
        return;
    }
    npri_stream_close(registration->stream);
    npri_epmd_server_close(registration->server);
    npri_timer_destroy(registration->timer);
    npri_free(registration);
}

/* What the parts of a node share: entering and leaving, logging, small terms. */
#include "node/node.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "term/write.h"

#define LOG_LINE_BYTES_MAX 1024u

/* How often leaving empties the inboxes before it lets the loop look at its sockets again. */
#define DRAIN_ROUNDS_MAX 64u

/* The node whose loop this thread is, while it is entered. */
static _Thread_local const struct npr_node *entered_node;

void npri_node_enter(struct npr_node *node)
{
    node->entered++;
    entered_node = node;
    if (node->entered == 1) {
        npri_grabs_drain(node); /* before whatever comes now */
    }
}

static bool drain_all(struct npr_node *node)
{
    bool any = npri_inbox_drain(&node->outbox);

    for (size_t i = 0; i < NPRI_SERVICES_COUNT; i++) {
        if (node->services[i].handle != NULL) {
            any |= npri_inbox_drain(&node->services[i].inbox);
        }
    }
    return any;
}

void npri_node_leave(struct npr_node *node)
{
    unsigned rounds = 0;

    if (node->entered == 1) {
        while (rounds < DRAIN_ROUNDS_MAX && drain_all(node)) {
            rounds++;
        }
    }
    node->entered--;
    if (node->entered > 0) {
        return;
    }
    entered_node = NULL;
    if (rounds == DRAIN_ROUNDS_MAX) {
        npri_inbox_postpone(&node->outbox);
        for (size_t i = 0; i < NPRI_SERVICES_COUNT; i++) {
            if (node->services[i].handle != NULL) {
                npri_inbox_postpone(&node->services[i].inbox);
            }
        }
    }
}

bool npri_node_is_entered(const struct npr_node *node)
{
    return entered_node == node;
}

struct npr_term npri_node_name_term(const struct npr_node *node)
{
    return npri_buffer_term(&node->name_term);
}

void npri_node_log(struct npr_node *node, npr_log_level level, const char *format, ...)
{
    char line[LOG_LINE_BYTES_MAX];
    va_list args;

    if (node->log == NULL) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args); /* A long line is cut. */
    va_end(args);
    if (level == NPR_LOG_DEBUG ||
        npri_log_limits_admit(&node->log_limits, line, npri_loop_now_ns(node->loop))) {
        node->log(node->log_user, level, line);
    }
    npri_node_log_count(node);
}

void npri_node_log_count(struct npr_node *node)
{
    const uint64_t count =
        npri_log_limits_take_count(&node->log_limits, npri_loop_now_ns(node->loop));
    char line[64];

    if (count > 0 && node->log != NULL) {
        (void)snprintf(line, sizeof(line), "log_suppressed lines=%" PRIu64, count);
        node->log(node->log_user, NPR_LOG_WARNING, line);
    }
}

struct npr_term npri_buffer_term(const struct npri_buffer *buffer)
{
    if (buffer->failed || buffer->size == 0) {
        return (struct npr_term){0};
    }
    return (struct npr_term){.data = buffer->data, .size = buffer->size};
}

void npri_put_given(struct npri_buffer *buffer, struct npr_term term)
{
    if (term.data == NULL) {
        buffer->failed = true;
        return;
    }
    npri_put_term(buffer, term);
}

bool npri_term_node(struct npr_term term, struct npr_node_name *out)
{
    struct npr_bytes atom;
    struct npr_pid pid;
    struct npr_ref ref;

    if (npr_term_get_pid(term, &pid)) {
        *out = pid.node;
        return true;
    }
    if (npr_term_get_ref(term, &ref)) {
        *out = ref.node;
        return true;
    }
    return npr_term_get_atom(term, &atom) && npr_node_name_parse(atom, out, NULL) == NPR_OK;
}

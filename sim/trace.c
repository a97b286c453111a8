#include "trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "term/write.h"

#define TEXTS_COUNT 8u
#define TEXT_BYTES  400u

/* A few at a time, for the arguments of one line. */
static char *next_text(void)
{
    static char texts[TEXTS_COUNT][TEXT_BYTES];
    static unsigned next;

    next = (next + 1) % TEXTS_COUNT;
    return texts[next];
}

void sim_trace_line(const struct sim *sim, uint32_t node, const char *format, ...)
{
    const uint64_t us = sim->now_ns / SIM_US;
    va_list arguments;

    va_start(arguments, format);
    (void)printf("[%4" PRIu64 ".%03" PRIu64 " %03" PRIu64 "] %-4s ", us / 1000000, us / 1000 % 1000,
                 us % 1000, node == SIM_NOBODY ? "" : sim_trace_name(node));
    (void)vprintf(format, arguments);
    (void)printf("\n");
    va_end(arguments);
}

const char *sim_trace_name(uint32_t node)
{
    const struct npr_node_name name = sim_name_of(node);
    char *text = next_text();

    (void)snprintf(text, TEXT_BYTES, "%.*s", (int)name.size - 2, name.text);
    return text;
}

const char *sim_trace_process(const struct sim *sim, uint32_t process)
{
    const struct sim_process *at = &sim->processes[process];
    struct npr_node_name node;
    char *text;

    if (process >= sim->processes_count) {
        return "no process of this run";
    }
    node = sim_name_of(at->node);
    text = next_text();
    (void)snprintf(text, TEXT_BYTES,
                   "P%" PRIu32 " (key %" PRIu32 ", on %.*s/%" PRIu32 ", token %" PRIu64 ")",
                   process, at->key, (int)node.size - 2, node.text, at->creation, at->token);
    return text;
}

const char *sim_trace_term(struct npr_term term)
{
    char *text = next_text();
    struct npri_buffer buffer = {
        .data = (uint8_t *)text, .capacity = TEXT_BYTES - 1, .size_max = TEXT_BYTES - 1};

    if (term.data != NULL) {
        npri_term_print(term, &buffer);
    }
    text[buffer.size] = '\0';
    return text;
}

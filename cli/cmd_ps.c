/* nprocreg ps: the processes of one node. */
#include "commands.h"
#include "fail.h"
#include "output.h"
#include "process.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT  50
#define LIMIT_MAX      10000
#define CELL_BYTES_MAX 600 /* a pid: its node's name of 255 bytes, in quotes */

static const struct column {
    const char *title;
    const char *member;
    bool is_number;
} columns[] = {
    {"PID", "pid", false},        {"FUNCTION", "function", false}, {"MAILBOX", "mailbox", true},
    {"HANDLED", "handled", true}, {"TIME", "time_us", true},       {"STATE", "state_bytes", true},
    {"LINKS", "links", true},
};
#define COLUMNS_COUNT (sizeof(columns) / sizeof(columns[0]))

static void find_widths(json_t *processes, size_t widths[COLUMNS_COUNT])
{
    for (size_t c = 0; c < COLUMNS_COUNT; c++) {
        widths[c] = strlen(columns[c].title);
        for (size_t i = 0; i < json_array_size(processes); i++) {
            char text[CELL_BYTES_MAX];

            process_text(json_array_get(processes, i), columns[c].member, text, sizeof(text));
            widths[c] = strlen(text) > widths[c] ? strlen(text) : widths[c];
        }
    }
}

static void print_cell(const char *text, size_t width, bool is_number)
{
    (void)printf(is_number ? "%*s  " : "%-*s  ", (int)width, text);
}

/* The keys have the end of the line to themselves: they may be long. */
static void print_keys(json_t *keys)
{
    if (json_array_size(keys) == 0) {
        (void)printf("-");
    }
    for (size_t i = 0; i < json_array_size(keys); i++) {
        (void)printf("%s%s", i == 0 ? "" : " ", json_string_value(json_array_get(keys, i)));
    }
    (void)printf("\n");
}

static void print_table(json_t *processes)
{
    size_t widths[COLUMNS_COUNT];

    find_widths(processes, widths);
    for (size_t c = 0; c < COLUMNS_COUNT; c++) {
        print_cell(columns[c].title, widths[c], columns[c].is_number);
    }
    (void)printf("KEYS\n");
    for (size_t i = 0; i < json_array_size(processes); i++) {
        json_t *process = json_array_get(processes, i);

        for (size_t c = 0; c < COLUMNS_COUNT; c++) {
            char text[CELL_BYTES_MAX];

            process_text(process, columns[c].member, text, sizeof(text));
            print_cell(text, widths[c], columns[c].is_number);
        }
        print_keys(json_object_get(process, "keys"));
    }
}

static bool is_sort(const char *name)
{
    for (size_t i = 0; process_sorts[i].name != NULL; i++) {
        if (strcmp(process_sorts[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static enum exit_code run_ps(const struct arguments *arguments)
{
    const char *sort = arguments->sort == NULL ? "time" : arguments->sort;
    const uint32_t limit = arguments->limit == 0 ? LIMIT_DEFAULT : arguments->limit;
    struct session session = {0};
    struct npr_error err = {0};
    json_t *processes = NULL;
    uint64_t count = 0;
    npr_status status;

    if (!is_sort(sort)) {
        (void)fail(&err, NPR_EINVAL,
                   "--sort %s: not pid, mailbox, handled, dropped, time, state or links", sort);
        return report(arguments, &err);
    }
    if (limit > LIMIT_MAX) {
        (void)fail(&err, NPR_EINVAL, "--limit: at most %d", LIMIT_MAX);
        return report(arguments, &err);
    }
    status = session_open(arguments, &session, &err);
    if (status != NPR_OK) {
        return report(arguments, &err);
    }
    status = processes_ask(&session, sort, limit, &processes, &count, &err);
    if (status == NPR_OK && arguments->json) {
        output_json(json_pack("{s:o, s:I, s:O}", "node", output_node(&session.peer), "count",
                              (json_int_t)count, "processes", processes));
    } else if (status == NPR_OK) {
        print_table(processes);
        if (count > json_array_size(processes)) {
            (void)fprintf(stderr, "(%zu of %llu processes)\n", json_array_size(processes),
                          (unsigned long long)count);
        }
    }
    json_decref(processes);
    session_close(&session);
    return status == NPR_OK ? EXIT_DONE : report(arguments, &err);
}

static const enum option_id options[] = {
    OPTION_NODE,        OPTION_SORT, OPTION_LIMIT, OPTION_TIMEOUT,
    OPTION_COOKIE_FILE, OPTION_JSON, OPTION_END,
};

const struct command command_ps = {
    .name = "ps",
    .synopsis = "[NODE]",
    .summary = "List the processes of one node, the busiest first",
    .details = "50 of them unless --limit says otherwise, at most 10000.  MAILBOX are messages "
               "that wait, HANDLED\n"
               "those that it has taken, TIME was spent in its callbacks, STATE are bytes (of an "
               "Erlang process\n"
               "all its memory), LINKS are links and monitors, KEYS up to three that are "
               "registered on its node.",
    .options = options,
    .positional_max = 1,
    .takes_node = true,
    .run = run_ps,
};

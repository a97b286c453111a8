/* A command's declaration as text: MODULE:FUNCTION[/ARITY][,OPTION]...=PROGRAM [ARGUMENT]... */
#include <string.h>

#include "nprocreg/command.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/limits.h"

#define NUMBER_MAX UINT32_MAX

/* In one block: the declaration, its arguments, its texts. */
struct declaration {
    struct npr_command command; /* first */
    char *argv[NPRI_COMMAND_ARGS_MAX + 1];
    char texts[];
};

/* ---- Words. */

/* One argument off the front of `*at`, written to `*to`; false: a quote does not end. */
static bool take_argument(const char **at, char **to)
{
    const char *from = *at;
    char quote = '\0';
    char *out = *to;

    while (*from != '\0' && (quote != '\0' || *from != ' ')) {
        if (quote == '\0' && (*from == '\'' || *from == '"')) {
            quote = *from++;
        } else if (*from == quote) {
            quote = '\0';
            from++;
        } else if (*from == '\\' &&
                   (quote == '\0' || (quote == '"' && (from[1] == '"' || from[1] == '\\')))) {
            if (from[1] == '\0') {
                return false;
            }
            *out++ = from[1];
            from += 2;
        } else {
            *out++ = *from++;
        }
    }
    *out++ = '\0';
    *at = from;
    *to = out;
    return quote == '\0';
}

static npr_status read_arguments(const char *text,
                                 struct declaration *declaration,
                                 char *to,
                                 struct npr_error *err)
{
    size_t count = 0;

    for (;;) {
        text += strspn(text, " ");
        if (*text == '\0') {
            break;
        }
        if (count == NPRI_COMMAND_ARGS_MAX) {
            return npri_fail(err, NPR_EINVAL, "more than %u arguments", NPRI_COMMAND_ARGS_MAX);
        }
        declaration->argv[count++] = to;
        if (!take_argument(&text, &to)) {
            return npri_fail(err, NPR_EINVAL, "a quote does not end, or \\ is the last character");
        }
    }
    if (count == 0 || declaration->argv[0][0] == '\0') {
        return npri_fail(err, NPR_EINVAL, "the program is missing behind =");
    }
    declaration->argv[count] = NULL;
    declaration->command.argv = declaration->argv;
    return NPR_OK;
}

/* ---- Options. */

static bool read_number(struct npr_bytes text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (text.size == 0 || text.size > 12) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *out = value;
    return value <= max;
}

/* 500ms, 5s, 2m; a bare number is seconds. */
static bool read_time(struct npr_bytes text, uint64_t *out_ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"", 1000}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        const struct npr_bytes unit = npr_bytes_of(units[i].unit);
        uint64_t value;

        if (text.size > unit.size &&
            npri_bytes_equal(npri_bytes(text.data + text.size - unit.size, unit.size), unit) &&
            read_number(npri_bytes(text.data, text.size - unit.size), NUMBER_MAX / units[i].ms,
                        &value)) {
            *out_ms = value * units[i].ms;
            return true;
        }
    }
    return false;
}

static bool is(struct npr_bytes text, const char *word)
{
    return npri_bytes_equal(text, npr_bytes_of(word));
}

static const char *const overflow_names[] = {
    [NPR_OVERFLOW_UNBOUNDED] = "unbounded",
    [NPR_OVERFLOW_FAIL] = "fail",
    [NPR_OVERFLOW_DROP_NEWEST] = "drop-newest",
    [NPR_OVERFLOW_DROP_OLDEST] = "drop-oldest",
};
static const char *const restart_names[] = {
    [NPR_RESTART_TEMPORARY] = "temporary",
    [NPR_RESTART_TRANSIENT] = "transient",
    [NPR_RESTART_PERMANENT] = "permanent",
};

static bool read_word(struct npr_bytes text, const char *const *names, size_t count, uint32_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (is(text, names[i])) {
            *out = (uint32_t)i;
            return true;
        }
    }
    return false;
}

static bool set_time(struct npr_command *command, struct npr_bytes name, uint64_t ms)
{
    if (is(name, "idle")) {
        command->idle_ms = ms;
    } else if (is(name, "start")) {
        command->start_ms = (uint32_t)ms;
    } else if (is(name, "kill")) {
        command->kill_ms = (uint32_t)ms;
    } else if (is(name, "window")) {
        command->restart_window_ms = ms;
    } else {
        return false;
    }
    return true;
}

static bool set_number(struct npr_command *command, struct npr_bytes name, uint32_t number)
{
    if (is(name, "mailbox")) {
        command->mailbox_max = number;
    } else if (is(name, "children")) {
        command->children_max = number;
    } else if (is(name, "calls")) {
        command->calls_max = number;
    } else if (is(name, "restarts")) {
        command->restarts_max = number;
    } else if (is(name, "input-bytes")) {
        command->input_bytes_max = number;
    } else if (is(name, "message-bytes")) {
        command->message_bytes_max = number;
    } else {
        return false;
    }
    return true;
}

/* NAME:VALUE.  False: there is none, or its value is wrong. */
static bool set_option(struct npr_command *command, struct npr_bytes name, struct npr_bytes value)
{
    uint64_t number = 0;

    if (is(name, "overflow")) {
        return read_word(value, overflow_names, 4, &command->overflow);
    }
    if (is(name, "restart")) {
        return read_word(value, restart_names, 3, &command->restart);
    }
    return (read_time(value, &number) && set_time(command, name, number)) ||
           (read_number(value, NUMBER_MAX, &number) && set_number(command, name, (uint32_t)number));
}

static npr_status read_option(struct npr_command *command,
                              struct npr_bytes text,
                              struct npr_error *err)
{
    const uint8_t *colon = text.size == 0 ? NULL : memchr(text.data, ':', text.size);
    const size_t size = colon == NULL ? text.size : (size_t)(colon - text.data);

    if (is(text, "json")) {
        command->wire = NPR_COMMAND_JSON;
        return NPR_OK;
    }
    if (is(text, "packet4")) {
        command->wire = NPR_COMMAND_PACKET4;
        return NPR_OK;
    }
    if (colon != NULL && set_option(command, npri_bytes(text.data, size),
                                    npri_bytes(colon + 1, text.size - size - 1))) {
        return NPR_OK;
    }
    return npri_fail(err, NPR_EINVAL, "\"%.*s\" is no option, or its value is wrong",
                     (int)(text.size < 60 ? text.size : 60),
                     text.size == 0 ? "" : (const char *)text.data);
}

/* ---- All. */

static bool read_arity(struct npr_bytes text, struct npr_command *command)
{
    uint64_t arity;

    if (!read_number(text, 255, &arity)) {
        return false;
    }
    command->arity = (uint32_t)arity;
    return true;
}

/* MODULE:FUNCTION[/ARITY], to texts of `declaration`. */
static npr_status read_head(struct npr_bytes head,
                            struct declaration *declaration,
                            char **to,
                            struct npr_error *err)
{
    const char *text = (const char *)head.data;
    const char *colon = head.size == 0 ? NULL : memchr(text, ':', head.size);
    const char *slash = head.size == 0 ? NULL : memchr(text, '/', head.size);
    const char *end = slash == NULL ? text + head.size : slash;
    size_t size;

    if (colon == NULL || colon == text || colon + 1 >= end ||
        (slash != NULL && !read_arity(npri_bytes(slash + 1, (size_t)(text + head.size - slash - 1)),
                                      &declaration->command))) {
        return npri_fail(err, NPR_EINVAL,
                         "it must begin with MODULE:FUNCTION or "
                         "MODULE:FUNCTION/ARITY");
    }
    declaration->command.module = *to;
    size = (size_t)(colon - text);
    memcpy(*to, text, size);
    (*to)[size] = '\0';
    *to += size + 1;
    declaration->command.function = *to;
    size = (size_t)(end - colon - 1);
    memcpy(*to, colon + 1, size);
    (*to)[size] = '\0';
    *to += size + 1;
    return NPR_OK;
}

static npr_status read_all(const char *text,
                           const char *equals,
                           struct declaration *declaration,
                           struct npr_error *err)
{
    char *to = declaration->texts;
    const char *at = text;
    npr_status status = NPR_OK;

    for (bool head = true; status == NPR_OK && at <= equals; head = false) {
        size_t size = strcspn(at, ",");

        size = size < (size_t)(equals - at) ? size : (size_t)(equals - at);
        status = head ? read_head(npri_bytes(at, size), declaration, &to, err)
                      : read_option(&declaration->command, npri_bytes(at, size), err);
        at += size + 1;
    }
    return status == NPR_OK ? read_arguments(equals + 1, declaration, to, err) : status;
}

npr_status npr_command_parse(const char *text, struct npr_command **out, struct npr_error *err)
{
    const char *equals = text == NULL ? NULL : strchr(text, '=');
    struct declaration *declaration;
    npr_status status;

    if (equals == NULL || out == NULL) {
        return npri_fail(err, NPR_EINVAL, "command: it must be MODULE:FUNCTION=PROGRAM");
    }
    /* Each text is at most as long as its part, and its terminator has the room of what ended it;
     * two more for the last ones. */
    declaration = npri_alloc_zeroed(1, sizeof(*declaration) + strlen(text) + 2);
    if (declaration == NULL) {
        return npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    declaration->command = (struct npr_command)NPR_COMMAND_INIT;
    status = read_all(text, equals, declaration, err);
    if (status != NPR_OK) {
        npri_free(declaration);
        return npri_fail_prefix(err, status, "command: ");
    }
    *out = &declaration->command;
    return NPR_OK;
}

void npr_command_destroy(struct npr_command *command)
{
    npri_free(command); /* the block begins with it */
}

#include "fail.h"

#include "output.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

npr_status fail(struct npr_error *err, npr_status status, const char *format, ...)
{
    va_list args;

    err->status = status;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    return status;
}

npr_status fail_with_reason(struct npr_builder *reply, struct npr_error *err)
{
    struct npr_term reason;
    char *text;

    if (npr_builder_finish(reply, &reason, err) != NPR_OK) {
        return err->status;
    }
    text = output_text(reason);
    (void)fail(err, NPR_EEXIT, "it ended with %s", text);
    free(text);
    return NPR_EEXIT;
}

/* The status that a native node names in {error,Name,Text}. */
static npr_status status_named(struct npr_bytes name)
{
#define COMPARE_NAME(id, value, text)                                                              \
    if (name.size == strlen(#id) && strncasecmp((const char *)name.data, #id, name.size) == 0) {   \
        return NPR_##id;                                                                           \
    }
    NPR_STATUS_MAP(COMPARE_NAME)
#undef COMPARE_NAME
    return NPR_EPROTO;
}

npr_status fail_with_answer(struct npr_term answer, struct npr_error *err)
{
    struct npr_term parts[3];
    struct npr_bytes name;
    struct npr_bytes text;

    if (npr_term_get_tuple(answer, 3, parts) && npr_term_is_atom(parts[0], "error") &&
        npr_term_get_atom(parts[1], &name) && npr_term_get_binary(parts[2], &text)) {
        return fail(err, status_named(name), "%.*s", (int)text.size, (const char *)text.data);
    }
    return fail(err, NPR_EPROTO, "the node answered something that is no answer");
}

enum exit_code exit_code_of(npr_status status)
{
    switch (status) {
    case NPR_OK:
        return EXIT_DONE;
    case NPR_ENOTFOUND:
    case NPR_ENOPROC:
        return EXIT_NOT_FOUND;
    case NPR_EINVAL:
    case NPR_ESYNTAX:
        return EXIT_USAGE;
    case NPR_EUNREACHABLE:
    case NPR_EAUTH:
    case NPR_EPROTO:
    case NPR_ECLOSED:
    case NPR_EIO:
        return EXIT_UNREACHABLE;
    case NPR_ETIMEDOUT:
        return EXIT_TIMEOUT;
    case NPR_EREFUSED:
    case NPR_ENOMEM:
    case NPR_EFULL:
    case NPR_EEXIST:
    case NPR_EADDRINUSE:
    case NPR_EEXIT:
        return EXIT_REFUSED;
    }
    return EXIT_REFUSED;
}

/* "ETIMEDOUT" as scripts get it: "etimedout". */
static void lower_name(npr_status status, char out[32])
{
    const char *name = npr_status_name(status);
    size_t size = 0;

    for (; name[size] != '\0' && size < 31; size++) {
        const bool upper = name[size] >= 'A' && name[size] <= 'Z';

        out[size] = (char)(upper ? name[size] - 'A' + 'a' : name[size]);
    }
    out[size] = '\0';
}

enum exit_code report(const struct arguments *arguments, const struct npr_error *err)
{
    char name[32];

    (void)fprintf(stderr, "nprocreg: %s\n", err->text);
    if (arguments->json) {
        lower_name(err->status, name);
        output_json(json_pack("{s:s, s:s}", "error", name, "message", err->text));
    }
    return exit_code_of(err->status);
}

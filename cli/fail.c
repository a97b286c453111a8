#include "fail.h"

#include "output.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>

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

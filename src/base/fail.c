#include "base/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

npr_status npri_fail(struct npr_error *err, npr_status status, const char *format, ...)
{
    va_list args;

    if (err == NULL) {
        return status;
    }
    err->status = status;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, args); /* A long text is cut. */
    va_end(args);
    return status;
}

npr_status npri_fail_prefix(struct npr_error *err, npr_status status, const char *format, ...)
{
    char text[NPR_ERROR_TEXT_BYTES];
    va_list args;
    size_t used;

    if (err == NULL) {
        return status;
    }
    err->status = status;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    used = strlen(text);
    (void)snprintf(text + used, sizeof(text) - used, "%s", err->text);
    memcpy(err->text, text, sizeof(text));
    return status;
}

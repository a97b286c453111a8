#include "input.h"

#include "fail.h"

#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)((at - digits) % 16);
}

static npr_status unhex(const char *what,
                        const char *text,
                        uint8_t *out,
                        size_t *out_size,
                        struct npr_error *err)
{
    const size_t length = strlen(text);
    size_t size = 0;

    for (size_t i = 0; i < length; i += 2) {
        const int high = hex_digit(text[i]);
        const int low = i + 1 < length ? hex_digit(text[i + 1]) : -1;

        if (high < 0 || low < 0) {
            return fail(err, NPR_ESYNTAX, "%s: not hexadecimal at offset %zu", what,
                        high < 0 ? i : i + 1);
        }
        out[size++] = (uint8_t)(high << 4 | low);
    }
    *out_size = size;
    return NPR_OK;
}

/* The text may leave out the version byte: it is put in front, and offsets in errors count from
 * what the user wrote. */
static npr_status decode_hex(const char *what,
                             const char *text,
                             struct npr_builder *builder,
                             struct npr_error *err)
{
    uint8_t *bytes = malloc(strlen(text) / 2 + 2);
    size_t size = 0;
    npr_status status;

    if (bytes == NULL) {
        return fail(err, NPR_ENOMEM, "out of memory");
    }
    bytes[0] = 131;
    status = unhex(what, text, bytes + 1, &size, err);
    if (status == NPR_OK) {
        const bool versioned = size > 0 && bytes[1] == 131;
        struct npr_error inner = {0};

        status = npr_term_decode((struct npr_bytes){.data = versioned ? bytes + 1 : bytes,
                                                    .size = versioned ? size : size + 1},
                                 builder, &inner);
        if (status != NPR_OK) {
            status = fail(err, status, "%s: %s", what, inner.text);
        }
    }
    free(bytes);
    return status;
}

npr_status input_term(const struct arguments *arguments,
                      const char *what,
                      const char *text,
                      struct npr_builder *builder,
                      struct npr_error *err)
{
    struct npr_error inner = {0};
    npr_status status;

    if (arguments->hex) {
        return decode_hex(what, text, builder, err);
    }
    status = npr_term_parse(npr_bytes_of(text), builder, &inner);
    return status == NPR_OK ? NPR_OK : fail(err, status, "%s: %s", what, inner.text);
}

npr_status input_key(const struct arguments *arguments,
                     const char *text,
                     struct npr_builder *builder,
                     struct npr_error *err)
{
    if (arguments->binary) {
        npr_build_text(builder, text);
        return NPR_OK;
    }
    return input_term(arguments, "KEY", text, builder, err);
}

static npr_status finish(npr_status status, struct input *out, struct npr_error *err)
{
    return status == NPR_OK ? npr_builder_finish(out->builder, &out->term, err) : status;
}

npr_status input_open_key(const struct arguments *arguments,
                          const char *text,
                          struct input *out,
                          struct npr_error *err)
{
    *out = (struct input){.builder = npr_builder_create()};
    if (out->builder == NULL) {
        return fail(err, NPR_ENOMEM, "out of memory");
    }
    return finish(input_key(arguments, text, out->builder, err), out, err);
}

npr_status input_open_term(const struct arguments *arguments,
                           const char *what,
                           const char *text,
                           struct input *out,
                           struct npr_error *err)
{
    *out = (struct input){.builder = npr_builder_create()};
    if (out->builder == NULL) {
        return fail(err, NPR_ENOMEM, "out of memory");
    }
    return finish(input_term(arguments, what, text, out->builder, err), out, err);
}

npr_status input_open_args(const char *text, struct input *out, struct npr_error *err)
{
    static const struct arguments as_text = {0};
    npr_status status;

    *out = (struct input){0};
    if (text == NULL) {
        return NPR_OK;
    }
    status = input_open_term(&as_text, "--args", text, out, err);
    if (status == NPR_OK && npr_term_kind(out->term) != NPR_TERM_LIST &&
        npr_term_kind(out->term) != NPR_TERM_NIL) {
        status = fail(err, NPR_EINVAL, "--args %s: not a list", text);
    }
    return status;
}

void input_close(struct input *input)
{
    npr_builder_destroy(input->builder);
    *input = (struct input){0};
}

bool input_function(const char *text, struct input_function *out)
{
    const char *colon = strchr(text, ':');
    size_t module_size;

    if (colon == NULL || strchr(colon + 1, ':') != NULL) {
        return false;
    }
    module_size = (size_t)(colon - text);
    if (module_size == 0 || module_size >= sizeof(out->module) || colon[1] == '\0' ||
        strlen(colon + 1) >= sizeof(out->function)) {
        return false;
    }
    memcpy(out->module, text, module_size);
    out->module[module_size] = '\0';
    memcpy(out->function, colon + 1, strlen(colon + 1) + 1);
    return true;
}

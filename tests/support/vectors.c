#include "support/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

#ifndef NPRI_TEST_DATA
#error "the build says where tests/data is"
#endif

/* The whole file, NUL-terminated. */
static char *read_file(const char *name)
{
    char path[1024];
    size_t size;
    char *text;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", NPRI_TEST_DATA, name);
    file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("cannot open %s", path);
    }
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = (size_t)ftell(file);
    rewind(file);
    text = malloc(size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, size, file), size);
    text[size] = '\0';
    (void)fclose(file);
    return text;
}

static size_t split(char *line, char separator, char **out, size_t out_max)
{
    size_t count = 0;

    while (count < out_max) {
        char *end = strchr(line, separator);

        out[count++] = line;
        if (end == NULL) {
            break;
        }
        *end = '\0';
        line = end + 1;
    }
    return count;
}

size_t vectors_each(const char *name, size_t fields_min, void (*each)(char **fields))
{
    static char empty[] = "";
    char *text = read_file(name);
    size_t lines = 0;
    char *line = text;

    while (*line != '\0') {
        char *fields[VECTOR_FIELDS_MAX];
        char *end = strchr(line, '\n');
        char *next = end == NULL ? line + strlen(line) : end + 1;

        if (end != NULL) {
            *end = '\0';
        }
        if (strncmp(line, "# ", 2) != 0) {
            size_t count = split(line, '\t', fields, VECTOR_FIELDS_MAX);

            assert_true(count >= fields_min);
            for (; count < VECTOR_FIELDS_MAX; count++) {
                fields[count] = empty;
            }
            each(fields);
            lines++;
        }
        line = next;
    }
    free(text);
    return lines;
}

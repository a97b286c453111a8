#include "output.h"

#include "options.h"

#include <stdio.h>
#include <stdlib.h>

void output_no_memory(void)
{
    (void)fprintf(stderr, "nprocreg: out of memory\n");
    exit(EXIT_REFUSED); /* NOLINT(concurrency-mt-unsafe): nothing to unwind. */
}

static void *or_die(void *memory)
{
    if (memory == NULL) {
        output_no_memory();
    }
    return memory;
}

char *output_text(struct npr_term term)
{
    return or_die(npr_term_print(term));
}

json_t *output_term(struct npr_term term)
{
    char *text = output_text(term);
    json_t *value = json_string(text);

    if (value == NULL) {
        value = json_string_nocheck(text); /* An atom may hold what JSON calls no character. */
    }
    free(text);
    return or_die(value);
}

char *output_pid(const struct npr_pid *pid)
{
    struct npr_builder *builder = or_die(npr_builder_create());
    struct npr_term term = {0};
    char *text;

    npr_build_pid(builder, pid);
    if (npr_builder_finish(builder, &term, NULL) != NPR_OK) {
        (void)or_die(NULL);
    }
    text = output_text(term);
    npr_builder_destroy(builder);
    return text;
}

json_t *output_node(const struct npr_node_name *node)
{
    return or_die(json_stringn_nocheck(node->text, node->size));
}

char *output_hex(struct npr_bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *text = or_die(malloc(2 * bytes.size + 1));

    for (size_t i = 0; i < bytes.size; i++) {
        text[2 * i] = digits[bytes.data[i] >> 4];
        text[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    text[2 * bytes.size] = '\0';
    return text;
}

void output_json(json_t *value)
{
    char *text = or_die(json_dumps(or_die(value), JSON_COMPACT));

    (void)printf("%s\n", text);
    free(text);
    json_decref(value);
}

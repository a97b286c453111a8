/* nprocreg term: one term between text and bytes, without any cluster. */
#include "commands.h"
#include "fail.h"
#include "input.h"
#include "output.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX ((size_t)64 << 20)

/* All of standard input, NUL-terminated and owned by the caller; NULL when it does not fit. */
static char *read_input(void)
{
    size_t capacity = 4096;
    size_t size = 0;
    char *text = malloc(capacity);

    while (text != NULL) {
        char *larger;

        size += fread(text + size, 1, capacity - size - 1, stdin);
        if (size + 1 < capacity) {
            text[size] = '\0';
            return text;
        }
        capacity *= 2;
        larger = capacity > TEXT_BYTES_MAX ? NULL : realloc(text, capacity);
        if (larger == NULL) {
            free(text);
        }
        text = larger;
    }
    return NULL;
}

static enum exit_code print_term(const struct arguments *arguments, struct npr_term term)
{
    const enum npr_otp otp = arguments->otp == 25 ? NPR_OTP_25 : NPR_OTP_26;
    uint8_t *bytes = NULL;
    size_t size = 0;
    char *hex;
    char *text;
    npr_status status = npr_term_encode(term, otp, &bytes, &size);

    if (status != NPR_OK) {
        return report(arguments, &(struct npr_error){.status = status, .text = "out of memory"});
    }
    hex = output_hex((struct npr_bytes){.data = bytes, .size = size});
    text = output_text(term);
    if (arguments->json) {
        output_json(json_pack("{s:o, s:s}", "text", output_term(term), "hex", hex));
    } else {
        (void)printf("%s\n%s\n", text, hex);
    }
    free(text);
    free(hex);
    free(bytes);
    return EXIT_DONE;
}

static enum exit_code run(const struct arguments *arguments)
{
    struct npr_error err = {0};
    struct input input = {0};
    char *piped = arguments->positional_count == 0 ? read_input() : NULL;
    const char *text = arguments->positional_count == 0 ? piped : arguments->positional[0];
    enum exit_code code;

    if (text == NULL) {
        (void)fail(&err, NPR_EFULL, "standard input is longer than %zu bytes", TEXT_BYTES_MAX);
        code = report(arguments, &err);
    } else {
        if (piped != NULL && arguments->hex) {
            piped[strcspn(piped, " \r\n")] = '\0';
        }
        code = input_open_term(arguments, "TERM", text, &input, &err) == NPR_OK
                   ? print_term(arguments, input.term)
                   : report(arguments, &err);
    }
    input_close(&input);
    free(piped);
    return code;
}

static const enum option_id options[] = {OPTION_HEX, OPTION_OTP, OPTION_JSON, OPTION_END};

const struct command command_term = {
    .name = "term",
    .synopsis = "[TERM]",
    .summary = "Show a term as text and as the bytes of term_to_binary",
    .details =
        "TERM is Erlang text, or with --hex the external format in hexadecimal; without TERM it\n"
        "is read from standard input.  A malformed one is refused with the offset and the fault.",
    .options = options,
    .positional_max = 1,
    .run = run,
};

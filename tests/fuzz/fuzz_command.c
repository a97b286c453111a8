/* What a child program may write, and declarations.  The first byte says which:
 *   0, 1   output on the wire json, packet4, in pieces of the length that the second byte tells
 *   else   a declaration
 * Whatever comes is read the same in pieces as in one, within its limits; what is a message has
 * terms in normal form, and can be written again to a child and read as a term. */
#include "term/json.h"
#include "term/read.h"

#include "command/message.h"
#include "fuzz/fuzz.h"

#define MESSAGE_BYTES_MAX 3000u
#define HASH_START        UINT64_C(14695981039346656037)
#define HASH_FACTOR       UINT64_C(1099511628211)

/* A digest of all that comes out. */
static uint64_t hash(uint64_t digest, struct npr_bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        digest = (digest ^ bytes.data[i]) * HASH_FACTOR;
    }
    return digest * HASH_FACTOR;
}

static uint64_t hash_term(uint64_t digest, struct npr_term term)
{
    struct npri_buffer scratch = {.data = NULL};
    struct npr_term view;
    size_t used;

    if (term.data == NULL) {
        return digest;
    }
    FUZZ_CHECK(npri_term_read(npri_bytes(term.data, term.size), &scratch, &view, &used, NULL) ==
               NPR_OK);
    FUZZ_CHECK(view.data == term.data && used == term.size);
    npri_buffer_fini(&scratch);
    return hash(digest, npri_bytes(term.data, term.size));
}

/* The same term, as a request, on the wire and back. */
static void check_written(struct npr_term term, enum npr_command_wire wire)
{
    const struct npri_to_child message = {
        .kind = NPRI_TO_CHILD_CALL, .number = UINT64_MAX, .term = term};
    struct npri_buffer out = {.data = NULL};
    struct npri_buffer back = {.data = NULL};
    struct npr_term view = {.data = NULL};
    size_t used = 0;
    const npr_status status = npri_to_child_write(&message, wire, MESSAGE_BYTES_MAX, &out);

    FUZZ_CHECK(status == NPR_OK || status == NPR_EFULL);
    FUZZ_CHECK(out.size <= MESSAGE_BYTES_MAX + 5 && (status == NPR_OK) == (out.size != 0));
    if (status == NPR_OK && wire == NPR_COMMAND_JSON) {
        FUZZ_CHECK(memchr(out.data, '\n', out.size) == out.data + out.size - 1);
        FUZZ_CHECK(npri_json_read(npri_buffer_bytes(&out), &back, NULL) == NPR_OK);
    } else if (status == NPR_OK) {
        FUZZ_CHECK(npri_get_u32(out.data) == out.size - 4);
        FUZZ_CHECK(npri_term_read_versioned(npri_bytes(out.data + 4, out.size - 4), &back, &view,
                                            &used, NULL) == NPR_OK);
        FUZZ_CHECK(back.size == 0); /* it was in normal form */
    }
    npri_buffer_fini(&out);
    npri_buffer_fini(&back);
}

static uint64_t read_all(struct npr_bytes bytes, enum npr_command_wire wire, size_t piece)
{
    struct npri_from_child_reader reader = {.wire = wire, .message_bytes_max = MESSAGE_BYTES_MAX};
    uint64_t digest = HASH_START;
    npr_status status = NPR_OK;

    for (size_t at = 0; at < bytes.size && status == NPR_OK;) {
        const size_t size = piece < bytes.size - at ? piece : bytes.size - at;
        struct npri_from_child message = {.kind = NPRI_FROM_CHILD_STARTED};

        FUZZ_CHECK(npri_from_child_feed(&reader, npri_bytes(bytes.data + at, size)));
        FUZZ_CHECK(reader.bytes.size <= MESSAGE_BYTES_MAX + 4 + size);
        at += size;
        while (status == NPR_OK && message.kind != NPRI_FROM_CHILD_NONE) {
            struct npr_error err = {.status = NPR_OK};

            status = npri_from_child_next(&reader, &message, &err);
            FUZZ_CHECK(status == NPR_OK || err.text[0] != '\0');
            if (status == NPR_OK && message.kind != NPRI_FROM_CHILD_NONE) {
                digest = (digest ^ (uint64_t)message.kind ^ message.number) * HASH_FACTOR;
                digest = hash_term(digest, message.to);
                digest = hash_term(digest, message.node);
                digest = hash_term(digest, message.term);
                if (message.term.data != NULL) {
                    check_written(message.term, wire);
                }
            }
        }
    }
    npri_from_child_fini(&reader);
    return digest ^ (status == NPR_OK ? 0 : 1);
}

static void check_declaration(const uint8_t *data, size_t size)
{
    struct npri_buffer text = {.data = NULL};
    struct npr_command *command = NULL;
    struct npr_error err = {.status = NPR_OK};

    npri_put_bytes(&text, npri_bytes(data, size));
    npri_put_u8(&text, 0);
    if (npr_command_parse((const char *)text.data, &command, &err) == NPR_OK) {
        size_t count = 0;

        FUZZ_CHECK(command->module[0] != '\0' && command->function[0] != '\0');
        FUZZ_CHECK(command->argv[0] != NULL && command->argv[0][0] != '\0');
        while (command->argv[count] != NULL) {
            FUZZ_CHECK(strlen(command->argv[count]) < text.size);
            count++;
        }
    } else {
        FUZZ_CHECK(err.text[0] != '\0' && command == NULL);
    }
    npr_command_destroy(command);
    npri_buffer_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 2 && data[0] <= 1) {
        const enum npr_command_wire wire = data[0] == 0 ? NPR_COMMAND_JSON : NPR_COMMAND_PACKET4;
        const struct npr_bytes bytes = npri_bytes(data + 2, size - 2);

        FUZZ_CHECK(read_all(bytes, wire, data[1] + (size_t)1) == read_all(bytes, wire, SIZE_MAX));
    } else if (size >= 2) {
        check_declaration(data + 1, size - 1);
    }
    return 0;
}

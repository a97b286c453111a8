/* command/message.h: what a node and a child tell each other, on both wires. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "support/check.h"
#include "term/parse.h"
#include "term/read.h"

#include "command/message.h"

static void parse(const char *erlang, struct npri_buffer *out)
{
    struct npr_error err = {.status = NPR_OK};

    npri_buffer_reset(out);
    if (npri_term_parse(npr_bytes_of(erlang), out, &err) != NPR_OK) {
        fail_msg("%s: %s", erlang, err.text);
    }
}

static struct npr_term term_of(const struct npri_buffer *buffer)
{
    return (struct npr_term){.data = buffer->data, .size = buffer->size};
}

/* The message is this line, and that term as a packet. */
static void check_written(const struct npri_to_child *message, const char *line, const char *erlang)
{
    struct npri_buffer out = {.data = NULL};
    struct npri_buffer expected = {.data = NULL};

    assert_int_equal(npri_to_child_write(message, NPR_COMMAND_JSON, 1000, &out), NPR_OK);
    CHECK_BYTES_EQUAL(npri_buffer_bytes(&out), npr_bytes_of(line));
    npri_buffer_reset(&out);
    assert_int_equal(npri_to_child_write(message, NPR_COMMAND_PACKET4, 1000, &out), NPR_OK);
    parse(erlang, &expected);
    assert_int_equal(npri_get_u32(out.data), expected.size + 1);
    assert_int_equal(out.data[4], 131);
    CHECK_BYTES_EQUAL(npri_bytes(out.data + 5, out.size - 5), npri_buffer_bytes(&expected));
    npri_buffer_fini(&out);
    npri_buffer_fini(&expected);
}

/* Would catch: a name that programs look for, changed. */
static void each_message_has_its_form(void **state)
{
    struct npri_buffer key = {.data = NULL};
    struct npri_buffer term = {.data = NULL};

    (void)state;
    parse("{room,1}", &key);
    parse("[a]", &term);
    check_written(&(struct npri_to_child){.kind = NPRI_TO_CHILD_START, .term = term_of(&term)},
                  "{\"start\":{\"args\":[{\"$atom\":\"a\"}]}}\n",
                  "#{<<\"start\">> => #{<<\"args\">> => [a]}}");
    check_written(
        &(struct npri_to_child){.kind = NPRI_TO_CHILD_START,
                                .term = term_of(&term),
                                .key = term_of(&key),
                                .number = UINT64_MAX},
        "{\"start\":{\"args\":[{\"$atom\":\"a\"}],"
        "\"key\":{\"$tuple\":[{\"$atom\":\"room\"},1]},\"token\":18446744073709551615}}\n",
        "#{<<\"start\">> => #{<<\"args\">> => [a],<<\"key\">> => {room,1},"
        "<<\"token\">> => 18446744073709551615}}");
    check_written(
        &(struct npri_to_child){.kind = NPRI_TO_CHILD_CALL, .number = 7, .term = term_of(&key)},
        "{\"call\":7,\"request\":{\"$tuple\":[{\"$atom\":\"room\"},1]}}\n",
        "#{<<\"call\">> => 7,<<\"request\">> => {room,1}}");
    check_written(&(struct npri_to_child){.kind = NPRI_TO_CHILD_CAST, .term = term_of(&term)},
                  "{\"cast\":[{\"$atom\":\"a\"}]}\n", "#{<<\"cast\">> => [a]}");
    check_written(&(struct npri_to_child){.kind = NPRI_TO_CHILD_INFO, .term = term_of(&term)},
                  "{\"info\":[{\"$atom\":\"a\"}]}\n", "#{<<\"info\">> => [a]}");
    npri_buffer_fini(&key);
    npri_buffer_fini(&term);
}

/* Would catch: a message beyond the limit that is sent in part, or that takes its size in memory.
 */
static void what_is_too_large_leaves_nothing(void **state)
{
    struct npri_buffer term = {.data = NULL};
    struct npri_buffer out = {.data = NULL};
    struct npri_to_child message = {.kind = NPRI_TO_CHILD_CAST};

    (void)state;
    parse("<<0:80000>>", &term); /* each byte is six in JSON */
    message.term = term_of(&term);
    npri_put_u8(&out, 'x');
    for (int wire = NPR_COMMAND_JSON; wire <= NPR_COMMAND_PACKET4; wire++) {
        assert_int_equal(npri_to_child_write(&message, (enum npr_command_wire)wire, 9000, &out),
                         NPR_EFULL);
        assert_int_equal(out.size, 1);
        assert_false(out.failed);
        npri_buffer_fini(&out);
        npri_put_u8(&out, 'x');
        npri_alloc_fail_after(1);
        assert_int_equal(npri_to_child_write(&message, (enum npr_command_wire)wire, 100000, &out),
                         NPR_ENOMEM);
        npri_alloc_fail_after(0);
        assert_int_equal(out.size, 1);
        assert_int_equal(npri_to_child_write(&message, (enum npr_command_wire)wire, 100000, &out),
                         NPR_OK);
        out.size = 1;
    }
    npri_buffer_fini(&term);
    npri_buffer_fini(&out);
}

/* Reads one message; what it has as text. */
static npr_status read_one(struct npri_from_child_reader *reader,
                           const char *bytes,
                           struct npri_from_child *out,
                           struct npr_error *err)
{
    assert_true(npri_from_child_feed(reader, npr_bytes_of(bytes)));
    return npri_from_child_next(reader, out, err);
}

static void check_read(const char *line,
                       enum npri_from_child_kind kind,
                       const char *to,
                       const char *node,
                       const char *term)
{
    struct npri_from_child_reader reader = {.wire = NPR_COMMAND_JSON, .message_bytes_max = 1000};
    const char *const expected[] = {to, node, term};
    struct npri_from_child message;
    struct npr_error err = {.status = NPR_OK};

    if (read_one(&reader, line, &message, &err) != NPR_OK) {
        fail_msg("%s: %s", line, err.text);
    }
    assert_int_equal(message.kind, kind);
    for (size_t i = 0; i < 3; i++) {
        const struct npr_term terms[] = {message.to, message.node, message.term};

        if (expected[i] == NULL) {
            assert_null(terms[i].data);
        } else {
            char *text = npr_term_print(terms[i]);

            assert_string_equal(text, expected[i]);
            free(text);
        }
    }
    assert_false(npri_from_child_is_within(&reader));
    npri_from_child_fini(&reader);
}

static void each_message_is_read(void **state)
{
    (void)state;
    check_read("{\"started\":true}\n", NPRI_FROM_CHILD_STARTED, NULL, NULL, NULL);
    check_read("{\"failed\":{\"$atom\":\"no\"}}\n", NPRI_FROM_CHILD_FAILED, NULL, NULL, "no");
    check_read("{\"failed\":\"no\"}\n", NPRI_FROM_CHILD_FAILED, NULL, NULL, "<<\"no\">>");
    check_read("{\"reply\":1,\"value\":[]}\n", NPRI_FROM_CHILD_REPLY, NULL, NULL, "[]");
    check_read("{\"value\":{},\"reply\":1}\n", NPRI_FROM_CHILD_REPLY, NULL, NULL, "#{}");
    check_read("{\"send\":\"n\",\"message\":1}\n", NPRI_FROM_CHILD_SEND, "n", NULL, "1");
    check_read("{\"send\":{\"$atom\":\"n\"},\"message\":1}\n", NPRI_FROM_CHILD_SEND, "n", NULL,
               "1");
    check_read("{\"send\":{\"$tuple\":[\"n\",\"a@h\"]},\"message\":1}\n", NPRI_FROM_CHILD_SEND, "n",
               "a@h", "1");
    check_read("{\"send\":{\"$pid\":\"<a@h.1.2.3>\"},\"message\":1}\n", NPRI_FROM_CHILD_SEND,
               "<a@h.1.2>", NULL, "1");
    check_read("{\"exit\":\"normal\"}\n", NPRI_FROM_CHILD_EXIT, NULL, NULL, "normal");
    check_read("{\"exit\":\"shutdown\"}\n", NPRI_FROM_CHILD_EXIT, NULL, NULL, "shutdown");
    check_read("{\"exit\":\"other\"}\n", NPRI_FROM_CHILD_EXIT, NULL, NULL, "<<\"other\">>");
    check_read("\n \r\n{\"exit\":1}\r\n", NPRI_FROM_CHILD_EXIT, NULL, NULL, "1");
}

static void check_refused(enum npr_command_wire wire,
                          struct npr_bytes bytes,
                          npr_status status,
                          const char *why)
{
    struct npri_from_child_reader reader = {.wire = wire, .message_bytes_max = 40};
    struct npri_from_child message;
    struct npr_error err = {.status = NPR_OK};

    assert_true(npri_from_child_feed(&reader, bytes));
    assert_int_equal(npri_from_child_next(&reader, &message, &err), status);
    if (strstr(err.text, why) == NULL) {
        fail_msg("\"%s\" instead of \"%s\"", err.text, why);
    }
    npri_from_child_fini(&reader);
}

static void what_is_no_message_is_refused(void **state)
{
    static const char *const lines[] = {
        "1\n",
        "{}\n",
        "{\"started\":1}\n",
        "{\"started\":true,\"a\":1}\n",
        "{\"reply\":-1,\"value\":1}\n",
        "{\"reply\":\"1\",\"value\":1}\n",
        "{\"reply\":1}\n",
        "{\"value\":1}\n",
        "{\"send\":1,\"message\":1}\n",
        "{\"send\":[],\"message\":1}\n",
        "{\"$atom\":\"started\"}\n",
    };
    static const uint8_t empty[] = {0, 0, 0, 0};
    static const uint8_t large[] = {0, 0, 0, 41};
    static const uint8_t more[] = {0, 0, 0, 4, 131, 97, 1, 0};
    static const uint8_t wrong[] = {0, 0, 0, 2, 130, 106};
    /* #{<<"message">> => [],<<"send">> => <<255>>}: no name, and no atom */
    static const uint8_t bytes[] = {0, 0, 0,   34,  131, 116, 0,   0,   0,   2,   109, 0,  0,
                                    0, 7, 'm', 'e', 's', 's', 'a', 'g', 'e', 106, 109, 0,  0,
                                    0, 4, 's', 'e', 'n', 'd', 109, 0,   0,   0,   1,   255};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        check_refused(NPR_COMMAND_JSON, npr_bytes_of(lines[i]), NPR_ESYNTAX, "it is none of");
    }
    check_refused(NPR_COMMAND_JSON, npr_bytes_of("{\"a\"\n"), NPR_ESYNTAX, "offset 4");
    check_refused(NPR_COMMAND_JSON,
                  npr_bytes_of("{\"exit\":\"0123456789012345678901234567890\"}\n"), NPR_EFULL,
                  "larger than 40 bytes");
    check_refused(NPR_COMMAND_JSON, npr_bytes_of("01234567890123456789012345678901234567890"),
                  NPR_EFULL, "larger than 40 bytes");
    check_refused(NPR_COMMAND_PACKET4, npri_bytes(empty, sizeof(empty)), NPR_ESYNTAX, "");
    check_refused(NPR_COMMAND_PACKET4, npri_bytes(large, sizeof(large)), NPR_EFULL,
                  "larger than 40 bytes");
    check_refused(NPR_COMMAND_PACKET4, npri_bytes(more, sizeof(more)), NPR_ESYNTAX, "more follows");
    check_refused(NPR_COMMAND_PACKET4, npri_bytes(wrong, sizeof(wrong)), NPR_ESYNTAX, "offset 0");
    check_refused(NPR_COMMAND_PACKET4, npri_bytes(bytes, sizeof(bytes)), NPR_ESYNTAX,
                  "it is none of");
}

/* Would catch: a message that is lost or doubled where reads end in the middle of it. */
static void pieces_make_no_difference(void **state)
{
    static const char text[] = "{\"started\":true}\n\n{\"reply\":1,\"value\":\"\xce\xbb\"}\n"
                               "{\"exit\":\"normal\"}\n{\"half";

    (void)state;
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct npri_from_child_reader reader = {.wire = NPR_COMMAND_JSON, .message_bytes_max = 100};
        enum npri_from_child_kind kinds[4] = {NPRI_FROM_CHILD_NONE};
        size_t count = 0;

        for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
            const size_t left = sizeof(text) - 1 - at;
            struct npri_from_child message = {.kind = NPRI_FROM_CHILD_STARTED};

            assert_true(
                npri_from_child_feed(&reader, npri_bytes(text + at, left < piece ? left : piece)));
            while (message.kind != NPRI_FROM_CHILD_NONE) {
                assert_int_equal(npri_from_child_next(&reader, &message, NULL), NPR_OK);
                if (message.kind != NPRI_FROM_CHILD_NONE) {
                    assert_true(count < 3);
                    kinds[count++] = message.kind;
                }
            }
        }
        assert_int_equal(count, 3);
        assert_int_equal(kinds[0], NPRI_FROM_CHILD_STARTED);
        assert_int_equal(kinds[1], NPRI_FROM_CHILD_REPLY);
        assert_int_equal(kinds[2], NPRI_FROM_CHILD_EXIT);
        assert_true(npri_from_child_is_within(&reader));
        npri_from_child_fini(&reader);
    }
}

/* Would catch: a message that is lost when memory ends while it is read. */
static void memory_may_end_anywhere(void **state)
{
    static const char line[] =
        "{\"send\":{\"$tuple\":[\"n\",\"a@h\"]},\"message\":{\"$map\":[[1,2]]}}\n";
    uint64_t count = 0;
    npr_status status = NPR_ENOMEM;

    (void)state;
    while (status != NPR_OK) {
        struct npri_from_child_reader reader = {.wire = NPR_COMMAND_JSON, .message_bytes_max = 100};
        struct npri_from_child message = {.kind = NPRI_FROM_CHILD_NONE};
        bool fed;

        npri_alloc_fail_after(++count);
        fed = npri_from_child_feed(&reader, npr_bytes_of(line));
        status = fed ? npri_from_child_next(&reader, &message, NULL) : NPR_ENOMEM;
        npri_alloc_fail_after(0);
        assert_true(status == NPR_OK || status == NPR_ENOMEM);
        if (!fed) {
            assert_true(npri_from_child_feed(&reader, npr_bytes_of(line)));
        }
        if (status != NPR_OK) {
            assert_int_equal(npri_from_child_next(&reader, &message, NULL), NPR_OK);
        }
        assert_int_equal(message.kind, NPRI_FROM_CHILD_SEND);
        npri_from_child_fini(&reader);
        assert_true(count < 100);
    }
    assert_true(count > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_has_its_form),
        cmocka_unit_test(what_is_too_large_leaves_nothing),
        cmocka_unit_test(each_message_is_read),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(pieces_make_no_difference),
        cmocka_unit_test(memory_may_end_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

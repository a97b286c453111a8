/* dist/epmd.h: recorded messages, every cut, every bad length, and both sides against each other.
 */
#include "base/alloc.h"
#include "base/limits.h"
#include "dist/epmd.h"
#include "support/check.h"

#define BYTES_MAX 2048u

/* What erl 25 sent to register f, and what epmd answered about it. */
#define ALIVE2_HEX                                                                                 \
    "000e78a4b54d000006000600016600"                                                               \
    "00"
#define PORT_REPLY_HEX "7700b0ad4d00000600050001610000"

static void check_buffer(struct npri_buffer *buffer, const char *hex)
{
    uint8_t bytes[BYTES_MAX];
    const size_t size = check_unhex(hex, bytes, sizeof(bytes));

    CHECK_BYTES_EQUAL(npri_buffer_bytes(buffer), npri_bytes(bytes, size));
    npri_buffer_reset(buffer);
}

static npr_status read_request_hex(const char *hex, struct npri_epmd_request *out, size_t *out_used)
{
    static uint8_t bytes[BYTES_MAX]; /* The request borrows it. */
    const size_t size = check_unhex(hex, bytes, sizeof(bytes));

    return npri_epmd_read_request(npri_bytes(bytes, size), out, out_used, NULL);
}

static void registration_is_read_and_written(void **state)
{
    struct npri_epmd_request request;
    struct npri_buffer buffer;
    size_t used;

    (void)state;
    assert_int_equal(read_request_hex(ALIVE2_HEX "ffff", &request, &used), NPR_OK);
    assert_int_equal(used, 16);
    assert_int_equal(request.kind, NPRI_EPMD_ALIVE2);
    assert_int_equal(request.port, 0xa4b5);
    assert_int_equal(request.type, NPRI_EPMD_TYPE_VISIBLE);
    assert_int_equal(request.protocol, 0);
    assert_int_equal(request.version_high, 6);
    assert_int_equal(request.version_low, 6);
    CHECK_BYTES_EQUAL(request.name, npr_bytes_of("f"));
    assert_int_equal(request.extra.size, 0);

    npri_buffer_init(&buffer, 0);
    npri_epmd_write_request(&request, &buffer);
    check_buffer(&buffer, ALIVE2_HEX);
    npri_epmd_write_port_reply(&request, &buffer);
    check_buffer(&buffer, "7700a4b54d0000060006000166"
                          "0000");
    npri_buffer_fini(&buffer);
}

static void other_requests_are_read_and_written(void **state)
{
    static const struct {
        const char *hex;
        enum npri_epmd_request_kind kind;
        const char *name;
    } cases[] = {
        {"00027a61", NPRI_EPMD_PORT_PLEASE2, "a"},
        {"00016e", NPRI_EPMD_NAMES, ""},
        {"000164", NPRI_EPMD_DUMP, ""},
        {"00016b", NPRI_EPMD_KILL, ""},
        {"000473616263", NPRI_EPMD_STOP, "abc"},
    };
    struct npri_epmd_request request;
    struct npri_buffer buffer;
    size_t used;

    (void)state;
    npri_buffer_init(&buffer, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(read_request_hex(cases[i].hex, &request, &used), NPR_OK);
        assert_int_equal(request.kind, cases[i].kind);
        CHECK_BYTES_EQUAL(request.name, npr_bytes_of(cases[i].name));
        npri_epmd_write_request(&request, &buffer);
        check_buffer(&buffer, cases[i].hex);
    }
    npri_buffer_fini(&buffer);
}

/* A prefix of a request is "more", never a request and never a fault. */
static void cut_requests_wait_for_more(void **state)
{
    uint8_t bytes[BYTES_MAX];
    const size_t size = check_unhex(ALIVE2_HEX, bytes, sizeof(bytes));
    struct npri_epmd_request request;
    size_t used;

    (void)state;
    for (size_t part = 0; part < size; part++) {
        assert_int_equal(npri_epmd_read_request(npri_bytes(bytes, part), &request, &used, NULL),
                         NPR_ENOTFOUND);
    }
}

static void bad_requests_are_refused(void **state)
{
    static const char *cases[] = {
        "0000",                       /* nothing */
        "0401",                       /* over the limit: at once, not when it is here */
        "ffff",                       /* likewise */
        "000101",                     /* unknown */
        "00017a",                     /* no name */
        "000173",                     /* no name */
        "00037a610a",                 /* would forge a line of the list of names */
        "00037a6120",                 /* likewise */
        "000a78a4b54d00000600060001", /* head cut */
        "000d78a4b54d0000060006000166"
        "00", /* no whole length of the extra */
        "000e78a4b54d000006000600016600"
        "01", /* extra longer than the request */
        "000e78a4b54d000006000600056600"
        "00", /* name longer than the request */
        "000d78a4b54d00000600060000"
        "0000", /* empty name */
        "000e78a4b54d00000600060001"
        "0d"
        "0000", /* control character */
    };
    struct npri_epmd_request request;
    size_t used;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (read_request_hex(cases[i], &request, &used) != NPR_EPROTO) {
            fail_msg("accepted: %s", cases[i]);
        }
    }
}

/* 255 bytes of name go through, 256 do not; so does an extra, and what follows it is ignored. */
static void names_and_extras_have_limits(void **state)
{
    uint8_t name[256];
    struct npri_epmd_request request = {.kind = NPRI_EPMD_ALIVE2, .port = 1, .type = 72};
    struct npri_epmd_request read;
    struct npri_buffer buffer;
    size_t used;

    (void)state;
    memset(name, 'x', sizeof(name));
    request.name = npri_bytes(name, 255);
    request.extra = npri_bytes("\0\1", 2);
    npri_buffer_init(&buffer, 0);
    npri_epmd_write_request(&request, &buffer);
    npri_put_u8(&buffer, 'z');
    buffer.data[1]++; /* One byte that later versions may add. */
    assert_int_equal(npri_epmd_read_request(npri_buffer_bytes(&buffer), &read, &used, NULL),
                     NPR_OK);
    assert_int_equal(used, buffer.size);
    CHECK_BYTES_EQUAL(read.name, request.name);
    CHECK_BYTES_EQUAL(read.extra, request.extra);
    assert_int_equal(read.type, NPRI_EPMD_TYPE_HIDDEN);

    npri_buffer_reset(&buffer);
    npri_put_u16(&buffer, 257);
    npri_put_u8(&buffer, 122);
    npri_put_bytes(&buffer, npri_bytes(name, 256));
    assert_int_equal(npri_epmd_read_request(npri_buffer_bytes(&buffer), &read, &used, NULL),
                     NPR_EPROTO);
    npri_buffer_fini(&buffer);
}

static void alive_replies_are_read_and_written(void **state)
{
    struct npri_buffer buffer;
    uint8_t result = 9;
    uint32_t creation = 9;

    (void)state;
    npri_buffer_init(&buffer, 0);
    npri_epmd_write_alive_reply(0, 0x6b0447b5, true, &buffer);
    for (size_t part = 0; part < 6; part++) {
        assert_int_equal(
            npri_epmd_read_alive_reply(npri_bytes(buffer.data, part), &result, &creation, NULL),
            NPR_ENOTFOUND);
    }
    assert_int_equal(result, 9); /* untouched */
    assert_int_equal(
        npri_epmd_read_alive_reply(npri_buffer_bytes(&buffer), &result, &creation, NULL), NPR_OK);
    assert_int_equal(result, 0);
    assert_int_equal(creation, 0x6b0447b5);
    check_buffer(&buffer, "76006b0447b5");

    npri_epmd_write_alive_reply(1, 3, false, &buffer);
    assert_int_equal(
        npri_epmd_read_alive_reply(npri_buffer_bytes(&buffer), &result, &creation, NULL), NPR_OK);
    assert_int_equal(result, 1);
    assert_int_equal(creation, 3);
    check_buffer(&buffer, "79010003");

    assert_int_equal(npri_epmd_read_alive_reply(npri_bytes("w", 1), &result, &creation, NULL),
                     NPR_EPROTO);
    npri_buffer_fini(&buffer);
}

static void port_replies_are_read(void **state)
{
    uint8_t bytes[BYTES_MAX];
    const size_t size = check_unhex(PORT_REPLY_HEX, bytes, sizeof(bytes));
    uint16_t port = 7;

    (void)state;
    for (size_t part = 0; part < size - 2; part++) {
        assert_int_equal(npri_epmd_read_port_reply(npri_bytes(bytes, part), &port, NULL),
                         NPR_ENOTFOUND);
    }
    assert_int_equal(npri_epmd_read_port_reply(npri_bytes(bytes, size), &port, NULL), NPR_OK);
    assert_int_equal(port, 0xb0ad);
    bytes[10] = 1; /* a name of 257 bytes */
    assert_int_equal(npri_epmd_read_port_reply(npri_bytes(bytes, size), &port, NULL), NPR_EPROTO);
    assert_int_equal(npri_epmd_read_port_reply(npri_bytes("w\1", 2), &port, NULL), NPR_EREFUSED);
    assert_int_equal(npri_epmd_read_port_reply(npri_bytes("v\0", 2), &port, NULL), NPR_EPROTO);
}

static void unknown_names_and_lists_are_written(void **state)
{
    struct npri_buffer buffer;

    (void)state;
    npri_buffer_init(&buffer, 0);
    npri_epmd_write_port_reply(NULL, &buffer);
    check_buffer(&buffer, "7701");
    npri_epmd_write_names_header(4369, &buffer);
    check_buffer(&buffer, "00001111");
    npri_epmd_write_names_line(npr_bytes_of("b"), 65535, &buffer);
    npri_epmd_write_names_line(npr_bytes_of("c"), 0, &buffer);
    CHECK_BYTES_EQUAL(npri_buffer_bytes(&buffer),
                      npr_bytes_of("name b at port 65535\nname c at port 0\n"));
    npri_buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registration_is_read_and_written),
        cmocka_unit_test(other_requests_are_read_and_written),
        cmocka_unit_test(cut_requests_wait_for_more),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(names_and_extras_have_limits),
        cmocka_unit_test(alive_replies_are_read_and_written),
        cmocka_unit_test(port_replies_are_read),
        cmocka_unit_test(unknown_names_and_lists_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

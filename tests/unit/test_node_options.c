/* node/options.h and node/failure.h: what users write, and statuses as terms. */
#include <string.h>

#include "node/failure.h"
#include "node/options.h"
#include "support/check.h"
#include "term/write.h"

static void an_endpoint_is_a_host_and_a_port(void **state)
{
    static const char *const bad[] = {"",        "127.0.0.1", "127.0.0.1:",   ":1",
                                      "h:65536", "h:1x",      "h:4294967297", "h:-1"};
    struct npri_endpoint endpoint;
    struct npr_error err;

    (void)state;
    assert_int_equal(npri_endpoint_parse("127.0.0.1:0", &endpoint, &err), NPR_OK);
    assert_string_equal(endpoint.host, "127.0.0.1");
    assert_int_equal(endpoint.port, 0);
    assert_int_equal(npri_endpoint_parse("[::1]:65535", &endpoint, &err), NPR_OK);
    assert_string_equal(endpoint.host, "::1");
    assert_int_equal(endpoint.port, 65535);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(npri_endpoint_parse(bad[i], &endpoint, &err), NPR_EINVAL);
        assert_int_equal(endpoint.port, 65535); /* untouched */
    }
}

/* Catches a port that is taken for part of the host, and the reverse. */
static void a_peer_is_a_name_with_or_without_a_port(void **state)
{
    static const char *const bad[] = {"b", "b@", "@h", "b@h:", "b@h:0", "b@h:65536", "b@h:x"};
    char host[NPRI_HOST_BYTES_MAX];
    struct npr_node_name name;
    struct npr_error err;
    uint16_t port = 1;

    (void)state;
    assert_int_equal(npri_peer_parse("b@host.example", &name, &port, &err), NPR_OK);
    assert_int_equal(port, 0);
    assert_int_equal(npri_peer_parse("b@host.example:4370", &name, &port, &err), NPR_OK);
    assert_int_equal(port, 4370);
    assert_int_equal(name.size, strlen("b@host.example"));
    npri_host_of(&name, host);
    assert_string_equal(host, "host.example");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(npri_peer_parse(bad[i], &name, &port, &err), NPR_EINVAL);
        assert_int_equal(port, 4370);
    }
}

/* A status that crosses the wire must come back as itself: a time-out never becomes "not found". */
static void a_status_is_an_atom_and_back(void **state)
{
    static const npr_status statuses[] = {
#define STATUS_VALUE(name, value, text) NPR_##name,
        NPR_STATUS_MAP(STATUS_VALUE)
#undef STATUS_VALUE
    };
    struct npri_buffer buffer;
    npr_status back;

    (void)state;
    npri_buffer_init(&buffer, 0);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        npri_buffer_reset(&buffer);
        npri_put_status(&buffer, statuses[i]);
        back = (npr_status)1;
        assert_true(
            npri_status_read((struct npr_term){.data = buffer.data, .size = buffer.size}, &back));
        assert_int_equal(back, statuses[i]);
    }
    npri_buffer_reset(&buffer);
    npri_put_atom(&buffer, "efoo");
    assert_false(
        npri_status_read((struct npr_term){.data = buffer.data, .size = buffer.size}, &back));
    npri_buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endpoint_is_a_host_and_a_port),
        cmocka_unit_test(a_peer_is_a_name_with_or_without_a_port),
        cmocka_unit_test(a_status_is_an_atom_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

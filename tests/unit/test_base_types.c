/* nprocreg/types.h, nprocreg/error.h: the values that every header shares. */
#include <string.h>

#include "nprocreg/types.h"

#include "base/fail.h"
#include "support/check.h"

static npr_status parse(const char *text, struct npr_node_name *out)
{
    return npr_node_name_parse(npr_bytes_of(text), out, NULL);
}

/* A name that one peer takes and another refuses would split the cluster's views. */
static void only_name_at_host_is_a_name(void **state)
{
    static const char *const bad[] = {
        "",      "a",       "@h",     "a@",     "a@h@i",          "a b@h",
        "a@h\n", "a\x7f@h", "\xff@h", "a@\xc3", "a@\xed\xa0\x80", "\xc0\x80@h"};
    struct npr_node_name name = {.size = 3, .text = "old"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse(bad[i], &name), NPR_EINVAL);
        assert_int_equal(name.size, 3); /* untouched */
    }
    assert_int_equal(parse("a@127.0.0.1", &name), NPR_OK);
    assert_int_equal(name.size, 11);
    assert_memory_equal(name.text, "a@127.0.0.1", 11);
    assert_int_equal(parse("\xc3\xa4@h", &name), NPR_OK);
}

/* The longest one must fit, and one byte more must not be cut to fit. */
static void names_end_at_255_bytes(void **state)
{
    char text[258];
    struct npr_node_name name;

    (void)state;
    memset(text, 'x', sizeof(text));
    text[1] = '@';
    text[255] = '\0';
    assert_int_equal(parse(text, &name), NPR_OK);
    assert_int_equal(name.size, 255);
    text[255] = 'x';
    text[256] = '\0';
    assert_int_equal(parse(text, &name), NPR_EINVAL);
}

/* Two incarnations of a node must not have equal processes. */
static void every_field_of_a_pid_counts(void **state)
{
    struct npr_pid a = {.id = 1, .serial = 2, .creation = 3};
    struct npr_pid b;

    (void)state;
    assert_int_equal(parse("a@h", &a.node), NPR_OK);
    b = a;
    assert_true(npr_pid_equal(&a, &b));
    b.creation++;
    assert_false(npr_pid_equal(&a, &b));
    b = a;
    b.serial++;
    assert_false(npr_pid_equal(&a, &b));
    b = a;
    b.id++;
    assert_false(npr_pid_equal(&a, &b));
    b = a;
    assert_int_equal(parse("a@i", &b.node), NPR_OK);
    assert_false(npr_pid_equal(&a, &b));
}

/* A text that is too long must not run over the end, and a number that is no status has a text too.
 */
static void errors_fit_and_have_texts(void **state)
{
    char text[2 * NPR_ERROR_TEXT_BYTES];
    struct npr_error err = {0};

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(npri_fail(&err, NPR_EIO, "%s", text), NPR_EIO);
    assert_int_equal(strlen(err.text), NPR_ERROR_TEXT_BYTES - 1);
    assert_int_equal(npri_fail_prefix(&err, NPR_EREFUSED, "join: "), NPR_EREFUSED);
    assert_memory_equal(err.text, "join: xxx", 9);
    assert_int_equal(npri_fail(NULL, NPR_EIO, "%s", text), NPR_EIO);
    assert_string_equal(npr_status_name(NPR_ETIMEDOUT), "ETIMEDOUT");
    assert_string_equal(npr_status_text((npr_status)99), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_name_at_host_is_a_name),
        cmocka_unit_test(names_end_at_255_bytes),
        cmocka_unit_test(every_field_of_a_pid_counts),
        cmocka_unit_test(errors_fit_and_have_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

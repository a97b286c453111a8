/* npr_builder: whole terms come out, everything else is named. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "term/read.h"

static void check_built(struct npr_builder *builder, const char *text)
{
    struct npr_error err = {.status = NPR_OK};
    struct npr_term term;
    char *printed;

    if (npr_builder_finish(builder, &term, &err) != NPR_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    printed = npr_term_print(term);
    assert_non_null(printed);
    assert_string_equal(printed, text);
    free(printed);
}

static void check_refused(struct npr_builder *builder, npr_status status, const char *text)
{
    struct npr_error err = {.status = NPR_OK};
    struct npr_term term = {.data = NULL};

    assert_int_equal(npr_builder_finish(builder, &term, &err), status);
    assert_int_equal(err.status, status);
    assert_string_equal(err.text, text);
    assert_null(term.data);
    npr_builder_reset(builder);
}

static void terms_of_all_kinds_are_built(void **state)
{
    const struct npr_pid pid = {.node = {.size = 3, .text = "a@h"}, .id = 85, .serial = 3};
    const struct npr_ref ref = {
        .node = {.size = 3, .text = "a@h"}, .words_count = 3, .words = {1, 2, 3}};
    struct npr_builder *builder = npr_builder_create();

    (void)state;
    assert_non_null(builder);
    npr_build_tuple(builder, 11);
    npr_build_int(builder, INT64_MIN);
    npr_build_uint(builder, UINT64_MAX);
    npr_build_double(builder, 1.5);
    npr_build_atom(builder, "A b");
    npr_build_text(builder, "caf\xc3\xa9");
    npr_build_string(builder, "\xce\xbb");
    npr_build_pid(builder, &pid);
    npr_build_ref(builder, &ref);
    npr_build_export(builder, "counter", "start", 0);
    npr_build_map(builder, 2); /* in any order */
    npr_build_atom(builder, "b");
    npr_build_nil(builder);
    npr_build_atom(builder, "a");
    npr_build_string(builder, "");
    npr_build_list(builder, 2);
    npr_build_int(builder, 1);
    npr_build_int(builder, 2);
    npr_build_atom(builder, "tail");
    check_built(builder,
                "{-9223372036854775808,18446744073709551615,1.5,'A b',<<\"caf\xc3\xa9\"/utf8>>,"
                "\"\xce\xbb\",<a@h.85.3>,#Ref<a@h.3.2.1>,fun counter:start/0,"
                "#{a => [],b => []},[1,2|tail]}");
    npr_builder_destroy(builder);
}

/* What the builder gives out is in normal form, however it was written: else the same key would be
 * placed and found in two places. */
static void built_terms_are_in_normal_form(void **state)
{
    const uint8_t packed[] = {107, 0, 2, 1, 2};
    struct npr_builder *builder = npr_builder_create();
    struct npr_term term;

    (void)state;
    assert_non_null(builder);
    npr_build_list(builder, 2);
    npr_build_int(builder, 1);
    npr_build_list(builder, 1); /* as the last element */
    npr_build_int(builder, 2);
    npr_build_nil(builder);
    npr_build_nil(builder);
    check_built(builder, "[1,[2]]");
    npr_builder_reset(builder);
    npr_build_list(builder, 1);
    npr_build_int(builder, 1);
    npr_build_list(builder, 1); /* as the tail */
    npr_build_int(builder, 2);
    npr_build_list(builder, 0);
    npr_build_nil(builder);
    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    CHECK_BYTES_EQUAL(npri_bytes(term.data, term.size), npri_bytes(packed, sizeof(packed)));
    npr_builder_destroy(builder);
}

/* The first wrong call is reported; those after it are not blamed. */
static void the_first_wrong_call_is_named(void **state)
{
    const struct npr_ref empty_ref = {.node = {.size = 3, .text = "a@h"}};
    const struct npr_pid bad_pid = {.node = {.size = 1, .text = "\xff"}};
    struct npr_builder *builder = npr_builder_create();

    (void)state;
    assert_non_null(builder);
    check_refused(builder, NPR_EINVAL, "the term is not whole: at least 1 more must follow");
    npr_build_tuple(builder, 2);
    npr_build_map(builder, 1);
    npr_build_int(builder, 1);
    check_refused(builder, NPR_EINVAL, "the term is not whole: at least 2 more must follow");
    npr_build_int(builder, 1);
    npr_build_atom(builder, "b");
    npr_build_double(builder, (double)INFINITY);
    check_refused(builder, NPR_EINVAL, "call 2 (atom): the term is whole already");
    npr_build_double(builder, (double)NAN);
    check_refused(builder, NPR_EINVAL, "call 1 (double): the value is not finite");
    npr_build_atom(builder, "\xff");
    check_refused(builder, NPR_EINVAL, "call 1 (atom): the atom is not UTF-8");
    npr_build_string(builder, "\xff");
    check_refused(builder, NPR_EINVAL, "call 1 (string): the text is not UTF-8");
    npr_build_export(builder, "m", "\xc0", 1);
    check_refused(builder, NPR_EINVAL, "call 1 (export): the atom is not UTF-8");
    npr_build_pid(builder, &bad_pid);
    check_refused(builder, NPR_EINVAL, "call 1 (pid): the node's name is not UTF-8");
    npr_build_ref(builder, &empty_ref);
    check_refused(builder, NPR_EINVAL, "call 1 (ref): a reference has 1 to 5 words");
    npr_build_term(builder, (struct npr_term){.data = NULL});
    check_refused(builder, NPR_EINVAL, "call 1 (term): there is no term");
    npr_build_int(builder, 1);
    check_built(builder, "1");
    npr_builder_destroy(builder);
    npr_builder_destroy(NULL);
}

static void a_key_twice_is_the_callers_mistake(void **state)
{
    struct npr_builder *builder = npr_builder_create();

    (void)state;
    assert_non_null(builder);
    npr_build_map(builder, 2);
    npr_build_atom(builder, "a");
    npr_build_int(builder, 1);
    npr_build_atom(builder, "a");
    npr_build_int(builder, 2);
    check_refused(builder, NPR_EINVAL, "offset 10: the map has this key twice");
    npr_builder_destroy(builder);
}

/* Atoms of 255 characters are allowed whatever their bytes, of 256 are not. */
static void atoms_end_at_255_characters(void **state)
{
    struct npr_builder *builder = npr_builder_create();
    char name[2 * 256 + 1];

    (void)state;
    assert_non_null(builder);
    for (size_t i = 0; i < 256; i++) {
        name[2 * i] = (char)0xce;
        name[2 * i + 1] = (char)0xbb;
    }
    npr_build_atom_bytes(builder, npri_bytes(name, 512));
    check_refused(builder, NPR_EINVAL, "call 1 (atom): the atom has more than 255 characters");
    npr_build_atom_bytes(builder, npri_bytes(name, 510));
    assert_int_equal(npr_builder_finish(builder, &(struct npr_term){.data = NULL}, NULL), NPR_OK);
    npr_builder_destroy(builder);
}

/* 64 MiB in all.  Catches a limit that is checked only after memory was taken for the excess. */
static void a_term_over_the_limit_is_full_not_out_of_memory(void **state)
{
    const size_t size = (64u << 20) - 16;
    struct npr_builder *builder = npr_builder_create();
    uint8_t *data = calloc(1, size);

    (void)state;
    assert_non_null(builder);
    assert_non_null(data);
    npr_build_tuple(builder, 2);
    npr_build_binary(builder, npri_bytes(data, size));
    npr_build_atom(builder, "a");
    check_refused(builder, NPR_EFULL, "call 3 (atom): a term of more than 67108864 bytes");
    npr_build_tuple(builder, UINT32_MAX);
    check_refused(builder, NPR_EFULL, "call 1 (tuple): a term of more than 67108864 bytes");
    free(data);
    npr_builder_destroy(builder);
}

/* A failed decode or parse leaves the builder as it was: the caller may try something else. */
static void a_failed_decode_changes_nothing(void **state)
{
    const uint8_t good[] = {131, 98, 0, 0, 0, 5};
    const uint8_t more[] = {131, 97, 5, 0};
    struct npr_builder *builder = npr_builder_create();
    struct npr_error err = {.status = NPR_OK};

    (void)state;
    assert_non_null(builder);
    npr_build_tuple(builder, 2);
    assert_int_equal(npr_term_decode(npri_bytes(good, 3), builder, &err), NPR_ESYNTAX);
    assert_string_equal(err.text, "offset 3: the term ends too early");
    assert_int_equal(npr_term_decode(npri_bytes(more, sizeof(more)), builder, &err), NPR_ESYNTAX);
    assert_string_equal(err.text, "offset 3: more follows the term");
    assert_int_equal(npr_term_parse(npr_bytes_of("{a"), builder, &err), NPR_ESYNTAX);
    assert_int_equal(npr_term_decode(npri_bytes(good, sizeof(good)), builder, &err), NPR_OK);
    assert_int_equal(npr_term_parse(npr_bytes_of("#{b => 1,a => 2}."), builder, &err), NPR_OK);
    assert_int_equal(npr_term_parse(npr_bytes_of("c"), builder, &err), NPR_EINVAL);
    check_refused(builder, NPR_EINVAL, "call 7 (parse): the term is whole already");
    npr_builder_destroy(builder);
}

static void encode_gives_both_manners(void **state)
{
    const uint8_t in_25[] = {131, 104, 1, 100, 0, 1, 0xe9};
    const uint8_t in_26[] = {131, 104, 1, 119, 2, 0xc3, 0xa9};
    struct npr_builder *builder = npr_builder_create();
    struct npr_term term;
    uint8_t *bytes;
    size_t size;

    (void)state;
    assert_non_null(builder);
    npr_build_tuple(builder, 1);
    npr_build_atom(builder, "\xc3\xa9");
    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    assert_int_equal(npr_term_encode(term, NPR_OTP_25, &bytes, &size), NPR_OK);
    CHECK_BYTES_EQUAL(npri_bytes(bytes, size), npri_bytes(in_25, sizeof(in_25)));
    free(bytes);
    assert_int_equal(npr_term_encode(term, NPR_OTP_26, &bytes, &size), NPR_OK);
    CHECK_BYTES_EQUAL(npri_bytes(bytes, size), npri_bytes(in_26, sizeof(in_26)));
    free(bytes);
    npr_builder_destroy(builder);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(terms_of_all_kinds_are_built),
        cmocka_unit_test(built_terms_are_in_normal_form),
        cmocka_unit_test(the_first_wrong_call_is_named),
        cmocka_unit_test(a_key_twice_is_the_callers_mistake),
        cmocka_unit_test(atoms_end_at_255_characters),
        cmocka_unit_test(a_term_over_the_limit_is_full_not_out_of_memory),
        cmocka_unit_test(a_failed_decode_changes_nothing),
        cmocka_unit_test(encode_gives_both_manners),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}

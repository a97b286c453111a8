/* Terms as JSON and back: the mapping of nprocreg/json.h. */
#include <stdlib.h>
#include <string.h>

#include "nprocreg/json.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "support/check.h"
#include "term/json.h"
#include "term/parse.h"
#include "term/read.h"

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

/* The JSON reads as the term. */
static void check_reads(const char *json, const char *erlang)
{
    struct npri_buffer expected = {.data = NULL};
    struct npr_builder *builder = npr_builder_create();
    struct npr_error err = {.status = NPR_OK};
    struct npr_term term;

    assert_non_null(builder);
    parse(erlang, &expected);
    if (npr_term_from_json(npr_bytes_of(json), builder, &err) != NPR_OK) {
        fail_msg("%s: %s", json, err.text);
    }
    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    if (!npr_term_equal(term, term_of(&expected))) {
        fail_msg("%s reads as %s, not %s", json, npr_term_print(term), erlang);
    }
    npr_builder_destroy(builder);
    npri_buffer_fini(&expected);
}

/* The term is written as the JSON, which reads as the term. */
static void check_both(const char *erlang, const char *json)
{
    struct npri_buffer term = {.data = NULL};
    char *text;

    parse(erlang, &term);
    text = npr_term_to_json(term_of(&term));
    assert_non_null(text);
    assert_string_equal(text, json);
    free(text);
    npri_buffer_fini(&term);
    check_reads(json, erlang);
}

static void check_fault(const char *json, npr_status status, const char *fault)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_error err = {.status = NPR_OK};
    npr_status got;

    assert_non_null(builder);
    got = npr_term_from_json(npr_bytes_of(json), builder, &err);
    if (got == NPR_OK) {
        fail_msg("%s was taken", json);
    }
    assert_string_equal(err.text, fault);
    assert_int_equal(got, status);
    npr_builder_destroy(builder);
}

/* Each line of the table in json.h.  Would catch: a form that changed, which programs in other
 * languages rely on. */
static void each_kind_has_its_form(void **state)
{
    (void)state;
    check_both("12", "12");
    check_both("-255", "-255");
    check_both("123456789012345678901234567890", "123456789012345678901234567890");
    check_both("1.5", "1.5");
    check_both("1.0e10", "1.0e10");
    check_both("-0.0", "-0.0");
    check_both("0.1", "0.1");
    check_both("5.0e-324", "5.0e-324");
    check_both("[true,false,null]", "[true,false,null]");
    check_both("undefined", "{\"$atom\":\"undefined\"}");
    check_both("'a \"b'", "{\"$atom\":\"a \\\"b\"}");
    check_both("<<\"text\">>", "\"text\"");
    check_both("<<\"\">>", "\"\"");
    check_both("<<\"\\x{3bb}\\x{1f600}\"/utf8>>", "\"\xce\xbb\xf0\x9f\x98\x80\"");
    check_both("<<0,1,8,9,10,12,13,31,34,92,127>>",
               "\"\\u0000\\u0001\\b\\t\\n\\f\\r\\u001f\\\"\\\\\x7f\"");
    check_both("<<255>>", "{\"$bytes\":\"/w==\"}");
    check_both("<<255,254,253>>", "{\"$bytes\":\"//79\"}");
    check_both("[]", "[]");
    check_both("\"abc\"", "[97,98,99]");
    check_both("[1,[2]]", "[1,[2]]");
    check_both("[1|2]", "[1,{\"$tail\":2}]");
    check_both("[1|{2}]", "[1,{\"$tail\":{\"$tuple\":[2]}}]");
    check_both("[[1|2]|3]", "[[1,{\"$tail\":2}],{\"$tail\":3}]");
    check_both("{}", "{\"$tuple\":[]}");
    check_both("{1,{a}}", "{\"$tuple\":[1,{\"$tuple\":[{\"$atom\":\"a\"}]}]}");
    check_both("#{}", "{}");
    check_both("#{<<\"a\">> => 1,<<\"b\">> => []}", "{\"a\":1,\"b\":[]}");
    check_both("#{1 => 2}", "{\"$map\":[[1,2]]}");
    check_both("#{a => 1,<<\"b\">> => #{1.0 => #{}}}",
               "{\"$map\":[[{\"$atom\":\"a\"},1],[\"b\",{\"$map\":[[1.0,{}]]}]]}");
    check_both("#{<<\"b\">> => 1,<<255>> => 2}",
               "{\"$map\":[[\"b\",1],[{\"$bytes\":\"/w==\"},2]]}");
    check_both("fun m:f/1", "{\"$term\":\"g3F3AW13AWZhAQ==\"}");
    check_both("<<1:1>>", "{\"$term\":\"g00AAAABAYA=\"}");
}

/* Would catch: maps of programs that are taken for tags, and the reverse. */
static void names_with_a_dollar_are_told_apart(void **state)
{
    (void)state;
    check_both("#{<<\"$atom\">> => 1}", "{\"$$atom\":1}");
    check_both("#{<<\"$atom\">> => <<\"x\">>}", "{\"$$atom\":\"x\"}");
    check_both("#{<<\"$$atom\">> => 1}", "{\"$$$atom\":1}");
    check_both("#{<<\"$\">> => 1}", "{\"$$\":1}");
    check_both("#{<<\"$atom\">> => 1,<<\"b\">> => 2}", "{\"$atom\":1,\"b\":2}");
    check_both("#{<<\"$$x\">> => 1,<<\"b\">> => 2}", "{\"$$x\":1,\"b\":2}");
    check_both("[1,#{<<\"$tail\">> => 2}]", "[1,{\"$$tail\":2}]");
    check_reads("{\"$atom\":\"x\",\"b\":2}", "#{<<\"$atom\">> => <<\"x\">>,<<\"b\">> => 2}");
    check_reads("{\"b\":2,\"$atom\":\"x\"}", "#{<<\"$atom\">> => <<\"x\">>,<<\"b\">> => 2}");
    check_reads("{\"$foo\":1}", "#{<<\"$foo\">> => 1}");
}

/* Every JSON has a term: an object that only looks like a tag is a map.  Would catch: a program
 * that is ended by what its users write; a value that is taken for what it is not. */
static void a_tag_with_another_value_is_a_map(void **state)
{
    (void)state;
    check_reads("{\"$atom\":5}", "#{<<\"$atom\">> => 5}");
    check_reads("{\"$tuple\":{}}", "#{<<\"$tuple\">> => #{}}");
    check_reads("{\"$tuple\":{\"$map\":[]}}", "#{<<\"$tuple\">> => #{}}");
    check_reads("{\"$tuple\":{\"$tuple\":[]}}", "#{<<\"$tuple\">> => {}}");
    check_reads("{\"$tuple\":{\"$tuple\":[1]}}", "#{<<\"$tuple\">> => {1}}");
    check_reads("{\"$tuple\":[1,{\"$tail\":2}]}", "#{<<\"$tuple\">> => [1|2]}");
    check_reads("{\"$tuple\":{\"$term\":\"g2sAA2FiYw==\"}}", "#{<<\"$tuple\">> => \"abc\"}");
    check_reads("{\"$map\":[1]}", "#{<<\"$map\">> => [1]}");
    check_reads("{\"$map\":[[1,2,3]]}", "#{<<\"$map\">> => [[1,2,3]]}");
    check_reads("{\"$map\":[[1,2],[1]]}", "#{<<\"$map\">> => [[1,2],[1]]}");
    check_reads("{\"$map\":[[1,2,{\"$tail\":3}]]}", "#{<<\"$map\">> => [[1,2|3]]}");
    check_reads("{\"$tail\":1}", "#{<<\"$tail\">> => 1}");
    check_reads("[{\"$tail\":1}]", "[#{<<\"$tail\">> => 1}]");
    check_reads("[1,{\"$tail\":2},3]", "[1,#{<<\"$tail\">> => 2},3]");
    check_reads("[1,{\"$tail\":[2,3]}]", "[1,2,3]");
    check_reads("[1,{\"$tail\":[]}]", "[1]");
    check_reads("{\"$bytes\":\"x\"}", "#{<<\"$bytes\">> => <<\"x\">>}");
    check_reads("{\"$bytes\":\"/x==\"}", "#{<<\"$bytes\">> => <<\"/x==\">>}");
    check_reads("{\"$bytes\":\"AAAA=\"}", "#{<<\"$bytes\">> => <<\"AAAA=\">>}");
    check_reads("{\"$bytes\":\"A===\"}", "#{<<\"$bytes\">> => <<\"A===\">>}");
    check_reads("{\"$bytes\":\"\"}", "<<>>");
    check_reads("{\"$bytes\":\"dGV4dA==\"}", "<<\"text\">>");
    check_reads("{\"$term\":\"\"}", "#{<<\"$term\">> => <<\"\">>}");
    check_reads("{\"$term\":\"gw==\"}", "#{<<\"$term\">> => <<\"gw==\">>}");
    check_reads("{\"$term\":\"g2EBAA==\"}", "#{<<\"$term\">> => <<\"g2EBAA==\">>}");
    check_reads("{\"$term\":\"g2EB\"}", "1");
    check_reads("{\"$pid\":\"<a@h.1.0>\"}", "#{<<\"$pid\">> => <<\"<a@h.1.0>\">>}");
    check_reads("{\"$pid\":\"<.1.0.1>\"}", "#{<<\"$pid\">> => <<\"<.1.0.1>\">>}");
    check_reads("{\"$pid\":\"<a@h.4294967296.0.1>\"}",
                "#{<<\"$pid\">> => <<\"<a@h.4294967296.0.1>\">>}");
    check_reads("{\"$ref\":\"<a@h.1.1,2,3,4,5,6>\"}",
                "#{<<\"$ref\">> => <<\"<a@h.1.1,2,3,4,5,6>\">>}");
    check_reads("{\"$ref\":\"#/definitions/x\"}", "#{<<\"$ref\">> => <<\"#/definitions/x\">>}");
}

/* What no term of ours looks like. */
static void json_of_others_is_read(void **state)
{
    (void)state;
    check_reads(" \t\r\n[ 1 , { \"a\" : 2 } ] \n", "[1,#{<<\"a\">> => 2}]");
    check_reads("-0", "0");
    check_reads("1E3", "1000.0");
    check_reads("1e+2", "100.0");
    check_reads("2.5e-3", "0.0025");
    check_reads("0.0", "0.0");
    check_reads("999999999999999999", "999999999999999999");
    check_reads("-1000000000000000000000", "-1000000000000000000000");
    check_reads("\"\\u00e9\\/\\ud83d\\ude00\\u0000\"", "<<16#e9/utf8,\"/\",16#1f600/utf8,0>>");
    check_reads("{\"b\":1,\"a\":2}", "#{<<\"a\">> => 2,<<\"b\">> => 1}");
}

static void faults_are_named(void **state)
{
    (void)state;
    check_fault("", NPR_ESYNTAX, "offset 0: a value is missing");
    check_fault(" ", NPR_ESYNTAX, "offset 1: a value is missing");
    check_fault("1 2", NPR_ESYNTAX, "offset 2: more follows the value");
    check_fault("01", NPR_ESYNTAX, "offset 2: no such number");
    check_fault("-", NPR_ESYNTAX, "offset 1: no such number");
    check_fault("1.", NPR_ESYNTAX, "offset 2: no such number");
    check_fault("1.e1", NPR_ESYNTAX, "offset 2: no such number");
    check_fault("1e", NPR_ESYNTAX, "offset 2: no such number");
    check_fault("+1", NPR_ESYNTAX, "offset 0: no JSON value begins so");
    check_fault("NaN", NPR_ESYNTAX, "offset 0: no JSON value begins so");
    check_fault("1e999", NPR_ESYNTAX, "offset 5: a number beyond the range of floats, or too long");
    check_fault("tru", NPR_ESYNTAX, "offset 0: no JSON value begins so");
    check_fault("[1", NPR_ESYNTAX, "offset 2: , or ] must follow an array's element");
    check_fault("[1,]", NPR_ESYNTAX, "offset 3: no JSON value begins so");
    check_fault("{\"a\":1,}", NPR_ESYNTAX, "offset 7: a member's name is missing");
    check_fault("{\"a\" 1}", NPR_ESYNTAX, "offset 5: : must follow a member's name");
    check_fault("{\"a\":1", NPR_ESYNTAX, "offset 6: , or } must follow an object's member");
    check_fault("{1:1}", NPR_ESYNTAX, "offset 1: a member's name is missing");
    check_fault("{\"a\":1,\"a\":2}", NPR_ESYNTAX, "an object or map has a name or key twice");
    check_fault("{\"$map\":[[1,2],[1,3]]}", NPR_ESYNTAX,
                "an object or map has a name or key twice");
    check_fault("\"a", NPR_ESYNTAX, "offset 2: a string does not end on its line");
    check_fault("\"a\n\"", NPR_ESYNTAX, "offset 2: a string does not end on its line");
    check_fault("\"\\x\"", NPR_ESYNTAX, "offset 2: no such escape");
    check_fault("\"\\u12\"", NPR_ESYNTAX, "offset 3: four hexadecimal digits must follow \\u");
    check_fault("\"\\ud800\"", NPR_ESYNTAX, "offset 7: half of a surrogate pair is no character");
    check_fault("\"\\udc00\\ud800\"", NPR_ESYNTAX,
                "offset 7: half of a surrogate pair is no character");
    check_fault("\"\xff\"", NPR_ESYNTAX, "offset 1: a string is not UTF-8");
}

static char *nested(const char *open, const char *close, unsigned depth)
{
    const size_t open_size = strlen(open);
    const size_t close_size = strlen(close);
    char *text = malloc(depth * (open_size + close_size) + 2);
    char *at = text;

    assert_non_null(text);
    for (unsigned i = 0; i < depth; i++, at += open_size) {
        memcpy(at, open, open_size);
    }
    *at++ = '1';
    for (unsigned i = 0; i < depth; i++, at += close_size) {
        memcpy(at, close, close_size);
    }
    *at = '\0';
    return text;
}

/* Would catch: a term, deep as terms may be, whose text cannot be read back; stack that a text can
 * use up. */
static void depth_has_a_limit_and_terms_have_none(void **state)
{
    const char *const erlang[][2] = {{"[", "]"}, {"{", "}"}, {"#{1 => ", "}"}, {"[1|{", "}]"}};
    char *json = nested("[", "]", NPRI_JSON_DEPTH_MAX);
    struct npr_builder *builder = npr_builder_create();

    (void)state;
    assert_int_equal(npr_term_from_json(npr_bytes_of(json), builder, NULL), NPR_OK);
    free(json);
    json = nested("[", "]", NPRI_JSON_DEPTH_MAX + 1);
    check_fault(json, NPR_EFULL, "offset 1024: arrays and objects are nested too deep");
    free(json);
    npr_builder_destroy(builder);

    for (size_t i = 0; i < sizeof(erlang) / sizeof(erlang[0]); i++) {
        char *text = nested(erlang[i][0], erlang[i][1], i == 3 ? 1000 : 2000);
        struct npri_buffer term = {.data = NULL};

        parse(text, &term);
        json = npr_term_to_json(term_of(&term));
        check_reads(json, text);
        free(json);
        free(text);
        npri_buffer_fini(&term);
    }
}

/* Decimal of long integers takes time with the square of their length. */
static void the_longest_integers_are_base64(void **state)
{
    char *text = malloc(20004);
    struct npri_buffer term = {.data = NULL};
    char *json;

    (void)state;
    assert_non_null(text);
    memset(text, 'f', 20002);
    memcpy(text, "16#", 3);
    text[20002] = '\0';
    parse(text, &term);
    json = npr_term_to_json(term_of(&term));
    assert_memory_equal(json, "{\"$term\":", 9);
    check_reads(json, text);
    free(json);
    memset(text, '1', 10001);
    text[10001] = '\0';
    check_fault(text, NPR_EFULL, "offset 10001: an integer has too many digits");
    text[9800] = '\0';
    check_both(text, text);
    free(text);
    npri_buffer_fini(&term);
}

/* Pids and references come from bytes: text has no creation. */
static void identities_are_exact(void **state)
{
    const struct npr_pid pid = {
        .node = {.size = 11, .text = "a@127.0.0.1"}, .id = 85, .serial = 2, .creation = 4294967295};
    const struct npr_ref ref = {.node = {.size = 4, .text = "\"@\\\n"},
                                .creation = 17,
                                .words_count = 3,
                                .words = {0, 4294967295, 3}};
    struct npr_builder *builder = npr_builder_create();
    struct npr_builder *back = npr_builder_create();
    struct npr_term term;
    struct npr_term read;
    char *json;

    (void)state;
    npr_build_tuple(builder, 2);
    npr_build_pid(builder, &pid);
    npr_build_ref(builder, &ref);
    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    json = npr_term_to_json(term);
    assert_string_equal(json, "{\"$tuple\":[{\"$pid\":\"<a@127.0.0.1.85.2.4294967295>\"},"
                              "{\"$ref\":\"<\\\"@\\\\\\n.17.0,4294967295,3>\"}]}");
    assert_int_equal(npr_term_from_json(npr_bytes_of(json), back, NULL), NPR_OK);
    assert_int_equal(npr_builder_finish(back, &read, NULL), NPR_OK);
    assert_true(npr_term_equal(term, read));
    free(json);
    npr_builder_destroy(builder);
    npr_builder_destroy(back);
}

/* Would catch: a call that leaks, or gives half of a term, when memory ends in the middle. */
static void memory_may_end_anywhere(void **state)
{
    static const char json[] = "[{\"$tuple\":[1.5,123456789012345678901]},{\"$map\":[[1,\"\\n\"]]},"
                               "{\"$bytes\":\"/w==\"},{\"$atom\":1},{\"$term\":\"g2EB\"},"
                               "{\"$pid\":\"<a@h.1.0.1>\"},1,{\"$tail\":2}]";
    uint64_t count = 0;
    npr_status status = NPR_ENOMEM;

    (void)state;
    while (status != NPR_OK) {
        struct npri_buffer out = {.data = NULL};

        npri_alloc_fail_after(++count);
        status = npri_json_read(npr_bytes_of(json), &out, NULL);
        npri_alloc_fail_after(0);
        assert_true(status == NPR_OK || (status == NPR_ENOMEM && out.size == 0));
        if (status == NPR_OK) {
            struct npri_buffer text = {.data = NULL};

            npri_json_write(term_of(&out), &text);
            assert_false(text.failed);
            npri_buffer_fini(&text);
        }
        npri_buffer_fini(&out);
        assert_true(count < 1000);
    }
    assert_true(count > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_form),
        cmocka_unit_test(names_with_a_dollar_are_told_apart),
        cmocka_unit_test(a_tag_with_another_value_is_a_map),
        cmocka_unit_test(json_of_others_is_read),
        cmocka_unit_test(faults_are_named),
        cmocka_unit_test(depth_has_a_limit_and_terms_have_none),
        cmocka_unit_test(the_longest_integers_are_base64),
        cmocka_unit_test(identities_are_exact),
        cmocka_unit_test(memory_may_end_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* NPR_BUILD and NPR_MATCH: terms by a text with places in it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nprocreg/format.h"

#include "base/alloc.h"
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
    npr_builder_reset(builder);
}

static void check_refused(struct npr_builder *builder, npr_status status, const char *text)
{
    struct npr_error err = {.status = NPR_OK};
    struct npr_term term = {.data = NULL};

    assert_int_equal(npr_builder_finish(builder, &term, &err), status);
    assert_string_equal(err.text, text);
    npr_builder_reset(builder);
}

static struct npr_term parsed(struct npr_builder *builder, const char *text)
{
    struct npr_term term = {.data = NULL};
    struct npr_error err;

    npr_builder_reset(builder);
    if (npr_term_parse(npr_bytes_of(text), builder, &err) != NPR_OK ||
        npr_builder_finish(builder, &term, &err) != NPR_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    return term;
}

/* Would catch: a letter that builds something else, an argument taken out of order or cut. */
static void every_letter_builds_its_kind(void **state)
{
    const struct npr_pid pid = {.node = {.size = 3, .text = "a@h"}, .id = 85, .serial = 3};
    struct npr_ref ref = {.node = {.size = 3, .text = "a@h"}, .words_count = 3, .words = {1, 2, 3}};
    struct npr_builder *builder = npr_builder_create();
    struct npr_builder *inner = npr_builder_create();
    char name[] = "user";

    (void)state;
    assert_non_null(builder);
    assert_non_null(inner);
    NPR_BUILD(builder, "{~a,~i}", name, 42);
    check_built(builder, "{user,42}");
    NPR_BUILD(builder, "[~i,~l,~u,~i,~i|~i]", INT64_MIN, -1, UINT64_MAX, (unsigned char)200, 'a',
              (short)-3);
    check_built(builder, "[-9223372036854775808,-1,18446744073709551615,200,97|-3]");
    NPR_BUILD(builder, "{~d,~f}", 1.5, 0.25f);
    check_built(builder, "{1.5,0.25}");
    NPR_BUILD(builder, "{~p,~r,~t}", &pid, &ref, parsed(inner, "#{b => [1]}"));
    check_built(builder, "{<a@h.85.3>,#Ref<a@h.3.2.1>,#{b => [1]}}");
    NPR_BUILD(builder, "#{~a => ~b, k=>~s}", "\xce\xbb", npr_bytes_of("caf\xc3\xa9"), "\xce\xbb");
    check_built(builder, "#{k => \"\xce\xbb\",'\xce\xbb' => <<\"caf\xc3\xa9\"/utf8>>}");
    NPR_BUILD(builder, "<<~i,~i/utf8,~b/binary>>", 7, 955, "x");
    check_built(builder, "<<7,206,187,120>>");
    NPR_BUILD(builder, " { 'A b', -5, 16#ff, \"x\", <<1,2>>, 2.5, [] , [~s] } ", "");
    check_built(builder, "{'A b',-5,255,\"x\",<<1,2>>,2.5,[],[[]]}");
    NPR_BUILD(builder, "{~i,~i,~i,~i,~i,~i,~i,~i,~i,~i,~i,~i}", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
              12);
    check_built(builder, "{1,2,3,4,5,6,7,8,9,10,11,12}");
    npr_builder_destroy(inner);
    npr_builder_destroy(builder);
}

/* Would catch: a format that ends the term that was begun by other calls, or does not count. */
static void a_format_is_one_element(void **state)
{
    struct npr_builder *builder = npr_builder_create();

    (void)state;
    assert_non_null(builder);
    npr_build_tuple(builder, 3);
    npr_build_int(builder, 1);
    NPR_BUILD(builder, "{a,b}");
    NPR_BUILD(builder, "~b", "c");
    check_built(builder, "{1,{a,b},<<\"c\">>}");
    NPR_BUILD(builder, "a");
    NPR_BUILD(builder, "b");
    check_refused(builder, NPR_EINVAL, "call 2 (format): the term is whole already");
    npr_builder_destroy(builder);
}

#define REFUSED(builder, fault, ...)                                                               \
    do {                                                                                           \
        NPR_BUILD(builder, __VA_ARGS__);                                                           \
        check_refused(builder, NPR_EINVAL, "call 1 (format): " fault);                             \
    } while (false)

/* Would catch: an argument read as what it is not, one read beyond the last, a fault without its
 * place. */
static void wrong_formats_are_named(void **state)
{
    const struct npr_ref empty_ref = {.node = {.size = 3, .text = "a@h"}};
    const struct npr_pid bad_pid = {.node = {.size = 1, .text = "\xff"}};
    const struct npr_pid *no_pid = NULL;
    const char *no_text = NULL;
    struct npr_builder *b = npr_builder_create();
    char atom[257];

    (void)state;
    assert_non_null(b);
    memset(atom, 'x', 256);
    atom[256] = '\0';
    REFUSED(b, "offset 0: the text ends where a term should be", "");
    REFUSED(b, "offset 2: expected '}'", "{a");
    REFUSED(b, "offset 3: something follows the term", "~i ~i", 1, 2);
    REFUSED(b, "offset 4: there are fewer arguments than places", "{~i,~i}", 1);
    REFUSED(b, "offset 2: there are more arguments than places", "~i", 1, 2);
    REFUSED(b, "offset 1: expected ~ and one of a, b, s, i, l, u, d, f, p, r and t", "{~x}", 1);
    REFUSED(b, "offset 0: expected ~ and one of a, b, s, i, l, u, d, f, p, r and t", "~", 1);
    REFUSED(b, "offset 1: the argument is no text", "{~a}", 1);
    REFUSED(b, "offset 1: the argument is no text", "{~b}", 1.5);
    REFUSED(b, "offset 1: the argument is no text", "{~s}", &bad_pid);
    REFUSED(b, "offset 0: the argument is no integer", "~i", "1");
    REFUSED(b, "offset 0: the argument is no double", "~f", 1);
    REFUSED(b, "offset 0: the argument is no pid", "~p", &empty_ref);
    REFUSED(b, "offset 0: the argument is no reference", "~r", &bad_pid);
    REFUSED(b, "offset 0: the argument is no term", "~t", "t");
    REFUSED(b, "offset 0: the argument is no term", "~t", (struct npr_term){.data = NULL});
    REFUSED(b, "offset 0: the argument is no pid", "~p", no_pid);
    REFUSED(b, "offset 0: the text is NULL", "~b", no_text);
    REFUSED(b, "offset 0: the text is not UTF-8", "~a", "\xff");
    REFUSED(b, "offset 0: the text is not UTF-8", "~s", "\xff");
    REFUSED(b, "offset 0: the atom has more than 255 characters", "~a", atom);
    REFUSED(b, "offset 0: the value is not finite", "~d", (double)NAN);
    REFUSED(b, "offset 0: the node's name is not UTF-8", "~p", &bad_pid);
    REFUSED(b, "offset 0: a reference has 1 to 5 words", "~r", &empty_ref);
    REFUSED(b, "offset 0: the map has a key twice", "#{~i => a,~i => b}", 1, 1);
    REFUSED(b, "there is no format", no_text);
    NPR_BUILD(b, "~b", npri_bytes(atom, 64u << 20));
    check_refused(b, NPR_EFULL, "call 1 (format): offset 0: the term is too large");
    NPR_BUILD(b, "{a"); /* and stays so */
    npr_build_int(b, 1);
    check_refused(b, NPR_EINVAL, "call 1 (format): offset 2: expected '}'");
    npr_builder_destroy(b);
}

/* Each allocation of a call fails once: the answer is out of memory, and the builder lives on. */
static void running_out_of_memory_sticks(void **state)
{
    bool whole = false;

    (void)state;
    for (uint64_t count = 1; !whole; count++) {
        struct npr_builder *builder = npr_builder_create();
        struct npr_term term;
        npr_status status;

        assert_non_null(builder);
        npri_alloc_fail_after(count);
        NPR_BUILD(builder, "#{~a => 1,b => [~i,~i],99999999999999999999 => ~b}", "k", 1, 2, "text");
        status = npr_builder_finish(builder, &term, NULL);
        npri_alloc_fail_after(0);
        whole = status == NPR_OK;
        assert_true(whole || status == NPR_ENOMEM);
        npr_builder_reset(builder);
        NPR_BUILD(builder, "~i", 1);
        check_built(builder, "1");
        npr_builder_destroy(builder);
    }
}

/* Would catch: a letter that takes another kind, a value that is cut or stored elsewhere. */
static void every_letter_gives_its_kind(void **state)
{
    struct npr_builder *b = npr_builder_create();
    struct npr_term_walk walk;
    struct npr_bytes atom;
    struct npr_bytes binary;
    struct npr_pid pid;
    struct npr_ref ref;
    struct npr_term term;
    unsigned long long u64 = 0;
    long long i64 = 0;
    uint32_t u32 = 0;
    int32_t i32 = 0;
    double value = 0;

    (void)state;
    assert_non_null(b);
    assert_true(NPR_MATCH(parsed(b, "{add,-5}"), "{add,~i}", &i32));
    assert_int_equal(i32, -5);
    assert_true(
        NPR_MATCH(parsed(b, "[4294967295,18446744073709551615|x]"), "[~u,~u|_]", &u32, &u64));
    assert_true(u32 == UINT32_MAX && u64 == UINT64_MAX);
    assert_true(NPR_MATCH(parsed(b, "-9223372036854775808"), "~l", &i64));
    assert_true(i64 == INT64_MIN);
    assert_true(NPR_MATCH(parsed(b, "{ab,<<\"cd\">>,1.5}"), "{~a,~b,~f}", &atom, &binary, &value));
    CHECK_BYTES_EQUAL(atom, npr_bytes_of("ab"));
    CHECK_BYTES_EQUAL(binary, npr_bytes_of("cd"));
    assert_true(value > 1.4 && value < 1.6);
    assert_true(
        NPR_MATCH(parsed(b, "{<a@h.85.3>,#Ref<a@h.3.2.1>,{}}"), "{~p,~r,~t}", &pid, &ref, &term));
    assert_true(pid.id == 85 && ref.words_count == 3);
    assert_int_equal(npr_term_kind(term), NPR_TERM_TUPLE);
    assert_true(NPR_MATCH(parsed(b, "[1,2,3]"), "[~i|~w]", &i32, &walk));
    assert_true(npr_term_next(&walk, &term) && NPR_MATCH(term, "2"));
    assert_true(NPR_MATCH(parsed(b, "\"ab\""), "~w", &walk)); /* packed, as [97,98] */
    assert_true(npr_term_next(&walk, &term) && NPR_MATCH(term, "97"));
    npr_builder_destroy(b);
}

struct sample {
    const char *pattern;
    const char *term;
    bool same;
};

/* Would catch: a comparison that stops early, at the shorter or at the longer of the two. */
static void literals_must_be_equal(void **state)
{
    static const struct sample samples[] = {
        {"a", "a", true},
        {"a", "ab", false},
        {"'A b'", "'A b'", true},
        {"a", "\"a\"", false},
        {"0", "0", true},
        {"-1", "1", false},
        {"1", "1.0", false},
        {"-9223372036854775808", "-9223372036854775808", true},
        {"18446744073709551615", "18446744073709551615", true},
        {"18446744073709551615", "-1", false},
        {"1", "18446744073709551617", false},
        {"\"ab\"", "\"ab\"", true},
        {"\"ab\"", "\"abc\"", false},
        {"\"abc\"", "\"ab\"", false},
        {"\"ab\"", "[97,98|c]", false},
        {"\"\"", "[]", true},
        {"<<\"ab\">>", "<<\"ab\">>", true},
        {"<<\"ab\">>", "<<\"abc\">>", false},
        {"<<\"abc\">>", "<<\"ab\">>", false},
        {"<<>>", "<<>>", true},
        {"<<\"a\">>", "\"a\"", false},
        {"_", "{any,\"thing\"}", true},
        {"{}", "{}", true},
        {"{}", "{a}", false},
        {"{a,_}", "{a,b}", true},
        {"{a,_}", "{a}", false},
        {"{a}", "{a,b}", false},
        {"{a,b}", "[a,b]", false},
        {"[]", "[]", true},
        {"[]", "[a]", false},
        {"[]", "{}", false},
        {"[a,_]", "[a,b]", true},
        {"[a]", "[a,b]", false},
        {"[a,b]", "[a]", false},
        {"[a]", "[a|b]", false},
        {"[a|_]", "[a]", true},
        {"[a|_]", "[]", false},
        {"[a|_]", "a", false},
        {"[1,2]", "[1,2]", true},
        {"#{}", "#{a => 1}", true},
        {"#{}", "{}", false},
        {"#{b := 2}", "#{a => 1,b => 2}", true},
        {"#{b := 1}", "#{a => 1,b => 2}", false},
        {"#{c := _}", "#{a => 1,b => 2}", false},
        {"#{ \"k\" := {x}, 7 := _ }", "#{7 => y,\"k\" => {x}}", true},
        {"#{b := _}", "b", false},
        {" { a , [ ] } % both ", "{a,[]}", true},
    };
    struct npr_builder *b = npr_builder_create();

    (void)state;
    assert_non_null(b);
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        if (NPR_MATCH(parsed(b, samples[i].term), samples[i].pattern) != samples[i].same) {
            fail_msg("%s and %s", samples[i].pattern, samples[i].term);
        }
    }
    npr_builder_destroy(b);
}

/* Would catch: a half that was stored before the other half was seen to differ. */
static void what_does_not_match_sets_nothing(void **state)
{
    struct npr_builder *b = npr_builder_create();
    struct npr_bytes bytes = {.data = NULL};
    uint32_t u32 = 7;
    int32_t i32 = 7;
    double value = 7;

    (void)state;
    assert_non_null(b);
    assert_false(NPR_MATCH(parsed(b, "{1,b}"), "{~i,a}", &i32));
    assert_false(NPR_MATCH(parsed(b, "{1.5,b}"), "{~f,a}", &value));
    assert_false(NPR_MATCH(parsed(b, "{1}"), "{~i,~i}", &i32, &u32));
    assert_false(NPR_MATCH(parsed(b, "2147483648"), "~i", &i32));
    assert_false(NPR_MATCH(parsed(b, "-2147483649"), "~i", &i32));
    assert_false(NPR_MATCH(parsed(b, "-1"), "~i", &u32));
    assert_false(NPR_MATCH(parsed(b, "4294967296"), "~i", &u32));
    assert_false(NPR_MATCH(parsed(b, "a"), "~i", &i32));
    assert_false(NPR_MATCH(parsed(b, "1"), "~f", &value));
    assert_false(NPR_MATCH(parsed(b, "<<1>>"), "~a", &bytes));
    assert_false(NPR_MATCH(parsed(b, "a"), "~b", &bytes));
    assert_false(NPR_MATCH((struct npr_term){.data = NULL}, "~i", &i32));
    assert_false(NPR_MATCH((struct npr_term){.data = NULL}, "{a,[b|_],#{c := \"d\"}}"));
    assert_true(i32 == 7 && u32 == 7 && bytes.data == NULL && value > 6);
    npr_builder_destroy(b);
}

static void check_wrong(const char *pattern, const struct npr_slot *slots, const char *text)
{
    struct npr_builder *b = npr_builder_create();
    struct npr_error err = {.status = NPR_OK};

    /* Also along a term that differs from the start. */
    assert_non_null(b);
    assert_int_equal(npr_term_match(parsed(b, "1.5"), pattern, slots, &err), NPR_EINVAL);
    assert_int_equal(err.status, NPR_EINVAL);
    assert_string_equal(err.text, text);
    assert_int_equal(npr_term_match(parsed(b, "{1,2}"), pattern, slots, NULL), NPR_EINVAL);
    npr_builder_destroy(b);
}

/* Would catch: a pattern whose mistake shows only with some terms, a wrong type written through. */
static void wrong_patterns_are_wrong_for_every_term(void **state)
{
    int32_t value = 7;
    double real;
    const struct npr_slot none[] = {{.kind = NPR_SLOT_END}};
    const struct npr_slot one[] = {{NPR_SLOT_INT32, &value}, {.kind = NPR_SLOT_END}};
    const struct npr_slot null[] = {{NPR_SLOT_INT32, NULL}, {.kind = NPR_SLOT_END}};
    const struct npr_slot reals[] = {
        {NPR_SLOT_DOUBLE, &real}, {NPR_SLOT_DOUBLE, &real}, {.kind = NPR_SLOT_END}};
    char deep[256];

    (void)state;
    memset(deep, '[', sizeof(deep));
    deep[255] = '\0';
    check_wrong(deep, none, "pattern: offset 100: the pattern is nested too deep");
    check_wrong(NULL, none, "there is no pattern");
    check_wrong("", none, "pattern: offset 0: the pattern ends too early");
    check_wrong("{a", none, "pattern: offset 2: expected '}'");
    check_wrong("[a", none, "pattern: offset 2: expected ']'");
    check_wrong("#{a => 1}", none, "pattern: offset 4: expected ':='");
    check_wrong("#{~i := 1}", one,
                "pattern: offset 2: nothing that can be matched begins like this");
    check_wrong("a b", none, "pattern: offset 2: something follows the pattern");
    check_wrong("_x", none, "pattern: offset 0: a variable: write ~t, or _ alone");
    check_wrong("X", none, "pattern: offset 0: nothing that can be matched begins like this");
    check_wrong("1.5", none, "pattern: offset 1: something follows the pattern");
    check_wrong("18446744073709551616", none, "pattern: offset 0: the number is too large here");
    check_wrong("\"a", none, "pattern: offset 0: string without an end");
    check_wrong("<<1>>", none, "pattern: offset 2: expected '>>'");
    check_wrong("[a|b]", none,
                "pattern: offset 3: expected _ or ~w: what is left of a list is no term");
    check_wrong("{~i,~i}", one, "pattern: offset 4: there are fewer arguments than places");
    check_wrong("a", one, "pattern: offset 1: there are more arguments than places");
    check_wrong("~i", null, "pattern: offset 0: the argument is NULL");
    check_wrong("{~i,~f}", reals, "pattern: offset 1: the argument points to no integer");
    check_wrong("~s", one,
                "pattern: offset 0: expected ~ and one of a, b, i, l, u, d, f, p, r, t and w");
    check_wrong("~a", one, "pattern: offset 0: the argument is no struct npr_bytes *");
    check_wrong("~b", one, "pattern: offset 0: the argument is no struct npr_bytes *");
    check_wrong("~f", one, "pattern: offset 0: the argument is no double *");
    check_wrong("~p", one, "pattern: offset 0: the argument is no struct npr_pid *");
    check_wrong("~r", one, "pattern: offset 0: the argument is no struct npr_ref *");
    check_wrong("~t", one, "pattern: offset 0: the argument is no struct npr_term *");
    check_wrong("[a|~w]", one, "pattern: offset 3: the argument is no struct npr_term_walk *");
    assert_int_equal(value, 7);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(every_letter_builds_its_kind),
        cmocka_unit_test(a_format_is_one_element),
        cmocka_unit_test(wrong_formats_are_named),
        cmocka_unit_test(running_out_of_memory_sticks),
        cmocka_unit_test(every_letter_gives_its_kind),
        cmocka_unit_test(literals_must_be_equal),
        cmocka_unit_test(what_does_not_match_sets_nothing),
        cmocka_unit_test(wrong_patterns_are_wrong_for_every_term),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}

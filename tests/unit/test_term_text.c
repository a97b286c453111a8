/* Erlang text: what a shell takes, what it does not, and where the fault is. */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "term/parse.h"
#include "term/write.h"

/* Reads `text` and prints it. */
static void check_printed(const char *text, const char *expected)
{
    struct npri_buffer room = {.data = NULL};
    struct npr_error err = {.status = NPR_OK};
    char *printed;

    if (npri_term_parse(npr_bytes_of(text), &room, &err) != NPR_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    printed = npr_term_print((struct npr_term){.data = room.data, .size = room.size});
    assert_non_null(printed);
    assert_string_equal(printed, expected);
    free(printed);
    npri_buffer_fini(&room);
}

static void check_same(const char *text)
{
    check_printed(text, text);
}

static void check_fault(const char *text, const char *fault)
{
    struct npri_buffer room = {.data = NULL};
    struct npr_error err = {.status = NPR_OK};

    if (npri_term_parse(npr_bytes_of(text), &room, &err) == NPR_OK) {
        fail_msg("%s was taken", text);
    }
    assert_string_equal(err.text, fault);
    assert_int_equal(room.size, 0);
    npri_buffer_fini(&room);
}

static void numbers_of_all_spellings(void **state)
{
    (void)state;
    check_printed("1_000_000", "1000000");
    check_printed("16#fF", "255");
    check_printed("36#Zz", "1295");
    check_printed("2#1010_1010", "170");
    check_printed("3#2101", "64");
    check_printed("- 1", "-1");
    check_printed("+1", "1");
    check_printed("-16#ff", "-255");
    check_printed("$a", "97");
    check_printed("$ ", "32");
    check_printed("$\\n", "10");
    check_printed("$\\x{3bb}", "955");
    check_printed("$\\^a", "1");
    check_printed("$\\101", "65");
    check_printed("1.5e3", "1.5e3");
    check_printed("15.0", "15.0");
    check_printed("-0.0", "-0.0");
    check_printed("1_0.2_5e1_0", "1.025e11");
    check_printed("1.0E-5", "1.0e-5");
    check_same("123456789012345678901234567890123456789012345678901234567890");
    check_same("-1000000000000000000000000000");
    check_printed("1.", "1");
}

static void floats_print_shortest(void **state)
{
    static const char *const texts[] = {
        "0.1",
        "1.0e10",
        "1.0e-5",
        "123456789.0",
        "1.0e22",
        "0.001",
        "0.0001",
        "1.2345e-4",
        "100.0",
        "1.0e3",
        "1234567.0",
        "9.007199254740992e15",
        "5.0e-324",
        "1.7976931348623157e308",
        "2.2250738585072014e-308",
        "12345678912345.678",
        "6.256509672447191e-148", /* a power of two: the nearest of 16 digits reads as another */
        "5.684341886080802e-14"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        check_same(texts[i]);
    }
}

/* Catches a decimal point that is taken from the program's locale. */
static void floats_do_not_depend_on_the_locale(void **state)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    const char *set = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && set == NULL; i++) {
        set = setlocale(LC_ALL, names[i]);
    }
    check_same("[0.1,1.5e-7]");
    (void)setlocale(LC_ALL, "C");
    if (set == NULL) {
        skip(); /* no locale with a decimal comma is installed here */
    }
}

static void atoms_are_quoted_where_they_must_be(void **state)
{
    (void)state;
    check_same("foo");
    check_same("a@b_C9");
    check_same("'Foo'");
    check_same("''");
    check_same("'a b'");
    check_same("'if'");
    check_same("maybe"); /* reserved from OTP 27 on, and only where it is enabled */
    check_same("'9a'");
    check_same("'a.b'");
    check_printed("'foo'", "foo");
    check_printed("'\\x{3bb}\\n\\'\\\\\\e\\d\\000\\x{80}'", "'\xce\xbb\\n\\'\\\\\\e\\d\\000\\200'");
    check_same("\xc3\xa9t\xc3\xa9");
    check_same("'\xc3\x89t\xc3\xa9'");
}

static void strings_and_binaries(void **state)
{
    (void)state;
    check_printed("\"abc\" \"def\" % more\n \"g\"", "\"abcdefg\"");
    check_printed("\"\"", "[]");
    check_printed("[97,98]", "\"ab\"");
    check_printed("[97,7]", "[97,7]");
    check_same("\"\xce\xbb\\\"\\\\\\n\"");
    check_same("<<>>");
    check_same("<<\"abc\">>");
    check_same("<<\"\xce\xbb\"/utf8>>");
    check_printed("<<\"\xc3\xa9\">>", "<<\"\xc3\xa9\">>"); /* one byte, Latin-1 */
    check_same("<<1,2,3>>");
    check_same("<<0,5:3>>");
    check_printed("<<97,98>>", "<<\"ab\">>");
    check_printed("<<1:16,-1:4,3:12/little>>", "<<0,1,240,48>>");
    check_printed("<<1:20/little>>", "<<1,0,0:4>>");
    check_printed("<<16#12345:20/little>>", "<<69,35,1:4>>");
    check_printed("<<-256:72>>", "<<255,255,255,255,255,255,255,255,0>>");
    check_printed("<<-1:3,-8:5,0>>", "<<248,0>>");
    check_printed("<<\"ab\":16/little>>", "<<97,0,98,0>>");
    check_printed("<<\"\\x{1f600}\"/utf16>>", "<<216,61,222,0>>");
    check_printed("<<$a/utf32-little>>", "<<97,0,0,0>>");
    check_printed("<<1.5/float,1:32/float>>", "<<63,248,0,0,0,0,0,0,63,128,0,0>>");
    check_printed("<<(<<1,2,3>>):2/binary,<<1:3>>/bits>>", "<<1,2,1:3>>");
    check_printed("<<1:2/unit:4,7:2/integer-unit:8-signed-big>>", "<<1,0,7>>");
}

static void containers_and_names(void **state)
{
    (void)state;
    check_printed(" { a , [ b | c ] , #{ } } . % done", "{a,[b|c],#{}}");
    check_printed("[1|[2|[3]]]", "[1,2,3]");
    check_printed("[[1|[2]]|3]", "[[1,2]|3]");
    check_printed("#{b=>1,a=>2,1.0=>x,1=>y}", "#{1 => y,1.0 => x,a => 2,b => 1}");
    check_printed("((a))", "a");
    check_same("fun lists:map/2");
    check_same("fun 'A':'b c'/255");
    check_same("<a@127.0.0.1.85.0>");
    check_same("<'odd node'.4294967295.1>");
    check_same("#Ref<a@127.0.0.1.3.2.1>");
    check_same("#Ref<'a@127.0.0.1'.5.4.3.2.1>");
    check_same("#Port<a@h.18446744073709551615>");
    check_same("{[],{},#{},<<>>,'',[[]]}");
}

static void faults_name_their_place(void **state)
{
    (void)state;
    check_fault("", "offset 0: the text ends where a term should be");
    check_fault("{a,", "offset 3: the text ends where a term should be");
    check_fault("{a b}", "offset 3: expected '}'");
    check_fault("[a,b", "offset 4: expected ']'");
    check_fault("[a|b,c]", "offset 4: expected ']'");
    check_fault("Foo", "offset 0: a variable is no term (an atom like this needs quotes)");
    check_fault("if", "offset 0: a reserved word: as an atom it needs quotes");
    check_fault("'abc", "offset 0: quoted atom without an end");
    check_fault("\"abc", "offset 0: string without an end");
    check_fault("a b", "offset 2: something follows the term");
    check_fault("1a", "offset 1: something follows the term");
    check_fault("1..", "offset 2: something follows the term");
    check_fault("37#1", "offset 0: the base of a number is 2 to 36");
    check_fault("2#2", "offset 2: expected a digit of that base");
    check_fault("1.0e400", "offset 0: the float is out of range");
    check_fault("\"\\x{110000}\"", "offset 1: no such character escape");
    check_fault("\"\\x{d800}\"", "offset 1: no such character escape");
    check_fault("\"\\xg\"", "offset 1: no such character escape");
    check_fault("\"\xff\"", "offset 1: the text is not UTF-8");
    check_fault("<<1", "offset 3: expected '>>'");
    check_fault("<<a>>", "offset 2: only numbers, strings and binaries stand in a binary");
    check_fault("<<1.5>>", "offset 2: a float needs /float");
    check_fault("<< <<1>> >>", "offset 3: a binary in a binary needs /binary");
    check_fault("<<1/foo>>", "offset 2: unknown type of a segment");
    check_fault("<<1:99999999999>>", "offset 4: the number is too large here");
    check_fault("<0.85.0>",
                "offset 1: expected the name of a node, name@host, or an atom in quotes");
    check_fault("<a@h.85>", "offset 1: expected <name@host.number.number>");
    check_fault("<a@h.85.4294967296>", "offset 8: the number is too large here");
    check_fault("#Fun<m.1.2>", "offset 0: a closure cannot be read from text");
    check_fault("fun a:b/256", "offset 8: the number is too large here");
    check_fault("[x,#{a => 1,b => #{c => 1,c => 2}}]", "offset 17: the map has a key twice");
    check_fault("#{a => 1,a => 2}", "offset 0: the map has a key twice");
}

/* Base 16 beyond NPRI_DECIMAL_BYTES_MAX, both ways; longer decimals are refused. */
static void very_large_integers_are_in_base_16(void **state)
{
    const size_t digits = 20000;
    char *text = malloc(digits + 4);

    (void)state;
    assert_non_null(text);
    memcpy(text, "16#", 3);
    memset(text + 3, 'A', digits);
    text[3 + digits] = '\0';
    check_same(text);
    memset(text, '9', digits);
    check_fault(text, "offset 0: so many digits are read only in base 2, 4, 8, 16 or 32");
    memset(text, '9', 9800);
    text[9800] = '\0';
    check_same(text);
    free(text);
}

/* A buffer with a limit gets the beginning of the text, as far as it has room.  Mistakes: reading
 * on from a place that is none once the buffer is full (seen by the sanitizer); a whole large term
 * walked for its first bytes. */
static void beginnings_of_texts(void **state)
{
    static const char *const texts[] = {
        "[{a,1},{b,[1.5,<<\"x\">>|c]},#{k => \"text\",<<1,2,3>> => {}}]",
        "[1,2,3,1000,100000000000000000000|<a@b.1.2>]",
        "#{[a,b] => [[[x],y],z],{u,v} => fun m:f/3}",
        "\"\\n\\x{3bb}\\x{3bb}\"",
        "{<<1:3>>,'q a',[256,300],[#Ref<a@b.1.2.3>|t]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct npr_builder *builder = npr_builder_create();
        struct npri_buffer whole;
        struct npr_term term;

        assert_non_null(builder);
        assert_int_equal(npr_term_parse(npr_bytes_of(texts[i]), builder, NULL), NPR_OK);
        assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
        npri_buffer_init(&whole, 0);
        npri_term_print(term, &whole);
        for (size_t limit = 1; limit < whole.size; limit++) {
            struct npri_buffer part;

            npri_buffer_init(&part, limit);
            npri_term_print(term, &part);
            assert_true(part.failed && part.size <= limit && part.size + 24 > limit);
            assert_memory_equal(part.data == NULL ? whole.data : part.data, whole.data, part.size);
            npri_buffer_fini(&part);
        }
        npri_buffer_fini(&whole);
        npr_builder_destroy(builder);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(numbers_of_all_spellings),
        cmocka_unit_test(floats_print_shortest),
        cmocka_unit_test(floats_do_not_depend_on_the_locale),
        cmocka_unit_test(atoms_are_quoted_where_they_must_be),
        cmocka_unit_test(strings_and_binaries),
        cmocka_unit_test(containers_and_names),
        cmocka_unit_test(faults_name_their_place),
        cmocka_unit_test(very_large_integers_are_in_base_16),
        cmocka_unit_test(beginnings_of_texts),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}

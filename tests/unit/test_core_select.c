/* core/select.h and npri_core_put_page(): which keys are meant, and listing them a part at a time.
 */
#include "core_host.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "core/select.h"
#include "support/check.h"
#include "term/parse.h"
#include "term/write.h"

#define TERMS_MAX 64

static struct npri_buffer texts[TERMS_MAX];
static size_t texts_count;

/* Lives until the case ends. */
static struct npr_term term_of(const char *text)
{
    struct npri_buffer *buffer = &texts[texts_count++ % TERMS_MAX];
    struct npr_error err;

    npri_buffer_reset(buffer);
    if (npri_term_parse(npr_bytes_of(text), buffer, &err) != NPR_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    return (struct npr_term){.data = buffer->data, .size = buffer->size};
}

static int free_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < TERMS_MAX; i++) {
        npri_buffer_fini(&texts[i]);
    }
    return 0;
}

static struct npri_select *select_of(const char *wire)
{
    struct npri_select *select = NULL;
    struct npr_error err;

    if (npri_select_create(term_of(wire), &select, &err) != NPR_OK) {
        fail_msg("%s: %s", wire, err.text);
    }
    return select;
}

/* Both sides of each border: what begins so and what only looks like it. */
static void a_selector_has_the_keys_it_says(void **state)
{
    static const struct {
        const char *wire;
        const char *has;
        const char *has_not;
    } cases[] = {
        {"all", "{room,7}", NULL},
        {"{key,{room,7}}", "{room,7}", "{room,7.0}"},
        {"{key,1}", "1", "1.0"},
        {"{key,all}", "all", "'All'"},
        {"{prefix,<<>>}", "<<>>", "\"\""},
        {"{prefix,<<\"room\">>}", "<<\"room\">>", "<<\"roo\">>"},
        {"{prefix,<<\"room\">>}", "<<\"room 7\">>", "<<\"a room\">>"},
        {"{prefix,<<\"room\">>}", "<<\"room\", 255>>", "<<\"room\", 1:1>>"},
        {"{prefix,{}}", "{}", "[]"},
        {"{prefix,{room}}", "{room}", "{}"},
        {"{prefix,{room}}", "{room,7}", "room"},
        {"{prefix,{room}}", "{room,7,x}", "{rooms,7}"},
        {"{prefix,{room,{a,1}}}", "{room,{a,1},2}", "{room,{a,1,2}}"},
        {"{prefix,{1}}", "{1,x}", "{1.0,x}"},
        {"{prefix,[]}", "[]", "{}"},
        {"{prefix,[]}", "\"ab\"", "<<\"ab\">>"},
        {"{prefix,\"ab\"}", "\"abc\"", "\"acb\""},
        {"{prefix,\"ab\"}", "[97,98,c]", "[97]"},
        {"{prefix,[a,b]}", "[a,b|c]", "[a|b]"},
        {"{match,<<\"{room,_}\">>}", "{room,7}", "{room}"},
        {"{match,<<\"{room,_}\">>}", "{room,{x}}", "{room,7,8}"},
        {"{match,<<\"[a|_]\">>}", "[a]", "[]"},
        {"{match,<<\"#{device := _}\">>}", "#{device => 1,b => 2}", "#{b => 2}"},
        {"{match,<<\"_\">>}", "1", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct npri_select *select = select_of(cases[i].wire);

        if (!npri_select_has(select, term_of(cases[i].has))) {
            fail_msg("%s has not %s", cases[i].wire, cases[i].has);
        }
        if (cases[i].has_not != NULL && npri_select_has(select, term_of(cases[i].has_not))) {
            fail_msg("%s has %s", cases[i].wire, cases[i].has_not);
        }
        npri_select_destroy(select);
    }
    npri_select_destroy(NULL);
}

/* From a peer: refused with a reason, whatever it is. */
static void what_is_no_selector_is_refused(void **state)
{
    static const char *const wrong[] = {
        "any",
        "[]",
        "{all}",
        "{key}",
        "{key,1,2}",
        "{keys,1}",
        "{'Key',1}",
        "{prefix,room}",
        "{prefix,7}",
        "{prefix,[a|b]}",
        "{prefix,<<1:1>>}",
        "{prefix,#{}}",
        "{match,room}",
        "{match,\"_\"}",
        "{match,<<>>}",
        "{match,<<\"{room,\">>}",
        "{match,<<\"{room,~i}\">>}",
        "{match,<<\"_ _\">>}",
        "{match,<<\"a\",0,\"b\">>}",
        "{match,<<0>>}",
        "{match,<<255>>}",
        "{match,<<\"_\":4>>}",
    };
    struct npri_select *select = NULL;
    struct npr_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        err = (struct npr_error){0};
        if (npri_select_create(term_of(wrong[i]), &select, &err) != NPR_EINVAL ||
            err.text[0] == '\0') {
            fail_msg("%s was not refused", wrong[i]);
        }
        assert_null(select);
    }
    assert_int_equal(npri_select_create((struct npr_term){0}, &select, &err), NPR_EINVAL);
}

/* {Word, Binary} with a binary of `size` bytes. */
static npr_status create_large(const char *word, size_t size, struct npri_select **out)
{
    struct npri_buffer wire = {0};
    npr_status status;

    npri_put_tuple(&wire, 2);
    npri_put_atom(&wire, word);
    npri_put_u8(&wire, 'm');
    npri_put_u32(&wire, (uint32_t)size);
    memset(npri_buffer_extend(&wire, size), '_', size);
    status = npri_select_create((struct npr_term){.data = wire.data, .size = wire.size}, out, NULL);
    npri_buffer_fini(&wire);
    return status;
}

static void a_selector_is_bounded(void **state)
{
    const struct npr_term any = term_of("all");
    struct npri_select *select = NULL;

    (void)state;
    assert_int_equal(create_large("match", NPRI_PATTERN_BYTES_MAX + 1, &select), NPR_EFULL);
    assert_int_equal(create_large("key", NPRI_KEY_BYTES_MAX + 100, &select), NPR_EFULL);
    assert_int_equal(create_large("key", NPRI_KEY_BYTES_MAX - 5, &select), NPR_OK);
    npri_select_destroy(select);
    select = NULL;
    npri_alloc_fail_after(1);
    assert_int_equal(npri_select_create(any, &select, NULL), NPR_ENOMEM);
    npri_alloc_fail_after(0);
    assert_null(select);
}

/* ---- Pages. */

#define ENTRIES 20000u

static struct npr_term number_key(struct npri_buffer *buffer, uint32_t number, size_t padding)
{
    npri_buffer_reset(buffer);
    npri_put_tuple(buffer, 3);
    npri_put_atom(buffer, number % 2 == 0 ? "even" : "odd");
    npri_put_uint(buffer, number);
    npri_put_u8(buffer, 'm');
    npri_put_u32(buffer, (uint32_t)padding);
    memset(npri_buffer_extend(buffer, padding), 'x', padding);
    return (struct npr_term){.data = buffer->data, .size = buffer->size};
}

static void put(struct npri_core *core, uint32_t number, size_t padding, bool there)
{
    struct npri_core_event event = {.kind = there ? NPRI_EVENT_REGISTER : NPRI_EVENT_UNREGISTER,
                                    .now_ns = 1,
                                    .term = host_pid_term("a.1")};
    struct npri_core_effect effect;
    struct npri_buffer key = {0};

    event.key = number_key(&key, number, padding);
    assert_int_equal(npri_core_step(core, &event), NPR_OK);
    while (npri_core_take(core, &effect)) {
    }
    npri_buffer_fini(&key);
}

static uint8_t seen[2 * ENTRIES];

/* Notes the {Key, Pid, Token} in a page. */
static void note(const struct npri_buffer *page, uint32_t count)
{
    const uint8_t *at = page->data;

    for (uint32_t i = 0; i < count; i++) {
        struct npr_term entry = {.data = at, .size = page->size - (size_t)(at - page->data)};
        struct npr_term_walk walk;
        struct npr_term parts[3];
        struct npr_term key[3];
        struct npr_term one;
        uint64_t number = 0;
        uint32_t arity;

        assert_true(npr_term_tuple(entry, &walk, &arity));
        assert_int_equal(arity, 3);
        for (unsigned part = 0; part < 3; part++) {
            assert_true(npr_term_next(&walk, &parts[part]));
        }
        assert_false(npr_term_next(&walk, &one));
        assert_true(npr_term_get_tuple(parts[0], 3, key));
        assert_true(npr_term_get_uint64(key[1], &number));
        assert_true(number < 2 * (uint64_t)ENTRIES);
        seen[number]++;
        at = parts[2].data + parts[2].size;
    }
    assert_ptr_equal(at, page->data + page->size);
}

/* While the table grows, shrinks and is rebuilt between the pages, what is there all the time comes
 * exactly once; no page is long; and all this takes no more looks than there are entries. */
static void pages_have_each_entry_once(void **state)
{
    struct npri_core_options options = host_options("a");
    struct npri_core *core = npri_core_create(&options);
    struct npri_select *select = select_of("{prefix,{even}}");
    struct npri_buffer page = {0};
    uint64_t cursor = 0;
    unsigned pages = 0;
    uint32_t total = 0;

    (void)state;
    memset(seen, 0, sizeof(seen));
    for (uint32_t i = 0; i < ENTRIES; i++) {
        put(core, i, 0, true);
    }
    do {
        uint32_t count;

        npri_buffer_reset(&page);
        count = npri_core_put_page(core, select, &cursor, &page);
        assert_true(count <= NPRI_PAGE_STEPS_MAX);
        note(&page, count);
        total += count;
        pages++;
        for (uint32_t i = 0; i < ENTRIES && pages <= 4; i++) {
            put(core, ENTRIES + i, 0, pages % 2 == 1); /* The table grows, and shrinks again. */
            if (i % 2 == 1) {
                put(core, i, 0, pages % 2 == 1);
            }
        }
        put(core, 2 * pages, 0, false);
    } while (cursor != 0 && pages < 1000);
    assert_in_range(pages, 8, 100);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        assert_int_equal(seen[i] > 1, 0);
        if (i % 2 == 1) {
            assert_int_equal(seen[i], 0);
        } else if (i == 0 || i > 2 * pages) {
            assert_int_equal(seen[i], 1);
        }
    }
    for (uint32_t i = ENTRIES; i < 2 * ENTRIES; i++) {
        assert_true(seen[i] <= 1);
    }
    assert_true(total >= ENTRIES / 2 - pages);
    npri_select_destroy(select);
    npri_buffer_fini(&page);
    npri_core_destroy(core);
}

/* Long keys: a page ends by its bytes, and a walk that finds nothing by what it has read. */
static void pages_of_long_keys_are_short(void **state)
{
    struct npri_core_options options = host_options("a");
    struct npri_core *core = npri_core_create(&options);
    struct npri_select *all = select_of("all");
    struct npri_select *none = select_of("{match,<<\"{neither,_,_}\">>}");
    struct npri_buffer page = {0};
    uint64_t cursor = 0;
    uint32_t total = 0;
    unsigned steps = 0;

    (void)state;
    for (uint32_t i = 0; i < 400; i++) {
        put(core, i, 50000, true);
    }
    do {
        npri_buffer_reset(&page);
        total += npri_core_put_page(core, all, &cursor, &page);
        assert_true(page.size < NPRI_PAGE_BYTES_MAX + 8 * (size_t)50100);
    } while (cursor != 0);
    assert_int_equal(total, 400);
    do {
        assert_int_equal(npri_core_put_page(core, none, &cursor, NULL), 0);
        steps++;
    } while (cursor != 0);
    assert_in_range(steps, 5, 50);
    npri_select_destroy(all);
    npri_select_destroy(none);
    npri_buffer_fini(&page);
    npri_core_destroy(core);
}

/* One key is looked up, not looked for; any cursor of a peer's is harmless. */
static void one_key_and_any_cursor(void **state)
{
    struct core_host host;
    struct npri_select *one = select_of("{key,ka}");
    struct npri_select *other = select_of("{key,kb}");
    struct npri_select *all = select_of("all");
    struct npri_buffer page = {0};
    uint64_t cursor = 0;

    (void)state;
    host_init(&host);
    host_register(&host, "ka", "a.1");
    assert_int_equal(npri_core_put_page(host.core, one, &cursor, &page), 1);
    assert_int_equal(cursor, 0);
    cursor = 12345;
    assert_int_equal(npri_core_put_page(host.core, other, &cursor, &page), 0);
    assert_int_equal(cursor, 0);
    for (unsigned bit = 0; bit < 64; bit++) {
        cursor = UINT64_MAX >> bit;
        assert_true(npri_core_put_page(host.core, all, &cursor, NULL) <= 1);
        assert_int_equal(cursor, 0);
    }
    npri_select_destroy(one);
    npri_select_destroy(other);
    npri_select_destroy(all);
    npri_buffer_fini(&page);
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_selector_has_the_keys_it_says),
        cmocka_unit_test(what_is_no_selector_is_refused),
        cmocka_unit_test(a_selector_is_bounded),
        cmocka_unit_test(pages_have_each_entry_once),
        cmocka_unit_test(pages_of_long_keys_are_short),
        cmocka_unit_test_teardown(one_key_and_any_cursor, free_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* base/heap.h, base/map.h, base/list.h, base/text.h: against simple models, with seeded choices. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/text.h"
#include "support/check.h"

#define ITEMS_COUNT 200u
#define ROUNDS      20000u

static uint64_t random_next(uint64_t *seed)
{
    *seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t word = *seed;
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}

/* The least by key, then by the order of insertion. */
static const struct npri_heap_node *least(const struct npri_heap_node *items)
{
    const struct npri_heap_node *best = NULL;

    for (size_t i = 0; i < ITEMS_COUNT; i++) {
        const struct npri_heap_node *at = &items[i];

        if (npri_heap_has(at) && (best == NULL || at->key < best->key ||
                                  (at->key == best->key && at->sequence < best->sequence))) {
            best = at;
        }
    }
    return best;
}

/* Random inserts, removals from the middle and from the front; few keys, so that ties are common.
 * Catches a subtree lost on removal, and ties that come out in the order of addresses. */
static void heap_gives_the_least(void **state)
{
    static struct npri_heap_node items[ITEMS_COUNT];
    struct npri_heap heap = {0};
    uint64_t seed = 1;
    size_t count = 0;

    (void)state;
    memset(items, 0, sizeof(items));
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct npri_heap_node *item = &items[random_next(&seed) % ITEMS_COUNT];

        if (random_next(&seed) % 3 == 0 && heap.count > 0) {
            item = npri_heap_first(&heap);
        }
        if (npri_heap_has(item)) {
            npri_heap_remove(&heap, item);
            count--;
        } else {
            npri_heap_insert(&heap, item, random_next(&seed) % 50);
            count++;
        }
        assert_int_equal(heap.count, count);
        assert_ptr_equal(npri_heap_first(&heap), least(items));
    }
    npri_heap_remove(&heap, &(struct npri_heap_node){0}); /* in no heap: nothing */
}

struct item {
    struct npri_map_node node;
    uint32_t number;
    bool here;
};

/* Random inserts and removals; every lookup agrees, also while the buckets cannot grow. */
static void map_finds_what_is_in_it(void **state)
{
    static struct item items[ITEMS_COUNT];
    struct npri_map map;
    uint64_t seed = 2;
    size_t count = 0;

    (void)state;
    assert_true(npri_map_init(&map, (struct npri_hash_key){{1, 2}}));
    npri_alloc_fail_after(1);
    for (uint32_t i = 0; i < ITEMS_COUNT; i++) {
        items[i] = (struct item){.number = i};
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct item *item = &items[random_next(&seed) % ITEMS_COUNT];
        const struct npr_bytes key = npri_bytes(&item->number, sizeof(item->number));

        if (round == ROUNDS / 2) {
            npri_alloc_fail_after(0);
        }
        assert_ptr_equal(npri_map_find(&map, key), item->here ? &item->node : NULL);
        if (item->here) {
            npri_map_remove(&map, &item->node);
        } else {
            npri_map_insert(&map, &item->node, key);
        }
        item->here = !item->here;
        count = item->here ? count + 1 : count - 1;
        assert_int_equal(map.count, count);
    }
    assert_true(map.buckets_count > 8);
    npri_map_fini(&map);
    npri_map_fini(&(struct npri_map){0});
    npri_alloc_fail_after(1);
    assert_false(npri_map_init(&map, (struct npri_hash_key){{1, 2}}));
    npri_alloc_fail_after(0);
}

/* Walking goes by insertion, whatever the hashes. */
static void map_is_walked_in_order_of_insertion(void **state)
{
    static const char *const keys[] = {"one", "two", "three", "", "a much longer key than eight"};
    struct npri_map_node nodes[5];
    struct npri_map map;
    size_t index = 1;

    (void)state;
    assert_true(npri_map_init(&map, (struct npri_hash_key){{1, 2}}));
    for (size_t i = 0; i < 5; i++) {
        npri_map_insert(&map, &nodes[i], npr_bytes_of(keys[i]));
    }
    npri_map_remove(&map, &nodes[0]);
    assert_ptr_equal(npri_map_first(&map), &nodes[1]);
    NPRI_LIST_FOREACH (at, &map.order) {
        assert_ptr_equal(NPRI_CONTAINER_OF(at, struct npri_map_node, order), &nodes[index]);
        index++;
    }
    assert_int_equal(index, 5);
    npri_map_fini(&map);
}

static void lists_are_moved_whole(void **state)
{
    struct npri_link from;
    struct npri_link to;
    struct npri_link links[3] = {{0}};

    (void)state;
    npri_list_init(&from);
    npri_list_init(&to);
    npri_list_splice(&to, &from);
    assert_null(npri_list_take(&to));
    npri_list_append(&to, &links[0]);
    npri_list_append(&from, &links[1]);
    npri_list_append(&from, &links[2]);
    npri_list_splice(&to, &from);
    assert_true(npri_list_empty(&from));
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(npri_list_take(&to), &links[i]);
        assert_false(npri_link_is_linked(&links[i]));
    }
}

/* Cut at its end, and never inside a character. */
static void text_is_cut_between_characters(void **state)
{
    struct npri_text text = {0};

    (void)state;
    npri_text_add_uint(&text, 0);
    npri_text_add(&text, " ");
    npri_text_add_uint(&text, UINT64_MAX);
    CHECK_BYTES_EQUAL(npri_text_bytes(&text), npr_bytes_of("0 18446744073709551615"));
    while (text.size < sizeof(text.data) - 1) {
        npri_text_add(&text, "x");
    }
    npri_text_add(&text, "\xc3\xa4"); /* two bytes into one */
    assert_int_equal(text.size, sizeof(text.data) - 1);
    npri_text_add(&text, "yz");
    assert_int_equal(text.size, sizeof(text.data));
    npri_text_add(&text, "z");
    assert_int_equal(text.size, sizeof(text.data));
}

/* A limit is exact, also below the capacity that the first byte brings; what does not fit leaves
 * the rest as it was. */
static void buffer_limit_is_exact(void **state)
{
    struct npri_buffer buffer;

    (void)state;
    npri_buffer_init(&buffer, 5);
    npri_put_u32(&buffer, 1);
    npri_put_u16(&buffer, 2);
    assert_true(buffer.failed);
    assert_int_equal(buffer.size, 4);
    npri_buffer_reset(&buffer);
    npri_put_u32(&buffer, 1);
    npri_put_u8(&buffer, 2);
    assert_false(buffer.failed);
    npri_buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heap_gives_the_least),
        cmocka_unit_test(map_finds_what_is_in_it),
        cmocka_unit_test(map_is_walked_in_order_of_insertion),
        cmocka_unit_test(lists_are_moved_whole),
        cmocka_unit_test(text_is_cut_between_characters),
        cmocka_unit_test(buffer_limit_is_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

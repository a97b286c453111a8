/* core/rows.h, while one thread changes a directory without pause and others read it: what is there
 * all the time is always found, what is never there never is, and what is found belongs together.
 */
#include <pthread.h>

#include "base/readers.h"
#include "core/directory.h"
#include "support/check.h"
#include "term/write.h"

enum {
    READERS = 3,
    STAYING = 40,  /* keys that are there all the time, */
    REPLACED = 40, /* the same, but the process changes, */
    COMING = 4000, /* and keys that come and go in waves, so that the row grows and shrinks */
    WAVES = 30,
    PIDS = 64,
    RETIRED_AT_ONCE = 64,
};

enum { STAYS = 0, IS_REPLACED = 1, COMES = 2, NEVER_COMES = 3 };

struct bed {
    struct npri_directory directory;
    struct npri_effects effects;
    struct npri_readers readers;
    atomic_bool over;
    /* Of the readers: what was wrong. */
    atomic_uint missed;
    atomic_uint invented;
    atomic_uint mixed;
    atomic_uint unclear;
    /* And that they looked at all. */
    atomic_uint found;
};

/* The rest follows from the id, and the token from key and pid.  Readers call it, too: no assert.
 */
static struct npr_pid pid_of(uint32_t number)
{
    struct npr_pid pid = {.id = 100 + number, .serial = number * 7, .creation = 5 + number % 3};
    const char *name = number % 2 == 0 ? "a@h" : "bb@h";

    pid.node.size = (uint8_t)strlen(name);
    memcpy(pid.node.text, name, pid.node.size);
    return pid;
}

static uint64_t token_of(uint32_t kind, uint32_t key, uint32_t pid_number)
{
    return ((uint64_t)kind << 60) + ((uint64_t)key << 20) + pid_number + 1;
}

static struct npr_bytes key_of(uint32_t kind, uint32_t number, uint8_t out[12])
{
    memset(out, 'k', 4);
    memcpy(out + 4, &kind, sizeof(kind));
    memcpy(out + 8, &number, sizeof(number));
    return npri_bytes(out, 12);
}

/* ---- The writer. */

static void put(struct bed *bed, uint32_t kind, uint32_t key, uint32_t pid_number)
{
    const struct npr_pid pid = pid_of(pid_number);
    struct npri_activation activation = {.token = token_of(kind, key, pid_number)};
    uint8_t room[NPRI_PID_BYTES_MAX];
    struct npri_buffer buffer = {.data = room, .capacity = sizeof(room)};
    uint8_t bytes[12];

    npri_put_pid(&buffer, &pid);
    activation.pid = (struct npr_term){.data = buffer.data, .size = buffer.size};
    assert_int_equal(
        npri_directory_put(&bed->directory, key_of(kind, key, bytes), &activation, NULL), NPR_OK);
    npri_effects_fini(&bed->effects);
}

/* Frees what readers cannot have any more: the real way, without waiting long. */
static void reclaim(struct bed *bed)
{
    const uint64_t grace = npri_readers_begin(&bed->readers);
    struct npri_retired *chain;

    if (bed->directory.retiring.count < RETIRED_AT_ONCE) {
        return;
    }
    chain = npri_retiring_take(&bed->directory.retiring);
    while (!npri_readers_passed(&bed->readers, grace)) {
    }
    npri_retired_free(chain);
}

static void change_a_little(struct bed *bed, uint32_t i)
{
    uint8_t bytes[12];

    put(bed, IS_REPLACED, i % REPLACED, i / REPLACED % PIDS);
    if (i / COMING % 2 == 0) {
        put(bed, COMES, i % COMING, i % PIDS);
    } else {
        assert_true(npri_directory_remove(&bed->directory, key_of(COMES, i % COMING, bytes)));
        npri_effects_fini(&bed->effects);
    }
    reclaim(bed);
}

/* ---- The readers. */

static void look(struct bed *bed, uint32_t kind, uint32_t key)
{
    struct npr_pid pid = {0};
    struct npr_pid expected;
    uint64_t token = 0;
    uint8_t bytes[12];
    enum npri_sight sight;
    struct npri_reading reading = npri_readers_enter(&bed->readers);

    sight = npri_directory_see(&bed->directory, key_of(kind, key, bytes), &pid, &token);
    npri_readers_leave(reading);
    if (sight == NPRI_SIGHT_UNCLEAR) {
        (void)atomic_fetch_add(&bed->unclear, 1);
        return;
    }
    if (sight == NPRI_SIGHT_NOTHING) {
        (void)atomic_fetch_add(&bed->missed, kind == STAYS || kind == IS_REPLACED ? 1 : 0);
        return;
    }
    (void)atomic_fetch_add(&bed->invented, kind == NEVER_COMES ? 1 : 0);
    (void)atomic_fetch_add(&bed->found, 1);
    expected = pid_of(pid.id - 100);
    if (!npr_pid_equal(&pid, &expected) || token != token_of(kind, key, pid.id - 100)) {
        (void)atomic_fetch_add(&bed->mixed, 1);
    }
}

static void *reader_main(void *argument)
{
    struct bed *bed = argument;

    for (uint32_t i = 0; !atomic_load_explicit(&bed->over, memory_order_relaxed); i++) {
        look(bed, STAYS, i % STAYING);
        look(bed, IS_REPLACED, i % REPLACED);
        look(bed, COMES, i % COMING);
        look(bed, NEVER_COMES, i % COMING);
        look(bed, IS_REPLACED, (i + 1) % REPLACED);
    }
    return NULL;
}

/* Would catch: an entry that is missed since the chain was moved, or the entry replaced, while it
 * was looked through; one that is seen half made; a bucket or an entry that is freed too early; a
 * pid with another's token. */
static void readers_see_what_is_there(void **state)
{
    static struct bed bed;
    const struct npri_core_options options = {
        .hash_key = {{1, 2}}, .self = pid_of(0).node, .shared = true};
    pthread_t readers[READERS];

    (void)state;
    npri_effects_init(&bed.effects);
    assert_true(npri_directory_init(&bed.directory, &bed.effects, &options));
    for (uint32_t i = 0; i < STAYING; i++) {
        put(&bed, STAYS, i, i % PIDS);
    }
    for (uint32_t i = 0; i < REPLACED; i++) {
        put(&bed, IS_REPLACED, i, PIDS - 1);
    }
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, reader_main, &bed), 0);
    }
    for (uint32_t i = 0; i < 2 * WAVES * COMING; i++) {
        change_a_little(&bed, i);
    }
    atomic_store(&bed.over, true);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    }
    atomic_store(&bed.unclear, 0);
    look(&bed, NEVER_COMES, 1);
    assert_int_equal(atomic_load(&bed.unclear), 0);
    assert_int_equal(atomic_load(&bed.missed), 0);
    assert_int_equal(atomic_load(&bed.invented), 0);
    assert_int_equal(atomic_load(&bed.mixed), 0);
    assert_true(atomic_load(&bed.found) > 0);
    npri_directory_check(&bed.directory);
    npri_directory_fini(&bed.directory);
    npri_effects_fini(&bed.effects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_what_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

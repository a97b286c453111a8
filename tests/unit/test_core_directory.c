/* core/directory.h against a model, and where its structure could break: collisions, many entries
 * of one process, homes that come and go, memory that ends. */
#include "base/alloc.h"
#include "core/directory.h"
#include "core/restart.h"
#include "support/check.h"
#include "term/write.h"

enum {
    KEYS = 60,
    PIDS = 24,
    HOMES = 4, /* a, and two incarnations of b, and c */
    STEPS = 20000,
    MANY = 50000,
};

/* ---- A directory, its effects, and who is monitored by them. */

struct bed {
    struct npri_directory directory;
    struct npri_effects effects;
    bool monitored[PIDS];
    uint64_t random;
};

static struct npr_pid pid_of(unsigned number)
{
    static const char *const nodes[HOMES] = {"a@h", "b@h", "b@h", "c@h"};
    struct npr_pid pid = {.id = 70 + number / HOMES, .serial = number % 3};

    assert_int_equal(npr_node_name_parse(npr_bytes_of(nodes[number % HOMES]), &pid.node, NULL),
                     NPR_OK);
    pid.creation = number % HOMES == 2 ? 8 : 7;
    return pid;
}

/* Needs no memory, so that it does not count in the sweeps. */
struct pid_room {
    uint8_t bytes[NPRI_PID_BYTES_MAX];
};

static struct npr_term write_pid(const struct npr_pid *pid, struct pid_room *room)
{
    struct npri_buffer buffer = {.data = room->bytes, .capacity = sizeof(room->bytes)};

    npri_put_pid(&buffer, pid);
    assert_false(buffer.failed);
    return (struct npr_term){.data = buffer.data, .size = buffer.size};
}

static struct npr_bytes key_of(uint32_t number, uint8_t out[8])
{
    memset(out, 'k', 4);
    memcpy(out + 4, &number, sizeof(number));
    return npri_bytes(out, 8);
}

static void bed_init(struct bed *bed)
{
    struct npri_core_options options = {.hash_key = {{1, 2}}};

    *bed = (struct bed){.random = 20261126};
    options.self = pid_of(0).node;
    npri_effects_init(&bed->effects);
    assert_true(npri_directory_init(&bed->directory, &bed->effects, &options));
}

static void bed_fini(struct bed *bed)
{
    npri_directory_fini(&bed->directory);
    npri_effects_fini(&bed->effects);
}

static uint32_t draw(struct bed *bed, uint32_t below)
{
    bed->random = bed->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(bed->random >> 33) % below;
}

static unsigned number_of(struct npr_term term)
{
    struct npr_pid pid;

    assert_true(npr_term_get_pid(term, &pid));
    for (unsigned i = 0; i < PIDS; i++) {
        const struct npr_pid candidate = pid_of(i);

        if (npr_pid_equal(&pid, &candidate)) {
            return i;
        }
    }
    fail_msg("a pid of nobody");
    return 0;
}

/* Twice the same would be a mistake, too. */
static void carry_out(struct bed *bed)
{
    struct npri_core_effect effect;

    while (npri_effects_take(&bed->effects, &effect)) {
        const unsigned number = number_of(effect.term);

        assert_true(effect.kind == NPRI_EFFECT_MONITOR || effect.kind == NPRI_EFFECT_DEMONITOR);
        assert_int_equal(bed->monitored[number], effect.kind == NPRI_EFFECT_DEMONITOR);
        bed->monitored[number] = effect.kind == NPRI_EFFECT_MONITOR;
    }
}

static npr_status put_supervised(struct bed *bed,
                                 uint32_t key,
                                 const struct npr_pid *pid,
                                 uint64_t token,
                                 struct npri_restart *restart)
{
    struct pid_room room;
    uint8_t bytes[8];
    const struct npri_activation activation = {.pid = write_pid(pid, &room), .token = token};

    return npri_directory_put(&bed->directory, key_of(key, bytes), &activation, restart);
}

static npr_status put(struct bed *bed, uint32_t key, const struct npr_pid *pid, uint64_t token)
{
    return put_supervised(bed, key, pid, token, NULL);
}

static bool remove_key(struct bed *bed, uint32_t key)
{
    uint8_t bytes[8];

    return npri_directory_remove(&bed->directory, key_of(key, bytes));
}

static size_t down(struct bed *bed, const struct npr_pid *pid)
{
    struct npri_entry *entry;
    struct pid_room room;
    size_t count = 0;

    while ((entry = npri_directory_take(&bed->directory, write_pid(pid, &room), NPR_GONE_NORMAL)) !=
           NULL) {
        npri_directory_dispose(&bed->directory, entry);
        count++;
    }
    return count;
}

/* ---- The model: which pid each key has, -1: none. */

struct model {
    int pids[KEYS];
    uint64_t tokens[KEYS];
};

static size_t model_drop(struct model *model, unsigned pid)
{
    size_t count = 0;

    for (unsigned i = 0; i < KEYS; i++) {
        if (model->pids[i] == (int)pid) {
            model->pids[i] = -1;
            count++;
        }
    }
    return count;
}

static void compare(struct bed *bed, const struct model *model)
{
    struct npri_activation found;
    bool alive[PIDS] = {false};
    uint8_t bytes[8];

    for (unsigned i = 0; i < KEYS; i++) {
        const bool there = npri_directory_find(&bed->directory, key_of(i, bytes), &found);

        assert_int_equal(there, model->pids[i] >= 0);
        if (there) {
            assert_int_equal(number_of(found.pid), model->pids[i]);
            assert_int_equal(found.token, model->tokens[i]);
            alive[model->pids[i]] = true;
        }
    }
    for (unsigned i = 0; i < PIDS; i++) {
        assert_int_equal(bed->monitored[i], alive[i]);
    }
}

static void step(struct bed *bed, struct model *model, uint64_t token)
{
    const uint32_t key = draw(bed, KEYS);
    const unsigned number = draw(bed, PIDS);
    const struct npr_pid pid = pid_of(number);
    const uint32_t what = draw(bed, 100);

    if (what < 60) {
        assert_int_equal(put(bed, key, &pid, token), NPR_OK);
        if (token != 0 || model->pids[key] != (int)number) {
            model->tokens[key] = token;
        }
        model->pids[key] = (int)number;
    } else if (what < 85) {
        assert_int_equal(remove_key(bed, key), model->pids[key] >= 0);
        model->pids[key] = -1;
    } else if (what < 98) {
        assert_int_equal(down(bed, &pid), model_drop(model, number));
        bed->monitored[number] = false;
    } else {
        size_t count = 0;

        for (unsigned i = 0; i < PIDS; i++) {
            const struct npr_pid other = pid_of(i);

            if (npr_node_name_equal(&other.node, &pid.node) && number % HOMES != 0) {
                count += model_drop(model, i);
            }
        }
        assert_int_equal(npri_directory_on_node_down(&bed->directory, &pid.node), count);
    }
}

/* Would catch: an entry that another one's change loses or keeps, a process that is not monitored
 * or too long, an end of a node that leaves the other incarnation's entries, or takes our own. */
static void it_is_what_its_model_is(void **state)
{
    struct model model;
    struct bed bed;

    (void)state;
    bed_init(&bed);
    memset(model.pids, 0xff, sizeof(model.pids));
    for (unsigned i = 0; i < STEPS; i++) {
        step(&bed, &model, i % 3 == 0 ? 0 : i);
        carry_out(&bed);
        npri_directory_check(&bed.directory);
        compare(&bed, &model);
    }
    bed_fini(&bed);
}

/* Would catch: a chain that is walked for each of a process's many keys (this would take minutes),
 * entries left after its death, memory that stays when they are gone. */
static void a_process_may_have_very_many_keys(void **state)
{
    const struct npr_pid pid = pid_of(1);
    const struct npr_pid other = pid_of(5); /* of the same home */
    struct bed bed;

    (void)state;
    bed_init(&bed);
    assert_int_equal(put(&bed, MANY, &other, 0), NPR_OK);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(put(&bed, i, &pid, 0), NPR_OK);
    }
    for (uint32_t i = 0; i < MANY / 2; i++) { /* the oldest, and the newest */
        assert_true(remove_key(&bed, i % 2 == 0 ? i / 2 : MANY - 1 - i / 2));
    }
    npri_directory_check(&bed.directory);
    assert_int_equal(bed.directory.processes_count, 2);
    assert_int_equal(down(&bed, &pid), MANY / 2);
    npri_directory_check(&bed.directory);
    assert_int_equal(bed.directory.entries.count, 1);
    assert_int_equal(bed.directory.entries.buckets_count, 8);
    assert_true(remove_key(&bed, MANY));
    assert_int_equal(bed.directory.homes.count, 0);
    bed_fini(&bed);
}

/* Would catch: entries that are lost, or found twice, when the row of buckets cannot grow. */
static void without_memory_to_grow_all_is_still_found(void **state)
{
    struct npri_activation found;
    uint8_t bytes[8];
    struct bed bed;

    (void)state;
    bed_init(&bed);
    for (uint32_t i = 0; i < KEYS; i++) {
        const struct npr_pid pid = pid_of(i % PIDS);

        assert_int_equal(put(&bed, i, &pid, 0), NPR_OK);
        carry_out(&bed);
    }
    for (uint32_t i = KEYS; i < 4 * KEYS; i++) {
        const struct npr_pid pid = pid_of(0);

        npri_alloc_fail_after(2); /* the entry comes first */
        assert_int_equal(put(&bed, i, &pid, 0), NPR_OK);
        npri_alloc_fail_after(0);
    }
    npri_directory_check(&bed.directory);
    for (uint32_t i = 0; i < 4 * KEYS; i++) {
        npri_alloc_fail_after(1);
        assert_true(npri_directory_find(&bed.directory, key_of(i, bytes), &found));
        assert_true(remove_key(&bed, i));
        npri_alloc_fail_after(0);
        npri_directory_check(&bed.directory);
    }
    bed_fini(&bed);
}

/* Whichever allocation of a put fails, nothing has changed.  Would catch: a home without entries,
 * the old entry gone and the new one not there, a leak. */
static void a_put_without_memory_changes_nothing(void **state)
{
    struct npri_activation found;
    unsigned failures = 0;
    uint8_t bytes[8];
    struct bed bed;

    (void)state;
    for (unsigned over = 0; over < 2; over++) {
        npr_status status = NPR_ENOMEM;

        for (unsigned n = 1; status != NPR_OK; n++) {
            const struct npr_pid first = pid_of(0);
            const struct npr_pid second = pid_of(1); /* of another home */

            bed_init(&bed);
            if (over == 1) {
                assert_int_equal(put(&bed, 1, &first, 5), NPR_OK);
                carry_out(&bed);
            }
            npri_alloc_fail_after(n);
            status = put(&bed, 1, &second, 6);
            npri_alloc_fail_after(0);
            npri_directory_check(&bed.directory);
            if (status != NPR_OK) {
                failures++;
                assert_int_equal(npri_directory_find(&bed.directory, key_of(1, bytes), &found),
                                 over == 1);
                assert_true(over == 0 || number_of(found.pid) == 0);
                assert_int_equal(bed.directory.processes_count, over);
                carry_out(&bed);
                assert_int_equal(bed.monitored[1], false);
            }
            bed_fini(&bed);
        }
    }
    assert_true(failures >= 8);
}

/* Would catch: the end of a large node that looks at empty buckets again and again (this would take
 * minutes). */
static void a_node_may_have_very_many_processes(void **state)
{
    struct npr_pid pid = pid_of(1);
    struct bed bed;

    (void)state;
    bed_init(&bed);
    for (uint32_t i = 0; i < 2 * MANY; i++) {
        pid.id = i;
        assert_int_equal(put(&bed, i, &pid, 0), NPR_OK);
    }
    assert_int_equal(bed.directory.processes_count, 2 * MANY);
    assert_int_equal(npri_directory_on_node_down(&bed.directory, &pid.node), 2 * MANY);
    npri_directory_check(&bed.directory);
    assert_int_equal(bed.directory.homes.count, 0);
    bed_fini(&bed);
}

static struct npri_restart *new_record(uint32_t max)
{
    const struct npri_restart_rule rule = {
        .kind = NPRI_RESTART_PERMANENT, .max = max, .window_ns = 1};
    struct npri_shared *function = npri_shared_create(npr_bytes_of("f"));
    struct npri_restart *restart = npri_restart_create(&rule, function);

    npri_shared_release(function);
    assert_non_null(restart);
    return restart;
}

/* Restart records: with its entry each goes, and is given out once.  Would catch, under the address
 * sanitizer: one that is freed twice or not. */
static void records_go_with_their_entries(void **state)
{
    const struct npr_pid pid = pid_of(0);
    const struct npr_pid other = pid_of(1);
    struct npri_restart *restart = new_record(3);
    struct npri_entry *entry;
    struct pid_room room;
    uint8_t bytes[8];
    struct bed bed;

    (void)state;
    bed_init(&bed);
    assert_int_equal(put_supervised(&bed, 1, &pid, 5, restart), NPR_OK);
    assert_true(npri_directory_supervises(&bed.directory, key_of(1, bytes)));
    assert_int_equal(put(&bed, 1, &pid, 6), NPR_OK); /* the same: it stays */
    carry_out(&bed);
    npri_directory_check(&bed.directory);
    bed.monitored[0] = false; /* it dies */
    entry = npri_directory_take(&bed.directory, write_pid(&pid, &room), NPR_GONE_NORMAL);
    assert_ptr_equal(npri_entry_take_restart(entry), restart);
    assert_null(npri_entry_take_restart(entry));
    npri_directory_dispose(&bed.directory, entry);
    assert_null(npri_directory_take(&bed.directory, write_pid(&pid, &room), NPR_GONE_NORMAL));

    assert_int_equal(put(&bed, 1, &pid, 5), NPR_OK); /* registered itself, then had its start */
    assert_int_equal(put_supervised(&bed, 1, &pid, 6, restart), NPR_OK);
    carry_out(&bed);
    assert_true(bed.monitored[0]);
    assert_int_equal(put(&bed, 1, &other, 7), NPR_OK);
    assert_false(npri_directory_supervises(&bed.directory, key_of(1, bytes)));
    carry_out(&bed);
    assert_false(bed.monitored[0]);

    assert_int_equal(put_supervised(&bed, 2, &pid, 8, new_record(1000)), NPR_OK);
    assert_true(remove_key(&bed, 2));
    assert_int_equal(put_supervised(&bed, 3, &pid, 9, new_record(1)), NPR_OK);
    npri_directory_check(&bed.directory);
    bed_fini(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_its_model_is),
        cmocka_unit_test(a_process_may_have_very_many_keys),
        cmocka_unit_test(a_node_may_have_very_many_processes),
        cmocka_unit_test(records_go_with_their_entries),
        cmocka_unit_test(without_memory_to_grow_all_is_still_found),
        cmocka_unit_test(a_put_without_memory_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

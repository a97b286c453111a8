/* runtime/open_calls.h against a model that is a plain array. */
#include <string.h>

#include "base/alloc.h"
#include "runtime/open_calls.h"
#include "support/check.h"

#define STEPS     20000u
#define MODEL_MAX 300u

struct model {
    struct npri_open_call calls[MODEL_MAX];
    uint32_t count;
};

static uint64_t random_state = 88172645463325252u;

static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

static void model_remove(struct model *model, uint32_t number, uint64_t deadline_ns)
{
    for (uint32_t i = 0; i < model->count; i++) {
        if (model->calls[i].number == number) {
            assert_int_equal(model->calls[i].deadline_ns, deadline_ns);
            model->calls[i] = model->calls[--model->count];
            return;
        }
    }
    fail_msg("call %u is not open", number);
}

static uint64_t model_deadline_ns(const struct model *model)
{
    uint64_t first_ns = UINT64_MAX;

    for (uint32_t i = 0; i < model->count; i++) {
        first_ns = model->calls[i].deadline_ns < first_ns ? model->calls[i].deadline_ns : first_ns;
    }
    return first_ns;
}

static void add(struct npri_open_calls *calls, struct model *model)
{
    struct npri_open_call call = {.deadline_ns = random_below(1000)};

    assert_true(npri_open_calls_reserve(calls));
    call.number = npri_open_calls_number(calls);
    npri_open_calls_add(calls, &call);
    model->calls[model->count++] = call;
}

static void take_one(struct npri_open_calls *calls, struct model *model)
{
    const uint32_t number = model->calls[random_below(model->count)].number;
    struct npri_open_call call;

    assert_true(npri_open_calls_take(calls, number, &call));
    assert_int_equal(call.number, number);
    model_remove(model, number, call.deadline_ns);
    assert_false(npri_open_calls_take(calls, number, &call));
}

/* Callbacks may call while the overdue are taken out. */
static void take_overdue(struct npri_open_calls *calls, struct model *model)
{
    const uint64_t now_ns = random_below(300);
    struct npri_open_calls_walk walk = {0};
    struct npri_open_call call;

    while (npri_open_calls_take_overdue(calls, &walk, now_ns, &call)) {
        assert_true(call.deadline_ns <= now_ns);
        model_remove(model, call.number, call.deadline_ns);
        if (random_below(8) == 0 && model->count < MODEL_MAX) {
            struct npri_open_call more = {.deadline_ns = now_ns + 1};

            assert_true(npri_open_calls_reserve(calls));
            more.number = npri_open_calls_number(calls);
            npri_open_calls_add(calls, &more);
            model->calls[model->count++] = more;
        }
    }
    assert_true(model_deadline_ns(model) > now_ns);
}

/* Would catch: a call that is lost or found twice when the table grows or another is taken out; one
 * that is passed by when it is overdue; a number that is given twice. */
static void the_table_is_a_set_of_calls(void **state)
{
    struct npri_open_calls calls = {.last_number = NPRI_CALL_NUMBER_MAX - STEPS / 4};
    static struct model model;

    (void)state;
    model.count = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        const uint64_t what = random_below(100);

        if (what < 55 && model.count < MODEL_MAX) {
            add(&calls, &model);
        } else if (what < 98 && model.count != 0) {
            take_one(&calls, &model);
        } else {
            take_overdue(&calls, &model);
        }
        assert_int_equal(calls.count, model.count);
        assert_int_equal(npri_open_calls_deadline_ns(&calls), model_deadline_ns(&model));
    }
    npri_open_calls_fini(&calls);
}

/* Would catch: a table that is lost when it cannot grow. */
static void no_memory_leaves_it_as_it_was(void **state)
{
    struct npri_open_calls calls = {0};
    struct npri_open_call call = {0};
    unsigned added = 0;

    (void)state;
    npri_alloc_fail_after(1);
    assert_false(npri_open_calls_reserve(&calls));
    npri_alloc_fail_after(2);
    while (npri_open_calls_reserve(&calls)) {
        call.number = npri_open_calls_number(&calls);
        npri_open_calls_add(&calls, &call);
        added++;
    }
    npri_alloc_fail_after(0);
    assert_true(added > 0);
    for (uint32_t number = 1; number <= added; number++) {
        assert_true(npri_open_calls_take(&calls, number, &call));
    }
    assert_int_equal(calls.count, 0);
    npri_open_calls_fini(&calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_a_set_of_calls),
        cmocka_unit_test(no_memory_leaves_it_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

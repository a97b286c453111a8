/* core/core.h without memory: whichever allocation fails, each request is answered once (by return
 * or by effect), the invariants hold, nothing leaks, and with memory again the core works. */
#include "core_host.h"

#include <string.h>

#include "base/alloc.h"
#include "support/check.h"

#define REQUESTS_MAX  8
#define SWEEP_MAX     700u
#define STEPS_MAX     80u
#define IN_STEP_MAX   24u /* more allocations than any step of the script makes */
#define EFFECTS_ASKED 64

struct sweep {
    struct core_host host;
    unsigned answers[REQUESTS_MAX]; /* by request */
    uint64_t operations[EFFECTS_ASKED];
    enum npri_effect_kind kinds[EFFECTS_ASKED];
    size_t operations_count;
    unsigned steps_count;
    uint64_t last_fence;
    unsigned failing_step; /* 0: none.  Only in this step, from this allocation on, all fail; */
    uint64_t failing_allocation;
    bool once; /* or this one only */
    bool lacked;
};

/* Notes what was asked, so that the script can answer it. */
static void drain(struct sweep *sweep)
{
    struct npri_core_effect effect;

    npri_core_check(sweep->host.core);
    while (npri_core_take(sweep->host.core, &effect)) {
        if (effect.kind == NPRI_EFFECT_ANSWER) {
            assert_true(effect.request < REQUESTS_MAX);
            sweep->answers[effect.request]++;
        }
        if (effect.kind == NPRI_EFFECT_TELL) {
            host_note_view(&sweep->host, effect.term);
        } else if (effect.kind == NPRI_EFFECT_FENCE) {
            sweep->last_fence = effect.operation;
        } else if (effect.operation != 0 && sweep->operations_count < EFFECTS_ASKED) {
            sweep->operations[sweep->operations_count] = effect.operation;
            sweep->kinds[sweep->operations_count++] = effect.kind;
        }
    }
}

static void step(struct sweep *sweep, struct npri_core_event event)
{
    npr_status status;

    event.now_ns = sweep->host.now_ns;
    sweep->steps_count++;
    if (sweep->steps_count == sweep->failing_step) {
        if (sweep->once) {
            npri_alloc_fail_once(sweep->failing_allocation);
        } else {
            npri_alloc_fail_after(sweep->failing_allocation);
        }
    }
    status = npri_core_step(sweep->host.core, &event);
    if (sweep->steps_count == sweep->failing_step) {
        sweep->lacked = !npri_alloc_is_counted();
        npri_alloc_fail_after(0);
    }
    if (status != NPR_OK) {
        assert_int_equal(status, NPR_ENOMEM);
        if (event.kind == NPRI_EVENT_GET || event.kind == NPRI_EVENT_START) {
            sweep->answers[event.request]++;
        }
    }
    drain(sweep);
}

/* Every operation so far gets its answer: lists of nodes, "not here", a pid for what is started. */
static void answer_all(struct sweep *sweep)
{
    for (size_t i = 0; i < sweep->operations_count; i++) {
        struct npri_core_event event = {.operation = sweep->operations[i]};

        switch ((int)sweep->kinds[i]) {
        case NPRI_EFFECT_POLL:
            event.kind = NPRI_EVENT_POLLED;
            event.term = host_nodes("a b c");
            break;
        case NPRI_EFFECT_ASK_RELEASE:
            event.kind = NPRI_EVENT_RELEASE_TOLD;
            event.otp = NPR_OTP_25;
            break;
        case NPRI_EFFECT_ASK:
            event.kind = NPRI_EVENT_ASKED;
            event.status = NPR_ENOTFOUND;
            break;
        case NPRI_EFFECT_DELEGATE:
            event.kind = NPRI_EVENT_DELEGATED;
            event.term = host_pid_term("b.1");
            break;
        default:
            event.kind = NPRI_EVENT_STARTED;
            event.term = host_pid_term("a.1");
            break;
        }
        step(sweep, event);
    }
    sweep->operations_count = 0;
}

static void want(struct sweep *sweep, enum npri_event_kind kind, uint64_t request, const char *key)
{
    step(sweep, (struct npri_core_event){.kind = kind,
                                         .request = request,
                                         .key = host_atom(key),
                                         .function = host_atom("f"),
                                         .caller = host_pid_term("z.1"),
                                         .deadline_ns = sweep->host.now_ns + 5000 * MS});
}

static void pass(struct sweep *sweep, uint64_t ns)
{
    const uint64_t end_ns = sweep->host.now_ns + ns;
    uint64_t due_ns;

    while ((due_ns = npri_core_deadline_ns(sweep->host.core)) <= end_ns) {
        sweep->host.now_ns = due_ns;
        step(sweep, (struct npri_core_event){.kind = NPRI_EVENT_TIME});
    }
    sweep->host.now_ns = end_ns;
}

/* The last fence has passed. */
static void fence(struct sweep *sweep)
{
    step(sweep,
         (struct npri_core_event){.kind = NPRI_EVENT_FENCED, .operation = sweep->last_fence});
}

/* `node` takes whatever view this core has told it. */
static void agree(struct sweep *sweep, const char *node)
{
    for (unsigned round = 0; round < 3; round++) {
        struct npri_told_view view = sweep->host.view;

        view.ack = view.epoch;
        view.epoch = 7;
        step(sweep, (struct npri_core_event){.kind = NPRI_EVENT_TOLD,
                                             .node = host_node(node),
                                             .term = host_view(&view)});
        fence(sweep);
    }
}

/* What c tells of keys: made before memory runs out. */
static const char *const told_texts[] = {
    "{push,7,100,[{ua,<c@h.5.0>,9},{ta,<c@h.6.0>,9}]}",
    "{busy,7,200,va,0}",
    "{claim,1,wa,<c@h.7.0>,true,1000}",
    "{claim,2,ua,<c@h.8.0>,false,1000}",
    "{release,3,ta,1000}",
    "{free,7,300,ta,<c@h.6.0>}",
    "{busy,7,400,xa,0}",
    "{push,7,500,[{ya,<c@h.9.0>,0}]}",
    "{claimed,1,yc,<a@h.9.0>,77}",
    "{drop,yc,<a@h.9.0>}",
    "{declined,wa,1}",
    "{unsure,7,600}",
};

#define TOLD_COUNT (sizeof(told_texts) / sizeof(told_texts[0]))

static uint8_t told_bytes[TOLD_COUNT][256];
static struct npr_term told_terms[TOLD_COUNT];

static void make_told(void)
{
    for (size_t i = 0; i < TOLD_COUNT; i++) {
        struct npr_builder *builder = npr_builder_create();
        struct npr_term term;

        assert_non_null(builder);
        assert_int_equal(npr_term_parse(npr_bytes_of(told_texts[i]), builder, NULL), NPR_OK);
        assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
        assert_true(term.size <= sizeof(told_bytes[i]));
        memcpy(told_bytes[i], term.data, term.size);
        told_terms[i] = (struct npr_term){.data = told_bytes[i], .size = term.size};
        npr_builder_destroy(builder);
    }
}

static void tell_all(struct sweep *sweep)
{
    for (size_t i = 0; i < TOLD_COUNT; i++) {
        step(sweep, (struct npri_core_event){
                        .kind = NPRI_EVENT_TOLD, .node = host_node("c"), .term = told_terms[i]});
    }
}

/* Everything that allocates: peers, polls, lookups, starts, delegations, entries, leads, claims,
 * deadlines. */
static void script(struct sweep *sweep)
{
    struct npri_greeting greeting = sweep->host.greeting;

    step(sweep, (struct npri_core_event){.kind = NPRI_EVENT_JOIN, .node = host_node("b")});
    step(sweep, (struct npri_core_event){
                    .kind = NPRI_EVENT_CONNECTED, .node = host_node("b"), .creation = 1});
    want(sweep, NPRI_EVENT_GET, 1, "ka"); /* held */
    answer_all(sweep);
    step(sweep, (struct npri_core_event){
                    .kind = NPRI_EVENT_CONNECTED, .node = host_node("c"), .creation = 1});
    greeting.otp = NPR_OTP_25;
    step(sweep, (struct npri_core_event){
                    .kind = NPRI_EVENT_GREETED, .node = host_node("c"), .greeting = greeting});
    fence(sweep);
    agree(sweep, "c");
    answer_all(sweep);
    want(sweep, NPRI_EVENT_GET, 2, "kb");   /* an original's */
    want(sweep, NPRI_EVENT_GET, 3, "kc");   /* a native's */
    want(sweep, NPRI_EVENT_START, 4, "xa"); /* ours */
    answer_all(sweep);
    answer_all(sweep);
    step(sweep, (struct npri_core_event){.kind = NPRI_EVENT_REGISTER,
                                         .key = host_atom("ya"),
                                         .term = host_pid_term("c.1")});
    step(sweep, (struct npri_core_event){.kind = NPRI_EVENT_REGISTER,
                                         .key = host_atom("yc"),
                                         .term = host_pid_term("a.9")});
    tell_all(sweep);
    want(sweep, NPRI_EVENT_GET, 5, "zb");
    pass(sweep, 1500 * MS);
    step(sweep, (struct npri_core_event){.kind = NPRI_EVENT_DISCONNECTED, .node = host_node("c")});
    fence(sweep);
    want(sweep, NPRI_EVENT_GET, 6, "ya");
    answer_all(sweep);
    answer_all(sweep);
    pass(sweep, 10000 * MS);
}

static struct sweep sweep;

/* The script, each request answered once, and then, with memory again, one more start. */
static void run(void)
{
    unsigned at_once;

    script(&sweep);
    for (unsigned i = 1; i <= 6; i++) {
        assert_int_equal(sweep.answers[i], 1);
    }
    npri_alloc_fail_after(0);
    sweep.failing_step = 0;
    step(&sweep, (struct npri_core_event){.kind = NPRI_EVENT_DISCONNECTED, .node = host_node("b")});
    fence(&sweep);
    pass(&sweep, 1000 * MS);
    sweep.operations_count = 0;
    want(&sweep, NPRI_EVENT_GET, 7, "fresha");
    at_once = sweep.answers[7];
    pass(&sweep, 2000 * MS); /* b is a node to join: it is dialled, and waited for */
    answer_all(&sweep);
    assert_int_equal(at_once, 0);
    assert_int_equal(sweep.answers[7], 1);
    npri_core_destroy(sweep.host.core);
}

/* Memory runs out at the n-th allocation and stays out. */
static void memory_runs_out_for_good(void **state)
{
    const struct npri_core_options options = host_options("a");

    (void)state;
    for (uint64_t n = 1; n < SWEEP_MAX; n++) {
        memset(&sweep, 0, sizeof(sweep));
        sweep.host.now_ns = options.now_ns;
        npri_alloc_fail_after(n);
        sweep.host.core = npri_core_create(&options);
        if (sweep.host.core != NULL) {
            run();
        }
        npri_alloc_fail_after(0);
    }
}

/* Memory runs out within one step, at each of its allocations, and is back in the next. */
static void memory_runs_out_for_one_step(void **state)
{
    const struct npri_core_options options = host_options("a");

    (void)state;
    for (unsigned failing = 1; failing < STEPS_MAX; failing++) {
        for (uint64_t n = 1; n <= IN_STEP_MAX; n++) {
            memset(&sweep, 0, sizeof(sweep));
            sweep.host.now_ns = options.now_ns;
            sweep.failing_step = failing;
            sweep.failing_allocation = n;
            sweep.host.core = npri_core_create(&options);
            assert_non_null(sweep.host.core);
            run();
        }
    }
    assert_true(sweep.steps_count < STEPS_MAX); /* every step of the script was swept */
}

/* One allocation fails, and the next one does not. */
static void memory_is_back_at_once(void **state)
{
    const struct npri_core_options options = host_options("a");
    bool lacked = true;

    (void)state;
    for (unsigned failing = 1; failing < STEPS_MAX; failing++) {
        lacked = true;
        for (uint64_t n = 1; lacked && n <= 4 * (uint64_t)IN_STEP_MAX; n++) {
            memset(&sweep, 0, sizeof(sweep));
            sweep.host.now_ns = options.now_ns;
            sweep.failing_step = failing;
            sweep.failing_allocation = n;
            sweep.once = true;
            sweep.host.core = npri_core_create(&options);
            assert_non_null(sweep.host.core);
            run();
            lacked = sweep.lacked;
        }
        assert_false(lacked); /* all of its allocations were */
    }
}

static int prepare(void **state)
{
    (void)state;
    make_told();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_runs_out_for_good),
        cmocka_unit_test(memory_runs_out_for_one_step),
        cmocka_unit_test(memory_is_back_at_once),
    };

    return cmocka_run_group_tests(tests, prepare, NULL);
}

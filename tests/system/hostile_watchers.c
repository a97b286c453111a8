/* A peer that watches too much, does not say what it has read, and tells what nobody asked for. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"

#include "system/hostile_peer.h"

#define SUBSCRIPTIONS (100000 / HOSTILE_SCALE)
#define CHANGES       (20000 / HOSTILE_SCALE)
#define ABSENT_KEYS   16u /* every node owns some of them */
#define FALSE_NEWS    (100000 / HOSTILE_SCALE)
#define ANSWERED_MS   20000
#define LINE_BYTES    512

#define TO_NATIVE     "{6," SELF ",'',nprocreg_native}"
#define TO_NPROCREG   "{6," SELF ",'',nprocreg}"

/* A text with a number in it. */
struct form {
    const char *before;
    const char *after;
};

/* What the node's core has told. */
static struct {
    unsigned refused;
    unsigned synced;
    unsigned entries;
    unsigned lost;
    unsigned unwatch;
    size_t feed_bytes; /* of entries, gone and the like */
} told;

static void on_told(struct rogue *rogue, const struct npri_control *control)
{
    struct npr_term_walk walk;
    struct npr_term word = {0};
    uint32_t arity;

    (void)rogue;
    if (control->kind != NPRI_CONTROL_REG_SEND ||
        !npr_term_is_atom(control->to, "nprocreg_native") ||
        !npr_term_tuple(control->payload, &walk, &arity) || !npr_term_next(&walk, &word)) {
        return;
    }
    if (npr_term_is_atom(word, "refused")) {
        told.refused++;
    } else if (npr_term_is_atom(word, "unwatch")) {
        told.unwatch++;
    } else if (!npr_term_is_atom(word, "hello")) {
        told.synced += npr_term_is_atom(word, "synced") ? 1 : 0;
        told.lost += npr_term_is_atom(word, "lost") ? 1 : 0;
        told.entries += npr_term_is_atom(word, "entries") ? 1 : 0;
        told.feed_bytes += control->payload.size;
    }
}

/* Waits until all that was sent has been dealt with: the answer is a process's DOWN or reply, which
 * keeps its place among the messages of the node. */
static void settle(struct rogue *rogue)
{
    const unsigned sends =
        rogue->received[NPRI_CONTROL_SEND] + rogue->received[NPRI_CONTROL_ALIAS_SEND];

    rogue_say(rogue, TO_NPROCREG, "{'$gen_call',{" SELF "," REF "},get_status}");
    while (rogue->received[NPRI_CONTROL_SEND] + rogue->received[NPRI_CONTROL_ALIAS_SEND] == sends) {
        expect(rogue_wait(rogue, rogue->received_all + 1, ANSWERED_MS),
               "an answer to the last call");
    }
}

/* Waits until keys that nobody has have been looked for: then the node waits for no newcomer any
 * more, and what it had asked of others before, as of the owners of keys, has been answered. */
static void settle_with_all(struct rogue *rogue)
{
    const unsigned ends = rogue->received[NPRI_CONTROL_DOWN] + ABSENT_KEYS;
    static unsigned number;

    for (unsigned i = 0; i < ABSENT_KEYS; i++) {
        char control[LINE_BYTES];
        char args[LINE_BYTES];

        (void)snprintf(control, sizeof(control),
                       "{29,#Ref<rogue@127.0.0.1.1.9.%u>," SELF "," SELF
                       ",{erpc,execute_call,4},[monitor]}",
                       ++number);
        (void)snprintf(args, sizeof(args),
                       "[r,nprocreg_native,get,[{nobody_has,%u},undefined,10000]]", i);
        rogue_say(rogue, control, args);
    }
    while (rogue->received[NPRI_CONTROL_DOWN] < ends) {
        expect(rogue_wait(rogue, rogue->received_all + 1, ANSWERED_MS), "the end of a look-up");
    }
}

/* Subscriptions beyond any number, right ones and wrong ones; then changes, and not a word of what
 * was read: it is told a window, and that is all. */
static void many_subscriptions(const struct target *target)
{
    static const struct form selectors[] = {
        {"{key,{probe,", "}}"},    {"{match,<<\"{_,\",", ",\"}\">>}"},
        {"{prefix,nonsense", "}"}, {"{match,<<\"{~i,", "}\">>}"},
        {"{prefix,{k", "}}"},
    };
    struct rogue rogue;
    char text[LINE_BYTES];
    size_t bytes;

    open_rogue(&rogue, target);
    rogue.on_control = on_told;
    for (unsigned i = 0; i < SUBSCRIPTIONS; i++) {
        (void)snprintf(text, sizeof(text), "{watch,%u,%s%u%s}", i, selectors[i % 5].before, i,
                       selectors[i % 5].after);
        rogue_say(&rogue, TO_NATIVE, text);
    }
    settle(&rogue);
    expect(told.refused >= SUBSCRIPTIONS / 5 * 2, "wrong selectors are refused");
    expect(told.refused >= SUBSCRIPTIONS / 5 * 4 - NPRI_FEEDS_WIDE_MAX - 5,
           "subscriptions to many keys are refused beyond their number");
    expect(told.feed_bytes <= NPRI_FEED_WINDOW_BYTES, "a window is told and no more");
    for (unsigned i = 0; i < CHANGES; i++) {
        (void)snprintf(text, sizeof(text), "{'$gen_cast',{register_pid,{k%u,%u}," SELF "}}",
                       i % 300, i);
        rogue_say(&rogue, TO_NPROCREG, text);
        (void)snprintf(text, sizeof(text), "{'$gen_cast',{unregister_key,{k%u,%u}}}", i % 300, i);
        rogue_say(&rogue, TO_NPROCREG, text);
    }
    settle_with_all(&rogue);
    expect(told.feed_bytes <= NPRI_FEED_WINDOW_BYTES, "a window is told and no more");
    expect(told.lost == 0, "nothing is begun anew before it is read");
    bytes = told.feed_bytes;
    rogue_say(&rogue, TO_NATIVE, "{read,18446744073709551615}");
    rogue_say(&rogue, TO_NATIVE, "{read,99999999999}");
    settle(&rogue);
    expect(told.feed_bytes == bytes, "what was not told cannot have been read");
    rogue_close(&rogue);
}

/* Of subscriptions that the node never made, in every form and in none. */
static void false_news(const struct target *target)
{
    static const struct form forms[] = {
        {"{entries,", ",100,[{key,<a@127.0.0.1.1.0>,5}]}"},
        {"{gone,", ",200,key,normal}"},
        {"{synced,", ",18446744073709551615}"},
        {"{lost,", ",1}"},
        {"{refused,", ",<<\"no\">>}"},
        {"{entries,", ",x,y}"},
        {"{unwatch,", "}"},
        {"{entries,", "}"},
        {"[", "]"},
    };
    struct rogue rogue;
    char text[LINE_BYTES];

    open_rogue(&rogue, target);
    rogue.on_control = on_told;
    told.unwatch = 0;
    for (unsigned i = 0; i < FALSE_NEWS; i++) {
        (void)snprintf(text, sizeof(text), "%s%u%s", forms[i % 9].before, i, forms[i % 9].after);
        rogue_say(&rogue, TO_NATIVE, text);
    }
    settle(&rogue);
    expect(told.unwatch > 0, "it is told that nobody wants to hear it");
    rogue_close(&rogue);
}

const struct hostile_case hostile_watchers[] = {
    {"many_subscriptions", many_subscriptions},
    {"false_news", false_news},
    {NULL, NULL},
};

/* A peer that claims to run a registry, and lies. */
#include <stdio.h>
#include <string.h>

#include "term/write.h"

#include "system/hostile_peer.h"

#define JUNK_NAMES  (100000 / HOSTILE_SCALE)
#define KEYS        (100000 / HOSTILE_SCALE)
#define STARTS      (100000 / HOSTILE_SCALE)
#define APPLIES_MAX 4096
#define ANSWERED_MS 20000
#define LINE_BYTES  512

/* Waits until all that was sent has been dealt with: signals of one peer keep their order. */
static void settle(struct rogue *rogue)
{
    rogue->received_all = 0;
    rogue_say(rogue, "{6," SELF ",'',nprocreg}", "{'$gen_call',{" SELF "," REF "},get_status}");
    expect(rogue_wait(rogue, 1, ANSWERED_MS), "an answer to the last call");
}

/* Names of nodes that nobody can reach. */
static void junk_names(const struct target *target)
{
    struct rogue rogue;

    open_rogue(&rogue, target);
    for (unsigned i = 0; i < JUNK_NAMES; i++) {
        char cast[LINE_BYTES];

        (void)snprintf(cast, sizeof(cast), "{'$gen_cast',{register_node,'junk%u@127.0.0.1'}}", i);
        rogue_say(&rogue, "{6," SELF ",'',nprocreg}", cast);
    }
    rogue_say(&rogue, "{6," SELF ",'',nprocreg}", "{'$gen_cast',{register_node,[]}}");
    rogue_say(&rogue, "{6," SELF ",'',nprocreg}", "{'$gen_cast',{register_node,'no node'}}");
    settle(&rogue);
    rogue_close(&rogue);
}

/* Answers each get_nodes of the node with names that are new each time. */
static void on_poll(struct rogue *rogue, const struct npri_control *control)
{
    static unsigned answered;
    struct npr_term call[3];
    struct npr_term from[2];
    struct npri_buffer to;
    struct npri_buffer reply;

    if (control->kind != NPRI_CONTROL_REG_SEND || !npr_term_get_tuple(control->payload, 3, call) ||
        !npr_term_is_atom(call[2], "get_nodes") || !npr_term_get_tuple(call[1], 2, from)) {
        return;
    }
    npri_buffer_init(&to, 0);
    npri_buffer_init(&reply, 0);
    npri_put_tuple(&to, 3);
    npri_put_int(&to, 2);
    npri_put_atom(&to, "");
    npri_put_term(&to, from[0]);
    npri_put_tuple(&reply, 2);
    npri_put_term(&reply, from[1]);
    npri_put_list(&reply, 20001);
    npri_put_atom(&reply, ROGUE_NAME);
    for (unsigned i = 0; i < 20000; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "listed%u-%u@127.0.0.1", answered, i);
        npri_put_atom(&reply, name);
    }
    npri_put_nil(&reply);
    rogue_say_terms(rogue, npri_buffer_bytes(&to), npri_buffer_bytes(&reply));
    npri_buffer_fini(&to);
    npri_buffer_fini(&reply);
    answered++;
}

static void listed_names(const struct target *target)
{
    struct rogue rogue;

    open_rogue(&rogue, target);
    rogue.on_control = on_poll;
    (void)rogue_wait(&rogue, UINT32_MAX, 12000); /* two polls */
    expect(rogue.received[NPRI_CONTROL_REG_SEND] > 0, "the node has polled");
    rogue_close(&rogue);
}

/* Keys of the rogue's own process, which go with it; and of processes that nobody has. */
static void registrations(const struct target *target)
{
    struct rogue rogue;

    open_rogue(&rogue, target);
    for (unsigned i = 0; i < KEYS; i++) {
        char cast[LINE_BYTES];

        (void)snprintf(cast, sizeof(cast), "{'$gen_cast',{register_pid,{rogue,%u}," SELF "}}", i);
        rogue_say(&rogue, "{6," SELF ",'',nprocreg}", cast);
        (void)snprintf(cast, sizeof(cast),
                       "{'$gen_cast',{register_pid,{dead,%u},<a@127.0.0.1.%u.9>}}", i, i);
        rogue_say(&rogue, "{6," SELF ",'',nprocreg}", cast);
        (void)snprintf(cast, sizeof(cast),
                       "{'$gen_cast',{register_pid,{far,%u},<far%u@127.0.0.1.1.0>}}", i, i);
        rogue_say(&rogue, "{6," SELF ",'',nprocreg}", cast);
    }
    settle(&rogue);
    rogue_close(&rogue);
}

/* Counts what it is asked to run by {erlang,apply,2}, and runs nothing. */
static unsigned applies_asked;

static void count_applies(struct rogue *rogue, const struct npri_control *control)
{
    struct npr_term mfa[3];

    (void)rogue;
    if (control->kind == NPRI_CONTROL_SPAWN_REQUEST && npr_term_get_tuple(control->mfa, 3, mfa) &&
        npr_term_is_atom(mfa[1], "apply")) {
        applies_asked++;
    }
}

/* Starts of funs that only the rogue could run, which it never does. */
static void starts_never_answered(const struct target *target)
{
    struct rogue rogue;

    open_rogue(&rogue, target);
    rogue.on_control = count_applies;
    for (unsigned i = 0; i < STARTS; i++) {
        char call[LINE_BYTES];

        (void)snprintf(call, sizeof(call),
                       "{'$gen_call',{" SELF ",#Ref<rogue@127.0.0.1.1.9.%u>},"
                       "{start_function,{held,%u},fun its:own/0}}",
                       i, i);
        rogue_say(&rogue, "{6," SELF ",'',nprocreg}", call);
        (void)snprintf(call, sizeof(call),
                       "{29,#Ref<rogue@127.0.0.1.1.8.%u>," SELF "," SELF
                       ",{erpc,execute_call,4},[monitor]}",
                       i);
        rogue_say(&rogue, call, "[r,nprocreg_native,get,[nobody_has_it,fun its:own/0,86400000]]");
    }
    while (rogue.received[NPRI_CONTROL_DOWN] < STARTS &&
           rogue_wait(&rogue, rogue.received_all + 1, ANSWERED_MS)) {
    }
    expect(rogue.received[NPRI_CONTROL_DOWN] >= STARTS, "each start fails in time");
    while (applies_asked == 0 && rogue_wait(&rogue, rogue.received_all + 1, ANSWERED_MS)) {
    }
    (void)rogue_wait(&rogue, UINT32_MAX, 3000); /* what has just been asked is on its way */
    expect(applies_asked > 0, "funs are sent where they can run");
    expect(applies_asked <= APPLIES_MAX, "no more is asked than is kept");
    rogue_close(&rogue);
}

const struct hostile_case hostile_registries[] = {
    {"junk_names", junk_names},
    {"listed_names", listed_names},
    {"registrations", registrations},
    {"starts_never_answered", starts_never_answered},
    {NULL, NULL},
};

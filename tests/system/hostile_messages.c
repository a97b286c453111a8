/* What processes and services are sent: spawn requests, calls, links, monitors, exits. */
#include <stdio.h>

#include "system/hostile_peer.h"

#define FLOOD       (100000 / HOSTILE_SCALE)
#define ANSWERED_MS 20000
#define DROPPED_MS  30000
#define LINE_BYTES  512

/* ---- Spawn requests: every one is answered. */

static void spawn_requests(const struct target *target)
{
    static const char *const requests[][3] = {
        /* {M,F,A}, options, arguments */
        {"{no_such,thing,0}", "[]", "[]"},
        {"{counter,start,0}", "[no_such_option]", "[]"},
        {"{counter,start,0}", "[{monitor,[{alias,oops}]}|improper]", "[]"},
        {"{counter,start,0}", "no_list", "[]"},
        {"{counter,start,0}", "[link|monitor]", "[]"},
        {"{counter,start,0}", "[]", "[a|b]"},
        {"{counter,start,0}", "[]", "[1,2,3]"},
        {"{counter,start,255}", "[]", "[]"},
        {"{counter,start,-1}", "[]", "[]"},
        {"{erpc,execute_call,4}", "[]", "[a,b]"},
        {"{erpc,execute_call,4}", "[monitor]", "[a,b,c|d]"},
        {"{erpc,execute_call,4}", "[monitor]", "[r,erlang,apply,[fun a:b/255,[x|y]]]"},
        {"{erpc,execute_call,4}", "[monitor]", "[r,erlang,apply,[1,2,3]]"},
        {"{erpc,execute_call,4}", "[monitor]", "[r,nprocreg,get_pid,[k,fun a:b/7]]"},
        {"{erpc,execute_call,4}", "[monitor]", "[r,nprocreg_native,get,[k,undefined,-1]]"},
        {"{erpc,execute_call,4}", "[monitor]", "[r,nprocreg_native,start,[k,f,p,0]]"},
        {"{erpc,execute_call,4}", "[monitor]", "[r,nprocreg_native,spawn,[fun x:y/0]]"},
        {"{erpc,execute_call,4}", "[monitor]", "[r,ets,lookup,[other_table,k]]"},
        {"{erpc,execute_cast,3}", "[]", "[1.5,#{},<<1>>]"},
        {"{erlang,apply,2}", "[link]", "[fun erlang:node/0,[]]"},
        {"{erlang,halt,0}", "[]", "[]"},
        {"{os,cmd,1}", "[]", "[\"true\"]"},
    };
    const size_t count = sizeof(requests) / sizeof(requests[0]);
    struct rogue rogue;

    open_rogue(&rogue, target);
    for (unsigned round = 0; round < 100; round++) {
        for (size_t i = 0; i < count; i++) {
            char control[LINE_BYTES];

            (void)snprintf(control, sizeof(control),
                           "{29,#Ref<rogue@127.0.0.1.1.2.%zu>," SELF "," SELF ",%s,%s}",
                           round * count + i, requests[i][0], requests[i][1]);
            rogue_say(&rogue, control, requests[i][2]);
        }
    }
    while (rogue.received[NPRI_CONTROL_SPAWN_REPLY] < 100 * count &&
           rogue_wait(&rogue, rogue.received_all + 1, ANSWERED_MS)) {
    }
    expect(rogue.received[NPRI_CONTROL_SPAWN_REPLY] == 100 * count, "each spawn has its reply");
    rogue_close(&rogue);
}

#define ALIAS(node) "[alias|#Ref<" node ".1.2.3>]"

/* ---- Calls to services, with tags and requests of every shape. */

static void odd_calls(const struct target *target)
{
    static const char *const services[] = {"nprocreg", "rex", "net_kernel", "nprocreg_native",
                                           "no_such_name"};
    static const char *const tags[] = {REF,
                                       ALIAS("rogue@127.0.0.1"),
                                       "[[alias|x]|y]",
                                       "[alias|x]",
                                       "[]",
                                       "1.5",
                                       "<<\"tag\">>",
                                       "#{}",
                                       ALIAS("a@127.0.0.1"),
                                       ALIAS("c@127.0.0.1")};
    static const char *const requests[] = {"get_nodes",
                                           "get_status",
                                           "{start_function,k,1}",
                                           "{start_function,k}",
                                           "{start_function,k,fun no:such/0}",
                                           "{start_function,k,fun counter:start/255}",
                                           "{call,erlang,node,[],user}",
                                           "{call,erlang,node,[a|b],user}",
                                           "{call,1,2,3,4}",
                                           "{block_call,a,b,[],c}",
                                           "[]",
                                           "\"text\"",
                                           "{is_auth,x}"};
    struct rogue rogue;

    open_rogue(&rogue, target);
    for (size_t s = 0; s < sizeof(services) / sizeof(services[0]); s++) {
        for (size_t t = 0; t < sizeof(tags) / sizeof(tags[0]); t++) {
            for (size_t r = 0; r < sizeof(requests) / sizeof(requests[0]); r++) {
                char control[LINE_BYTES];
                char payload[LINE_BYTES];

                (void)snprintf(control, sizeof(control), "{6," SELF ",'',%s}", services[s]);
                (void)snprintf(payload, sizeof(payload), "{'$gen_call',{" SELF ",%s},%s}", tags[t],
                               requests[r]);
                rogue_say(&rogue, control, payload);
                (void)snprintf(payload, sizeof(payload), "{'$gen_cast',%s}", requests[r]);
                rogue_say(&rogue, control, payload);
                (void)snprintf(payload, sizeof(payload), "{io_request," SELF ",%s,%s}", tags[t],
                               requests[r]);
                rogue_say(&rogue, control, payload);
            }
        }
    }
    expect(rogue_wait(&rogue, 800, ANSWERED_MS), "calls are answered");
    expect(rogue_flush(&rogue), "the connection stays");
    rogue_close(&rogue);
}

/* ---- Links and monitors of the dead, the living and the services. */

/* FLOOD messages made of a format with two numbers, which must use at least the first. */
#define SAY_MANY(rogue, format, ...)                                                               \
    for (unsigned number = 0; number < FLOOD; number++) {                                          \
        char line[LINE_BYTES];                                                                     \
        (void)snprintf(line, sizeof(line), format, __VA_ARGS__);                                   \
        rogue_say(rogue, line, NULL);                                                              \
    }

static void monitors(const struct target *target)
{
    struct rogue rogue;

    open_rogue(&rogue, target);
    SAY_MANY(&rogue, "{19," SELF ",<a@127.0.0.1.%u.9>,#Ref<rogue@127.0.0.1.1.2.%u>}", number,
             number)
    expect(rogue_wait(&rogue, FLOOD, ANSWERED_MS), "each monitor of a dead pid is answered");
    SAY_MANY(&rogue, "{19," SELF ",%s,#Ref<rogue@127.0.0.1.1.3.%u>}", target->victim, number)
    SAY_MANY(&rogue, "{19,<rogue@127.0.0.1.%u.0>,%s,#Ref<rogue@127.0.0.1.1.3.0>}", number,
             target->victim)
    SAY_MANY(&rogue, "{19," SELF ",nprocreg,#Ref<rogue@127.0.0.1.1.4.%u>}", number)
    expect(rogue_flush(&rogue), "the connection stays");
    rogue_close(&rogue);
}

static void links(const struct target *target)
{
    struct rogue rogue;

    open_rogue(&rogue, target);
    SAY_MANY(&rogue, "{1," SELF ",<a@127.0.0.1.%u.9>}", number)
    expect(rogue_wait(&rogue, FLOOD, ANSWERED_MS), "each link to a dead pid is answered");
    SAY_MANY(&rogue, "{1,<rogue@127.0.0.1.%u.0>,<a@127.0.0.1.1.0>}", number)
    SAY_MANY(&rogue, "{35,%u," SELF ",<a@127.0.0.1.%u.9>}", number + 1, number)
    expect(rogue_wait(&rogue, 2 * FLOOD, ANSWERED_MS), "each unlink is acknowledged");
    SAY_MANY(&rogue, "{35,%u," SELF ",<a@127.0.0.1.1.0>}", number + 1)
    expect(rogue_wait(&rogue, 3 * FLOOD, ANSWERED_MS), "of a service, too");
    SAY_MANY(&rogue, "{35,%u,<rogue@127.0.0.1.%u.0>,%s}", number + 1, number, target->victim)
    expect(rogue_wait(&rogue, 4 * FLOOD, ANSWERED_MS), "of a process, too");
    rogue_close(&rogue);
}

/* Services are no processes: nothing ends them.  The victim's own pid is left alone. */
static void exits(const struct target *target)
{
    struct rogue rogue;

    open_rogue(&rogue, target);
    for (unsigned id = 0; id <= 64; id++) {
        static const char *const reasons[] = {"kill", "normal", "shutdown", "{big,[1,2,3]}"};

        for (size_t i = 0; i < 4; i++) {
            char control[LINE_BYTES];

            (void)snprintf(control, sizeof(control), "{26," SELF ",<a@127.0.0.1.%u.0>}", id);
            rogue_say(&rogue, control, reasons[i]);
            (void)snprintf(control, sizeof(control), "{24," SELF ",<a@127.0.0.1.%u.0>}", id);
            rogue_say(&rogue, control, reasons[i]);
        }
    }
    for (unsigned i = 0; i < FLOOD; i++) {
        char control[LINE_BYTES];

        (void)snprintf(control, sizeof(control), "{26," SELF ",<a@127.0.0.1.%u.%u>}",
                       1000000 + rogue_random(1u << 27), rogue_random(100));
        rogue_say(&rogue, control, "kill");
    }
    expect(rogue_flush(&rogue), "the connection stays");
    rogue_close(&rogue);
}

/* Whoever is connected speaks for its own processes only. */
static void foreign_senders(const struct target *target)
{
    static const char *const controls[][2] = {
        {"{19,<b@127.0.0.1.70.0>,nprocreg,#Ref<b@127.0.0.1.1.2.3>}", NULL},
        {"{29,#Ref<b@127.0.0.1.1.2.3>,<b@127.0.0.1.70.0>,<b@127.0.0.1.70.0>,{a,b,0},[]}", "[]"},
        {"{35,5,<b@127.0.0.1.70.0>,<a@127.0.0.1.1.0>}", NULL},
        {"{24,<b@127.0.0.1.70.0>,<a@127.0.0.1.1000000.0>}", "kill"},
        {"{26,<b@127.0.0.1.70.0>,<a@127.0.0.1.1000000.0>}", "kill"},
        {"{6,<b@127.0.0.1.70.0>,'',nprocreg_native}", "{hello,1,'b@127.0.0.1',25}"},
    };
    struct rogue rogue;

    open_rogue(&rogue, target);
    for (unsigned round = 0; round < FLOOD / 10; round++) {
        const size_t i = round % (sizeof(controls) / sizeof(controls[0]));

        rogue_say(&rogue, controls[i][0], controls[i][1]);
    }
    expect(rogue_flush(&rogue), "the connection stays");
    rogue_close(&rogue);
    open_rogue(&rogue, target);
    rogue_say(&rogue, "{1,<b@127.0.0.1.70.0>,<a@127.0.0.1.1.0>}", NULL);
    expect(rogue_wait_closed(&rogue, ANSWERED_MS), "a link in another's name closes");
    rogue_close(&rogue);
}

/* Asks for much and reads nothing.  The node was started with a small queue. */
static void deaf_peer(const struct target *target)
{
    struct npri_buffer control;
    struct npri_buffer payload;
    struct rogue rogue;
    static uint8_t tag[100000];

    open_rogue(&rogue, target);
    rogue.deaf = true;
    npri_buffer_init(&control, 0);
    npri_buffer_init(&payload, 0);
    rogue_put(&rogue, &control, "{6," SELF ",'',nprocreg}");
    npri_put_bytes(&payload, npri_bytes((const uint8_t *)"\x68\3\x77\x9$gen_call\x68\2", 15));
    rogue_put(&rogue, &payload, SELF);
    npri_put_u8(&payload, 109);
    npri_put_u32(&payload, sizeof(tag));
    npri_put_bytes(&payload, npri_bytes(tag, sizeof(tag)));
    rogue_put(&rogue, &payload, "get_nodes");
    for (unsigned i = 0; i < 5000 && !rogue.closed; i++) {
        rogue_say_terms(&rogue, npri_buffer_bytes(&control), npri_buffer_bytes(&payload));
    }
    expect(rogue.closed || rogue_wait_closed(&rogue, DROPPED_MS), "who does not read is dropped");
    npri_buffer_fini(&control);
    npri_buffer_fini(&payload);
    rogue_close(&rogue);
}

/* A process that cannot crash on what it gets, in any shape. */
static void victim_messages(const struct target *target)
{
    static const char *const messages[] = {"x",
                                           "{ping,1}",
                                           "{ping," SELF "}",
                                           "{ping,<c@127.0.0.1.1.0>}",
                                           "[]",
                                           "#{}",
                                           "{'$gen_call',{" SELF "," REF "},[get]}",
                                           "{'$gen_call',{" SELF "," REF "},{add,x}}",
                                           "{'$gen_call',{" SELF ",[]},get}",
                                           "{'$gen_call',x,get}",
                                           "{'$gen_cast',[]}",
                                           "{system,{" SELF "," REF "},get_state}",
                                           "{io_request," SELF ",x,y}",
                                           "{'EXIT'," SELF ",kill}",
                                           "{'DOWN'," REF ",process," SELF ",x}"};
    char control[LINE_BYTES];
    struct rogue rogue;

    open_rogue(&rogue, target);
    (void)snprintf(control, sizeof(control), "{2,'',%s}", target->victim);
    for (unsigned i = 0; i < FLOOD; i++) {
        rogue_say(&rogue, control, messages[i % (sizeof(messages) / sizeof(messages[0]))]);
    }
    expect(rogue_wait(&rogue, FLOOD / 15, ANSWERED_MS), "it answers what it can");
    rogue_close(&rogue);
}

const struct hostile_case hostile_messages[] = {
    {"spawn_requests", spawn_requests},
    {"odd_calls", odd_calls},
    {"monitors", monitors},
    {"links", links},
    {"exits", exits},
    {"foreign_senders", foreign_senders},
    {"deaf_peer", deaf_peer},
    {"victim_messages", victim_messages},
    {NULL, NULL},
};

/* Streams that are wrong before, in and after their handshakes. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "system/hostile_peer.h"

#define IDLE_COUNT  400
#define STORM_COUNT 300
#define FRAME_LIMIT (64u << 20)
#define CLOSED_MS   5000
#define MUTANTS     10000

/* ---- Before a handshake. */

static void garbage(const struct target *target)
{
    for (unsigned i = 0; i < STORM_COUNT; i++) {
        const int fd = rogue_dial(target->port);
        uint8_t bytes[512] = {0};
        const size_t size = 1 + rogue_random(sizeof(bytes));

        for (size_t at = 0; at < size; at++) {
            bytes[at] = (uint8_t)rogue_random(256);
        }
        /* Every other one says that a short frame follows, so that its content is looked at. */
        bytes[0] = i % 2 == 0 ? 0 : bytes[0];
        (void)send(fd, bytes, size, MSG_NOSIGNAL);
        (void)close(fd);
    }
}

/* Connects, says nothing, and stays until its standard input ends. */
static void slow_loris(const struct target *target)
{
    for (unsigned i = 0; i < IDLE_COUNT; i++) {
        const int fd = rogue_dial(target->port);

        (void)send(fd, "\0", 1, MSG_NOSIGNAL);
    }
    (void)puts("held");
    (void)fflush(stdout);
    (void)getchar();
}

static void wrong_cookies(const struct target *target)
{
    for (unsigned i = 0; i < STORM_COUNT; i++) {
        struct rogue rogue;

        expect(!rogue_open(&rogue, target->port, ROGUE_NAME, "WRONG"), "a wrong cookie is refused");
        rogue_close(&rogue);
    }
}

/* ---- After it. */

static void oversize(const struct target *target)
{
    static const uint32_t sizes[] = {UINT32_MAX, 0x80000000u, FRAME_LIMIT + 1};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct rogue rogue;

        open_rogue(&rogue, target);
        npri_put_u32(&rogue.out, sizes[i]);
        npri_put_u8(&rogue.out, 112);
        expect(rogue_wait_closed(&rogue, CLOSED_MS), "too large a frame closes the connection");
        rogue_close(&rogue);
    }
}

/* Many peers that announce much, send little and stay: what is not sent may cost nothing. */
static void promised_frames(const struct target *target)
{
    static struct rogue rogues[64];
    static uint8_t part[100000];

    for (unsigned i = 0; i < 64; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "rogue%u@127.0.0.1", i);
        expect(rogue_open(&rogues[i], target->port, name, target->cookie), "a handshake");
        npri_put_u32(&rogues[i].out, FRAME_LIMIT);
        npri_put_bytes(&rogues[i].out, npri_bytes(part, sizeof(part)));
        expect(rogue_flush(&rogues[i]), "a part of a frame is taken");
    }
    for (unsigned i = 0; i < 64; i++) {
        rogue_close(&rogues[i]);
    }
}

static void cut_frames(const struct target *target)
{
    for (unsigned i = 0; i < STORM_COUNT; i++) {
        struct rogue rogue;

        open_rogue(&rogue, target);
        rogue_say(&rogue, "{6," SELF ",'',nprocreg}", "{'$gen_call',{" SELF "," REF "},get_nodes}");
        rogue.out.size = 1 + rogue_random((uint32_t)rogue.out.size - 1);
        (void)rogue_flush(&rogue);
        rogue_close(&rogue);
    }
}

/* Depths and counts that the bytes do not have, or that a stack could not bear. */
static void deep_and_huge(const struct target *target)
{
    static const char *const heads[] = {
        "\x6c\xff\xff\xff\xff", "\x69\xff\xff\xff\xff", "\x74\xff\xff\xff\xff",
        "\x6d\xff\xff\xff\xff", "\x6f\xff\xff\xff\xff", "\x70\xff\xff\xff\xff",
        "\x50\xff\xff\xff\xff", "\x5a\xff\xff\x77\xff", "\x77\xff\xff\xff\xff",
    };
    static const uint8_t repeated[][5] = {
        {0x6c, 0, 0, 0, 1}, {0x68, 1, 0x68, 1, 0x68}, {0x74, 0, 0, 0, 1}};
    struct npri_buffer control;
    struct npri_buffer payload;
    struct rogue rogue;

    npri_buffer_init(&control, 0);
    npri_buffer_init(&payload, 0);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        open_rogue(&rogue, target);
        npri_buffer_reset(&control);
        rogue_put(&rogue, &control, "{6," SELF ",'',nprocreg}");
        rogue_say_terms(&rogue, npri_buffer_bytes(&control),
                        npri_bytes((const uint8_t *)heads[i], 5));
        expect(rogue_wait_closed(&rogue, CLOSED_MS), "a term that lies closes the connection");
        rogue_close(&rogue);
    }
    for (size_t i = 0; i < sizeof(repeated) / sizeof(repeated[0]); i++) {
        npri_buffer_reset(&payload);
        for (unsigned depth = 0; depth < 1000000; depth++) {
            npri_put_bytes(&payload, npri_bytes(repeated[i], sizeof(repeated[i])));
        }
        open_rogue(&rogue, target);
        rogue_say_terms(&rogue, npri_buffer_bytes(&control), npri_buffer_bytes(&payload));
        expect(rogue_wait_closed(&rogue, CLOSED_MS), "too deep a term closes the connection");
        rogue_close(&rogue);
    }
    npri_buffer_fini(&control);
    npri_buffer_fini(&payload);
}

/* ---- Messages with bytes changed.  Exits are only asked of pids that nobody has, so that a mutant
 * which is a good message does no harm that a peer may not do. */

#define NOBODY "<a@127.0.0.1.1000000.0>"

static const char *const originals[][2] = {
    {"{1," SELF "," NOBODY "}", NULL},
    {"{2,''," NOBODY "}", "{some,[message]}"},
    {"{24," SELF "," NOBODY "}", "reason"},
    {"{4," SELF "," NOBODY "}", NULL},
    {"{6," SELF ",'',nprocreg}", "{'$gen_call',{" SELF ",[alias|" REF "]},get_nodes}"},
    {"{6," SELF ",'',nprocreg}", "{'$gen_cast',{register_pid,{key,1}," SELF "}}"},
    {"{6," SELF ",'',rex}", "{'$gen_call',{" SELF "," REF "},{call,erlang,node,[],user}}"},
    {"{6," SELF ",'',net_kernel}", "{'$gen_call',{" SELF "," REF "},{is_auth,'rogue@127.0.0.1'}}"},
    {"{6," SELF ",'',nprocreg_native}", "{hello,1,'rogue@127.0.0.1',25}"},
    {"{7," SELF "," NOBODY "}", NULL},
    {"{26," SELF "," NOBODY "}", "kill"},
    {"{19," SELF ",nprocreg," REF "}", NULL},
    {"{20," SELF "," NOBODY "," REF "}", NULL},
    {"{28," SELF "," NOBODY "," REF "}", "noproc"},
    {"{29," REF "," SELF "," SELF ",{erpc,execute_call,4},[monitor]}",
     "[" REF ",ets,lookup,[nprocreg_data,{key,1}]]"},
    {"{29," REF "," SELF "," SELF ",{counter,start,0},[link,{priority,high}]}", "[]"},
    {"{31," REF "," NOBODY ",0," SELF "}", NULL},
    {"{33," SELF ",#Ref<a@127.0.0.1.1.2.3>}", "{reply,1.5,#{k => v}}"},
    {"{35,17," SELF "," NOBODY "}", NULL},
    {"{36,17," SELF "," NOBODY "}", NULL},
};

static void mutate(struct npri_buffer *bytes, size_t from)
{
    const unsigned changes = 1 + rogue_random(3);

    for (unsigned i = 0; i < changes && bytes->size > from; i++) {
        uint8_t *at = bytes->data + from + rogue_random((uint32_t)(bytes->size - from));

        switch (rogue_random(4)) {
        case 0:
            *at = (uint8_t)(*at ^ 1u << rogue_random(8));
            break;
        case 1:
            *at = (uint8_t)rogue_random(256);
            break;
        case 2:
            *at = rogue_random(2) == 0 ? 0xff : 0;
            break;
        default:
            bytes->size =
                (size_t)(at - bytes->data); /* Cut off; the frame's length is put right. */
        }
    }
}

static void mutants(const struct target *target)
{
    struct rogue rogue;
    unsigned connections = 1;

    open_rogue(&rogue, target);
    for (unsigned i = 0; i < MUTANTS; i++) {
        const char *const *original =
            originals[rogue_random(sizeof(originals) / sizeof(originals[0]))];
        const size_t start = rogue.out.size;

        rogue_say(&rogue, original[0], original[1]);
        if (rogue.out.size > start + 6) {
            mutate(&rogue.out, start + 6); /* length, type and version are other cases' */
            npri_buffer_patch_u32(&rogue.out, start, (uint32_t)(rogue.out.size - start - 4));
        }
        /* One at a time every so often, so that what came of it is seen before the next. */
        if (i % 8 == 0 && rogue_flush(&rogue)) {
            (void)rogue_wait(&rogue, UINT32_MAX, 1);
        }
        if (rogue.closed) {
            rogue_close(&rogue);
            open_rogue(&rogue, target);
            connections++;
        }
    }
    (void)printf("%u connections, %u answers on the last\n", connections, rogue.received_all);
    rogue_close(&rogue);
}

const struct hostile_case hostile_streams[] = {
    {"garbage", garbage},
    {"slow_loris", slow_loris},
    {"wrong_cookies", wrong_cookies},
    {"oversize", oversize},
    {"promised_frames", promised_frames},
    {"cut_frames", cut_frames},
    {"deep_and_huge", deep_and_huge},
    {"mutants", mutants},
    {NULL, NULL},
};

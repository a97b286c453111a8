/* Thread processes that look, wait for a while and wait for ever, while others send to them; all
 * that is sent is received, in its order; then they are killed. */
#include "scenario.h"
#include "world.h"

#include <sched.h>
#include <stdatomic.h>

#include "nprocreg/thread.h"

enum {
    RECEIVERS = 2,
    SENDERS = 3,
    EACH = 20,
};

static struct world *world_here;
static struct npr_pid receivers[RECEIVERS];
static atomic_uint received_count;
static atomic_uint errors_count;

static npr_status receiver_run(struct npr_process *self, void *state, struct npr_term args)
{
    uint64_t next[SENDERS] = {0};
    struct npr_received received;
    npr_status status = NPR_OK;

    (void)state;
    (void)args;
    for (uint32_t round = 0; status == NPR_OK || status == NPR_ETIMEDOUT; round++) {
        static const uint32_t waits_ms[] = {0, 1, NPR_FOREVER};
        uint64_t value;

        status = npr_receive(self, waits_ms[round % 3], NULL, NULL, &received);
        if (status == NPR_OK) {
            if (!npr_term_get_uint64(received.term, &value) || value / EACH >= SENDERS ||
                next[value / EACH]++ != value % EACH) {
                (void)atomic_fetch_add(&errors_count, 1);
            }
            (void)atomic_fetch_add(&received_count, 1);
        }
    }
    return status == NPR_EEXIT ? npr_send(self, &world_here->probe, NPRI_WORD_OK) : status;
}

static const struct npr_behaviour receiver_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .run = receiver_run,
};

/* Sends one number to each receiver a turn. */
static npr_status sender_info(struct npr_process *self, void *state, struct npr_term message)
{
    const struct npr_pid me = npr_self(self);
    struct npr_builder *scratch = npr_scratch(self);
    uint64_t *sent = state;
    uint64_t index = 0;
    struct npr_term term;
    npr_status status;

    (void)npr_term_get_uint64(message, &index);
    npr_build_uint(scratch, index * EACH + *sent);
    status = npr_builder_finish(scratch, &term, NULL);
    for (int i = 0; i < RECEIVERS && status == NPR_OK; i++) {
        status = npr_send(self, &receivers[i], term);
    }
    return ++*sent == EACH || status != NPR_OK ? status : npr_send(self, &me, message);
}

static const struct npr_behaviour sender_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(uint64_t),
    .info = sender_info,
};

static void kill_receiver(struct world *world, const struct npr_pid *pid)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_EXIT,
                                      .from = world_pid(world, &world->probe),
                                      .to = world_pid(world, pid),
                                      .payload = world_atom(world, "kill")};

    world_deliver(world, &draft);
    world_expect(world, &world->probed, NPRI_SIGNAL_MESSAGE, (struct npr_term){0}, NPRI_WORD_OK);
}

void scenario_receive(uint64_t seed)
{
    const struct npri_spawn receiver = {.behaviour = &receiver_behaviour};
    const struct npri_spawn sender = {.behaviour = &sender_behaviour};
    struct world world;

    world_here = &world;
    atomic_store(&received_count, 0);
    atomic_store(&errors_count, 0);
    world_open(&world, 1 + (unsigned)(seed % 3));
    for (int i = 0; i < RECEIVERS; i++) {
        receivers[i] = world_puppet_with(&world, &receiver);
    }
    for (int i = 0; i < SENDERS; i++) {
        const struct npr_pid pid = world_puppet_with(&world, &sender);

        world_send(&world, &pid, world_int(&world, i));
    }
    while (atomic_load(&received_count) != RECEIVERS * SENDERS * EACH) {
        (void)sched_yield();
    }
    for (int i = 0; i < RECEIVERS; i++) {
        kill_receiver(&world, &receivers[i]);
    }
    world_close(&world);
    assert_int_equal(atomic_load(&errors_count), 0);
}

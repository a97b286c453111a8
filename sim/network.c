#include "network.h"

#include "native.h"
#include "original.h"
#include "touch.h"
#include "trace.h"

uint64_t sim_delay(struct sim *sim, uint32_t from, uint32_t to)
{
    const struct sim_lane *lane = sim_lane(sim, from, to);

    return sim_random_between(&sim->random, sim->options.delay_ns_min, sim->options.delay_ns_max) +
           lane->slow_ns;
}

/* Behind everything that was sent before it. */
static void put_on_lane(struct sim *sim, struct sim_message *message)
{
    struct sim_lane *lane = sim_lane(sim, message->from, message->to);
    uint64_t due_ns = sim->now_ns + sim_delay(sim, message->from, message->to);

    due_ns = due_ns > lane->last_ns ? due_ns : lane->last_ns;
    lane->last_ns = due_ns;
    message->due_ns = due_ns;
    npri_heap_insert(&sim->messages, &message->due, due_ns);
}

bool sim_send(struct sim *sim, struct sim_message *message)
{
    const struct sim_lane *lane = sim_lane(sim, message->from, message->to);

    if (lane->known == 0) {
        sim_message_drop(sim, message);
        return false;
    }
    message->connection = lane->known;
    sim->counts.messages++;
    sim->counts.bytes += message->size;
    put_on_lane(sim, message);
    return true;
}

/* ---- Beginning. */

void sim_dial(struct sim *sim, uint32_t from, uint32_t to)
{
    struct sim_lane *lane = sim_lane(sim, from, to);
    struct sim_message *message;

    if (lane->attempt != 0 || lane->known != 0) {
        return;
    }
    lane->attempt = ++sim->connections_count;
    message = sim_message(sim, SIM_DIAL, from, to);
    message->operation = lane->attempt;
    message->version = sim->nodes[from].creation;
    put_on_lane(sim, message);
    message = sim_message(sim, SIM_DIAL_FAILED, to, from);
    message->operation = lane->attempt;
    sim_later(sim, message, SIM_DIAL_TIMEOUT_NS);
}

static void refuse(struct sim *sim, const struct sim_message *dial)
{
    struct sim_message *message = sim_message(sim, SIM_DIAL_FAILED, dial->to, dial->from);

    message->operation = dial->operation;
    sim_later(sim, message, sim_delay(sim, dial->to, dial->from));
}

static void tell(struct sim *sim, uint32_t node, uint32_t peer, bool up, const char *why)
{
    SIM_TRACE(sim, node, "%s %s%s%s", up ? "connected to" : "lost", sim_trace_name(peer),
              up ? "" : ": ", up ? "" : why);
    if (sim->nodes[node].native) {
        sim_native_on_connection(sim, node, peer, up, why);
    } else {
        sim_original_on_connection(sim, node, peer, up);
    }
}

/* The connection that `node` believes in is over for it. */
static void forget(struct sim *sim, uint32_t node, uint32_t peer, const char *why)
{
    sim_lane(sim, node, peer)->known = 0;
    sim_touch_on_change(sim, node, peer);
    tell(sim, node, peer, false, why);
}

static void on_dial(struct sim *sim, const struct sim_message *dial)
{
    const uint32_t node = dial->to;
    const uint32_t peer = dial->from;
    struct sim_lane *lane = sim_lane(sim, node, peer);
    struct sim_pair *pair = sim_pair(sim, node, peer);
    struct sim_message *message;

    if (sim_lane(sim, peer, node)->attempt != dial->operation ||
        sim->nodes[peer].creation != dial->version) {
        return; /* It has given up, or ended. */
    }
    if (pair->up && sim_lane(sim, peer, node)->known == pair->number) {
        return; /* Both have dialled, and the other attempt was first. */
    }
    if (lane->known != 0) {
        forget(sim, node, peer, "a new connection came");
    }
    pair->number = ++sim->connections_count;
    pair->up = true;
    lane->known = pair->number;
    lane->attempt = 0; /* It needs its own no more. */
    message = sim_message(sim, SIM_UP, node, peer);
    message->connection = pair->number;
    message->operation = dial->operation;
    put_on_lane(sim, message);
    sim_touch_on_change(sim, node, peer);
    tell(sim, node, peer, true, "");
}

static void on_up(struct sim *sim, const struct sim_message *up)
{
    const uint32_t node = up->to;
    const uint32_t peer = up->from;
    struct sim_lane *lane = sim_lane(sim, node, peer);
    struct sim_pair *pair = sim_pair(sim, node, peer);

    if (!pair->up || pair->number != up->connection) {
        return;
    }
    if (lane->attempt != up->operation) { /* It came too late. */
        lane->known = lane->known == 0 ? up->connection : lane->known;
        if (lane->known == up->connection) {
            sim_close(sim, node, peer);
        }
        return;
    }
    lane->attempt = 0;
    if (lane->known != 0) {
        forget(sim, node, peer, "a new connection came");
    }
    lane->known = pair->number;
    sim_touch_on_change(sim, node, peer);
    tell(sim, node, peer, true, "");
}

static void on_dial_failed(struct sim *sim, const struct sim_message *failed)
{
    const uint32_t node = failed->to;
    struct sim_lane *lane = sim_lane(sim, node, failed->from);

    if (lane->attempt != failed->operation) {
        return;
    }
    lane->attempt = 0;
    if (lane->known == 0) {
        tell(sim, node, failed->from, false, "cannot connect");
        sim_touch_on_refused(sim, node);
    }
}

/* ---- Ending. */

/* `to` learns of the end, unless nothing reaches it. */
static void send_down(struct sim *sim, uint32_t from, uint32_t to, uint32_t connection)
{
    struct sim_message *message;

    if (!sim->nodes[to].alive) {
        return;
    }
    message = sim_message(sim, SIM_DOWN, from, to);
    message->connection = connection;
    put_on_lane(sim, message);
}

/* What is in flight from `from` to `to` when the connection ends. */
static void keep_rest(struct sim *sim, uint32_t from, uint32_t to, bool lossy)
{
    struct sim_lane *lane = sim_lane(sim, from, to);

    lane->rest = sim_pair(sim, from, to)->number;
    lane->rest_ns = UINT64_MAX;
    if (lossy) {
        lane->rest_ns = lane->last_ns <= sim->now_ns
                            ? sim->now_ns
                            : sim_random_between(&sim->random, sim->now_ns, lane->last_ns);
    }
}

void sim_close(struct sim *sim, uint32_t node, uint32_t peer)
{
    struct sim_lane *lane = sim_lane(sim, node, peer);
    struct sim_pair *pair = sim_pair(sim, node, peer);
    const uint32_t connection = lane->known;

    lane->known = 0;
    if (connection == 0) {
        return;
    }
    if (pair->up && pair->number == connection) {
        keep_rest(sim, node, peer, false);
        pair->up = false;
    }
    sim_touch_on_change(sim, node, peer);
    send_down(sim, node, peer, connection);
}

void sim_reset(struct sim *sim, uint32_t a, uint32_t b, bool lossy)
{
    struct sim_pair *pair = sim_pair(sim, a, b);

    if (!pair->up) {
        return;
    }
    keep_rest(sim, a, b, lossy);
    keep_rest(sim, b, a, lossy);
    pair->up = false;
    sim_touch_on_change(sim, a, b);
    send_down(sim, a, b, pair->number);
    send_down(sim, b, a, pair->number);
}

/* `node` is no more: also of a connection that it has not heard of yet. */
static void end_connection(struct sim *sim, uint32_t node, uint32_t peer, bool power)
{
    struct sim_lane *lane = sim_lane(sim, node, peer);
    struct sim_pair *pair = sim_pair(sim, node, peer);
    const uint32_t connection = lane->known != 0 ? lane->known : pair->number;

    lane->known = 0;
    if (pair->up) {
        keep_rest(sim, node, peer, power);
        pair->up = false;
    }
    if (!power && connection != 0) {
        send_down(sim, node, peer, connection);
    }
}

void sim_network_on_end(struct sim *sim, uint32_t node, bool power)
{
    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        struct sim_lane *lane = sim_lane(sim, node, peer);

        if (peer == node) {
            continue;
        }
        lane->attempt = 0;
        end_connection(sim, node, peer, power);
        sim_touch_on_change(sim, node, peer);
    }
}

/* The other side knows nothing of that connection: an answer says so, if it can get through. */
static void on_stray(struct sim *sim, const struct sim_message *message)
{
    if (message->kind != SIM_DOWN && sim->nodes[message->to].alive &&
        sim_lane(sim, message->from, message->to)->known == message->connection) {
        send_down(sim, message->to, message->from, message->connection);
    }
}

/* ---- Cuts. */

void sim_cut(struct sim *sim, uint32_t from, uint32_t to)
{
    sim_lane(sim, from, to)->cut = true;
    sim_touch_on_change(sim, from, to);
}

/* What came to the cut goes on at once, before all that is on its way behind it. */
void sim_uncut(struct sim *sim, uint32_t from, uint32_t to)
{
    struct sim_lane *lane = sim_lane(sim, from, to);
    struct npri_link *at;

    lane->cut = false;
    while ((at = npri_list_take(&lane->stalled)) != NULL) {
        struct sim_message *message = NPRI_CONTAINER_OF(at, struct sim_message, link);

        message->due_ns = sim->now_ns;
        npri_heap_insert(&sim->messages, &message->due, sim->now_ns - 1);
    }
    sim_touch_on_change(sim, from, to);
}

/* ---- Arriving. */

static bool is_on_connection(const struct sim *sim, const struct sim_message *message)
{
    const struct sim_pair *pair = sim_pair(sim, message->from, message->to);
    const struct sim_lane *lane = sim_lane(sim, message->from, message->to);

    if (sim_lane(sim, message->to, message->from)->known != message->connection) {
        return false;
    }
    return message->kind == SIM_DOWN || (pair->up && pair->number == message->connection) ||
           (lane->rest == message->connection && message->due_ns <= lane->rest_ns);
}

bool sim_network_admits(struct sim *sim, struct sim_message *message)
{
    if (message->kind == SIM_DIAL) {
        if (!sim->nodes[message->to].alive) {
            refuse(sim, message);
            return false;
        }
        return true;
    }
    if (!sim->nodes[message->to].alive) {
        on_stray(sim, message);
        return false;
    }
    if (message->kind == SIM_UP) {
        return true;
    }
    if (!is_on_connection(sim, message)) {
        on_stray(sim, message);
        return false;
    }
    return true;
}

void sim_network_handle(struct sim *sim, struct sim_message *message)
{
    if (message->kind == SIM_DIAL) {
        on_dial(sim, message);
    } else if (message->kind == SIM_UP) {
        on_up(sim, message);
    } else if (message->kind == SIM_DIAL_FAILED) {
        on_dial_failed(sim, message);
    } else {
        forget(sim, message->to, message->from, "closed");
    }
}

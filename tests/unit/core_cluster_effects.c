#include "core_cluster_inside.h"

#include "support/check.h"

static void on_answer(struct cluster *cluster, unsigned node, const struct npri_core_effect *effect)
{
    const unsigned index = (unsigned)effect->request - 1;
    struct cluster_request *request = &cluster->requests[index];
    struct message *message;

    assert_true(effect->request > 0 && index < cluster->requests_count);
    request->answers_count++;
    assert_int_equal(request->answers_count, 1);
    request->status = effect->status;
    request->process = effect->status == NPR_OK ? cluster_read_pid(effect->term) : -1;
    request->started = effect->started;
    request->answered_ns = cluster->now_ns;
    cluster_digest_add(cluster, effect->request << 8 | (uint64_t)(effect->status & 0xff));
    cluster_digest_add(cluster, (uint64_t)request->process);
    if (effect->status != NPR_OK) {
        assert_true(effect->text.size > 0); /* every failure says why */
    }
    if (request->node != NOBODY) {
        return;
    }
    message = cluster_new_message(MESSAGE_EVENT, node, cluster->remotes[index].from);
    message->event.kind = cluster->remotes[index].kind;
    message->event.operation = cluster->remotes[index].operation;
    message->event.status = effect->status;
    message->event.started = effect->started;
    message->event.final = effect->final;
    message->event.moved = effect->moved;
    message->event.token = effect->token;
    cluster_set_term(message, effect->term);
    cluster_send(cluster, message);
}

static void on_connect(struct cluster *cluster, unsigned node, unsigned peer)
{
    struct message *message;

    if (peer >= cluster_nodes_count(cluster)) {
        return;
    }
    cluster->links[node][peer].dialling = true;
    message = cluster_new_message(MESSAGE_DIAL, peer, node);
    cluster_send_local(cluster, message, 2 * cluster_delay(cluster));
}

static void on_start(struct cluster *cluster, unsigned node, const struct npri_core_effect *effect)
{
    struct message *message = cluster_new_message(MESSAGE_STARTED, node, node);

    message->event.kind = NPRI_EVENT_STARTED;
    message->event.operation = effect->operation;
    if (cluster->options.restarts) {
        message->event.rule =
            (struct npri_restart_rule){.kind = NPRI_RESTART_PERMANENT, .max = 1000, .window_ns = 1};
    }
    message->process = (int)cluster_read_key(effect->key); /* its key, until it is started */
    cluster_send_local(cluster, message, cluster_delay(cluster));
}

static void on_monitor(struct cluster *cluster, unsigned node, int process)
{
    struct message *message;

    assert_true(process >= 0);
    if (!cluster->processes[process].alive) {
        message = cluster_new_message(MESSAGE_PROCESS_DOWN, node, node);
        message->process = process;
        cluster_send_local(cluster, message, cluster_delay(cluster));
    }
}

/* What another node is asked or told. */
static void on_remote(struct cluster *cluster, unsigned node, const struct npri_core_effect *effect)
{
    const unsigned peer = cluster_node_of(&effect->node);
    struct message *message = cluster_new_message(MESSAGE_REQUEST, node, peer);

    message->asked = effect->kind;
    message->event.operation = effect->operation;
    message->event.deadline_ns = effect->deadline_ns;
    message->event.greeting = effect->greeting;
    cluster_set_term(message, effect->key);
    cluster_send(cluster, message);
}

static void on_tell(struct cluster *cluster, unsigned node, const struct npri_core_effect *effect)
{
    struct message *message =
        cluster_new_message(MESSAGE_EVENT, node, cluster_node_of(&effect->node));

    message->event.kind = NPRI_EVENT_TOLD;
    message->event.node = cluster_name_of(node);
    message->event.creation = cluster->nodes[node].creation;
    cluster_set_term(message, effect->term);
    cluster_send(cluster, message);
}

/* The threads of a program take a moment. */
static void on_fence(struct cluster *cluster, unsigned node, uint64_t operation)
{
    struct message *message = cluster_new_message(MESSAGE_FENCED, node, node);

    message->event.kind = NPRI_EVENT_FENCED;
    message->event.operation = operation;
    cluster_send_local(cluster, message, cluster_random(cluster, 1 * MS));
}

static void carry_out(struct cluster *cluster, unsigned node, const struct npri_core_effect *effect)
{
    cluster_digest_add(cluster, cluster->now_ns);
    cluster_digest_add(cluster, (uint64_t)effect->kind << 32 | effect->operation << 8 | node);
    switch (effect->kind) {
    case NPRI_EFFECT_CONNECT:
        on_connect(cluster, node, cluster_node_of(&effect->node));
        return;
    case NPRI_EFFECT_GREET:
    case NPRI_EFFECT_ANNOUNCE:
    case NPRI_EFFECT_POLL:
    case NPRI_EFFECT_ASK_RELEASE:
    case NPRI_EFFECT_ASK:
    case NPRI_EFFECT_DELEGATE:
        on_remote(cluster, node, effect);
        return;
    case NPRI_EFFECT_START:
        on_start(cluster, node, effect);
        return;
    case NPRI_EFFECT_DISCARD:
        cluster->processes[cluster_read_pid(effect->term)].discarded = true;
        cluster_kill_process(cluster, cluster_read_pid(effect->term));
        return;
    case NPRI_EFFECT_CONFLICT:
        cluster_kill_process(cluster, cluster_read_pid(effect->term));
        return;
    case NPRI_EFFECT_MONITOR:
        on_monitor(cluster, node, cluster_read_pid(effect->term));
        return;
    case NPRI_EFFECT_ANSWER:
        on_answer(cluster, node, effect);
        return;
    case NPRI_EFFECT_TELL:
        on_tell(cluster, node, effect);
        return;
    case NPRI_EFFECT_DISCONNECT:
        cluster_disconnect_pair(cluster, node, cluster_node_of(&effect->node));
        return;
    case NPRI_EFFECT_FENCE:
        on_fence(cluster, node, effect->operation);
        return;
    case NPRI_EFFECT_DEMONITOR:
    case NPRI_EFFECT_HANDOVER: /* nobody drains a node here: sim/ */
    case NPRI_EFFECT_MOVED:
    case NPRI_EFFECT_LOG:
    case NPRI_EFFECT_NEWS:
    case NPRI_EFFECT_QUORUM:
        return;
    }
}

void cluster_step(struct cluster *cluster, unsigned node, struct npri_core_event event)
{
    struct npri_core *core = cluster->nodes[node].core;
    struct npri_core_effect effect;

    event.now_ns = cluster->now_ns;
    assert_int_equal(npri_core_step(core, &event), NPR_OK);
    npri_core_check(core);
    while (npri_core_take(core, &effect)) {
        carry_out(cluster, node, &effect);
    }
}

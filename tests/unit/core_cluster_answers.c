#include "core_cluster_inside.h"

#include <stdlib.h>

#include "support/check.h"
#include "term/write.h"

static void put_original_nodes(const struct cluster *cluster, unsigned node, struct message *reply)
{
    struct npri_buffer buffer = {
        .data = reply->bytes, .capacity = TERM_BYTES, .size_max = TERM_BYTES};
    uint32_t count = 0;

    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) {
            npri_put_list(&buffer, count);
        }
        for (unsigned peer = 0; peer < cluster_nodes_count(cluster); peer++) {
            const struct npr_node_name name = cluster_name_of(peer);
            const struct node *there = &cluster->nodes[peer];
            const uint64_t heard_ns =
                there->native ? cluster->nodes[node].heard_ns[peer] : cluster->now_ns;

            /* Originals know each other: somebody has connected them. */
            if ((!there->native && !there->alive) || heard_ns == 0 ||
                cluster->now_ns - heard_ns > 10000 * MS) {
                continue;
            }
            count += pass == 0 ? 1 : 0;
            if (pass == 1) {
                npri_put_node(&buffer, &name);
            }
        }
    }
    npri_put_nil(&buffer);
    cluster_set_term(reply, (struct npr_term){.data = reply->bytes, .size = buffer.size});
}

static void put_nodes(const struct cluster *cluster, unsigned node, struct message *reply)
{
    struct npri_buffer buffer = {
        .data = reply->bytes, .capacity = TERM_BYTES, .size_max = TERM_BYTES};

    if (!cluster->nodes[node].native) {
        put_original_nodes(cluster, node, reply);
        return;
    }
    npri_core_put_nodes(cluster->nodes[node].core, &buffer);
    cluster_set_term(reply, (struct npr_term){.data = reply->bytes, .size = buffer.size});
}

static void put_entry(const struct cluster *cluster,
                      unsigned node,
                      struct npr_term key,
                      struct message *reply)
{
    const int process = cluster->nodes[node].table[cluster_read_key(key)];

    if (process >= 0) {
        cluster_set_term(reply, cluster_write_pid(cluster, process, reply->bytes));
    } else {
        reply->event.status = NPR_ENOTFOUND;
    }
}

/* What another node wants, as a request of the core: its answer goes back to it. */
static void want_for(struct cluster *cluster,
                     const struct message *message,
                     enum npri_event_kind answer,
                     struct npri_core_event event)
{
    const unsigned index = cluster->requests_count++;

    assert_true(index < CLUSTER_REQUESTS_MAX);
    cluster->requests[index] =
        (struct cluster_request){.node = NOBODY,
                                 .key = cluster_read_key(message->event.term),
                                 .process = -1,
                                 .asked_ns = cluster->now_ns};
    cluster->remotes[index] = (struct remote){.kind = answer,
                                              .from = message->from,
                                              .epoch = message->epoch,
                                              .operation = message->event.operation};
    event.request = index + 1;
    event.key = message->event.term;
    cluster_step(cluster, message->to, event);
}

/* start_function: a native node looks again, an original one starts. */
static void start_for(struct cluster *cluster, const struct message *message, struct message *reply)
{
    struct node *here = &cluster->nodes[message->to];
    const unsigned key = cluster_read_key(message->event.term);

    if (!here->native) {
        here->table[key] = cluster_new_process(cluster, message->to, key);
        cluster_set_term(reply, cluster_write_pid(cluster, here->table[key], reply->bytes));
        reply->event.started = true;
        cluster_send(cluster, reply);
        return;
    }
    free(reply);
    want_for(cluster, message, NPRI_EVENT_DELEGATED,
             (struct npri_core_event){.kind = NPRI_EVENT_START,
                                      .node = cluster_name_of(message->from),
                                      .function = message->event.term,
                                      .deadline_ns = message->event.deadline_ns});
}

/* A lookup. */
static void look_for(struct cluster *cluster, const struct message *message, struct message *reply)
{
    const struct node *here = &cluster->nodes[message->to];

    if (here->native) {
        free(reply);
        want_for(cluster, message, NPRI_EVENT_ASKED,
                 (struct npri_core_event){.kind = NPRI_EVENT_GET,
                                          .own_only = true,
                                          .node = cluster_name_of(message->from),
                                          .deadline_ns = cluster->now_ns + 5000 * MS});
        return;
    }
    put_entry(cluster, message->to, message->event.term, reply);
    cluster_send(cluster, reply);
}

static void on_announced(struct cluster *cluster, unsigned node, unsigned from)
{
    if (cluster->nodes[node].native) {
        cluster_step(
            cluster, node,
            (struct npri_core_event){.kind = NPRI_EVENT_ANNOUNCED, .node = cluster_name_of(from)});
    } else {
        cluster->nodes[node].heard_ns[from] = cluster->now_ns;
    }
}

void cluster_answer(struct cluster *cluster, const struct message *message)
{
    struct message *reply = cluster_new_message(MESSAGE_EVENT, message->to, message->from);

    reply->event.operation = message->event.operation;
    switch ((int)message->asked) {
    case NPRI_EFFECT_ANNOUNCE:
        on_announced(cluster, message->to, message->from);
        break;
    case NPRI_EFFECT_GREET:
        if (cluster->nodes[message->to].native) {
            cluster_step(cluster, message->to,
                         (struct npri_core_event){.kind = NPRI_EVENT_GREETED,
                                                  .node = cluster_name_of(message->from),
                                                  .greeting = message->event.greeting});
        }
        break;
    case NPRI_EFFECT_POLL:
        reply->event.kind = NPRI_EVENT_POLLED;
        put_nodes(cluster, message->to, reply);
        cluster_send(cluster, reply);
        return;
    case NPRI_EFFECT_ASK_RELEASE:
        reply->event.kind = NPRI_EVENT_RELEASE_TOLD;
        reply->event.status = cluster->nodes[message->to].native ? NPR_ENOTFOUND : NPR_OK;
        cluster_send(cluster, reply);
        return;
    case NPRI_EFFECT_ASK:
        reply->event.kind = NPRI_EVENT_ASKED;
        look_for(cluster, message, reply);
        return;
    default:
        reply->event.kind = NPRI_EVENT_DELEGATED;
        start_for(cluster, message, reply);
        return;
    }
    free(reply);
}

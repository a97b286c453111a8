/* checks.h: agreement, and the sides of quorum.  The ones that look into the cores: what all others
 * follow from is too good to be seen only when a key shows it. */
#include "checks.h"
#include "trace.h"

#include "core/state.h"

/* The members of its view, as bits. */
static uint32_t view_of(const struct npri_core *core)
{
    uint32_t view = 0;

    for (uint32_t i = 0; i < core->members.view_count; i++) {
        view |= UINT32_C(1) << sim_node_of(&core->members.view[i]->name);
    }
    return view;
}

void sim_check_agreement(struct sim *sim, struct sim_node *node)
{
    node->agreed = npri_views_agreed(node->core);
    if (!node->agreed || node->epoch == npri_views_epoch(node->core)) {
        return;
    }
    node->epoch = npri_views_epoch(node->core);
    node->view = view_of(node->core);
    SIM_TRACE(sim, node->index, "is agreed in epoch %llu, view %x", (unsigned long long)node->epoch,
              node->view);
    for (uint32_t i = 0; i < sim->options.natives; i++) {
        const struct sim_node *peer = &sim->nodes[i];

        if (i != node->index && peer->alive && !peer->paused && peer->agreed &&
            (node->view >> i & 1) != 0 && (peer->view >> node->index & 1) != 0 &&
            node->view != peer->view) {
            sim_fail(sim, "agreement", "%s is agreed in view %x, %s in view %x",
                     sim_trace_name(node->index), node->view, sim_trace_name(i), peer->view);
        }
    }
}

/* Whether it would start what it is asked for at this moment: leases end by themselves. */
static bool may_start(const struct sim *sim, const struct sim_node *node)
{
    struct npri_text why = {0};

    node->core->now_ns = sim->now_ns > node->core->now_ns ? sim->now_ns : node->core->now_ns;
    return npri_views_agreed(node->core) && npri_quorum_permits(node->core, &why);
}

void sim_check_sides(struct sim *sim, uint32_t node)
{
    const struct npri_core *core = sim->nodes[node].core;

    if (!npri_views_agreed(core)) {
        return; /* It starts a process again in its place, which needs no agreement. */
    }
    for (uint32_t i = 0; sim->options.quorum > 0 && i < sim->options.natives; i++) {
        const struct sim_node *peer = &sim->nodes[i];

        if (i != node && peer->alive && !peer->paused &&
            peer->core->views.members_hash != core->views.members_hash && may_start(sim, peer)) {
            sim_fail(sim, "quorum", "%s starts a process, of view %x, and %s may, of view %x",
                     sim_trace_name(node), view_of(core), sim_trace_name(i), view_of(peer->core));
        }
    }
}

#include "run.h"

#include "checks.h"
#include "plan.h"
#include "settle.h"

#include <string.h>

#include "base/assert.h"

#define LOOK_NS SIM_SECOND

static void pass_faults(struct sim *sim)
{
    const uint64_t end_ns = sim->now_ns + sim->options.faults_ns;

    while (!sim->failed && sim->now_ns < end_ns) {
        const uint64_t next_ns = sim->now_ns + LOOK_NS;

        sim_pass(sim, next_ns < end_ns ? next_ns : end_ns);
        sim_check_doubles(sim);
        sim_check_open(sim);
    }
}

void sim_run(const struct sim_options *options, struct sim_result *out)
{
    struct sim *sim = sim_create(options);

    NPRI_ASSERT(sim != NULL);
    sim_plan_begin(sim);
    pass_faults(sim);
    if (!sim->failed) {
        sim_plan_mend_all(sim);
        sim_settle(sim);
    }
    *out = (struct sim_result){.verdict = !sim->failed           ? SIM_OK
                                          : sim->failed_liveness ? SIM_STUCK
                                                                 : SIM_UNSAFE,
                               .digest = sim->digest,
                               .ended_ns = sim->now_ns,
                               .counts = sim->counts};
    memcpy(out->checker, sim->checker, sizeof(out->checker));
    memcpy(out->finding, sim->finding, sizeof(out->finding));
    sim_destroy(sim);
}

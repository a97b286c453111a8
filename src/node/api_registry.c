/* nprocreg/registry.h: keys, from the program's threads. */
#include "nprocreg/registry.h"

#include "base/fail.h"
#include "base/limits.h"
#include "core/placement.h"
#include "net/entropy.h"
#include "node/call.h"
#include "node/claiming.h"
#include "node/launch.h"
#include "node/node.h"
#include "term/write.h"

#define NS_PER_MS UINT64_C(1000000)

/* For the owner's consent to a registration: as gen_server:call's default. */
#define CLAIM_TIMEOUT_MS UINT64_C(5000)

struct finding {
    struct npri_call call; /* first */
    struct npri_get get;
    struct npr_term key;
    struct npr_term function;
    uint32_t timeout_ms;
    struct npr_found found;
};

static void finding_done(struct npri_get *get, const struct npri_answer *answer)
{
    struct finding *finding = NPRI_CONTAINER_OF(get, struct finding, get);
    npr_status status = answer->status;

    if (status == NPR_OK && !npr_term_get_pid(answer->pid, &finding->found.pid)) {
        status = NPR_EPROTO;
    }
    finding->found.started = answer->started;
    finding->found.token = answer->token;
    npri_call_end(&finding->call, status, answer->text);
}

static void finding_run(struct npri_call *call)
{
    struct finding *finding = (struct finding *)call;
    struct npr_node *node = call->node;

    npri_registry_get(
        node, &finding->get,
        &(struct npri_get_options){.key = finding->key,
                                   .function = finding->function,
                                   .caller = npri_service_pid(node, NPRI_SERVICE_CLIENT),
                                   .deadline_ns = npri_loop_now_ns(node->loop) +
                                                  finding->timeout_ms * NS_PER_MS});
}

/* Whether this thread has found it already.  What it would be started from is not looked at then.
 */
static bool find_here(struct npr_node *node,
                      struct npr_term key,
                      const struct npr_start *start,
                      struct npr_found *out)
{
    return node != NULL && key.data != NULL && key.size <= NPRI_KEY_BYTES_MAX &&
           (start == NULL || (start->module != NULL && start->function != NULL)) &&
           !npri_node_is_loop_thread(node) && npri_reads_find(node, key, out);
}

/* Whether this thread may start it, or waits for one that does. */
static bool start_here(struct npr_node *node,
                       const struct npri_grabs_request *request,
                       npr_status *out_status)
{
    return node != NULL && request->start != NULL && request->start->module != NULL &&
           request->start->function != NULL && !npri_node_is_loop_thread(node) &&
           npri_grabs_get(node, request, out_status);
}

static npr_status ask_loop(struct npr_node *node,
                           const struct npr_term keys_and_function[2],
                           uint32_t timeout_ms,
                           struct npr_found *out,
                           struct npr_error *err)
{
    struct finding finding = {.call.err = err,
                              .get.done = finding_done,
                              .key = keys_and_function[0],
                              .function = keys_and_function[1],
                              .timeout_ms = timeout_ms};
    const npr_status status = npri_call_run(node, &finding.call, finding_run);

    if (status == NPR_OK) {
        *out = finding.found;
    }
    return status;
}

npr_status npr_get_or_start(struct npr_node *node,
                            struct npr_term key,
                            const struct npr_start *start,
                            uint32_t timeout_ms,
                            struct npr_found *out,
                            struct npr_error *err)
{
    struct npri_buffer function;
    npr_status status;

    if (out == NULL) {
        return npri_fail(err, NPR_EINVAL, "nowhere to put the process");
    }
    if (find_here(node, key, start, out)) {
        return NPR_OK;
    }
    status = npri_registry_check_key(key, err);
    if (status != NPR_OK) {
        return status;
    }
    if (start_here(
            node,
            &(struct npri_grabs_request){
                .key = key, .start = start, .timeout_ms = timeout_ms, .out = out, .err = err},
            &status)) {
        return status;
    }
    npri_buffer_init(&function, 0);
    if (start != NULL) {
        status = npri_startable_put(&function, start, err);
    }
    if (status == NPR_OK) {
        const struct npr_term terms[] = {key, npri_buffer_term(&function)};

        status = ask_loop(node, terms, timeout_ms, out, err);
    }
    npri_buffer_fini(&function);
    return status;
}

/* NOLINTNEXTLINE(readability-function-size): the public signature. */
npr_status npr_get_pid(struct npr_node *node,
                       struct npr_term key,
                       const char *module,
                       const char *function,
                       uint32_t timeout_ms,
                       struct npr_found *out,
                       struct npr_error *err)
{
    const struct npr_start start = {.module = module, .function = function};

    return npr_get_or_start(node, key, function == NULL ? NULL : &start, timeout_ms, out, err);
}

/* A registration, or its end, which waits for the consent of the key's owner. */
struct claim_call {
    struct npri_call call; /* first */
    struct npri_claiming claiming;
};

static void claim_done(struct npri_claiming *claiming, npr_status status, struct npr_bytes text)
{
    struct claim_call *claim = NPRI_CONTAINER_OF(claiming, struct claim_call, claiming);

    npri_call_end(&claim->call, status, text);
}

static void claim_run(struct npri_call *call)
{
    struct claim_call *claim = (struct claim_call *)call;

    claim->claiming.node = call->node;
    claim->claiming.done = claim_done;
    claim->claiming.event.deadline_ns =
        npri_loop_now_ns(call->node->loop) + CLAIM_TIMEOUT_MS * NS_PER_MS;
    npri_claiming_begin(&claim->claiming);
}

static npr_status put_entry(struct npr_node *node,
                            struct npr_term key,
                            const struct npr_pid *pid,
                            bool keep,
                            struct npr_error *err)
{
    struct claim_call claim = {
        .call.err = err, .claiming.event = {.kind = NPRI_EVENT_REGISTER, .key = key, .keep = keep}};
    struct npri_buffer term;
    npr_status status = npri_registry_check_key(key, err);

    if (status != NPR_OK) {
        return status;
    }
    if (node == NULL) {
        return npri_fail(err, NPR_EINVAL, "no node");
    }
    if (pid == NULL || pid->node.size == 0) {
        return npri_fail(err, NPR_EINVAL, "no pid");
    }
    if (node->client) {
        return npri_fail(err, NPR_EINVAL, "a client holds no entries");
    }
    npri_buffer_init(&term, 0);
    npri_put_pid(&term, pid);
    claim.claiming.event.term = npri_buffer_term(&term);
    status = term.failed ? npri_fail(err, NPR_ENOMEM, "out of memory")
                         : npri_call_run(node, &claim.call, claim_run);
    npri_buffer_fini(&term);
    return status;
}

npr_status npr_register(struct npr_node *node,
                        struct npr_term key,
                        const struct npr_pid *pid,
                        struct npr_error *err)
{
    return put_entry(node, key, pid, true, err);
}

npr_status npr_reregister(struct npr_node *node,
                          struct npr_term key,
                          const struct npr_pid *pid,
                          struct npr_error *err)
{
    return put_entry(node, key, pid, false, err);
}

npr_status npr_unregister(struct npr_node *node, struct npr_term key, struct npr_error *err)
{
    struct claim_call claim = {.call.err = err,
                               .claiming.event = {.kind = NPRI_EVENT_UNREGISTER, .key = key}};
    const npr_status status = npri_registry_check_key(key, err);

    return status == NPR_OK ? npri_call_run(node, &claim.call, claim_run) : status;
}

/* The owner in a list in any order: the one that `index` others come before.  False: some node is
 * there twice. */
static bool find_owner(const struct npr_node_name *nodes,
                       size_t nodes_count,
                       uint32_t index,
                       size_t *out)
{
    for (size_t i = 0; i < nodes_count; i++) {
        uint32_t before = 0;

        for (size_t j = 0; j < nodes_count; j++) {
            const int order = npri_placement_compare(&nodes[j], &nodes[i]);

            if (order == 0 && i != j) {
                return false;
            }
            before += order < 0 ? 1u : 0u;
        }
        if (before == index) {
            *out = i;
        }
    }
    return true;
}

/* NOLINTNEXTLINE(readability-function-size): the public signature. */
npr_status npr_place(struct npr_term key,
                     enum npr_otp otp,
                     const struct npr_node_name *nodes,
                     size_t nodes_count,
                     uint8_t out_md5[16],
                     size_t *out_index,
                     struct npr_node_name *out_owner,
                     struct npr_error *err)
{
    struct npri_buffer bytes;
    uint8_t digest[16];
    uint32_t index;
    size_t owner = 0;
    npr_status status = npri_registry_check_key(key, err);

    if (status != NPR_OK) {
        return status;
    }
    if (nodes == NULL || out_md5 == NULL || out_index == NULL || out_owner == NULL ||
        nodes_count == 0 || nodes_count > UINT32_MAX) {
        return npri_fail(err, NPR_EINVAL, "no nodes");
    }
    npri_buffer_init(&bytes, 0);
    npri_term_write(key, otp, &bytes);
    if (bytes.failed) {
        npri_buffer_fini(&bytes);
        return npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    npri_md5(bytes.data, bytes.size, digest);
    npri_buffer_fini(&bytes);
    index = npri_placement_index(digest, (uint32_t)nodes_count);
    if (!find_owner(nodes, nodes_count, index, &owner)) {
        return npri_fail(err, NPR_EINVAL, "a node is there twice");
    }
    memcpy(out_md5, digest, sizeof(digest));
    *out_index = index;
    *out_owner = nodes[owner];
    return NPR_OK;
}

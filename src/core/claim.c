#include "core/claim.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/native.h"
#include "core/state.h"
#include "term/write.h"

struct npr_term npri_claim_pid(const struct npri_claim *claim)
{
    return (struct npr_term){.data = claim->pid, .size = claim->pid_size};
}

bool npri_claim_is_of(const struct npri_claim *claim, struct npr_term pid)
{
    return npri_bytes_equal(npri_bytes(claim->pid, claim->pid_size),
                            npri_bytes(pid.data, pid.size));
}

bool npri_claim_releases(const struct npri_claim *claim, struct npr_term pid)
{
    return claim->pid_size == 0 || npri_claim_is_of(claim, pid);
}

/* ---- Making and ending. */

/* Of a claim with its request, its answer and its timers, beside the key. */
#define CLAIM_BYTES ((size_t)2 << 10)

size_t npri_claim_cost(struct npr_term key)
{
    return CLAIM_BYTES + key.size;
}

struct npri_claim *npri_claim_create(struct npr_term key, struct npr_term pid, bool keep)
{
    struct npri_claim *claim = npri_alloc_zeroed(1, sizeof(*claim));

    if (claim == NULL) {
        return NULL;
    }
    claim->bytes = npri_claim_cost(key);
    claim->release = pid.data == NULL;
    claim->keep = keep;
    if (pid.data != NULL) {
        NPRI_ASSERT(pid.size <= sizeof(claim->pid));
        claim->pid_size = (uint32_t)pid.size;
        memcpy(claim->pid, pid.data, pid.size);
    }
    return claim;
}

void npri_claim_forget_owner(struct npri_core *core, struct npri_claim *claim)
{
    if (claim->ref != 0) {
        npri_map_remove(&core->claims, &claim->node);
        claim->ref = 0;
        claim->owner->asking.bytes -= claim->bytes;
        if (!npri_list_empty(&claim->owner->asking.queue)) {
            npri_work_add(core, &claim->owner->asking.work, false);
        }
        claim->owner = NULL;
    }
}

void npri_claim_destroy(struct npri_core *core, struct npri_claim *claim)
{
    if (claim != NULL) {
        npri_claim_forget_owner(core, claim);
        npri_list_remove(&claim->of_peer);
        core->casts_bytes -= claim->cast ? claim->bytes : 0;
        if (claim->lent) {
            claim->peer->lending.claims_bytes -= claim->bytes;
        }
        npri_free(claim);
    }
}

/* ---- Answers to peers. */

/* What the peer's claim is told first: {Word, Ref, ...}. */
static struct npri_buffer *begin(struct npri_core *core,
                                 const struct npri_claim *claim,
                                 uint32_t arity,
                                 const char *word)
{
    struct npri_buffer *message = npri_tell_begin(core, arity, word);

    npri_put_uint(message, claim->peer_ref);
    return message;
}

static void tell(struct npri_core *core, const struct npri_claim *claim)
{
    core->out_of_memory |= !npri_tell_end(core, claim->peer);
}

static void tell_taken(struct npri_core *core,
                       const struct npri_claim *claim,
                       const struct npri_activation *living)
{
    struct npri_buffer *message = begin(core, claim, 4, "taken");

    npri_put_term(message, living->pid);
    npri_put_uint(message, living->token);
    tell(core, claim);
}

struct npri_effect *npri_claim_make_claimed(struct npri_core *core,
                                            const struct npri_request *request,
                                            uint64_t token)
{
    const struct npri_claim *claim = request->claim;
    struct npri_buffer *message = begin(core, claim, 5, "claimed");

    npri_put_bytes(message, npri_shared_bytes(request->key));
    npri_put_term(message, npri_claim_pid(claim));
    npri_put_uint(message, token);
    return npri_tell_make(core, claim->peer);
}

/* Which statuses the asker can tell apart.  Anything else is a refusal. */
static const struct {
    npr_status status;
    const char *name;
} told_statuses[] = {
    {NPR_EREFUSED, "erefused"},
    {NPR_ETIMEDOUT, "etimedout"},
    {NPR_ENOMEM, "enomem"},
    {NPR_EINVAL, "einval"},
};

#define TOLD_STATUSES_COUNT (sizeof(told_statuses) / sizeof(told_statuses[0]))

static const char *name_status(npr_status status)
{
    for (size_t i = 0; i < TOLD_STATUSES_COUNT; i++) {
        if (told_statuses[i].status == status) {
            return told_statuses[i].name;
        }
    }
    return told_statuses[0].name;
}

npr_status npri_claim_read_status(struct npr_term name)
{
    for (size_t i = 0; i < TOLD_STATUSES_COUNT; i++) {
        if (npr_term_is_atom(name, told_statuses[i].name)) {
            return told_statuses[i].status;
        }
    }
    return NPR_EREFUSED;
}

void npri_claim_tell_unclaimed(struct npri_core *core,
                               const struct npri_claim *claim,
                               const char *status,
                               struct npr_bytes text)
{
    struct npri_buffer *message = begin(core, claim, 4, "unclaimed");

    npri_put_atom(message, status);
    npri_put_binary(message, text);
    tell(core, claim);
}

void npri_claim_tell_failed(struct npri_core *core,
                            const struct npri_claim *claim,
                            npr_status status,
                            struct npr_bytes text)
{
    npri_claim_tell_unclaimed(core, claim, name_status(status), text);
}

/* ---- Outcomes. */

void npri_claim_succeed(struct npri_core *core,
                        struct npri_request *request,
                        const struct npri_activation *living)
{
    if (request->claim->peer == NULL) {
        npri_request_answer_claim(core, request, NPR_OK, living);
    } else if (request->claim->release) {
        (void)begin(core, request->claim, 2, "released");
        tell(core, request->claim);
        npri_request_end(core, request);
    } else {
        tell_taken(core, request->claim, living); /* by the very pid: it reads that as a success */
        npri_request_end(core, request);
    }
}

void npri_claim_refuse_taken(struct npri_core *core,
                             struct npri_request *request,
                             const struct npri_activation *living)
{
    if (request->claim->peer == NULL) {
        npri_request_answer_claim(core, request, NPR_EEXIST, living);
    } else {
        tell_taken(core, request->claim, living);
        npri_request_end(core, request);
    }
}

/* This node's own entry. */
bool npri_claim_put_own(struct npri_core *core, struct npri_request *request, uint64_t token)
{
    const struct npri_activation living = {.pid = npri_claim_pid(request->claim), .token = token};

    if (npri_directory_put(&core->directory, npri_shared_bytes(request->key), &living, NULL) !=
        NPR_OK) {
        npri_request_answer_failed(core, request, NPR_ENOMEM, npr_bytes_of("out of memory"));
        return false;
    }
    npri_start_overtake(core, npri_shared_bytes(request->key));
    npri_request_answer_claim(core, request, NPR_OK, &living);
    return true;
}

void npri_claim_on_found(struct npri_core *core,
                         struct npri_request *request,
                         const struct npri_activation *found)
{
    const struct npri_claim *claim = request->claim;

    if (!claim->release && npri_claim_is_of(claim, found->pid)) {
        npri_claim_succeed(core, request, found);
    } else if (claim->keep) {
        npri_claim_refuse_taken(core, request, found);
    } else {
        npri_request_hold(core, request, NPRI_HOLD_RETRY); /* It is in the way: once it is told. */
    }
}

#include "node/evaluation.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "node/failure.h"
#include "node/launch.h"
#include "node/node.h"
#include "node/router.h"
#include "term/write.h"

/* Of a request, in the core and here, beside its terms; and how often each of those is held. */
#define REQUEST_BYTES  ((size_t)4 << 10)
#define REQUEST_COPIES 3u

/* ---- What they may cost. */

size_t npri_evaluations_admit(struct npri_evaluations *evaluations, size_t bytes)
{
    const size_t left = NPRI_WAITING_BYTES_MAX - evaluations->waiting_bytes;

    if (bytes > left / REQUEST_COPIES || REQUEST_COPIES * bytes + REQUEST_BYTES > left) {
        return 0;
    }
    evaluations->waiting_bytes += REQUEST_COPIES * bytes + REQUEST_BYTES;
    return REQUEST_COPIES * bytes + REQUEST_BYTES;
}

void npri_evaluations_release(struct npri_evaluations *evaluations, size_t cost)
{
    NPRI_ASSERT(cost <= evaluations->waiting_bytes);
    evaluations->waiting_bytes -= cost;
}

/* ---- Ending. */

static void evaluation_free(struct npri_evaluation *evaluation)
{
    if (evaluation->memory == NULL) {
        return; /* On the stack of npri_evaluate(). */
    }
    if (evaluation->previous != NULL) {
        evaluation->previous->next = evaluation->next;
    } else {
        evaluation->node->evaluations.first = evaluation->next;
    }
    if (evaluation->next != NULL) {
        evaluation->next->previous = evaluation->previous;
    }
    npri_evaluations_release(&evaluation->node->evaluations, evaluation->cost);
    npri_signal_destroy(evaluation->memory);
    npri_free(evaluation);
}

/* The process that stood for the evaluation exits. */
static void process_exits(const struct npri_evaluation *evaluation, struct npr_term reason)
{
    struct npri_signal draft = {.kind = NPRI_SIGNAL_DOWN,
                                .from = evaluation->process,
                                .to = evaluation->caller,
                                .ref = evaluation->ref,
                                .payload = reason};

    if (evaluation->monitor) {
        (void)npri_router_send(evaluation->node, &draft);
    }
    if (evaluation->link) {
        draft.kind = NPRI_SIGNAL_EXIT_LINK;
        draft.ref = (struct npr_term){0};
        (void)npri_router_send(evaluation->node, &draft);
    }
}

/* Sends the result, and frees the evaluation.  `result` has what its kind wants. */
static void evaluation_end(struct npri_evaluation *evaluation, const struct npri_buffer *result)
{
    struct npr_term term = npri_buffer_term(result);
    struct npri_buffer spare;

    npri_buffer_init(&spare, 0);
    if (term.data == NULL) {
        npri_put_atom(&spare, "system_limit"); /* Erlang's word for no memory. */
        term = npri_buffer_term(&spare);
    }
    if (term.data != NULL) {
        switch (evaluation->kind) {
        case NPRI_EVALUATION_ERPC:
        case NPRI_EVALUATION_SPAWN:
            process_exits(evaluation, term);
            break;
        case NPRI_EVALUATION_CALL:
            npri_gen_reply(evaluation->node, NPRI_SERVICE_REX, evaluation->caller, evaluation->tag,
                           term);
            break;
        case NPRI_EVALUATION_REX:
            npri_service_send(evaluation->node, NPRI_SERVICE_REX, evaluation->caller, term);
            break;
        case NPRI_EVALUATION_CAST:
            break;
        }
    }
    npri_buffer_fini(&spare);
    evaluation_free(evaluation);
}

void npri_evaluation_return(struct npri_evaluation *evaluation, struct npr_term value)
{
    struct npri_buffer result;

    npri_buffer_init(&result, 0);
    if (evaluation->kind == NPRI_EVALUATION_ERPC) {
        npri_put_tuple(&result, 3);
        npri_put_given(&result, evaluation->tag);
        npri_put_atom(&result, "return");
        npri_put_given(&result, value);
    } else if (evaluation->kind == NPRI_EVALUATION_SPAWN) {
        npri_put_atom(&result, "normal");
    } else {
        if (evaluation->kind == NPRI_EVALUATION_REX) {
            npri_put_tuple(&result, 2);
            npri_put_atom(&result, "rex");
        }
        npri_put_given(&result, value);
    }
    evaluation_end(evaluation, &result);
    npri_buffer_fini(&result);
}

/* [{Module, Function, Args, []}]. */
static void put_stack(struct npri_buffer *buffer, const struct npri_apply *apply)
{
    npri_put_list(buffer, 1);
    npri_put_tuple(buffer, 4);
    npri_put_given(buffer, apply->module);
    npri_put_given(buffer, apply->function);
    npri_put_given(buffer, apply->args);
    npri_put_nil(buffer);
    npri_put_nil(buffer);
}

void npri_evaluation_error(struct npri_evaluation *evaluation, struct npr_term reason)
{
    struct npri_buffer result;

    npri_buffer_init(&result, 0);
    if (evaluation->kind == NPRI_EVALUATION_ERPC) {
        npri_put_tuple(&result, 4);
        npri_put_given(&result, evaluation->tag);
        npri_put_atom(&result, "error");
    } else {
        if (evaluation->kind == NPRI_EVALUATION_REX) {
            npri_put_tuple(&result, 2);
            npri_put_atom(&result, "rex");
        }
        if (evaluation->kind != NPRI_EVALUATION_SPAWN) {
            npri_put_tuple(&result, 2);
            npri_put_atom(&result, "badrpc");
            npri_put_tuple(&result, 2);
            npri_put_atom(&result, "EXIT");
        }
        npri_put_tuple(&result, 2);
    }
    npri_put_given(&result, reason);
    put_stack(&result, &evaluation->apply);
    evaluation_end(evaluation, &result);
    npri_buffer_fini(&result);
}

void npri_evaluation_fail(struct npri_evaluation *evaluation,
                          npr_status status,
                          struct npr_bytes text)
{
    struct npri_buffer reason;

    npri_buffer_init(&reason, 0);
    npri_put_failure(&reason, status, text);
    npri_evaluation_error(evaluation, npri_buffer_term(&reason));
    npri_buffer_fini(&reason);
}

void npri_evaluation_return_built(struct npri_evaluation *evaluation, struct npri_buffer *value)
{
    if (value->failed) {
        npri_evaluation_fail(evaluation, NPR_ENOMEM, npr_bytes_of("out of memory"));
    } else {
        npri_evaluation_return(evaluation, npri_buffer_term(value));
    }
    npri_buffer_fini(value);
}

void npri_evaluation_return_atom(struct npri_evaluation *evaluation, const char *atom)
{
    struct npri_buffer value;

    npri_buffer_init(&value, 0);
    npri_put_atom(&value, atom);
    npri_evaluation_return_built(evaluation, &value);
}

void npri_evaluation_raise(struct npri_evaluation *evaluation, const char *atom)
{
    struct npri_buffer reason;

    npri_buffer_init(&reason, 0);
    npri_put_atom(&reason, atom);
    npri_evaluation_error(evaluation, npri_buffer_term(&reason));
    npri_buffer_fini(&reason);
}

/* ---- Keeping. */

static struct npri_signal *copy_terms(const struct npri_evaluation *evaluation)
{
    struct npri_signal *memory = NULL;
    struct npri_buffer apply;

    npri_buffer_init(&apply, 0);
    npri_put_tuple(&apply, 3);
    npri_put_given(&apply, evaluation->apply.module);
    npri_put_given(&apply, evaluation->apply.function);
    npri_put_given(&apply, evaluation->apply.args);
    if (!apply.failed) {
        memory = npri_signal_create(&(struct npri_signal){.kind = NPRI_SIGNAL_MESSAGE,
                                                          .node = evaluation->tag,
                                                          .from = evaluation->caller,
                                                          .to = evaluation->process,
                                                          .ref = evaluation->ref,
                                                          .payload = npri_buffer_term(&apply)});
    }
    npri_buffer_fini(&apply);
    return memory;
}

struct npri_evaluation *npri_evaluation_keep(struct npri_evaluation *evaluation)
{
    struct npri_evaluations *all = &evaluation->node->evaluations;
    const size_t cost = npri_evaluations_admit(
        all, evaluation->apply.args.size + evaluation->tag.size + evaluation->caller.size);
    struct npri_evaluation *kept;
    struct npri_signal *memory;
    struct npr_term apply[3];

    if (cost == 0) {
        npri_evaluation_fail(evaluation, NPR_EFULL,
                             npr_bytes_of("too many requests wait for their answers"));
        return NULL;
    }
    kept = npri_alloc_zeroed(1, sizeof(*kept));
    memory = copy_terms(evaluation);
    if (kept == NULL || memory == NULL || !npr_term_get_tuple(memory->payload, 3, apply)) {
        npri_free(kept);
        npri_signal_destroy(memory);
        npri_evaluations_release(all, cost);
        npri_evaluation_fail(evaluation, NPR_ENOMEM, npr_bytes_of("out of memory"));
        return NULL;
    }
    *kept = *evaluation;
    kept->memory = memory;
    kept->cost = cost;
    kept->tag = memory->node;
    kept->caller = memory->from;
    kept->process = memory->to;
    kept->ref = memory->ref;
    kept->apply = (struct npri_apply){.module = apply[0], .function = apply[1], .args = apply[2]};
    kept->previous = NULL;
    kept->next = all->first;
    if (all->first != NULL) {
        all->first->previous = kept;
    }
    all->first = kept;
    return kept;
}

void npri_evaluations_fini(struct npr_node *node)
{
    while (node->evaluations.first != NULL) {
        evaluation_free(node->evaluations.first);
    }
}

/* ---- Running. */

/* The module and function of an export fun are atoms' text: as terms they follow the fun's tag. */
static bool resolve_fun(struct npri_apply *apply, struct npr_term fun, struct npr_term args)
{
    struct npr_bytes module;
    struct npr_bytes name;
    uint32_t arity;
    uint32_t count;

    if (!npr_term_get_export(fun, &module, &name, &arity) || !npri_list_count(args, &count) ||
        count != arity) {
        return false;
    }
    return npri_export_terms(fun, &apply->module, &apply->function);
}

bool npri_apply_resolve(struct npri_apply *apply, uint32_t *out_arity)
{
    struct npr_term_walk walk;
    struct npr_term args[3] = {{0}};
    uint32_t arity;

    if (!npri_list_count(apply->args, &arity)) {
        return false;
    }
    *out_arity = arity;
    if (!npr_term_is_atom(apply->module, "erlang") || !npr_term_is_atom(apply->function, "apply") ||
        (arity != 2 && arity != 3) || !npr_term_list(apply->args, &walk)) {
        return true;
    }
    for (uint32_t i = 0; i < arity; i++) {
        (void)npr_term_next(&walk, &args[i]);
    }
    if (arity == 2) {
        if (resolve_fun(apply, args[0], args[1])) {
            apply->args = args[1];
        }
    } else if (npr_term_kind(args[0]) == NPR_TERM_ATOM && npr_term_kind(args[1]) == NPR_TERM_ATOM &&
               npri_list_count(args[2], &arity)) {
        *apply = (struct npri_apply){.module = args[0], .function = args[1], .args = args[2]};
    }
    (void)npri_list_count(apply->args, out_arity);
    return true;
}

/* An exported native function that is called, not spawned: its value is the pid, once it runs. */
static void launched(void *user, uint64_t number, const struct npri_outcome *outcome)
{
    struct npri_evaluation *evaluation = user;

    (void)number;
    if (outcome->status == NPR_OK) {
        npri_evaluation_return(evaluation, outcome->term);
    } else {
        npri_evaluation_fail(evaluation, outcome->status, outcome->text);
    }
}

static void launch(struct npri_evaluation *evaluation, const struct npr_function *function)
{
    struct npri_evaluation *kept = npri_evaluation_keep(evaluation);
    npr_status status;

    if (kept == NULL) {
        return;
    }
    status = npri_launch(kept->node, &(struct npri_launch_options){.function = function,
                                                                   .apply = &kept->apply,
                                                                   .done = launched,
                                                                   .user = kept});
    if (status != NPR_OK) {
        npri_evaluation_fail(kept, status, npr_bytes_of(npr_status_text(status)));
    }
}

static void run_builtin(struct npri_evaluation *evaluation, const struct npri_builtin *builtin)
{
    struct npr_term args[NPRI_BUILTIN_ARITY_MAX] = {{0}};
    struct npr_term_walk walk;

    if (npr_term_list(evaluation->apply.args, &walk)) {
        for (uint32_t i = 0; i < builtin->arity; i++) {
            (void)npr_term_next(&walk, &args[i]);
        }
    }
    builtin->run(evaluation, args);
}

void npri_evaluate(const struct npri_evaluation *draft)
{
    struct npri_evaluation evaluation = *draft;
    const struct npr_function *function = NULL;
    const struct npri_builtin *builtin = NULL;
    struct npr_bytes module;
    struct npr_bytes name;
    uint32_t arity;

    if (!npri_apply_resolve(&evaluation.apply, &arity) ||
        !npr_term_get_atom(evaluation.apply.module, &module) ||
        !npr_term_get_atom(evaluation.apply.function, &name)) {
        npri_evaluation_raise(&evaluation, "badarg");
        return;
    }
    builtin = npri_builtin_find(module, name, arity);
    if (builtin != NULL) {
        run_builtin(&evaluation, builtin);
        return;
    }
    function = npri_exports_find(&draft->node->exports, module, name, arity);
    if (function != NULL) {
        launch(&evaluation, function);
    } else {
        npri_evaluation_raise(&evaluation, "undef");
    }
}

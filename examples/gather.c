/* gather.c - a process that asks several others at once, without waiting for any, and answers its
 * own caller when it has heard from all: prints the squares of 1 to 5, added up: 55. */
#include <stdio.h>

#include "nprocreg/nprocreg.h"

/* ---- What is asked: {square,N}.  A fresh process for each, which ends when it has answered. */

static npr_status square(struct npr_process *self,
                         void *state,
                         const struct npr_from *from,
                         struct npr_term request)
{
    struct npr_builder *built = npr_scratch(self);
    struct npr_term term;
    npr_status status;
    int64_t n;

    (void)state;
    if (!NPR_MATCH(request, "{square,~i}", &n)) {
        return NPR_EINVAL;
    }
    NPR_BUILD(built, "~i", n * n);
    status = npr_builder_finish(built, &term, NULL);
    if (status == NPR_OK) {
        status = npr_reply(self, from, term);
    }
    built = npr_scratch(self);
    NPR_BUILD(built, "normal");
    return status == NPR_OK && npr_builder_finish(built, &term, NULL) == NPR_OK
               ? npr_stop(self, term)
               : NPR_ENOMEM;
}

static const struct npr_behaviour squarer = {.struct_size = sizeof(struct npr_behaviour),
                                             .call = square};

/* ---- Who asks: {sum,N}. */

struct gatherer {
    struct npr_caller *caller; /* who is to be answered; NULL: nobody */
    int64_t sum;
    unsigned missing; /* answers */
};

static npr_status ask(struct npr_process *self, int64_t n)
{
    const struct npr_spawn spawn = {.behaviour = &squarer, .function = "gather:squarer"};
    struct npr_builder *built = npr_scratch(self);
    struct npr_term request;
    struct npr_pid pid;
    npr_status status = npr_spawn(self, &spawn, &pid, NULL);

    NPR_BUILD(built, "{square,~i}", n);
    if (status == NPR_OK) {
        status = npr_builder_finish(built, &request, NULL);
    }
    return status == NPR_OK ? npr_call(self, &pid, request, 5000, NULL) : status;
}

static npr_status gatherer_call(struct npr_process *self,
                                void *state,
                                const struct npr_from *from,
                                struct npr_term request)
{
    struct gatherer *gatherer = state;
    npr_status status = NPR_OK;
    int64_t count;

    if (!NPR_MATCH(request, "{sum,~i}", &count) || count < 1 || gatherer->caller != NULL) {
        return NPR_EINVAL;
    }
    gatherer->caller = npr_caller_create(from);
    if (gatherer->caller == NULL) {
        return NPR_ENOMEM;
    }
    for (int64_t n = 1; n <= count && status == NPR_OK; n++) {
        status = ask(self, n);
        gatherer->missing++;
    }
    return status;
}

/* Runs once for each npr_call(), whatever came of it. */
static npr_status gatherer_answer(struct npr_process *self,
                                  void *state,
                                  const struct npr_answer *answer)
{
    struct gatherer *gatherer = state;
    struct npr_builder *built;
    struct npr_term reply;
    npr_status status;
    int64_t value;

    if (answer->status != NPR_OK || !npr_term_get_int64(answer->term, &value)) {
        return NPR_EIO; /* who waits for the sum hears {error,eio} */
    }
    gatherer->sum += value;
    if (--gatherer->missing > 0) {
        return NPR_OK;
    }
    built = npr_scratch(self);
    NPR_BUILD(built, "~i", gatherer->sum);
    status = npr_builder_finish(built, &reply, NULL);
    if (status == NPR_OK) {
        status = npr_reply(self, npr_caller_from(gatherer->caller), reply);
    }
    npr_caller_destroy(gatherer->caller);
    *gatherer = (struct gatherer){.caller = NULL};
    return status;
}

static void gatherer_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    (void)self;
    (void)reason;
    npr_caller_destroy(((struct gatherer *)state)->caller);
}

static const struct npr_behaviour gatherer = {.struct_size = sizeof(struct npr_behaviour),
                                              .state_bytes = sizeof(struct gatherer),
                                              .call = gatherer_call,
                                              .answer = gatherer_answer,
                                              .terminate = gatherer_terminate};

/* ---- The program. */

static npr_status run(struct npr_node *node, struct npr_builder *reply, struct npr_error *err)
{
    const struct npr_spawn spawn = {.behaviour = &gatherer, .function = "gather:start"};
    struct npr_builder *built = npr_builder_create();
    struct npr_address to = {.name = NULL};
    struct npr_term request;
    npr_status status = built == NULL ? NPR_ENOMEM : npr_node_spawn(node, &spawn, &to.pid, err);

    if (status == NPR_OK) {
        NPR_BUILD(built, "{sum,~i}", 5);
        status = npr_builder_finish(built, &request, err);
    }
    if (status == NPR_OK) {
        status = npr_node_call(node, &to, request, 5000, reply, err);
    }
    npr_builder_destroy(built);
    return status;
}

int main(void)
{
    struct npr_node_options options = NPR_NODE_OPTIONS_INIT;
    struct npr_error err = {.status = NPR_ENOMEM, .text = "out of memory"};
    struct npr_builder *reply = npr_builder_create();
    struct npr_node *node = NULL;
    struct npr_term sum;
    npr_status status = NPR_ENOMEM;
    int64_t value = 0;

    options.name = "gather@127.0.0.1";
    options.cookie = "secret";
    options.listen = "127.0.0.1:0";
    if (reply != NULL) {
        status = npr_node_start(&options, &node, &err);
    }
    if (status == NPR_OK) {
        status = run(node, reply, &err);
    }
    if (status == NPR_OK) {
        status = npr_builder_finish(reply, &sum, &err);
    }
    if (status == NPR_OK && npr_term_get_int64(sum, &value)) {
        (void)printf("%lld\n", (long long)value);
    } else {
        (void)fprintf(stderr, "gather: %s\n", err.text);
    }
    npr_node_stop(node);
    npr_builder_destroy(reply);
    return status == NPR_OK ? 0 : 1;
}

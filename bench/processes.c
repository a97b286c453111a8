/* Starts, messages and calls between processes of one node: how many in a second.
 *
 *      processes spawn N         one process starts N others, each of which ends at once
 *      processes watched N       the same one after the other, waiting for each one's DOWN
 *      processes flood N         one process sends N messages to another
 *      processes call N          one process calls another N times
 *      processes call64 N        64 processes call another N times in all
 *
 * Prints one line: the work, and millions of it in a second.  bench/run compares them with
 * Erlang's, which does the same (bench/bench_peer.erl). */
#include <inttypes.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <nprocreg/nprocreg.h>

/* What a sender does before others have their turn. */
#define BATCH 1000u

static uint64_t work; /* written before the processes are made */
static sem_t done;

/* ---- Processes that end at once. */

static npr_status mayfly_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct npr_builder *built = npr_scratch(self);
    struct npr_term normal;

    (void)state;
    (void)args;
    npr_build_atom(built, "normal");
    return npr_builder_finish(built, &normal, NULL) == NPR_OK ? npr_stop(self, normal) : NPR_ENOMEM;
}

static const struct npr_behaviour mayfly_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                      .init = mayfly_init};

struct parent {
    uint64_t left;
};

static npr_status parent_go_on(struct npr_process *self)
{
    struct npr_builder *built = npr_scratch(self);
    struct npr_term term;

    npr_build_nil(built);
    return npr_builder_finish(built, &term, NULL) == NPR_OK ? npr_continue(self, term) : NPR_ENOMEM;
}

static npr_status parent_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)args;
    ((struct parent *)state)->left = work;
    return parent_go_on(self);
}

static npr_status parent_resume(struct npr_process *self, void *state, struct npr_term term)
{
    struct parent *parent = state;
    const struct npr_spawn spawn = {.behaviour = &mayfly_behaviour, .function = "bench:mayfly"};

    (void)term;
    for (unsigned i = 0; i < BATCH && parent->left > 0; i++, parent->left--) {
        const npr_status status = npr_spawn(self, &spawn, NULL, NULL);

        if (status != NPR_OK) {
            return status;
        }
    }
    if (parent->left > 0) {
        return parent_go_on(self);
    }
    (void)sem_post(&done);
    return NPR_OK;
}

static const struct npr_behaviour parent_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                      .state_bytes = sizeof(struct parent),
                                                      .init = parent_init,
                                                      .resume = parent_resume};

static npr_status watcher_next(struct npr_process *self, struct parent *parent)
{
    const struct npr_spawn spawn = {
        .behaviour = &mayfly_behaviour, .function = "bench:mayfly", .monitor = true};

    if (parent->left-- == 0) {
        (void)sem_post(&done);
        return NPR_OK;
    }
    return npr_spawn(self, &spawn, NULL, NULL);
}

static npr_status watcher_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)args;
    ((struct parent *)state)->left = work;
    return watcher_next(self, state);
}

static npr_status watcher_info(struct npr_process *self, void *state, struct npr_term message)
{
    (void)message; /* a DOWN: nobody else writes here */
    return watcher_next(self, state);
}

static const struct npr_behaviour watcher_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                       .state_bytes = sizeof(struct parent),
                                                       .init = watcher_init,
                                                       .info = watcher_info};

/* ---- A flood. */

struct sink {
    uint64_t count;
};

static npr_status sink_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct sink *sink = state;
    struct npr_term parts[2];
    int64_t value;

    (void)self;
    if (!npr_term_get_tuple(message, 2, parts) || !npr_term_get_int64(parts[1], &value)) {
        return NPR_EINVAL;
    }
    if (++sink->count == work) {
        (void)sem_post(&done);
    }
    return NPR_OK;
}

static const struct npr_behaviour sink_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                    .state_bytes = sizeof(struct sink),
                                                    .info = sink_info};

struct source {
    uint64_t left;
    struct npr_pid to;
};

static npr_status source_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct source *source = state;
    const struct npr_spawn spawn = {.behaviour = &sink_behaviour, .function = "bench:sink"};
    const npr_status status = npr_spawn(self, &spawn, &source->to, NULL);

    (void)args;
    source->left = work;
    return status == NPR_OK ? parent_go_on(self) : status;
}

static npr_status source_send(struct npr_process *self, const struct source *source)
{
    struct npr_builder *built = npr_scratch(self);
    struct npr_term message;

    npr_build_tuple(built, 2);
    npr_build_atom(built, "add");
    npr_build_uint(built, source->left);
    return npr_builder_finish(built, &message, NULL) == NPR_OK
               ? npr_send(self, &source->to, message)
               : NPR_ENOMEM;
}

static npr_status source_resume(struct npr_process *self, void *state, struct npr_term term)
{
    struct source *source = state;

    (void)term;
    for (unsigned i = 0; i < BATCH && source->left > 0; i++, source->left--) {
        const npr_status status = source_send(self, source);

        if (status != NPR_OK) {
            return status;
        }
    }
    return source->left > 0 ? parent_go_on(self) : NPR_OK;
}

static const struct npr_behaviour source_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                      .state_bytes = sizeof(struct source),
                                                      .init = source_init,
                                                      .resume = source_resume};

/* ---- Calls. */

#define CALLERS_MAX 64u

static npr_status server_call(struct npr_process *self,
                              void *state,
                              const struct npr_from *from,
                              struct npr_term request)
{
    struct npr_term parts[2];

    (void)state;
    return npr_term_get_tuple(request, 2, parts) ? npr_reply(self, from, parts[1]) : NPR_EINVAL;
}

static const struct npr_behaviour server_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                      .call = server_call};

static struct npr_pid server; /* written before the callers are made */
static atomic_uint callers_left;

struct caller {
    uint64_t left;
};

static npr_status caller_next(struct npr_process *self, struct caller *caller)
{
    struct npr_builder *built = npr_scratch(self);
    struct npr_term request;

    if (caller->left == 0) {
        if (atomic_fetch_sub(&callers_left, 1) == 1) {
            (void)sem_post(&done);
        }
        return NPR_OK;
    }
    npr_build_tuple(built, 2);
    npr_build_atom(built, "add");
    npr_build_uint(built, caller->left);
    return npr_builder_finish(built, &request, NULL) == NPR_OK
               ? npr_call(self, &server, request, 5000, NULL)
               : NPR_ENOMEM;
}

static npr_status caller_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct caller *caller = state;

    (void)args;
    caller->left = work / atomic_load(&callers_left);
    return parent_go_on(self);
}

static npr_status caller_resume(struct npr_process *self, void *state, struct npr_term term)
{
    (void)term;
    return caller_next(self, state);
}

static npr_status caller_answer(struct npr_process *self,
                                void *state,
                                const struct npr_answer *answer)
{
    struct caller *caller = state;
    uint64_t value;

    if (answer->status != NPR_OK || !npr_term_get_uint64(answer->term, &value) ||
        value != caller->left) {
        return NPR_EINVAL;
    }
    caller->left--;
    return caller_next(self, caller);
}

static const struct npr_behaviour caller_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                      .state_bytes = sizeof(struct caller),
                                                      .init = caller_init,
                                                      .resume = caller_resume,
                                                      .answer = caller_answer};

static npr_status spawn_callers(struct npr_process *self, unsigned count)
{
    const struct npr_spawn spawn = {.behaviour = &caller_behaviour, .function = "bench:caller"};
    const struct npr_spawn serve = {.behaviour = &server_behaviour, .function = "bench:server"};
    npr_status status = npr_spawn(self, &serve, &server, NULL);

    atomic_store(&callers_left, count);
    for (unsigned i = 0; status == NPR_OK && i < count; i++) {
        status = npr_spawn(self, &spawn, NULL, NULL);
    }
    return status;
}

static npr_status one_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)state;
    (void)args;
    return spawn_callers(self, 1);
}

static npr_status many_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)state;
    (void)args;
    return spawn_callers(self, CALLERS_MAX);
}

static const struct npr_behaviour one_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                   .init = one_init};
static const struct npr_behaviour many_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                    .init = many_init};

/* ---- Running one of them. */

static double seconds_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int measure(const char *name, const struct npr_behaviour *behaviour)
{
    struct npr_node_options options = NPR_NODE_OPTIONS_INIT;
    const struct npr_spawn spawn = {.behaviour = behaviour, .function = "bench:main"};
    struct npr_node *node;
    struct npr_error err;
    double began;
    double ended;

    options.name = "bench@127.0.0.1";
    options.cookie = "bench";
    options.listen = "127.0.0.1:0";
    if (npr_node_start(&options, &node, &err) != NPR_OK) {
        (void)fprintf(stderr, "processes: %s\n", err.text);
        return 1;
    }
    began = seconds_now();
    if (npr_node_spawn(node, &spawn, NULL, &err) != NPR_OK) {
        (void)fprintf(stderr, "processes: %s\n", err.text);
        npr_node_stop(node);
        return 1;
    }
    while (sem_wait(&done) != 0) {
    }
    ended = seconds_now();
    npr_node_stop(node);
    (void)printf("%s %.3f\n", name, (double)work / (ended - began) / 1e6);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        const struct npr_behaviour *behaviour;
    } works[] = {{"spawn", &parent_behaviour},
                 {"watched", &watcher_behaviour},
                 {"flood", &source_behaviour},
                 {"call", &one_behaviour},
                 {"call64", &many_behaviour}};

    work = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    (void)sem_init(&done, 0, 0);
    for (size_t i = 0; work > 0 && i < sizeof(works) / sizeof(works[0]); i++) {
        if (strcmp(argv[1], works[i].name) == 0) {
            return measure(works[i].name, works[i].behaviour);
        }
    }
    (void)fprintf(stderr, "usage: processes spawn|watched|flood|call|call64 COUNT\n");
    return 2;
}

#include "complete.h"

#include "fail.h"

#define DEPTH_MAX 1000u

struct copying {
    struct session *session;
    struct npr_builder *out;
    struct npr_error *err;
    unsigned depth;
};

static npr_status copy(struct copying *copying, struct npr_term term);

static npr_status copy_elements(struct copying *copying, struct npr_term_walk *walk)
{
    struct npr_term element;
    npr_status status = NPR_OK;

    while (status == NPR_OK && npr_term_next(walk, &element)) {
        status = copy(copying, element);
    }
    if (status == NPR_OK && npr_term_tail(walk, &element)) {
        status = copy(copying, element);
    }
    return status;
}

/* A list is written with its length in front. */
static uint32_t list_length(struct npr_term_walk walk)
{
    struct npr_term element;
    uint32_t length = 0;

    while (npr_term_next(&walk, &element)) {
        length++;
    }
    return length;
}

static npr_status copy_pid(struct copying *copying, struct npr_term term)
{
    struct npr_pid pid;
    npr_status status;

    (void)npr_term_get_pid(term, &pid);
    status = npr_node_complete_pid(copying->session->node, &pid, session_left_ms(copying->session),
                                   copying->err);
    if (status == NPR_OK) {
        npr_build_pid(copying->out, &pid);
    }
    return status;
}

static npr_status copy(struct copying *copying, struct npr_term term)
{
    struct npr_term_walk walk;
    uint32_t count;
    npr_status status;

    if (npr_term_kind(term) == NPR_TERM_PID) {
        return copy_pid(copying, term);
    }
    if (npr_term_kind(term) == NPR_TERM_LIST && npr_term_list(term, &walk)) {
        npr_build_list(copying->out, list_length(walk));
    } else if (npr_term_tuple(term, &walk, &count)) {
        npr_build_tuple(copying->out, count);
    } else if (npr_term_map(term, &walk, &count)) {
        npr_build_map(copying->out, count);
    } else {
        npr_build_term(copying->out, term);
        return NPR_OK;
    }
    if (copying->depth == DEPTH_MAX) {
        return fail(copying->err, NPR_EINVAL, "the term is nested deeper than %u", DEPTH_MAX);
    }
    copying->depth++;
    status = copy_elements(copying, &walk);
    copying->depth--;
    return status;
}

npr_status complete_pids(struct session *session, struct input *input, struct npr_error *err)
{
    struct input completed = {.builder = npr_builder_create()};
    struct copying copying = {.session = session, .out = completed.builder, .err = err};
    npr_status status;

    if (completed.builder == NULL) {
        return fail(err, NPR_ENOMEM, "out of memory");
    }
    status = copy(&copying, input->term);
    if (status == NPR_OK) {
        status = npr_builder_finish(completed.builder, &completed.term, err);
    }
    if (status != NPR_OK) {
        input_close(&completed);
        return status;
    }
    input_close(input);
    *input = completed;
    return NPR_OK;
}

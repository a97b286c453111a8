/* erlang:process_info/1,2 (node/functions.h): the items of Erlang's that mean something here.
 *
 * Links and monitors are told by the process itself, at its next turn: as in Erlang, whoever asks
 * for them waits for it.  All else is figures, which are there at once. */
#include "base/alloc.h"
#include "base/limits.h"
#include "node/functions.h"
#include "node/launch.h"
#include "node/node.h"
#include "node/process_terms.h"
#include "term/write.h"

/* As long as erpc and rpc wait, less what the way back takes. */
#define TELL_MS         UINT64_C(4900)
#define NS_PER_MS       UINT64_C(1000000)
#define ITEMS_ASKED_MAX 16u /* of process_info/2 */

/* ---- Items. */

/* What is known of the process. */
struct known {
    struct npr_node *node;
    const struct npri_process_info *info;
    const struct npr_term *relations; /* links, monitors, monitored_by; NULL: not asked yet */
};

static void put_registered_name(const struct known *known, struct npri_buffer *out)
{
    struct npr_term_walk walk;
    struct npr_term name;
    struct npri_buffer list;

    npri_buffer_init(&list, 0);
    npri_put_process_names(known->node, known->info, &list);
    if (list.failed) {
        out->failed = true;
    } else if (npr_term_list(npri_buffer_term(&list), &walk) && npr_term_next(&walk, &name)) {
        npri_put_term(out, name);
    } else {
        npri_put_nil(out);
    }
    npri_buffer_fini(&list);
}

static void put_initial_call(const struct known *known, struct npri_buffer *out)
{
    npri_put_process_function(out, known->info->function);
}

static void put_status(const struct known *known, struct npri_buffer *out)
{
    npri_put_process_status(out, known->info->status);
}

static void put_queue_len(const struct known *known, struct npri_buffer *out)
{
    npri_put_uint(out, known->info->waiting);
}

static void put_links(const struct known *known, struct npri_buffer *out)
{
    npri_put_given(out, known->relations[0]);
}

static void put_monitors(const struct known *known, struct npri_buffer *out)
{
    npri_put_given(out, known->relations[1]);
}

static void put_monitored_by(const struct known *known, struct npri_buffer *out)
{
    npri_put_given(out, known->relations[2]);
}

/* The first ITEMS_AT_ONCE are what process_info/1 gives. */
static const struct item {
    const char *name;
    void (*put)(const struct known *known, struct npri_buffer *out);
} items[] = {
    {"registered_name", put_registered_name},
    {"initial_call", put_initial_call},
    {"status", put_status},
    {"message_queue_len", put_queue_len},
    {"links", put_links},
    {"monitors", put_monitors},
    {"monitored_by", put_monitored_by},
};
#define ITEMS_COUNT   (sizeof(items) / sizeof(items[0]))
#define ITEMS_AT_ONCE 4u

static const struct item *find_item(struct npr_term term)
{
    for (size_t i = 0; i < ITEMS_COUNT; i++) {
        if (npr_term_is_atom(term, items[i].name)) {
            return &items[i];
        }
    }
    return NULL;
}

/* Whether `asked` is an item or a list of them, and whether the process itself is to be asked. */
static bool check_items(struct npr_term asked, bool *out_relations)
{
    const struct item *item = find_item(asked);
    struct npr_term_walk walk;
    struct npr_term term;
    uint32_t count;

    *out_relations = item != NULL && item >= &items[ITEMS_AT_ONCE];
    if (item != NULL) {
        return true;
    }
    if (!npri_list_count(asked, &count) || count > ITEMS_ASKED_MAX ||
        !npr_term_list(asked, &walk)) {
        return false;
    }
    while (npr_term_next(&walk, &term)) {
        item = find_item(term);
        if (item == NULL) {
            return false;
        }
        *out_relations = *out_relations || item >= &items[ITEMS_AT_ONCE];
    }
    return true;
}

static void put_item(const struct known *known, const struct item *item, struct npri_buffer *out)
{
    npri_put_tuple(out, 2);
    npri_put_atom(out, item->name);
    item->put(known, out);
}

/* What was asked for, in the form of the question; check_items() has seen it. */
static void put_asked(const struct known *known, struct npr_term asked, struct npri_buffer *out)
{
    const struct item *item = find_item(asked);
    struct npr_term_walk walk;
    struct npr_term term;
    uint32_t count = 0;

    if (item != NULL) {
        if (item->put == put_registered_name && !known->info->named) {
            npri_put_nil(out); /* Erlang's one exception. */
        } else {
            put_item(known, item, out);
        }
        return;
    }
    (void)npri_list_count(asked, &count);
    if (count > 0) {
        npri_put_list(out, count);
    }
    if (npr_term_list(asked, &walk)) {
        while (npr_term_next(&walk, &term)) {
            put_item(known, find_item(term), out);
        }
    }
    npri_put_nil(out);
}

static void return_asked(struct npri_evaluation *evaluation,
                         struct npr_term asked,
                         const struct npri_process_info *info,
                         const struct npr_term *relations)
{
    const struct known known = {.node = evaluation->node, .info = info, .relations = relations};
    struct npri_buffer value;

    npri_buffer_init(&value, 0);
    put_asked(&known, asked, &value);
    npri_evaluation_return_built(evaluation, &value);
}

/* ---- What the process itself tells. */

/* The arguments of a kept evaluation: (Pid, Asked). */
static bool read_args(const struct npri_evaluation *evaluation, struct npr_term args[2])
{
    struct npr_term_walk walk;

    return npr_term_list(evaluation->apply.args, &walk) && npr_term_next(&walk, &args[0]) &&
           npr_term_next(&walk, &args[1]);
}

static void on_told(void *user, uint64_t number, const struct npri_outcome *outcome)
{
    struct npri_evaluation *evaluation = user;
    struct npri_process_info info;
    struct npr_term relations[3];
    struct npr_term args[2];

    (void)number;
    if (outcome->status == NPR_ENOPROC || outcome->status == NPR_EEXIT ||
        !read_args(evaluation, args) ||
        npri_process_find(evaluation->node, args[0], &info) != NPRI_FOUND) {
        npri_evaluation_return_atom(evaluation, "undefined");
    } else if (outcome->status == NPR_ETIMEDOUT) {
        npri_evaluation_fail(evaluation, NPR_ETIMEDOUT,
                             npr_bytes_of("the process has not come to tell its links and "
                                          "monitors: it is in a callback"));
    } else if (outcome->status != NPR_OK) {
        npri_evaluation_fail(evaluation, outcome->status, outcome->text);
    } else if (!npr_term_get_tuple(outcome->term, 3, relations)) {
        npri_evaluation_fail(evaluation, NPR_EFULL,
                             npr_bytes_of("it has too many links and monitors to tell of"));
    } else {
        return_asked(evaluation, args[1], &info, relations);
    }
}

static void ask_process(struct npri_evaluation *evaluation, struct npr_term pid)
{
    struct npr_node *node = evaluation->node;
    struct npri_evaluation *kept = npri_evaluation_keep(evaluation);
    npr_status status;

    if (kept == NULL) {
        return;
    }
    status =
        npri_question_tell(node,
                           &(struct npri_question_options){
                               .peer = node->name,
                               .deadline_ns = npri_loop_now_ns(node->loop) + TELL_MS * NS_PER_MS,
                               .done = on_told,
                               .user = kept},
                           pid);
    if (status != NPR_OK) {
        npri_evaluation_fail(kept, status, npr_bytes_of(npr_status_text(status)));
    }
}

/* ---- The functions. */

void npri_function_process_info_of(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    static const uint8_t nil[] = {106};
    const struct npr_term none = {.data = nil, .size = sizeof(nil)};
    const struct npr_term no_relations[] = {none, none, none}; /* of a built-in server */
    struct npri_process_info info;
    const enum npri_found found = npri_process_find(evaluation->node, args[0], &info);
    struct npr_pid pid;
    bool relations;

    if (found == NPRI_FOUND_BADARG || !check_items(args[1], &relations)) {
        npri_evaluation_raise(evaluation, "badarg");
    } else if (found == NPRI_FOUND_DEAD) {
        npri_evaluation_return_atom(evaluation, "undefined");
    } else if (relations && npr_term_get_pid(args[0], &pid) &&
               !npri_service_is(evaluation->node, &pid)) {
        ask_process(evaluation, args[0]);
    } else {
        return_asked(evaluation, args[1], &info, no_relations);
    }
}

void npri_function_process_info(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    struct npri_process_info info;
    const struct known known = {.node = evaluation->node, .info = &info};
    struct npri_buffer value;
    size_t first;

    switch (npri_process_find(evaluation->node, args[0], &info)) {
    case NPRI_FOUND_BADARG:
        npri_evaluation_raise(evaluation, "badarg");
        return;
    case NPRI_FOUND_DEAD:
        npri_evaluation_return_atom(evaluation, "undefined");
        return;
    case NPRI_FOUND:
        break;
    }
    npri_buffer_init(&value, 0);
    first = info.named ? 0 : 1; /* No name, no item. */
    npri_put_list(&value, (uint32_t)(ITEMS_AT_ONCE - first));
    for (size_t i = first; i < ITEMS_AT_ONCE; i++) {
        put_item(&known, &items[i], &value);
    }
    npri_put_nil(&value);
    npri_evaluation_return_built(evaluation, &value);
}

/* nprocreg_native:keys/2 and count/2: this node's entries, a part at a time, for peers.
 *
 *     keys(Selector, Cursor)   ->  {ok, [{Key,Pid,Token}], Next} | {error, Status, Text}
 *     count(Selector, Cursor)  ->  {ok, Count, Next}             | {error, Status, Text}
 *
 * The first Cursor is 0; Next is the one for the next call, or `done`.  Nothing is kept in between.
 */
#include "core/select.h"
#include "node/failure.h"
#include "node/functions.h"
#include "node/node.h"
#include "term/write.h"

static void refuse(struct npri_evaluation *evaluation, const struct npr_error *error)
{
    struct npri_buffer value;

    npri_buffer_init(&value, 0);
    npri_put_error(&value, error->status, npr_bytes_of(error->text));
    npri_evaluation_return_built(evaluation, &value);
}

static void put_next(struct npri_buffer *value, uint64_t cursor)
{
    if (cursor == 0) {
        npri_put_atom(value, "done");
    } else {
        npri_put_uint(value, cursor);
    }
}

static void answer(struct npri_evaluation *evaluation, const struct npr_term *args, bool count_only)
{
    const struct npri_core *core = evaluation->node->registry.core;
    struct npri_select *select = NULL;
    struct npr_error error = {0};
    struct npri_buffer entries;
    struct npri_buffer value;
    uint64_t cursor = 0;
    uint32_t count;

    if (!npr_term_get_uint64(args[1], &cursor)) {
        error.status = NPR_EINVAL;
    } else {
        error.status = npri_select_create(args[0], &select, &error);
    }
    if (error.status != NPR_OK) {
        refuse(evaluation, &error);
        return;
    }
    npri_buffer_init(&entries, 0);
    npri_buffer_init(&value, 0);
    count = npri_core_put_page(core, select, &cursor, count_only ? NULL : &entries);
    npri_put_tuple(&value, 3);
    npri_put_atom(&value, "ok");
    if (count_only) {
        npri_put_uint(&value, count);
    } else {
        npri_put_list_of(&value, count, &entries);
    }
    put_next(&value, cursor);
    npri_evaluation_return_built(evaluation, &value);
    npri_buffer_fini(&entries);
    npri_select_destroy(select);
}

void npri_function_native_keys(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    answer(evaluation, args, false);
}

void npri_function_native_count(struct npri_evaluation *evaluation, const struct npr_term *args)
{
    answer(evaluation, args, true);
}

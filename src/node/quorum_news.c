#include "node/quorum_news.h"

#include "core/select.h"
#include "node/node.h"
#include "node/router.h"
#include "term/write.h"

static void tell_one(struct npr_node *node, struct npr_term pid, struct npr_term message)
{
    struct npr_pid here;

    if (npr_term_get_pid(pid, &here) && npr_node_name_equal(&here.node, &node->name)) {
        (void)npri_router_send(
            node, &(struct npri_signal){.kind = NPRI_SIGNAL_MESSAGE,
                                        .from = npri_service_pid(node, NPRI_SERVICE_CLIENT),
                                        .to = pid,
                                        .payload = message});
    }
}

/* {Key, Pid, Token}, one after the other. */
static void tell_page(struct npr_node *node, const struct npri_buffer *entries, uint32_t count)
{
    struct npri_buffer message = {0};
    struct npri_buffer list = {0};
    struct npr_term_walk walk;
    struct npr_term entry[3];
    struct npr_term item;

    npri_put_tuple(&message, 3);
    npri_put_atom(&message, "nprocreg");
    npri_put_atom(&message, "quorum");
    npri_put_atom(&message, node->quorum_news.regained ? "regained" : "lost");
    npri_put_list_of(&list, count, entries);
    if (!message.failed && !list.failed && npr_term_list(npri_buffer_term(&list), &walk)) {
        while (npr_term_next(&walk, &item)) {
            if (npr_term_get_tuple(item, 3, entry)) {
                tell_one(node, entry[1], npri_buffer_term(&message));
            }
        }
    }
    npri_buffer_fini(&message);
    npri_buffer_fini(&list);
}

static void on_timer(void *user)
{
    static const struct npri_select all = {.kind = NPRI_SELECT_ALL};
    struct npr_node *node = user;
    struct npri_quorum_news *news = &node->quorum_news;
    struct npri_buffer entries = {0};
    uint32_t count;

    npri_node_enter(node);
    count = npri_core_put_page(node->registry.core, &all, &news->cursor, &entries);
    tell_page(node, &entries, count);
    npri_buffer_fini(&entries);
    if (news->cursor != 0) {
        npri_timer_set(news->timer, npri_loop_now_ns(node->loop));
    }
    npri_node_leave(node);
}

npr_status npri_quorum_news_start(struct npr_node *node)
{
    node->quorum_news.timer = npri_timer_create(node->loop, on_timer, node);
    return node->quorum_news.timer == NULL ? NPR_ENOMEM : NPR_OK;
}

void npri_quorum_news_fini(struct npr_node *node)
{
    npri_timer_destroy(node->quorum_news.timer);
}

void npri_quorum_news_tell(struct npr_node *node, bool regained)
{
    node->quorum_news.regained = regained;
    node->quorum_news.cursor = 0;
    npri_timer_set(node->quorum_news.timer, npri_loop_now_ns(node->loop));
}

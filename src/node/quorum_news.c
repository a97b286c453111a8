#include "node/quorum_news.h"

#include "node/node.h"
#include "runtime/runtime.h"
#include "term/write.h"

/* {nprocreg, quorum, lost | regained} to those of one part of the table. */
static npr_status tell_part(struct npr_node *node, const struct npri_quorum_news *news)
{
    struct npri_buffer message = {0};
    npr_status status = NPR_ENOMEM;

    npri_put_tuple(&message, 3);
    npri_put_atom(&message, "nprocreg");
    npri_put_atom(&message, "quorum");
    npri_put_atom(&message, news->regained ? "regained" : "lost");
    if (!message.failed) {
        status =
            npri_runtime_tell_registered(node->runtime, news->part, npri_buffer_term(&message));
    }
    npri_buffer_fini(&message);
    return status;
}

static void on_timer(void *user)
{
    struct npr_node *node = user;
    struct npri_quorum_news *news = &node->quorum_news;

    npri_node_enter(node);
    if (tell_part(node, news) != NPR_OK) {
        npri_node_log(node, NPR_LOG_WARNING, "quorum_not_told reason=\"no memory\"");
    }
    news->part++;
    if (news->part < NPRI_RUNTIME_PARTS) {
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
    node->quorum_news.part = 0;
    npri_timer_set(node->quorum_news.timer, npri_loop_now_ns(node->loop));
}

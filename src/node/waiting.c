#include "node/waiting.h"

#include "base/alloc.h"

void npri_waiting_fini(struct npri_waiting *waiting)
{
    struct npri_waiting_message *message = npri_waiting_take(waiting);

    while (message != NULL) {
        npri_waiting_message_free(message);
        message = npri_waiting_take(waiting);
    }
}

void npri_waiting_message_free(struct npri_waiting_message *message)
{
    npri_free(message);
}

/* The terms of a control message, so that one loop can serve them all. */
#define CONTROL_TERMS 8

static void control_terms(struct npri_control *control, struct npr_term *out[CONTROL_TERMS])
{
    out[0] = &control->from;
    out[1] = &control->to;
    out[2] = &control->ref;
    out[3] = &control->leader;
    out[4] = &control->mfa;
    out[5] = &control->options;
    out[6] = &control->result;
    out[7] = &control->payload;
}

bool npri_waiting_push(struct npri_waiting *waiting,
                       const struct npri_control *control,
                       size_t bytes_max)
{
    struct npri_control copy = *control;
    struct npr_term *terms[CONTROL_TERMS];
    struct npri_waiting_message *message;
    size_t bytes = sizeof(*message);
    uint8_t *at;

    control_terms(&copy, terms);
    for (size_t i = 0; i < CONTROL_TERMS; i++) {
        bytes += terms[i]->data == NULL ? 0 : terms[i]->size;
    }
    if (waiting->bytes > bytes_max || bytes > bytes_max - waiting->bytes) {
        return false;
    }
    message = npri_alloc(bytes);
    if (message == NULL) {
        return false;
    }
    at = message->terms;
    for (size_t i = 0; i < CONTROL_TERMS; i++) {
        if (terms[i]->data != NULL) {
            memcpy(at, terms[i]->data, terms[i]->size);
            terms[i]->data = at;
            at += terms[i]->size;
        }
    }
    message->next = NULL;
    message->bytes = bytes;
    message->control = copy;
    if (waiting->last == NULL) {
        waiting->first = message;
    } else {
        waiting->last->next = message;
    }
    waiting->last = message;
    waiting->bytes += bytes;
    return true;
}

struct npri_waiting_message *npri_waiting_take(struct npri_waiting *waiting)
{
    struct npri_waiting_message *message = waiting->first;

    if (message == NULL) {
        return NULL;
    }
    waiting->first = message->next;
    waiting->last = waiting->first == NULL ? NULL : waiting->last;
    waiting->bytes -= message->bytes;
    return message;
}

void npri_waiting_move(struct npri_waiting *to, struct npri_waiting *from)
{
    if (from->first == NULL) {
        return;
    }
    if (to->last == NULL) {
        to->first = from->first;
    } else {
        to->last->next = from->first;
    }
    to->last = from->last;
    to->bytes += from->bytes;
    *from = (struct npri_waiting){.first = NULL};
}

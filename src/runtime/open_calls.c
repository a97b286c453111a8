#include "runtime/open_calls.h"

#include "base/alloc.h"
#include "base/assert.h"

#define PLACES_COUNT_MIN 8u

/* Fibonacci hashing, which spreads numbers that follow each other. */
static uint32_t place_of(const struct npri_open_calls *calls, uint32_t number)
{
    return (number * UINT32_C(2654435769) >> 7) & calls->mask;
}

void npri_open_calls_fini(struct npri_open_calls *calls)
{
    npri_free(calls->places);
    *calls = (struct npri_open_calls){.last_number = calls->last_number};
}

static void put(struct npri_open_calls *calls, const struct npri_open_call *call)
{
    uint32_t at = place_of(calls, call->number);

    while (calls->places[at].number != 0) {
        at = (at + 1) & calls->mask;
    }
    calls->places[at] = *call;
}

bool npri_open_calls_reserve(struct npri_open_calls *calls)
{
    const uint32_t places_count = calls->places == NULL ? 0 : calls->mask + 1;
    struct npri_open_calls grown = *calls;

    if (2 * (calls->count + 1) <= places_count) { /* at most half full: short ways */
        return true;
    }
    grown.mask = (places_count == 0 ? PLACES_COUNT_MIN : 2 * places_count) - 1;
    grown.places = npri_alloc_zeroed((size_t)grown.mask + 1, sizeof(struct npri_open_call));
    if (grown.places == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < places_count; i++) {
        if (calls->places[i].number != 0) {
            put(&grown, &calls->places[i]);
        }
    }
    npri_free(calls->places);
    *calls = grown;
    return true;
}

/* Where the call of that number is, or the free place that ends the search for it. */
static uint32_t find(const struct npri_open_calls *calls, uint32_t number)
{
    uint32_t at = place_of(calls, number);

    while (calls->places[at].number != 0 && calls->places[at].number != number) {
        at = (at + 1) & calls->mask;
    }
    return at;
}

uint32_t npri_open_calls_number(struct npri_open_calls *calls)
{
    do {
        calls->last_number =
            calls->last_number == NPRI_CALL_NUMBER_MAX ? 1 : calls->last_number + 1;
    } while (calls->places[find(calls, calls->last_number)].number != 0);
    return calls->last_number;
}

void npri_open_calls_add(struct npri_open_calls *calls, const struct npri_open_call *call)
{
    NPRI_ASSERT(call->number != 0 && calls->count <= calls->mask / 2);
    put(calls, call);
    calls->count++;
}

/* Frees the place, and moves up those behind it that it was in the way of. */
static void remove_at(struct npri_open_calls *calls, uint32_t hole)
{
    uint32_t at = hole;

    for (;;) {
        uint32_t wanted;

        at = (at + 1) & calls->mask;
        if (calls->places[at].number == 0) {
            break;
        }
        wanted = place_of(calls, calls->places[at].number);
        if (((at - wanted) & calls->mask) >= ((at - hole) & calls->mask)) {
            calls->places[hole] = calls->places[at];
            hole = at;
        }
    }
    calls->places[hole].number = 0;
    calls->count--;
}

bool npri_open_calls_take(struct npri_open_calls *calls,
                          uint32_t number,
                          struct npri_open_call *out)
{
    uint32_t at;

    if (calls->count == 0 || number == 0) {
        return false;
    }
    at = find(calls, number);
    if (calls->places[at].number != number) {
        return false;
    }
    *out = calls->places[at];
    remove_at(calls, at);
    return true;
}

/* What removing moves comes from behind the hole, and so is not passed by unseen. */
bool npri_open_calls_take_overdue(struct npri_open_calls *calls,
                                  struct npri_open_calls_walk *walk,
                                  uint64_t now_ns,
                                  struct npri_open_call *out)
{
    if (walk->mask != calls->mask) {
        *walk = (struct npri_open_calls_walk){.mask = calls->mask};
    }
    for (; calls->count != 0 && walk->at <= calls->mask; walk->at++) {
        const struct npri_open_call *call = &calls->places[walk->at];

        if (call->number != 0 && call->deadline_ns <= now_ns) {
            *out = *call;
            remove_at(calls, walk->at);
            return true;
        }
    }
    return false;
}

uint64_t npri_open_calls_deadline_ns(const struct npri_open_calls *calls)
{
    uint64_t first_ns = UINT64_MAX;

    for (uint32_t i = 0; calls->count != 0 && i <= calls->mask; i++) {
        const struct npri_open_call *call = &calls->places[i];

        if (call->number != 0 && call->deadline_ns < first_ns) {
            first_ns = call->deadline_ns;
        }
    }
    return first_ns;
}

/* verdict.c - book.h: what is in the book is judged. */
#include "book_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)
#define QUORUM_NOTICED_NS                                                                          \
    (3 * UINT64_C(1000000000)) /* node_timeout: so late at most do others take them for lost */
#define AFTER_WARD_NS (15 * UINT64_C(1000000000)) /* allowance after the machine stalled a node */

bool book_is_single(const struct book *book)
{
    for (uint32_t key = 0; key < book->keys_count; key++) {
        if (book->live_counts[key] > 1) {
            return false;
        }
    }
    return true;
}

bool book_lived(const struct book *book,
                uint32_t key,
                const char *pid,
                uint64_t from_ns,
                uint64_t to_ns)
{
    const size_t index = book_find_life(book, pid);

    if (index ==
        SIZE_MAX) { /* Originals do not know their keys: they tell with the first request. */
        for (unsigned node = 0; node < BOOK_NODES_MAX; node++) {
            const size_t size = strlen(book->names[node]);

            if (book->original[node] && strncmp(pid, book->names[node], size) == 0 &&
                pid[size] == '.') {
                return true;
            }
        }
        return false;
    }
    return book->lives[index].key == key && book->lives[index].start_ns <= to_ns &&
           book->lives[index].end_ns >= from_ns;
}

bool book_has(const struct book *book,
              uint32_t key,
              uint32_t nodes,
              uint64_t from_ns,
              uint64_t to_ns)
{
    for (size_t i = 0; i < book->lives_count; i++) {
        const struct life *life = &book->lives[i];

        if (life->key == key && (nodes & 1U << life->node) != 0 && life->start_ns < from_ns &&
            life->end_ns > to_ns) {
            return true;
        }
    }
    return false;
}

/* There is one: the harness tells of a node before it starts it. */
const struct era *book_era_at(const struct book *book, uint64_t at_ns)
{
    size_t low = 0;
    size_t high = book->eras_count;

    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;

        if (book->eras[middle].from_ns <= at_ns) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &book->eras[low];
}

/* ---- One process. */

bool book_stalled_then(const struct book *book, unsigned node, uint64_t from_ns, uint64_t to_ns)
{
    for (size_t i = 0; i < book->stops_count; i++) {
        const struct stop *stop = &book->stops[i];

        if (stop->node == node && !stop->by_harness && from_ns >= stop->from_ns &&
            to_ns <= stop->to_ns + AFTER_WARD_NS) {
            return true;
        }
    }
    return false;
}

static bool apart_then(const struct book *book,
                       unsigned a,
                       unsigned b,
                       uint64_t from_ns,
                       uint64_t to_ns)
{
    const struct era *last = &book->eras[book->eras_count - 1];

    for (const struct era *era = book_era_at(book, from_ns); era <= last && era->from_ns < to_ns;
         era++) {
        if ((era->apart[a] & 1U << b) == 0) {
            return book_stalled_then(book, a, from_ns, to_ns) ||
                   book_stalled_then(book, b, from_ns, to_ns);
        }
    }
    return true;
}

static void judge_pair(struct book *book,
                       const struct life *first,
                       const struct life *second,
                       uint64_t now_ns)
{
    const uint64_t from_ns = second->start_ns;
    uint64_t to_ns = first->end_ns < second->end_ns ? first->end_ns : second->end_ns;

    to_ns = to_ns == LIVE_NS ? now_ns : to_ns;
    if (from_ns >= to_ns) {
        return;
    }
    if (book->original[first->node] || book->original[second->node]) {
        book->figures.original_pairs++;
        return;
    }
    if (first->node != second->node &&
        apart_then(book, first->node, second->node, from_ns, to_ns)) {
        book->figures.allowed_pairs++;
        return;
    }
    book_fault(book,
               "key %" PRIu32 " had two processes for %" PRIu64
               " ms from %.3f s on: %s (token %" PRIu64 ") and %s (token %" PRIu64 ")",
               first->key, (to_ns - from_ns) / NS_PER_MS,
               (double)(from_ns - book->eras[0].from_ns) / 1e9, first->pid, first->token,
               second->pid, second->token);
}

/* ---- Tokens. */

/* Some native node (originals know no tokens), in the same run, was in one settled side with the
 * first when it was started, and with the second. */
static bool have_witness(const struct book *book,
                         const struct life *first,
                         const struct life *second)
{
    const struct era *then = book_era_at(book, first->start_ns);
    const struct era *later = book_era_at(book, second->start_ns);
    const uint32_t both = then->together[first->node] & later->together[second->node];

    for (unsigned node = 0; node < BOOK_NODES_MAX; node++) {
        if (!book->original[node] && (both & 1U << node) != 0 && then->runs[node] != 0 &&
            then->runs[node] == later->runs[node]) {
            return true;
        }
    }
    return false;
}

/* With a quorum of more than half, any two sides that start anything have so many nodes in common,
 * at the least; one that has run ever since is a witness, whichever it is. */
static bool quorum_has_witness(const struct book *book,
                               const struct life *first,
                               const struct life *second)
{
    const struct era *then = book_era_at(book, first->start_ns);
    const struct era *later = book_era_at(book, second->start_ns);
    uint32_t natives = 0;
    uint32_t restarted = 0;

    for (unsigned node = 0; node < BOOK_NODES_MAX; node++) {
        if (book->names[node][0] != '\0' && !book->original[node]) {
            natives++;
            restarted += then->runs[node] == 0 || then->runs[node] != later->runs[node] ? 1 : 0;
        }
    }
    return book->quorum * 2 > natives + restarted;
}

static void judge_tokens(struct book *book, const struct life *first, const struct life *second)
{
    if (first->token == 0 || second->token == 0 || book->original[first->node] ||
        book->original[second->node] || second->token > first->token ||
        !(have_witness(book, first, second) || quorum_has_witness(book, first, second))) {
        return;
    }
    book_fault(book,
               "key %" PRIu32 ": %s (token %" PRIu64 ") was started after %s (token %" PRIu64 ")",
               first->key, second->pid, second->token, first->pid, first->token);
}

/* ---- The quorum. */

static uint32_t natives_of(const struct book *book, uint32_t side)
{
    uint32_t count = 0;

    for (unsigned node = 0; node < BOOK_NODES_MAX; node++) {
        count += (side & 1U << node) != 0 && !book->original[node] ? 1 : 0;
    }
    return count;
}

/* A side with too few nodes starts nothing, once it can have noticed: before anybody else takes its
 * nodes for lost. */
static void judge_quorum(struct book *book, const struct life *life)
{
    const struct era *era = book_era_at(book, life->start_ns);
    uint64_t since_ns = life->start_ns;

    if (book->original[life->node]) {
        return;
    }
    for (; natives_of(book, era->side[life->node]) < book->quorum; era--) {
        since_ns = era->from_ns;
        if (era == book->eras) {
            break;
        }
    }
    if (life->start_ns - since_ns > QUORUM_NOTICED_NS &&
        !book_stalled_then(book, life->node, since_ns, life->start_ns)) {
        book_fault(book,
                   "%s was started although its side was too small for the quorum since %" PRIu64
                   " ms",
                   life->pid, (life->start_ns - since_ns) / NS_PER_MS);
    }
}

/* A place in the order in which they are judged. */
struct place {
    const struct life *life;
};

/* The last process of the key that handed its state over before this one was started, or NULL.
 * There are some lives at most between them, of two sides that could not see each other. */
static const struct life *giver_of(const struct place *places, size_t at)
{
    const struct life *life = places[at].life;
    const struct life *giver = NULL;

    for (size_t i = at; i-- > 0 && places[i].life->key == life->key;) {
        const struct life *other = places[i].life;

        if (other->gave && other->end_ns <= life->start_ns &&
            (giver == NULL || other->end_ns > giver->end_ns)) {
            giver = other;
        }
    }
    return giver;
}

/* A process that was handed a state begins with the count that its giver ended with; and one that
 * follows a giver has got its state, if the harness did nothing meanwhile. */
static void judge_handover(struct book *book, const struct place *places, size_t at)
{
    const struct life *life = places[at].life;
    const struct life *giver = giver_of(places, at);
    bool lost = false;

    if (life->given != 0 && (giver == NULL || giver->count != life->given)) {
        book_fault(book, "%s was handed %" PRId64 " requests over, and %s had done %" PRId64,
                   life->pid, life->given, giver == NULL ? "nobody" : giver->pid,
                   giver == NULL ? 0 : giver->count);
    }
    if (life->given == 0 && giver != NULL && giver->count != 0 && at > 0) {
        lost = giver == places[at - 1].life &&
               book_era_at(book, giver->end_ns) == book_era_at(book, life->start_ns);
    }
    if (lost) {
        book_fault(book, "%s was handed nothing over, and %s had done %" PRId64, life->pid,
                   giver->pid, giver->count);
    }
}

/* ---- Answers of a node that had been stopped. */

static bool replaced_meanwhile(const struct book *book,
                               const struct life *own,
                               const struct answer_after_stop *answer)
{
    const struct stop *stop = &book->stops[answer->stop];

    if (own->start_ns > stop->from_ns) {
        return false;
    }
    for (size_t i = 0; i < book->lives_count; i++) {
        const struct life *other = &book->lives[i];

        if (other->key == own->key && other->node != own->node && !book->original[other->node] &&
            other->start_ns > stop->from_ns && other->start_ns < stop->to_ns &&
            other->end_ns > answer->found_ns) {
            return true;
        }
    }
    return false;
}

static void judge_stale(struct book *book)
{
    for (size_t i = 0; i < book->after_stops_count; i++) {
        const struct answer_after_stop *answer = &book->after_stops[i];
        const size_t index = book_find_life(book, answer->pid);

        if (index != SIZE_MAX && !book->original[book->lives[index].node] &&
            replaced_meanwhile(book, &book->lives[index], answer)) {
            book_fault(
                book,
                "%s was given out %" PRIu64 " ms after its node went on, and had been replaced",
                answer->pid, (answer->found_ns - book->stops[answer->stop].to_ns) / NS_PER_MS);
        }
    }
}

/* ---- All. */

static int by_key_and_start(const void *a, const void *b)
{
    const struct life *first = ((const struct place *)a)->life;
    const struct life *second = ((const struct place *)b)->life;

    if (first->key != second->key) {
        return first->key < second->key ? -1 : 1;
    }
    if (first->start_ns != second->start_ns) {
        return first->start_ns < second->start_ns ? -1 : 1;
    }
    return 0;
}

static void judge_lives(struct book *book, uint64_t now_ns)
{
    struct place *places = calloc(book->lives_count + 1, sizeof(*places));

    if (places == NULL) {
        abort();
    }
    for (size_t i = 0; i < book->lives_count; i++) {
        places[i].life = &book->lives[i];
    }
    qsort(places, book->lives_count, sizeof(*places), by_key_and_start);
    for (size_t i = 1; i < book->lives_count; i++) {
        const struct life *life = places[i].life;

        for (size_t j = i; j-- > 0 && places[j].life->key == life->key;) {
            judge_pair(book, places[j].life, life, now_ns);
            judge_tokens(book, places[j].life, life);
        }
    }
    for (size_t i = 0; i < book->lives_count; i++) {
        judge_handover(book, places, i);
        judge_quorum(book, places[i].life);
    }
    free(places);
}

size_t book_judge(struct book *book, uint64_t now_ns, FILE *out)
{
    const size_t reported = book->faults_count;
    size_t faults;

    book->figures.allowed_pairs = 0;
    book->figures.original_pairs = 0;
    book->figures.stalls = 0;
    for (size_t i = 0; i < book->stops_count; i++) {
        book->figures.stalls += book->stops[i].by_harness ? 0 : 1;
    }
    judge_lives(book, now_ns);
    judge_stale(book);
    book_judge_losses(book);
    faults = book->faults_count;
    for (size_t i = 0; out != NULL && i < faults && i < FAULTS_KEPT; i++) {
        (void)fprintf(out, "FAULT: %s\n", book->faults[i]);
    }
    book->faults_count = reported; /* Those of the lives are found again the next time. */
    return faults;
}

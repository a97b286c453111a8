/* losses.c - book.h: processes that have lost their key to another, what they gave along, and what
 * was sent to them afterwards. */
#include "book_inside.h"

#include <inttypes.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)
/* For so long after the loss a call to the loser surely is passed on; promised are 5 s from the
 * moment on at which its process has ended, until the call has arrived. */
#define PASSED_ON_NS (4 * UINT64_C(1000000000))

/* ---- Reports. */

/* What is known of the loss of a process: of the two who report of it, either may come first. */
static struct loss *loss_of(struct book *book, const char *loser)
{
    struct loss *loss;

    for (size_t i = 0; i < book->losses_count; i++) {
        if (strcmp(book->losses[i].loser, loser) == 0) {
            return &book->losses[i];
        }
    }
    book->losses =
        book_grow(book->losses, book->losses_count, &book->losses_max, sizeof(*book->losses));
    loss = &book->losses[book->losses_count++];
    *loss = (struct loss){0};
    (void)snprintf(loss->loser, sizeof(loss->loser), "%s", loser);
    return loss;
}

bool book_lost_line(struct book *book, struct words *words)
{
    const uint64_t at_ns = words_u64(words);
    char pid[PID_BYTES_MAX];
    struct loss told = {0};
    struct loss *loss;
    size_t index;

    words_text(words, pid, sizeof(pid));
    words_text(words, told.winner, sizeof(told.winner));
    told.token = words_u64(words);
    told.count = words_i64(words);
    index = book_find_life(book, pid);
    if (!words_done(words) || index == SIZE_MAX) {
        return false;
    }
    loss = loss_of(book, pid);
    if (loss->at_ns != 0) {
        book_fault(book, "%s lost its key twice", pid);
        return true;
    }
    (void)snprintf(loss->winner, sizeof(loss->winner), "%s", told.winner);
    loss->at_ns = at_ns;
    loss->token = told.token;
    loss->count = told.count;
    book->lives[index].loss = (size_t)(loss - book->losses);
    book_end_life(book, &book->lives[index], at_ns);
    book->figures.losses++;
    return true;
}

bool book_took_line(struct book *book, struct words *words)
{
    char taker[PID_BYTES_MAX];
    char pid[PID_BYTES_MAX];
    struct loss *loss;
    int64_t count;

    (void)words_u64(words);
    words_text(words, taker, sizeof(taker));
    words_text(words, pid, sizeof(pid));
    count = words_i64(words);
    if (!words_done(words)) {
        return false;
    }
    loss = loss_of(book, pid);
    loss->taken++;
    loss->taken_count = count;
    (void)snprintf(loss->taker, sizeof(loss->taker), "%s", taker);
    return true;
}

bool book_told_line(struct book *book, struct words *words)
{
    char pid[PID_BYTES_MAX];
    char word[16];
    size_t index;

    (void)words_u64(words);
    words_text(words, pid, sizeof(pid));
    words_text(words, word, sizeof(word));
    index = book_find_life(book, pid);
    if (!words_done(words) || index == SIZE_MAX) {
        return false;
    }
    book->lives[index].told = strcmp(word, "lost") == 0 ? QUORUM_LOST : QUORUM_REGAINED;
    return true;
}

bool book_clung_line(struct book *book, struct words *words)
{
    struct refusal refusal = {.from_ns = words_u64(words), .to_ns = words_u64(words)};

    words_text(words, refusal.pid, sizeof(refusal.pid));
    words_text(words, refusal.status, sizeof(refusal.status));
    if (!words_done(words)) {
        return false;
    }
    book->refusals = book_grow(book->refusals, book->refusals_count, &book->refusals_max,
                               sizeof(*book->refusals));
    book->refusals[book->refusals_count++] = refusal;
    return true;
}

/* ---- What the harness waits for. */

/* Whether what it gave along must still arrive: nobody has disturbed its way, and the winner lives.
 */
static bool is_on_its_way(const struct book *book, const struct loss *loss)
{
    const size_t winner = book_find_life(book, loss->winner);
    const struct era *last = &book->eras[book->eras_count - 1];

    return loss->at_ns != 0 && loss->taken == 0 && winner != SIZE_MAX &&
           book->lives[winner].end_ns == LIVE_NS &&
           book_era_at(book, loss->at_ns)->act == last->act;
}

bool book_all_taken(const struct book *book, char *why, size_t why_size)
{
    for (size_t i = 0; i < book->losses_count; i++) {
        if (is_on_its_way(book, &book->losses[i])) {
            (void)snprintf(why, why_size, "what %s gave along has not come to %s",
                           book->losses[i].loser, book->losses[i].winner);
            return false;
        }
    }
    return true;
}

bool book_has_double(const struct book *book)
{
    for (size_t i = 0; i < book->lives_count; i++) {
        const struct life *first = &book->lives[i];

        for (size_t j = i + 1; first->end_ns == LIVE_NS && j < book->lives_count; j++) {
            const struct life *second = &book->lives[j];

            if (second->end_ns == LIVE_NS && second->key == first->key &&
                second->node != first->node) {
                return true;
            }
        }
    }
    return false;
}

size_t book_losers(const struct book *book, bool ended)
{
    size_t count = 0;

    for (size_t i = 0; i < book->losses_count; i++) {
        count += book->losses[i].at_ns != 0 && book->losses[i].ended == ended ? 1 : 0;
    }
    return count;
}

bool book_loss(const struct book *book, size_t index, struct book_loss *out)
{
    const struct life *life;

    if (index >= book->losses_count || book->losses[index].at_ns == 0) {
        return false;
    }
    life = &book->lives[book_find_life(book, book->losses[index].loser)];
    *out = (struct book_loss){
        .key = life->key, .loser_token = life->token, .winner_token = book->losses[index].token};
    (void)snprintf(out->loser, sizeof(out->loser), "%s", book->losses[index].loser);
    (void)snprintf(out->winner, sizeof(out->winner), "%s", book->losses[index].winner);
    return true;
}

size_t book_told(const struct book *book,
                 unsigned node,
                 uint64_t before_ns,
                 bool regained,
                 size_t *out_untold)
{
    const enum quorum_word word = regained ? QUORUM_REGAINED : QUORUM_LOST;
    size_t told = 0;

    *out_untold = 0;
    for (size_t i = 0; i < book->lives_count; i++) {
        const struct life *life = &book->lives[i];

        if (life->node == node && life->end_ns == LIVE_NS && life->start_ns < before_ns) {
            told += life->told == word ? 1 : 0;
            *out_untold += life->told == word ? 0 : 1;
        }
    }
    return told;
}

/* ---- Verdicts. */

static bool is_right_winner(const struct life *loser,
                            const struct life *winner,
                            const struct loss *loss)
{
    return winner->key == loser->key && winner->node != loser->node &&
           winner->token == loss->token &&
           (winner->token > loser->token ||
            (winner->token == loser->token && strcmp(winner->pid, loser->pid) > 0));
}

static void judge_loss(struct book *book, const struct loss *loss)
{
    const size_t loser = book_find_life(book, loss->loser);
    const size_t winner = book_find_life(book, loss->winner);
    const size_t taker = book_find_life(book, loss->taker);

    if (loss->at_ns == 0 || winner == SIZE_MAX) {
        book_fault(book, "%s got something along from %s, which has lost to '%s'", loss->taker,
                   loss->loser, loss->winner);
        return;
    }
    if (!is_right_winner(&book->lives[loser], &book->lives[winner], loss)) {
        book_fault(
            book, "%s (token %" PRIu64 ") lost its key to %s (token %" PRIu64 ", told %" PRIu64 ")",
            loss->loser, book->lives[loser].token, loss->winner, book->lives[winner].token,
            loss->token);
    }
    if (loss->taken > 1 || (loss->taken > 0 && loss->taken_count != loss->count)) {
        book_fault(book, "%s gave %" PRId64 " along, and %s got %" PRId64 ", %u times", loss->loser,
                   loss->count, loss->taker, loss->taken_count, loss->taken);
    }
    /* Another than the winner: the one that has its key by then. */
    if (loss->taken > 0 && strcmp(loss->taker, loss->winner) != 0 &&
        (taker == SIZE_MAX || book->lives[taker].key != book->lives[loser].key ||
         book->lives[winner].end_ns == LIVE_NS)) {
        book_fault(book, "%s lost to %s, and gave along to %s", loss->loser, loss->winner,
                   loss->taker);
    }
}

/* What is sent to a loser within its time is passed on, and answered by the winner, if nobody
 * disturbs its way and the winner lives on. */
static void judge_refusal(struct book *book, const struct refusal *refusal)
{
    const size_t index = book_find_life(book, refusal->pid);
    const struct loss *loss;
    size_t winner;

    if (index == SIZE_MAX || book->lives[index].loss == NO_LOSS) {
        return;
    }
    loss = &book->losses[book->lives[index].loss];
    winner = book_find_life(book, loss->winner);
    if (strcmp(refusal->status, "call-moved") == 0 || !loss->ended ||
        refusal->to_ns < loss->at_ns || refusal->from_ns > loss->at_ns + PASSED_ON_NS ||
        winner == SIZE_MAX || book->lives[winner].end_ns < refusal->to_ns ||
        book_era_at(book, refusal->from_ns)->act != book_era_at(book, refusal->to_ns)->act ||
        book_era_at(book, loss->at_ns)->act != book_era_at(book, refusal->to_ns)->act ||
        book_stalled_then(book, book->lives[index].node, refusal->from_ns, refusal->to_ns)) {
        return;
    }
    book_fault(
        book, "%s had lost its key to %s, which did not get a call to it, after %" PRId64 " ms: %s",
        loss->loser, loss->winner,
        ((int64_t)refusal->from_ns - (int64_t)loss->at_ns) / (int64_t)NS_PER_MS, refusal->status);
}

void book_judge_losses(struct book *book)
{
    for (size_t i = 0; i < book->losses_count; i++) {
        judge_loss(book, &book->losses[i]);
    }
    for (size_t i = 0; i < book->refusals_count; i++) {
        judge_refusal(book, &book->refusals[i]);
    }
}

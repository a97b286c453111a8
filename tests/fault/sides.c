/* sides.c - bed.h: what only some cases look at: a side without a quorum, and what becomes of the
 * processes that lose their keys when two sides meet. */
#include "bed_inside.h"
#include "report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX 65536

/* Asks again until it is so, for as long as the cluster may take to settle. */
static bool wait_until(struct bed *bed, bool (*is_so)(struct bed *bed, void *user), void *user)
{
    const uint64_t began_ns = report_now_ns();

    while (!is_so(bed, user)) {
        if (report_now_ns() > began_ns + bed->options.settle_ms * NS_PER_MS) {
            return false;
        }
        program_pause_ms(POLL_MS);
    }
    return true;
}

/* Runs a command of nprocreg at the node, that one being asked; all that it writes is in `text`. */
static int ask_text(struct bed *bed,
                    unsigned node,
                    const char *const words[],
                    char text[TEXT_BYTES_MAX])
{
    char path[512];
    struct program program = {.words = {bed->options.command}, .output = path, .log = path};
    size_t size = 0;
    FILE *file;
    int status;

    (void)snprintf(path, sizeof(path), "%s/answer", bed->options.directory);
    for (size_t i = 0; words[i] != NULL; i++) {
        program_add(&program, words[i]);
    }
    program_add(&program, "--node");
    program_add(&program, network_name(bed->network, node));
    program_add(&program, "--cookie-file");
    program_add(&program, bed->cookie);
    status = bed_run(bed, node, &program);
    file = fopen(path, "re");
    if (file != NULL) {
        size = fread(text, 1, TEXT_BYTES_MAX - 1, file);
        (void)fclose(file);
    }
    text[size] = '\0';
    return status;
}

void bed_start_spares(struct bed *bed, unsigned node)
{
    static char text[TEXT_BYTES_MAX]; /* there is one thread */

    for (unsigned i = 0; i < SPARE_KEYS; i++) {
        char key[32];
        const char *const words[] = {"get", key, "--start", "witness:start", NULL};

        (void)snprintf(key, sizeof(key), "{key,%u}", (unsigned)bed->options.keys_count + i);
        if (ask_text(bed, node, words, text) != 0) {
            bed_say(bed, "%s: %s", key, text);
            bed_fault(bed, "a key that nobody else asks for was not started");
        }
    }
}

/* ---- A side without a quorum. */

struct refusal_wanted {
    unsigned node;
    char key[32];
    char why[256];
    char text[TEXT_BYTES_MAX];
};

/* "quorum: this side has 1 of the 2 nodes that are needed; missing b@h, c@h" */
static void refusal_text(const struct bed *bed, uint32_t side, char *out, size_t out_size)
{
    const char *before = "; missing ";

    (void)snprintf(out, out_size, "quorum: this side has %d of the %u nodes that are needed",
                   __builtin_popcount(side), bed->options.quorum);
    for (unsigned i = 0; i < bed->options.nodes_count; i++) {
        if ((side & 1U << i) == 0) {
            (void)snprintf(out + strlen(out), out_size - strlen(out), "%s%s", before,
                           network_name(bed->network, i));
            before = ", ";
        }
    }
}

/* The key is one that no client asks for: if it is started, the book objects. */
static bool is_refused(struct bed *bed, void *user)
{
    struct refusal_wanted *wanted = user;
    const char *const words[] = {"get", wanted->key, "--start", "witness:start", NULL};

    return ask_text(bed, wanted->node, words, wanted->text) == 5 &&
           strstr(wanted->text, wanted->why) != NULL;
}

void bed_wait_refusal(struct bed *bed, unsigned node, uint32_t side)
{
    struct refusal_wanted wanted = {.node = node};

    (void)snprintf(wanted.key, sizeof(wanted.key), "{key,%u}",
                   (unsigned)bed->options.keys_count + SPARE_KEYS);
    refusal_text(bed, side, wanted.why, sizeof(wanted.why));
    if (!wait_until(bed, is_refused, &wanted)) {
        bed_say(bed, "wanted: %s, and got: %s", wanted.why, wanted.text);
        bed_fault(bed, "a side without a quorum does not say so");
        return;
    }
    bed_say(bed, "%s refuses: %s", network_name(bed->network, node), wanted.why);
}

struct sweep_wanted {
    uint32_t side;
    char why[512];
};

static bool finds_own(struct bed *bed, void *user)
{
    struct sweep_wanted *wanted = user;

    return bed_sweep(bed, wanted->side, true, wanted->why, sizeof(wanted->why));
}

void bed_wait_finds_own(struct bed *bed, uint32_t side)
{
    struct sweep_wanted wanted = {.side = side};

    if (!wait_until(bed, finds_own, &wanted)) {
        bed_say(bed, "not so: %s", wanted.why);
        bed_fault(bed, "a side does not find what lives on it");
        return;
    }
    bed_say(bed, "it still finds what lives on it");
}

struct told_wanted {
    unsigned node;
    uint64_t before_ns;
    bool regained;
    size_t told;
    size_t untold;
};

static bool all_told(struct bed *bed, void *user)
{
    struct told_wanted *wanted = user;

    wanted->told = book_told(referee_book(bed->referee), wanted->node, wanted->before_ns,
                             wanted->regained, &wanted->untold);
    referee_release(bed->referee);
    return wanted->told > 0 && wanted->untold == 0;
}

void bed_wait_told(struct bed *bed, unsigned node, uint64_t before_ns, bool regained)
{
    const char *word = regained ? "regained" : "lost";
    struct told_wanted wanted = {.node = node, .before_ns = before_ns, .regained = regained};

    if (!wait_until(bed, all_told, &wanted)) {
        bed_say(bed, "%zu processes of %s know that the quorum is %s, and %zu do not", wanted.told,
                network_name(bed->network, node), word, wanted.untold);
        bed_fault(bed, "processes were not told of the quorum");
        return;
    }
    bed_say(bed, "its %zu processes from before know that the quorum is %s", wanted.told, word);
}

/* ---- Losers. */

static bool has_double(struct bed *bed, void *user)
{
    const bool has = book_has_double(referee_book(bed->referee));

    (void)user;
    referee_release(bed->referee);
    return has;
}

void bed_wait_double(struct bed *bed)
{
    if (!wait_until(bed, has_double, NULL)) {
        bed_fault(bed, "the sides do not start the same keys");
    }
}

struct losers_wanted {
    bool end;
    size_t ended;
    size_t live;
};

static bool losers_are(struct bed *bed, void *user)
{
    struct losers_wanted *wanted = user;
    const struct book *book = referee_book(bed->referee);

    wanted->ended = book_losers(book, true);
    wanted->live = book_losers(book, false);
    referee_release(bed->referee);
    return wanted->end ? wanted->live == 0 && wanted->ended > 0
                       : wanted->live > 0 && wanted->ended == 0;
}

void bed_wait_losers(struct bed *bed, bool end)
{
    struct losers_wanted wanted = {.end = end};
    const bool well = wait_until(bed, losers_are, &wanted);

    bed_say(bed, "of those that lost their key, %zu have ended, and %zu live on", wanted.ended,
            wanted.live);
    if (!well) {
        bed_fault(bed, "that is not what should become of them");
    }
}

/* The losers one after the other; false: there is no more. */
static bool bed_loss(struct bed *bed, size_t index, struct book_loss *out)
{
    const bool is = book_loss(referee_book(bed->referee), index, out);

    referee_release(bed->referee);
    return is;
}

/* The pid of a report as the command prints it: without the creation. */
static void printed_pid(const char *reported, char *out, size_t out_size)
{
    (void)snprintf(out, out_size, "<%.*s>", (int)(strrchr(reported, '.') - reported), reported);
}

/* What of a line tells of the loss, and by whom it was written. */
static void journal_words(const struct book_loss *loss, char *out, size_t out_size)
{
    char loser[128];
    char winner[128];

    printed_pid(loss->loser, loser, sizeof(loser));
    printed_pid(loss->winner, winner, sizeof(winner));
    (void)snprintf(out, out_size, "\tloser=%s token=%" PRIu64 "\twinner=%s token=%" PRIu64 "\t",
                   loser, loss->loser_token, winner, loss->winner_token);
}

struct journal {
    char text[TEXT_BYTES_MAX];
};

static bool journal_has(const struct journal *journal, const char *words, const char *where)
{
    const char *at = strstr(journal->text, words);

    return at != NULL && strncmp(at + strlen(words), where, strlen(where)) == 0;
}

/* Whether the journal of the node that `process` is of has it, in these words. */
static bool is_in_journal_of(struct bed *bed,
                             const struct journal *journals,
                             const struct book_loss *loss,
                             const char *process,
                             const char *where)
{
    char words[512];

    journal_words(loss, words, sizeof(words));
    for (unsigned i = 0; i < bed->nodes_count; i++) {
        const char *name = network_name(bed->network, i);

        if (strncmp(process, name, strlen(name)) == 0 && process[strlen(name)] == '.') {
            return journal_has(&journals[i], words, where);
        }
    }
    return false;
}

struct journals_wanted {
    struct journal *journals; /* of each node */
    size_t count;             /* of conflicts; */
    size_t lost;              /* in the journals of the losers' nodes, */
    size_t kept;              /* and the winners' */
};

/* Both nodes have it, whichever of them, or a third, has decided. */
static bool journals_are_complete(struct bed *bed, void *user)
{
    const char *const words[] = {"conflicts", NULL};
    struct journals_wanted *wanted = user;
    struct book_loss loss;

    for (unsigned i = 0; i < bed->nodes_count; i++) {
        (void)ask_text(bed, i, words, wanted->journals[i].text);
    }
    wanted->lost = wanted->kept = 0;
    for (wanted->count = 0; bed_loss(bed, wanted->count, &loss); wanted->count++) {
        wanted->lost +=
            is_in_journal_of(bed, wanted->journals, &loss, loss.loser, "lost here") ? 1 : 0;
        wanted->kept +=
            is_in_journal_of(bed, wanted->journals, &loss, loss.winner, "kept here") ? 1 : 0;
    }
    return wanted->lost == wanted->count && wanted->kept == wanted->count;
}

void bed_wait_journals(struct bed *bed)
{
    struct journals_wanted wanted = {.journals = calloc(bed->nodes_count, sizeof(struct journal))};

    if (wanted.journals == NULL) {
        abort();
    }
    if (!wait_until(bed, journals_are_complete, &wanted)) {
        bed_fault(bed, "conflicts are missing from the journals");
    }
    bed_say(bed, "of %zu conflicts the losers' nodes have %zu in their journals, the winners' %zu",
            wanted.count, wanted.lost, wanted.kept);
    free(wanted.journals);
}

static bool is_passed_on(struct bed *bed, void *user)
{
    book_figures(referee_book(bed->referee), user);
    referee_release(bed->referee);
    return ((struct book_figures *)user)->forwarded > 0;
}

void bed_wait_passed_on(struct bed *bed)
{
    struct book_figures figures;

    if (!wait_until(bed, is_passed_on, &figures)) {
        bed_fault(bed, "nothing was passed on");
    }
    bed_say(bed, "%llu requests to processes that had ended were done by their successors",
            (unsigned long long)figures.forwarded);
}

#include "book_inside.h"
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS        UINT64_C(1000000)
#define NS_PER_S         UINT64_C(1000000000)
#define STALL_NS         NS_PER_S        /* without a beat: the machine did not run the node */
#define CALL_LATE_MS_MAX 3000U           /* beyond its time-out */
#define AFTER_STOP_NS    (30 * NS_PER_S) /* how long answers of a node that was stopped are kept */

struct book *book_create(uint32_t keys_count, uint32_t deadline_ms)
{
    struct book *book = calloc(1, sizeof(*book));

    if (book == NULL) {
        return NULL;
    }
    book->keys_count = keys_count;
    book->deadline_ms = deadline_ms;
    book->by_pid_size = 1024;
    book->by_pid = calloc(book->by_pid_size, sizeof(*book->by_pid));
    book->live_counts = calloc(keys_count, sizeof(*book->live_counts));
    if (book->by_pid == NULL || book->live_counts == NULL) {
        book_destroy(book);
        return NULL;
    }
    return book;
}

void book_destroy(struct book *book)
{
    if (book == NULL) {
        return;
    }
    free(book->lives);
    free(book->by_pid);
    free(book->live_counts);
    free(book->eras);
    free(book->stops);
    free(book->after_stops);
    free(book->losses);
    free(book->refusals);
    free(book);
}

void *book_grow(void *array, size_t count, size_t *max, size_t element_bytes)
{
    if (count < *max) {
        return array;
    }
    *max = *max == 0 ? 64 : *max * 2;
    array = realloc(array, *max * element_bytes);
    if (array == NULL) {
        abort();
    }
    return array;
}

void book_fault(struct book *book, const char *format, ...)
{
    va_list arguments;

    if (book->faults_count < FAULTS_KEPT) {
        va_start(arguments, format);
        (void)vsnprintf(book->faults[book->faults_count], sizeof(book->faults[0]), format,
                        arguments);
        va_end(arguments);
    }
    book->faults_count++;
}

/* ---- Eras. */

/* The nodes that reach it and that it reaches. */
static uint32_t mutual(const struct book *book, unsigned node)
{
    uint32_t set = 1U << node;

    for (unsigned other = 0; other < BOOK_NODES_MAX; other++) {
        set |= (book->reach[other] & 1U << node) == 0 ? 0 : book->reach[node] & 1U << other;
    }
    return set;
}

/* Whether two nodes may have decided that they are not of one view: they do not reach each other,
 * or not the same others. */
static bool differ(const struct book *book, unsigned a, unsigned b)
{
    return (mutual(book, a) & 1U << b) == 0 || mutual(book, a) != mutual(book, b);
}

/* A copy of the present era that begins now. */
static struct era *next_era(struct book *book, uint64_t now_ns)
{
    struct era *era;

    book->eras = book_grow(book->eras, book->eras_count, &book->eras_max, sizeof(*book->eras));
    era = &book->eras[book->eras_count];
    if (book->eras_count == 0) {
        *era = (struct era){0};
    } else {
        *era = *(era - 1);
    }
    book->eras_count++;
    era->from_ns = now_ns;
    memcpy(era->runs, book->runs, sizeof(era->runs));
    return era;
}

/* The same, since the harness has done something. */
static struct era *next_act(struct book *book, uint64_t now_ns)
{
    struct era *era = next_era(book, now_ns);

    era->act++;
    return era;
}

static void set_apart(struct era *era, unsigned a, unsigned b)
{
    era->apart[a] |= 1U << b;
    era->apart[b] |= 1U << a;
}

static void set_strangers(struct era *era, unsigned a, unsigned b)
{
    era->together[a] &= ~(1U << b);
    era->together[b] &= ~(1U << a);
}

void book_name_node(struct book *book, unsigned node, const char *name, bool original)
{
    (void)snprintf(book->names[node], sizeof(book->names[0]), "%s", name);
    book->original[node] = original;
}

void book_set_quorum(struct book *book, uint32_t quorum)
{
    book->quorum = quorum;
}

void book_run_begins(struct book *book, unsigned node, uint32_t run, uint64_t now_ns)
{
    struct era *era;

    book->runs[node] = run;
    era = next_act(book, now_ns);
    for (unsigned other = 0; other < BOOK_NODES_MAX; other++) {
        set_strangers(era, node, other);
    }
    era->together[node] = 1U << node;
}

void book_end_life(struct book *book, struct life *life, uint64_t now_ns)
{
    if (life->end_ns == LIVE_NS) {
        life->end_ns = now_ns;
        book->live_counts[life->key] -= book->original[life->node] ? 0 : 1;
    }
}

void book_run_ends(struct book *book, unsigned node, uint64_t now_ns)
{
    for (size_t i = 0; i < book->lives_count; i++) {
        if (book->lives[i].node == node) {
            book_end_life(book, &book->lives[i], now_ns);
        }
    }
    book->runs[node] = 0;
    (void)next_act(book, now_ns);
}

void book_reach(struct book *book, const uint32_t reach[BOOK_NODES_MAX], uint64_t now_ns)
{
    struct era *era;

    memcpy(book->reach, reach, sizeof(book->reach));
    era = next_act(book, now_ns);
    for (unsigned a = 0; a < BOOK_NODES_MAX; a++) {
        era->side[a] = mutual(book, a);
        for (unsigned b = a + 1; b < BOOK_NODES_MAX; b++) {
            if (differ(book, a, b)) {
                set_apart(era, a, b);
                set_strangers(era, a, b);
            }
        }
    }
}

void book_resumed(struct book *book, unsigned node, uint64_t stopped_ns, uint64_t now_ns)
{
    book->stops = book_grow(book->stops, book->stops_count, &book->stops_max, sizeof(*book->stops));
    book->stops[book->stops_count++] =
        (struct stop){.node = node, .by_harness = true, .from_ns = stopped_ns, .to_ns = now_ns};
}

void book_settled(struct book *book, uint64_t now_ns)
{
    struct era *era = next_era(book, now_ns);

    for (unsigned a = 0; a < BOOK_NODES_MAX; a++) {
        era->apart[a] = 0;
        era->together[a] = 0;
        for (unsigned b = 0; b < BOOK_NODES_MAX; b++) {
            if (a == b || !differ(book, a, b)) {
                era->together[a] |= 1U << b;
            } else {
                era->apart[a] |= 1U << b;
            }
        }
    }
}

/* ---- Lives. */

static size_t pid_slot(const struct book *book, const char *pid)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    size_t slot;

    for (const char *at = pid; *at != '\0'; at++) {
        hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
    }
    slot = (size_t)hash & (book->by_pid_size - 1);
    while (book->by_pid[slot] != 0 && strcmp(book->lives[book->by_pid[slot] - 1].pid, pid) != 0) {
        slot = (slot + 1) & (book->by_pid_size - 1);
    }
    return slot;
}

size_t book_find_life(const struct book *book, const char *pid)
{
    const uint32_t found = book->by_pid[pid_slot(book, pid)];

    return found == 0 ? SIZE_MAX : found - 1;
}

static void index_lives(struct book *book)
{
    if (book->lives_count * 2 >= book->by_pid_size) {
        free(book->by_pid);
        book->by_pid_size *= 2;
        book->by_pid = calloc(book->by_pid_size, sizeof(*book->by_pid));
        if (book->by_pid == NULL) {
            abort();
        }
        for (size_t i = 0; i < book->lives_count; i++) {
            book->by_pid[pid_slot(book, book->lives[i].pid)] = (uint32_t)i + 1;
        }
    }
}

static void add_life(struct book *book, const struct life *life)
{
    if (life->key >= book->keys_count) {
        book_fault(book, "%s was started for key %" PRIu32 ", which nobody asks for", life->pid,
                   life->key);
        return;
    }
    if (book_find_life(book, life->pid) != SIZE_MAX) {
        book_fault(book, "%s was started twice: a pid was given again", life->pid);
        return;
    }
    book->lives = book_grow(book->lives, book->lives_count, &book->lives_max, sizeof(*book->lives));
    book->lives[book->lives_count] = *life;
    index_lives(book);
    book->by_pid[pid_slot(book, life->pid)] = (uint32_t)book->lives_count + 1;
    book->lives_count++;
    book->figures.lives++;
    if (life->end_ns == LIVE_NS && !book->original[life->node]) {
        book->live_counts[life->key]++;
    }
}

static void carry_out(struct book *book, size_t index, unsigned client, const struct request *done)
{
    const int64_t seq = done->seq;
    const int64_t count = done->count;
    struct life *life = &book->lives[index];
    struct request *request;

    if (life->gave) {
        book_fault(book, "%s carried out a request after it had handed its state over", life->pid);
    }
    if (life->loss != NO_LOSS) {
        book_fault(book, "%s carried out a request after it had lost its key", life->pid);
    }
    if (count != life->count + 1) {
        book_fault(book, "%s went from request %" PRId64 " to %" PRId64, life->pid, life->count,
                   count);
    }
    life->count = count;
    if (client >= BOOK_CLIENTS_MAX || seq <= 0) {
        return;
    }
    request = &book->clients[client].requests[seq % REQUESTS_KEPT];
    if (request->seq > seq) {
        return; /* from before a cut: its client has long given up, and has asked much since */
    }
    if (request->seq == seq) {
        request->times++;
        book_fault(book, "request %" PRId64 " of client %u was carried out %u times", seq, client,
                   request->times);
        return;
    }
    *request = *done;
    request->life = index;
    request->times = 1;
}

static bool stopped_by_harness(const struct book *book, unsigned node, uint64_t from_ns)
{
    for (size_t i = book->stops_count; i-- > 0;) {
        if (book->stops[i].node == node && book->stops[i].by_harness) {
            return book->stops[i].to_ns >= from_ns;
        }
    }
    return false;
}

/* A node that was not stopped and yet did not beat was kept from running by the machine. */
static void beat(struct book *book, unsigned node, uint32_t run, uint64_t at_ns)
{
    const uint64_t last_ns = book->beat_run[node] == run ? book->beat_ns[node] : 0;

    if (last_ns != 0 && at_ns > last_ns + STALL_NS && !stopped_by_harness(book, node, last_ns)) {
        book->stops =
            book_grow(book->stops, book->stops_count, &book->stops_max, sizeof(*book->stops));
        book->stops[book->stops_count++] =
            (struct stop){.node = node, .from_ns = last_ns, .to_ns = at_ns};
    }
    book->beat_run[node] = run;
    book->beat_ns[node] = at_ns;
}

static bool start_line(struct book *book, unsigned node, uint32_t run, struct words *words)
{
    struct life life = {.node = node, .run = run, .end_ns = LIVE_NS, .loss = NO_LOSS};

    life.start_ns = words_u64(words);
    words_text(words, life.pid, sizeof(life.pid));
    life.key = words_u32(words);
    life.token = words_u64(words);
    life.given = words_i64(words);
    life.count = life.given;
    if (!words_done(words)) {
        return false;
    }
    if (book->runs[node] != run) { /* The kill is in the book, and this came before it. */
        life.end_ns = life.start_ns;
    }
    add_life(book, &life);
    return true;
}

static bool op_line(struct book *book, struct words *words)
{
    struct request done = {.at_ns = words_u64(words)};
    char pid[PID_BYTES_MAX];
    uint32_t client;
    size_t index;

    words_text(words, pid, sizeof(pid));
    client = words_u32(words);
    done.seq = words_i64(words);
    done.count = words_i64(words);
    if (!words_done(words)) {
        return false;
    }
    index = book_find_life(book, pid);
    if (index == SIZE_MAX) {
        book_fault(book, "%s answers and was never started", pid);
    } else {
        carry_out(book, index, client, &done);
    }
    return true;
}

/* It has handed its state over, and rests; or goes on, since nobody took it. */
static bool handover_line(struct book *book, struct words *words, bool gave)
{
    const uint64_t at_ns = words_u64(words);
    char pid[PID_BYTES_MAX];
    struct life *life;
    size_t index;

    words_text(words, pid, sizeof(pid));
    index = book_find_life(book, pid);
    if (!words_done(words) || index == SIZE_MAX) {
        return false;
    }
    life = &book->lives[index];
    if (gave) {
        book_end_life(book, life, at_ns);
    } else if (life->gave && book->runs[life->node] == life->run) {
        life->end_ns = LIVE_NS;
        book->live_counts[life->key]++;
    }
    life->gave = gave;
    return true;
}

static bool end_line(struct book *book, struct words *words)
{
    const uint64_t at_ns = words_u64(words);
    char why[REPORT_LINE_BYTES_MAX];
    char pid[PID_BYTES_MAX];
    size_t index;

    words_text(words, pid, sizeof(pid));
    words_text(words, why, sizeof(why));
    if (!words_done(words)) {
        return false;
    }
    index = book_find_life(book, pid);
    if (index != SIZE_MAX) {
        book_end_life(book, &book->lives[index], at_ns);
        if (book->lives[index].loss != NO_LOSS) {
            book->losses[book->lives[index].loss].ended = true;
        }
    }
    return true;
}

bool book_node_line(struct book *book, unsigned node, uint32_t run, const char *line)
{
    struct words words = {.at = line};

    if (words_take(&words, "beat")) {
        const uint64_t at_ns = words_u64(&words);

        if (words_done(&words)) {
            beat(book, node, run, at_ns);
        }
        return words_done(&words);
    }
    if (words_take(&words, "start")) {
        return start_line(book, node, run, &words);
    }
    if (words_take(&words, "op")) {
        return op_line(book, &words);
    }
    if (words_take(&words, "gave")) {
        return handover_line(book, &words, true);
    }
    if (words_take(&words, "kept")) {
        return handover_line(book, &words, false);
    }
    if (words_take(&words, "lost")) {
        return book_lost_line(book, &words);
    }
    if (words_take(&words, "took")) {
        return book_took_line(book, &words);
    }
    if (words_take(&words, "told")) {
        return book_told_line(book, &words);
    }
    return words_take(&words, "end") && end_line(book, &words);
}

/* ---- Calls. */

/* What is sent to a process that has ended may be passed on to the one that has its key now. */
static bool is_successor(const struct book *book,
                         const struct life *life,
                         const char *called,
                         uint64_t at_ns)
{
    const size_t index = book_find_life(book, called);

    return index != SIZE_MAX && &book->lives[index] != life &&
           book->lives[index].key == life->key && book->lives[index].end_ns <= at_ns;
}

void book_compare(struct book *book, unsigned client, int64_t seq)
{
    struct answered *answer;
    const struct request *request;
    const struct life *life;

    if (seq <= 0) {
        return;
    }
    answer = &book->clients[client].answers[seq % REQUESTS_KEPT];
    request = &book->clients[client].requests[seq % REQUESTS_KEPT];
    if (answer->seq != seq) {
        return;
    }
    answer->seq = 0;
    if (request->seq != seq) {
        book_fault(book, "request %" PRId64 " of client %u was answered by %s, which did not do it",
                   seq, client, answer->pid);
        return;
    }
    life = &book->lives[request->life];
    if (is_successor(book, life, answer->pid, request->at_ns)) {
        book->figures.forwarded++;
        if (request->count == answer->count && life->token == answer->done_token) {
            return;
        }
    }
    if (strcmp(life->pid, answer->pid) != 0 || request->count != answer->count) {
        book_fault(book,
                   "request %" PRId64 " of client %u was answered by %s as its %" PRId64
                   "th, and done by %s as its %" PRId64 "th",
                   seq, client, answer->pid, answer->count, life->pid, request->count);
    }
    if (life->token != answer->token && life->token != 0 && !answer->by_original) {
        book_fault(book, "%s has token %" PRIu64 ", and was found with %" PRIu64, life->pid,
                   life->token, answer->token);
    }
}

static void count_status(struct book *book, const char *text)
{
    for (size_t i = 0; i < STATUSES_MAX; i++) {
        if (book->statuses[i].count == 0) {
            (void)snprintf(book->statuses[i].text, sizeof(book->statuses[i].text), "%s", text);
        }
        if (strcmp(book->statuses[i].text, text) == 0 || i == STATUSES_MAX - 1) {
            book->statuses[i].count++;
            return;
        }
    }
}

static void count_call(struct book *book, bool answered, uint64_t began_ns, uint64_t ended_ns)
{
    const uint64_t took_ms = (ended_ns - began_ns) / NS_PER_MS;
    struct book_second *second;
    size_t index;

    if (book->first_ns == 0 || began_ns < book->first_ns) {
        book->first_ns = book->first_ns == 0 ? began_ns : book->first_ns;
    }
    book->figures.calls++;
    if (answered) {
        book->figures.answered++;
    }
    if (took_ms > book->figures.longest_call_ms) {
        book->figures.longest_call_ms = took_ms;
    }
    index = ended_ns < book->first_ns ? 0 : (size_t)((ended_ns - book->first_ns) / NS_PER_S);
    if (index >= BOOK_SECONDS_MAX) {
        return;
    }
    if (index >= book->seconds_count) {
        book->seconds_count = index + 1;
    }
    second = &book->seconds[index];
    if (answered) {
        second->answered++;
    } else {
        second->failed++;
    }
    if (took_ms > second->longest_ms) {
        second->longest_ms = (uint32_t)took_ms;
    }
}

/* Kept when `via` had been stopped shortly before, and answered with what runs on itself. */
static void note_after_stop(struct book *book, const char *via, const char *pid, uint64_t found_ns)
{
    const size_t via_size = strlen(via);

    if (found_ns == 0 || strncmp(pid, via, via_size) != 0 || pid[via_size] != '.') {
        return;
    }
    for (size_t i = book->stops_count; i-- > 0;) {
        const struct stop *stop = &book->stops[i];

        if (stop->by_harness && strcmp(book->names[stop->node], via) == 0 &&
            found_ns > stop->to_ns && found_ns < stop->to_ns + AFTER_STOP_NS) {
            book->after_stops = book_grow(book->after_stops, book->after_stops_count,
                                          &book->after_stops_max, sizeof(*book->after_stops));
            book->after_stops[book->after_stops_count] =
                (struct answer_after_stop){.stop = i, .found_ns = found_ns};
            (void)snprintf(book->after_stops[book->after_stops_count].pid, PID_BYTES_MAX, "%s",
                           pid);
            book->after_stops_count++;
            return;
        }
    }
}

static bool is_original(const struct book *book, const char *name)
{
    for (unsigned node = 0; node < BOOK_NODES_MAX; node++) {
        if (book->original[node] && strcmp(book->names[node], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool call_line(struct book *book, unsigned client, struct words *words)
{
    struct answered answer = {0};
    char via[NAME_BYTES_MAX];
    char status[STATUS_BYTES_MAX];
    const uint64_t began_ns = words_u64(words);
    const uint64_t found_ns = words_u64(words);
    const uint64_t ended_ns = words_u64(words);
    uint32_t key;
    uint32_t tries;

    words_text(words, via, sizeof(via));
    key = words_u32(words);
    answer.seq = words_i64(words);
    words_text(words, status, sizeof(status));
    words_text(words, answer.pid, sizeof(answer.pid));
    answer.token = words_u64(words);
    answer.done_token = words_u64(words);
    answer.count = words_i64(words);
    tries = words_u32(words);
    if (!words_done(words) || client >= BOOK_CLIENTS_MAX || answer.seq <= 0) {
        return false;
    }
    count_status(book, status);
    count_call(book, strcmp(status, "ok") == 0, began_ns, ended_ns);
    if (ended_ns - began_ns > (book->deadline_ms + CALL_LATE_MS_MAX) * NS_PER_MS) {
        book_fault(book,
                   "a call of client %u to key %" PRIu32 " by %s ended after %" PRIu64 " ms: %s",
                   client, key, via, (ended_ns - began_ns) / NS_PER_MS, status);
    }
    book->figures.retries += tries - 1;
    note_after_stop(book, via, answer.pid, found_ns);
    answer.by_original = is_original(book, via);
    if (strcmp(status, "ok") == 0) {
        book->clients[client].answers[answer.seq % REQUESTS_KEPT] = answer;
    }
    book_compare(book, client, answer.seq - REQUESTS_LATE);
    book->clients[client].last_seq = answer.seq;
    return true;
}

bool book_client_line(struct book *book, unsigned client, const char *line)
{
    struct words words = {.at = line};

    if (words_take(&words, "clung")) {
        return book_clung_line(book, &words);
    }
    return words_take(&words, "call") && call_line(book, client, &words);
}

void book_finish(struct book *book)
{
    for (unsigned client = 0; client < BOOK_CLIENTS_MAX; client++) {
        for (int64_t late = REQUESTS_LATE; late >= 0; late--) {
            book_compare(book, client, book->clients[client].last_seq - late);
        }
    }
}

/* ---- Figures. */

const struct book_second *book_seconds(const struct book *book,
                                       size_t *out_count,
                                       uint64_t *out_first_ns)
{
    *out_count = book->seconds_count;
    *out_first_ns = book->first_ns;
    return book->seconds;
}

void book_figures(const struct book *book, struct book_figures *out)
{
    *out = book->figures;
}

void book_print_statuses(const struct book *book, FILE *out)
{
    for (size_t i = 0; i < STATUSES_MAX && book->statuses[i].count > 0; i++) {
        (void)fprintf(out, "  %-24s %" PRIu64 "\n", book->statuses[i].text,
                      book->statuses[i].count);
    }
}

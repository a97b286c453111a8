/* book_inside.h - how the book is kept; for book.c, losses.c and verdict.c only. */
#ifndef NPRI_TESTS_FAULT_BOOK_INSIDE_H
#define NPRI_TESTS_FAULT_BOOK_INSIDE_H

#include "book.h"
#include "words.h"

#define PID_BYTES_MAX    96
#define NAME_BYTES_MAX   64
#define STATUSES_MAX     32
#define STATUS_BYTES_MAX 48
#define REQUESTS_KEPT    1024 /* per client */
/* A call's report is compared once so many later ones of its client are in: by then the process's
 * has come, too.  More than the referee reads of a client before it looks at the nodes again. */
#define REQUESTS_LATE 64
#define FAULTS_KEPT   20
#define LIVE_NS       UINT64_MAX /* end_ns of a process that has not ended */
#define NO_LOSS       SIZE_MAX

/* What a process was last told of the quorum of its side. */
enum quorum_word { QUORUM_NOTHING, QUORUM_LOST, QUORUM_REGAINED };

/* One process under one key. */
struct life {
    char pid[PID_BYTES_MAX];
    uint32_t key;
    unsigned node;
    uint32_t run;
    uint64_t token; /* 0: unknown, an original's */
    uint64_t start_ns;
    uint64_t end_ns; /* or when it lost its key */
    size_t loss;     /* index of losses; NO_LOSS: it has not lost its key */
    enum quorum_word told;
    bool gave;     /* its count, at end_ns, to the next one */
    int64_t given; /* the count that it began with */
    int64_t count; /* of requests, the last reported */
};

/* What held from one act of the harness to the next.  Bit j of a mask of node i is about i and j.
 */
struct era {
    uint64_t from_ns;
    uint32_t act; /* how often the harness has changed anything */
    uint32_t runs[BOOK_NODES_MAX];
    uint32_t side[BOOK_NODES_MAX];     /* who reaches it, and is reached, itself included */
    uint32_t apart[BOOK_NODES_MAX];    /* two processes are allowed */
    uint32_t together[BOOK_NODES_MAX]; /* settled in one side, itself included */
};

/* A process has lost its key to another one, and given it something along.  The loser's report and
 * the winner's come in any order. */
struct loss {
    char loser[PID_BYTES_MAX];
    char winner[PID_BYTES_MAX];
    uint64_t token; /* of the winner, as the loser was told */
    uint64_t at_ns; /* 0: the loser has not reported it (yet) */
    int64_t count;
    bool ended; /* the loser, afterwards */
    unsigned taken;
    int64_t taken_count;
    char taker[PID_BYTES_MAX];
};

/* A call to a process that was found before, and that was gone. */
struct refusal {
    char pid[PID_BYTES_MAX];
    char status[STATUS_BYTES_MAX];
    uint64_t from_ns;
    uint64_t to_ns;
};

/* A time in which a node did not run. */
struct stop {
    unsigned node;
    bool by_harness;
    uint64_t from_ns;
    uint64_t to_ns;
};

/* A request as its process carried it out, and as its client had it answered. */
struct request {
    int64_t seq;
    uint64_t at_ns;
    size_t life; /* index; meaningful while times > 0 */
    int64_t count;
    unsigned times;
};
struct answered {
    int64_t seq; /* 0: none that is yet to be compared */
    int64_t count;
    uint64_t token;
    uint64_t done_token;
    bool by_original; /* which know no tokens */
    char pid[PID_BYTES_MAX];
};
struct client {
    struct request requests[REQUESTS_KEPT];
    struct answered answers[REQUESTS_KEPT];
    int64_t last_seq;
};

/* A get that a node answered with a process of its own, after it had been stopped. */
struct answer_after_stop {
    char pid[PID_BYTES_MAX];
    size_t stop;
    uint64_t found_ns;
};

struct book {
    uint32_t keys_count;
    uint32_t deadline_ms;
    uint32_t quorum; /* of the native nodes; 0: none is needed */
    char names[BOOK_NODES_MAX][NAME_BYTES_MAX];
    bool original[BOOK_NODES_MAX];
    uint32_t runs[BOOK_NODES_MAX]; /* 0: not running */
    uint32_t reach[BOOK_NODES_MAX];
    uint64_t beat_ns[BOOK_NODES_MAX]; /* the last of the present run; 0: none */
    uint32_t beat_run[BOOK_NODES_MAX];

    struct life *lives;
    size_t lives_count;
    size_t lives_max;
    uint32_t *by_pid; /* open addressing: index + 1 of lives */
    size_t by_pid_size;
    uint32_t *live_counts; /* per key: processes on native nodes at this moment */

    struct era *eras;
    size_t eras_count;
    size_t eras_max;
    struct stop *stops;
    size_t stops_count;
    size_t stops_max;
    struct answer_after_stop *after_stops;
    size_t after_stops_count;
    size_t after_stops_max;
    struct loss *losses;
    size_t losses_count;
    size_t losses_max;
    struct refusal *refusals;
    size_t refusals_count;
    size_t refusals_max;

    struct client clients[BOOK_CLIENTS_MAX];
    struct book_second seconds[BOOK_SECONDS_MAX];
    size_t seconds_count;
    uint64_t first_ns;
    struct {
        char text[STATUS_BYTES_MAX];
        uint64_t count;
    } statuses[STATUSES_MAX];
    struct book_figures figures;

    /* Faults that are seen as they are reported: the number, and the first as text. */
    size_t faults_count;
    char faults[FAULTS_KEPT][320];
};

/* Room for one more element, whose index is *count; aborts without memory: a test cannot go on. */
void *book_grow(void *array, size_t count, size_t *max, size_t element_bytes);

/* The process of that name, or SIZE_MAX. */
size_t book_find_life(const struct book *book, const char *pid);

/* The era that a moment was in. */
const struct era *book_era_at(const struct book *book, uint64_t at_ns);

/* Whether the machine did not run the node then, or shortly before. */
bool book_stalled_then(const struct book *book, unsigned node, uint64_t from_ns, uint64_t to_ns);

/* Lines of nodes (losses.c); false: malformed. */
bool book_lost_line(struct book *book, struct words *words);
bool book_took_line(struct book *book, struct words *words);
bool book_told_line(struct book *book, struct words *words);
bool book_clung_line(struct book *book, struct words *words);

/* Judges them. */
void book_judge_losses(struct book *book);

/* The process has ended, or lost its key. */
void book_end_life(struct book *book, struct life *life, uint64_t now_ns);

/* Notes a fault. */
void book_fault(struct book *book, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Compares what a client was answered with what was carried out. */
void book_compare(struct book *book, unsigned client, int64_t seq);

#endif /* NPRI_TESTS_FAULT_BOOK_INSIDE_H */

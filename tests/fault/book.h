/* book.h - the referee's book: what the processes have reported, what the harness did to their
 * nodes, and the verdict.  It shares no code with the registry, and knows none of its rules: only
 * what is promised to a user.
 *
 * What it decides:
 *
 * One process.  At every moment at most one process lives under a key among nodes that reach each
 * other.  Two are allowed only while their nodes are `apart`: from the moment when their connection
 * was cut, or one of them was stopped, until the harness has seen that the healed cluster has
 * settled.  Nodes count as apart, too, when one reaches a third node that the other does not:
 * either may be the one that must give way.  A killed node's processes end with the kill.  A node
 * that did not run for a second although nobody stopped it (its beats say so) counts as stopped:
 * that is the machine's doing; it is counted.
 *
 * Tokens grow: of two processes under one key, the later one's token is greater whenever some node
 * has been, since before the first was started, in one settled side with both; with a quorum,
 * whenever such a node must have been.
 *
 * Quorum.  Nothing is started on a side that has been too small for 3 s.
 *
 * Messages.  A request that was answered was carried out, once, by the process that the answer came
 * from, under the token that the get gave, as its Count-th; and a process carries on where the one
 * whose state it was handed over left off.
 *
 * Conflicts.  Who loses its key has the lower token, or the same and the lesser name; it is told
 * the winner and its token, carries nothing out any more, and what it gives along comes to the
 * winner, as it was given, once.  What is sent to it within 4 s is answered by the winner.
 *
 * Stale.  A node that was stopped, and runs again, does not answer with its own process when
 * another was started elsewhere in the meantime.
 *
 * Calls end within their time-out (and 3 s, for machines with more to do than this).
 *
 * Keys whose processes are Erlang nodes' are theirs to decide: two processes of which one lives on
 * an original node are counted, and no fault.
 *
 * Not thread-safe: the referee's lock is held by whoever calls. */
#ifndef NPRI_TESTS_FAULT_BOOK_H
#define NPRI_TESTS_FAULT_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define BOOK_NODES_MAX   8
#define BOOK_CLIENTS_MAX 16
#define BOOK_SECONDS_MAX 7200

struct book;

/* NULL: no memory.  `deadline_ms` is the calls' time-out. */
struct book *book_create(uint32_t keys_count, uint32_t deadline_ms);
void book_destroy(struct book *book);

/* ---- What the harness does.  `now_ns` must not go back. */

/* Node `node` (0...) is called `name`. */
void book_name_node(struct book *book, unsigned node, const char *name, bool original);
/* A run of it begins: the first, or one after a kill. */
void book_run_begins(struct book *book, unsigned node, uint32_t run, uint64_t now_ns);
/* It is about to be killed, or has ended: its processes are gone. */
void book_run_ends(struct book *book, unsigned node, uint64_t now_ns);
/* From now on node i reaches those nodes whose bits are set in reach[i].  To be said before a
 * connection is cut, and after it is mended. */
void book_reach(struct book *book, const uint32_t reach[BOOK_NODES_MAX], uint64_t now_ns);
/* It was stopped (SIGSTOP) from then till now.  Its reach is said separately. */
void book_resumed(struct book *book, unsigned node, uint64_t stopped_ns, uint64_t now_ns);
/* The harness has seen that all is as it should be: no more allowances for what was before. */
void book_settled(struct book *book, uint64_t now_ns);

/* So many native nodes must be together for anything to be started; more than half.  Before the
 * first run. */
void book_set_quorum(struct book *book, uint32_t quorum);

/* ---- What is reported. */

/* One line of the node's or client's connection, without the newline.  False: it is no such line.
 */
bool book_node_line(struct book *book, unsigned node, uint32_t run, const char *line);
bool book_client_line(struct book *book, unsigned client, const char *line);

/* ---- What became of it. */

/* All reports are in: what is yet to be compared is. */
void book_finish(struct book *book);

/* No key has two processes on native nodes at this moment. */
bool book_is_single(const struct book *book);

/* Judges all that is in the book, as of now, and prints the first 20 faults as sentences, unless
 * `out` is NULL.  Returns how many there are. */
size_t book_judge(struct book *book, uint64_t now_ns, FILE *out);

/* Whether that process lived under the key at some moment of that time; an original's, always. */
bool book_lived(const struct book *book,
                uint32_t key,
                const char *pid,
                uint64_t from_ns,
                uint64_t to_ns);

/* ---- Processes that have lost their key to another, and sides that have lost the quorum. */

/* Whether all that losers have given along has arrived, if nothing was done since and the winner
 * lives.  False: `why` has a sentence. */
bool book_all_taken(const struct book *book, char *why, size_t why_size);

/* Whether some key has two processes now, on two nodes. */
bool book_has_double(const struct book *book);

/* How many losers have ended, or live on. */
size_t book_losers(const struct book *book, bool ended);

/* The losers one after the other; false: there is no more. */
struct book_loss {
    char loser[96];
    char winner[96];
    uint32_t key;
    uint64_t loser_token;
    uint64_t winner_token;
};
bool book_loss(const struct book *book, size_t index, struct book_loss *out);

/* How many of the node's processes that were there before that moment, and live, know that the
 * quorum is lost, or regained; and how many do not. */
size_t book_told(const struct book *book,
                 unsigned node,
                 uint64_t before_ns,
                 bool regained,
                 size_t *out_untold);

/* Whether a process lived under the key on one of those nodes, the same for all of that time. */
bool book_has(const struct book *book,
              uint32_t key,
              uint32_t nodes,
              uint64_t from_ns,
              uint64_t to_ns);

/* What happened in a second since the first call. */
struct book_second {
    uint32_t answered;
    uint32_t failed;
    uint32_t longest_ms;
};
const struct book_second *book_seconds(const struct book *book,
                                       size_t *out_count,
                                       uint64_t *out_first_ns);

struct book_figures {
    uint64_t calls;
    uint64_t answered;
    uint64_t forwarded; /* requests to a process that had ended, done by its successor */
    uint64_t retries;   /* the process that was found was gone when it was called */
    uint64_t lives;
    uint64_t losses;         /* processes that were told that another keeps their key */
    uint64_t stalls;         /* times when a node did not run for a second by itself */
    uint64_t allowed_pairs;  /* two processes at once under one key, while they were apart */
    uint64_t original_pairs; /* the same, one of them on an original node */
    uint64_t longest_call_ms;
};
void book_figures(const struct book *book, struct book_figures *out);

/* How the calls ended, a line each: status and number. */
void book_print_statuses(const struct book *book, FILE *out);

#endif /* NPRI_TESTS_FAULT_BOOK_H */

/* referee.h - a thread that listens on a Unix socket, and writes what comes into the book.
 *
 *      referee_book / referee_release     hold the book: any thread, one at a time
 *      everything else                    the thread that opened it */
#ifndef NPRI_TESTS_FAULT_REFEREE_H
#define NPRI_TESTS_FAULT_REFEREE_H

#include "book.h"

struct referee;

/* Listens on `path`; lines are copied to `log` (NULL: not), too.  NULL: not possible, errno says
 * why.  Owns `book` from then on. */
struct referee *referee_open(const char *path, struct book *book, FILE *log);

/* The book, until it is released. */
struct book *referee_book(struct referee *referee);
void referee_release(struct referee *referee);

/* Which nodes' and clients' programs are connected: so many. */
size_t referee_connections(struct referee *referee);

/* Ends the thread; closes the socket, frees the book. */
void referee_close(struct referee *referee);

#endif /* NPRI_TESTS_FAULT_REFEREE_H */

/* dist/ticker.h - when to say something, and when to give a silent peer up.  Pure: the caller
 * brings the time. */
#ifndef NPRI_DIST_TICKER_H
#define NPRI_DIST_TICKER_H

#include <stdint.h>

enum npri_tick {
    NPRI_TICK_NONE,
    NPRI_TICK_SEND,   /* write four zero bytes now */
    NPRI_TICK_SILENT, /* nothing read for net_ticktime: drop the peer */
};

/* Times are monotonic nanoseconds. */
struct npri_ticker {
    uint64_t net_ticktime_ns; /* >= 4 */
    uint64_t read_ns;         /* last byte from the peer */
    uint64_t wrote_ns;        /* last byte to it */
    uint64_t ticked_ns;       /* last tick to it */
};

void npri_ticker_init(struct npri_ticker *ticker, uint64_t net_ticktime_ns, uint64_t now_ns);

/* Sends when nothing was written for a quarter of net_ticktime, and also when nothing was read for
 * that long.  A tick that it asks for counts as written. */
enum npri_tick npri_ticker_step(struct npri_ticker *ticker, uint64_t now_ns);

/* When to call npri_ticker_step() again; earlier calls give NPRI_TICK_NONE. */
uint64_t npri_ticker_deadline_ns(const struct npri_ticker *ticker);

#endif /* NPRI_DIST_TICKER_H */

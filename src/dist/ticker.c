#include "dist/ticker.h"

#include "base/assert.h"

/* As Erlang's net_tickintensity. */
#define TICKS_PER_TICKTIME 4u

void npri_ticker_init(struct npri_ticker *ticker, uint64_t net_ticktime_ns, uint64_t now_ns)
{
    NPRI_ASSERT(net_ticktime_ns >= TICKS_PER_TICKTIME);
    *ticker = (struct npri_ticker){
        .net_ticktime_ns = net_ticktime_ns,
        .read_ns = now_ns,
        .wrote_ns = now_ns,
        .ticked_ns = now_ns,
    };
}

/* Never wraps: a huge net_ticktime means "never". */
static uint64_t later(uint64_t now_ns, uint64_t span_ns)
{
    return span_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + span_ns;
}

static uint64_t silent_ns(const struct npri_ticker *ticker)
{
    return later(ticker->read_ns, ticker->net_ticktime_ns);
}

/* A peer that says nothing is asked for a sign of life once a quarter, however much is written. */
static uint64_t send_ns(const struct npri_ticker *ticker)
{
    const uint64_t asked_ns =
        ticker->read_ns > ticker->ticked_ns ? ticker->read_ns : ticker->ticked_ns;
    const uint64_t first_ns = ticker->wrote_ns < asked_ns ? ticker->wrote_ns : asked_ns;

    return later(first_ns, ticker->net_ticktime_ns / TICKS_PER_TICKTIME);
}

enum npri_tick npri_ticker_step(struct npri_ticker *ticker, uint64_t now_ns)
{
    if (now_ns >= silent_ns(ticker)) {
        return NPRI_TICK_SILENT;
    }
    if (now_ns >= send_ns(ticker)) {
        ticker->ticked_ns = now_ns;
        ticker->wrote_ns = now_ns;
        return NPRI_TICK_SEND;
    }
    return NPRI_TICK_NONE;
}

uint64_t npri_ticker_deadline_ns(const struct npri_ticker *ticker)
{
    const uint64_t silent = silent_ns(ticker);
    const uint64_t send = send_ns(ticker);

    return silent < send ? silent : send;
}

/* base/limits.h - every limit on what others may make us hold or do, by name. */
#ifndef NPRI_BASE_LIMITS_H
#define NPRI_BASE_LIMITS_H

#include <stdint.h>

/* Terms.  Depth bounds recursion (on the caller's stack); the budget bounds memory and time. */
#define NPRI_TERM_DEPTH_MAX     2048u
#define NPRI_TERM_BYTES_MAX     (64u << 20) /* also after inflation of a compressed term */
#define NPRI_ATOM_CHARS_MAX     255u
#define NPRI_ATOM_BYTES_MAX     1020u  /* 4 for each character */
#define NPRI_DECIMAL_BYTES_MAX  4096u  /* larger integers are printed in base 16 */
#define NPRI_DECIMAL_DIGITS_MAX 10000u /* longer ones are read only in bases 2, 4, 8, 16 and 32 */
#define NPRI_JSON_DEPTH_MAX     1024u  /* arrays and objects within each other */
#define NPRI_MAP_SORTED_MAX     32u    /* pairs up to which OTP keeps a map's keys in term order */

/* Distribution. */
#define NPRI_FRAME_BYTES_DEFAULT    (64u << 20)
#define NPRI_HANDSHAKE_FRAME_MAX    1024u /* 'N' with a name of 255 bytes is 270 */
#define NPRI_FRAGMENT_BYTES         (64u << 10)
#define NPRI_FRAGMENT_SEQUENCES_MAX 64u          /* unfinished messages per connection */
#define NPRI_FRAGMENT_TOTAL_FACTOR  4u           /* all of them together, in largest frames */
#define NPRI_CHANNEL_KEEP_BYTES     (256u << 10) /* of an emptied buffer, for the next frame */
#define NPRI_EPMD_MESSAGE_MAX       1024u
#define NPRI_COOKIE_BYTES_MAX       255u

/* Registry. */
#define NPRI_KEY_BYTES_MAX     (64u << 10)
#define NPRI_VIEW_NODES_MAX    4096u
#define NPRI_WAITING_BYTES_MAX ((size_t)128 << 20) /* all requests of peers that wait here */
#define NPRI_GET_MS_MAX        86400000u           /* that a peer's request may wait here */
#define NPRI_PATTERN_BYTES_MAX 1024u               /* of keys */
#define NPRI_SELECTOR_BYTES_AROUND                                                                 \
    64u /* what stands around the key in {prefix, Key} and the like */
#define NPRI_PAGE_BYTES_MAX        ((size_t)256 << 10) /* of entries, in one message */
#define NPRI_PAGE_STEPS_MAX        2048u /* entries looked at for it; a long key counts for more */
#define NPRI_PAGE_STEP_BYTES       256u  /* that a key has for each of them */
#define NPRI_ASKED_BYTES_MAX       ((size_t)256 << 20) /* all asynchronous gets of this program */
#define NPRI_ENDLESS_QUESTIONS_MAX 4096u /* to one node, that wait until it answers or is gone */
#define NPRI_TOKEN_MAX             (UINT64_C(1) << 58) /* of a peer: microseconds to 11104 */
#define NPRI_TOKEN_BASE_MAX        (UINT64_C(1) << 59) /* what tokens may be counted from */
#define NPRI_TOKEN_RANGE           (UINT64_C(1) << 24) /* tokens that a node may give in one view */
#define NPRI_RESTARTS_MAX          1000u               /* of one key within its window */
#define NPRI_START_NS_MAX          (UINT64_C(60000000000)) /* without a report: it is given up */
#define NPRI_TURNS_MAX             512u  /* requests that are routed in one step */
#define NPRI_TIMERS_MAX            2048u /* what is due by its time, and done in one step */
#define NPRI_NAMED_NODES_MAX                                                                       \
    256u /* of them, those that have only been named, or only written to                           \
          */

/* Entries elsewhere, and registering them. */
#define NPRI_PUSH_WINDOW_BYTES      (1u << 20)          /* told to their owner and not read yet */
#define NPRI_CASTS_BYTES_MAX        ((size_t)128 << 20) /* registrations that nobody waits for */
#define NPRI_CLAIM_MS_MAX           86400000u /* that a peer's registration may wait here */
#define NPRI_CLAIMS_BYTES_MAX       ((size_t)64 << 20) /* those of one peer that wait here; */
#define NPRI_CLAIMS_ASKED_BYTES_MAX ((size_t)32 << 20) /* ours that one owner has not answered */
#define NPRI_CONFLICTS_MAX          1000u              /* that are remembered; */
#define NPRI_CONFLICT_KEY_BYTES_MAX 1024u              /* of a key's text there */
#define NPRI_HANDOVERS_MAX          16u         /* keys of a drained node that are moved at once; */
#define NPRI_STATE_BYTES_MAX        (16u << 20) /* the state of one of them */

/* Subscriptions of one peer here, and those of them that are not to one key only. */
#define NPRI_FEEDS_MAX              16384u
#define NPRI_FEEDS_WIDE_MAX         256u
#define NPRI_FEEDS_SELECT_BYTES_MAX ((size_t)8 << 20)  /* of their selectors */
#define NPRI_FEED_WINDOW_BYTES      (1u << 20)         /* told to a peer and not read yet */
#define NPRI_FEED_PIECE_BYTES       ((size_t)64 << 10) /* of entries, in one message */
#define NPRI_WORK_ITEMS_MAX         4096u              /* entries taken back at one step */
#define NPRI_NEWS_WAITING_MAX       65536u /* for this node's subscribers, after one step */

/* Calls that are passed on (relay.h): a longer one stays as it is, and is answered directly. */
#define NPRI_RELAYED_TAG_BYTES_MAX 1024u

/* What peers are told of processes. */
#define NPRI_SURVEYS_MAX        8u      /* at once */
#define NPRI_PROCESSES_TOLD_MAX 10000u  /* in one answer: their figures; */
#define NPRI_PIDS_TOLD_MAX      100000u /* only their pids */
#define NPRI_RELATIONS_TOLD_MAX 100000u /* links and monitors of one process */
#define NPRI_KEYS_TOLD_MAX      100u    /* of one process; among others */
#define NPRI_KEYS_LISTED_MAX    3u      /* this many */

/* Commands. */
#define NPRI_COMMAND_ARGS_MAX      256u
#define NPRI_COMMAND_STARTING_MAX  32u         /* children of one command that have not answered */
#define NPRI_COMMAND_TURN_MS       45000u      /* that a start waits until so few are left */
#define NPRI_COMMAND_OUTPUT_BYTES  (64u << 10) /* of a child, read and not acted on */
#define NPRI_COMMAND_ERRORS_BYTES  (64u << 10) /* of a child's standard error, each 100 ms */
#define NPRI_COMMAND_LINE_BYTES    400u        /* of a line of it in the log */
#define NPRI_COMMAND_MESSAGE_BYTES (64u << 20) /* the most that a declaration may allow */

_Static_assert(NPRI_HANDSHAKE_FRAME_MAX <= 0xffff, "handshake frames have 2-byte lengths");
_Static_assert(NPRI_EPMD_MESSAGE_MAX <= 0xffff, "epmd requests have 2-byte lengths");
_Static_assert(NPRI_KEY_BYTES_MAX < NPRI_TERM_BYTES_MAX, "a key is a term");
_Static_assert(4 * NPRI_KEY_BYTES_MAX <= NPRI_FEED_WINDOW_BYTES, "any entry fits an open window");
_Static_assert(4 * NPRI_KEY_BYTES_MAX <= NPRI_PUSH_WINDOW_BYTES, "likewise");
_Static_assert(UINT64_C(1000000) * NPRI_COMMAND_TURN_MS < NPRI_START_NS_MAX,
               "whoever waits for a turn is told before the start is given up");

#endif /* NPRI_BASE_LIMITS_H */

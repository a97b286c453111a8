/* dist/flags.h - distribution capability flags (erl_dist_protocol, "Distribution Flags"). */
#ifndef NPRI_DIST_FLAGS_H
#define NPRI_DIST_FLAGS_H

#include <stdint.h>

#define NPRI_FLAG_PUBLISHED           UINT64_C(0x1)
#define NPRI_FLAG_EXTENDED_REFERENCES UINT64_C(0x4)
#define NPRI_FLAG_DIST_MONITOR        UINT64_C(0x8)
#define NPRI_FLAG_FUN_TAGS            UINT64_C(0x10)
#define NPRI_FLAG_DIST_MONITOR_NAME   UINT64_C(0x20)
#define NPRI_FLAG_NEW_FUN_TAGS        UINT64_C(0x80)
#define NPRI_FLAG_EXTENDED_PIDS_PORTS UINT64_C(0x100)
#define NPRI_FLAG_EXPORT_PTR_TAG      UINT64_C(0x200)
#define NPRI_FLAG_BIT_BINARIES        UINT64_C(0x400)
#define NPRI_FLAG_NEW_FLOATS          UINT64_C(0x800)
#define NPRI_FLAG_UNICODE_IO          UINT64_C(0x1000)
#define NPRI_FLAG_DIST_HDR_ATOM_CACHE UINT64_C(0x2000)
#define NPRI_FLAG_SMALL_ATOM_TAGS     UINT64_C(0x4000)
#define NPRI_FLAG_UTF8_ATOMS          UINT64_C(0x10000)
#define NPRI_FLAG_MAP_TAG             UINT64_C(0x20000)
#define NPRI_FLAG_BIG_CREATION        UINT64_C(0x40000)
#define NPRI_FLAG_SEND_SENDER         UINT64_C(0x80000)
#define NPRI_FLAG_BIG_SEQTRACE_LABELS UINT64_C(0x100000)
#define NPRI_FLAG_EXIT_PAYLOAD        UINT64_C(0x400000)
#define NPRI_FLAG_FRAGMENTS           UINT64_C(0x800000)
#define NPRI_FLAG_HANDSHAKE_23        UINT64_C(0x1000000)
#define NPRI_FLAG_UNLINK_ID           UINT64_C(0x2000000)
#define NPRI_FLAG_MANDATORY_25_DIGEST UINT64_C(0x4000000)
#define NPRI_FLAG_SPAWN               (UINT64_C(1) << 32)
#define NPRI_FLAG_NAME_ME             (UINT64_C(2) << 32)
#define NPRI_FLAG_V4_NC               (UINT64_C(4) << 32)
#define NPRI_FLAG_ALIAS               (UINT64_C(8) << 32)

/* What an OTP 25 node requires of us, and what we require of a peer (the digest bit stands for it).
 */
#define NPRI_FLAGS_MANDATORY                                                                       \
    (NPRI_FLAG_EXTENDED_REFERENCES | NPRI_FLAG_FUN_TAGS | NPRI_FLAG_NEW_FUN_TAGS |                 \
     NPRI_FLAG_EXTENDED_PIDS_PORTS | NPRI_FLAG_EXPORT_PTR_TAG | NPRI_FLAG_BIT_BINARIES |           \
     NPRI_FLAG_NEW_FLOATS | NPRI_FLAG_UTF8_ATOMS | NPRI_FLAG_MAP_TAG | NPRI_FLAG_BIG_CREATION |    \
     NPRI_FLAG_HANDSHAKE_23)

/* What a hidden native node offers. */
#define NPRI_FLAGS_OFFERED                                                                         \
    (NPRI_FLAGS_MANDATORY | NPRI_FLAG_DIST_MONITOR | NPRI_FLAG_DIST_MONITOR_NAME |                 \
     NPRI_FLAG_UNICODE_IO | NPRI_FLAG_SMALL_ATOM_TAGS | NPRI_FLAG_SEND_SENDER |                    \
     NPRI_FLAG_BIG_SEQTRACE_LABELS | NPRI_FLAG_EXIT_PAYLOAD | NPRI_FLAG_FRAGMENTS |                \
     NPRI_FLAG_UNLINK_ID | NPRI_FLAG_MANDATORY_25_DIGEST | NPRI_FLAG_SPAWN | NPRI_FLAG_V4_NC |     \
     NPRI_FLAG_ALIAS)

#endif /* NPRI_DIST_FLAGS_H */

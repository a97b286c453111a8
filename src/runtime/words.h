/* runtime/words.h - the atoms that the runtime itself writes, as terms in static memory: what must
 * be said when there is no memory left to say it in. */
#ifndef NPRI_RUNTIME_WORDS_H
#define NPRI_RUNTIME_WORDS_H

#include "nprocreg/term.h"

/* SMALL_ATOM_UTF8_EXT: `size` is the length of `text` as an escaped character. */
#define NPRI_WORD(size_char, text)                                                                 \
    ((struct npr_term){.data = (const uint8_t *)("\x77" size_char text),                           \
                       .size = sizeof("\x77" size_char text) - 1})

#define NPRI_WORD_EXIT         NPRI_WORD("\x04", "EXIT")
#define NPRI_WORD_DOWN         NPRI_WORD("\x04", "DOWN")
#define NPRI_WORD_GEN_CALL     NPRI_WORD("\x09", "$gen_call")
#define NPRI_WORD_IO_REPLY     NPRI_WORD("\x08", "io_reply")
#define NPRI_WORD_KILLED       NPRI_WORD("\x06", "killed")
#define NPRI_WORD_NOCONNECTION NPRI_WORD("\x0c", "noconnection")
#define NPRI_WORD_NOPROC       NPRI_WORD("\x06", "noproc")
#define NPRI_WORD_NORMAL       NPRI_WORD("\x06", "normal")
#define NPRI_WORD_OK           NPRI_WORD("\x02", "ok")
#define NPRI_WORD_OPAQUE       NPRI_WORD("\x06", "opaque")
#define NPRI_WORD_PROCESS      NPRI_WORD("\x07", "process")
#define NPRI_WORD_SHUTDOWN     NPRI_WORD("\x08", "shutdown")

/* {error,unknown} and {error,enotsup}. */
#define NPRI_WORD_ERROR_UNKNOWN                                                                    \
    ((struct npr_term){.data = (const uint8_t *)"\x68\x02\x77\x05"                                 \
                                                "error\x77\x07unknown",                            \
                       .size = 18})
#define NPRI_WORD_ERROR_ENOTSUP                                                                    \
    ((struct npr_term){.data = (const uint8_t *)"\x68\x02\x77\x05"                                 \
                                                "error\x77\x07"                                    \
                                                "enotsup",                                         \
                       .size = 18})

#define NPRI_WORD_ERROR_OVERLOAD                                                                   \
    ((struct npr_term){.data = (const uint8_t *)"\x68\x02\x77\x05"                                 \
                                                "error\x77\x08overload",                           \
                       .size = 19})

/* {shutdown,{nprocreg,moved}} and {nprocreg,handover,failed}. */
#define NPRI_WORD_SHUTDOWN_MOVED                                                                   \
    ((struct npr_term){.data = (const uint8_t *)"\x68\x02\x77\x08shutdown\x68\x02\x77\x08"         \
                                                "nprocreg\x77\x05moved",                           \
                       .size = 31})
#define NPRI_WORD_HANDOVER_FAILED                                                                  \
    ((struct npr_term){.data = (const uint8_t *)"\x68\x03\x77\x08nprocreg\x77\x08handover"         \
                                                "\x77\x06"                                         \
                                                "failed",                                          \
                       .size = 30})

#endif /* NPRI_RUNTIME_WORDS_H */

/* base/assert.h - checks of our own reasoning.  On in every build.
 *
 * Only a mistake of this program's may fail one: bytes from a peer, a file or a caller get a status
 * instead (the fuzzers hold us to it). */
#ifndef NPRI_BASE_ASSERT_H
#define NPRI_BASE_ASSERT_H

/* Prints the place and the text, and aborts. */
_Noreturn void npri_assert_failed(const char *file, int line, const char *text);

#define NPRI_ASSERT(condition)                                                                     \
    ((condition) ? (void)0 : npri_assert_failed(__FILE__, __LINE__, #condition))

#endif /* NPRI_BASE_ASSERT_H */

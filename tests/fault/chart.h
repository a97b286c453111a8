/* chart.h - availability over time as a picture (SVG): calls answered and failed in each second,
 * the longest one, and what was done to the nodes meanwhile. */
#ifndef NPRI_TESTS_FAULT_CHART_H
#define NPRI_TESTS_FAULT_CHART_H

#include "book.h"

#define CHART_MARKS_MAX 256

/* Something that was done, from then to then. */
struct chart_mark {
    uint64_t from_ns;
    uint64_t to_ns;
    char label[32];
};

/* False: the file cannot be written. */
bool chart_write(const char *path,
                 const char *title,
                 const struct book *book,
                 const struct chart_mark *marks,
                 size_t marks_count);

#endif /* NPRI_TESTS_FAULT_CHART_H */

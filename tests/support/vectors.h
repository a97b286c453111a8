/* support/vectors.h - lines of the tab-separated files in tests/data. */
#ifndef NPRI_SUPPORT_VECTORS_H
#define NPRI_SUPPORT_VECTORS_H

#include <stddef.h>

/* More than any vector decodes to. */
#define VECTOR_BYTES_MAX  65536u

#define VECTOR_FIELDS_MAX 8

/* Calls `each` with the fields of every line of tests/data/`name` but comments ("# " in front; "#{"
 * is a map), and returns how many there were.  Fails the case when a line has fewer than
 * `fields_min`; fields that a line lacks are "".  The fields may be changed. */
size_t vectors_each(const char *name, size_t fields_min, void (*each)(char **fields));

#endif /* NPRI_SUPPORT_VECTORS_H */

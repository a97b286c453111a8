/* runtime/yield.h - where another thread may come in between, outside of locks: for the systematic
 * test (tests/runtime/serial.h), which runs one thread at a time and decides there which.  Nothing,
 * unless built with NPROCREG_SYSTEMATIC. */
#ifndef NPRI_RUNTIME_YIELD_H
#define NPRI_RUNTIME_YIELD_H

#ifdef NPROCREG_SYSTEMATIC
void npri_yield_point(void);
#else
static inline void npri_yield_point(void)
{
}
#endif

#endif /* NPRI_RUNTIME_YIELD_H */

/* fault.c - failing the k-th allocation or system call in tests. */
#include "base/fault.h"

#ifdef SHOAL_FAULT

static _Thread_local struct {
    long left;
    bool armed, fired;
} faults[SH_FAULT_COUNT];

bool sh_fault_hit(enum sh_fault_kind kind)
{
    if (!faults[kind].armed || faults[kind].left-- > 0) return false;
    faults[kind].armed = false;
    faults[kind].fired = true;
    return true;
}

void sh_fault_arm(enum sh_fault_kind kind, long k)
{
    faults[kind].left = k;
    faults[kind].armed = k >= 0;
    faults[kind].fired = false;
}

bool sh_fault_fired(enum sh_fault_kind kind) { return faults[kind].fired; }

#else
typedef int sh_fault_c_is_empty_without_SHOAL_FAULT;
#endif

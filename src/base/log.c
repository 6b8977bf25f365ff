/* log.c - one line per event. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void sh_logf(const sh_log *log, enum sh_log_level level, const char *fmt, ...)
{
    if (!log || !log->write || level > log->max_level) return;
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    log->write(log->ud, level, line);
}
